"""Rotations as algebra, and panoramas that turn with them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from panodepth.geometry.grid import erp_rays
from panodepth.geometry.points import distance_to_points
from panodepth.geometry.resampling import rotate_erp, rotate_erp_vectors
from panodepth.geometry.rotation import (
    quaternion_from_rotation,
    random_rotation,
    rotate_vectors,
    rotation_from_quaternion,
    rotation_from_yaw_pitch_roll,
    rotation_to_up,
)

properties = settings(deadline=None, max_examples=40, derandomize=True)
angles = st.floats(-math.pi, math.pi)
seeds = st.integers(0, 2**32 - 1)


def rotation(yaw: float, pitch: float, roll: float) -> Tensor:
    return rotation_from_yaw_pitch_roll(*torch.tensor([yaw, pitch, roll], dtype=torch.float64))


def one_random(seed: int) -> Tensor:
    return random_rotation(1, torch.Generator().manual_seed(seed), dtype=torch.float64)[0]


@properties
@given(angles, angles, angles)
def test_a_rotation_keeps_lengths_and_handedness(yaw: float, pitch: float, roll: float) -> None:
    r = rotation(yaw, pitch, roll)
    torch.testing.assert_close(r @ r.mT, torch.eye(3).double(), atol=1e-12, rtol=0)
    assert torch.linalg.det(r).item() == pytest.approx(1)


@properties
@given(seeds)
def test_a_rotation_as_a_quaternion_and_back(seed: int) -> None:
    r = one_random(seed).numpy()
    quaternion = quaternion_from_rotation(r)
    assert quaternion[0] >= 0
    assert np.linalg.norm(quaternion) == pytest.approx(1)
    np.testing.assert_allclose(rotation_from_quaternion(quaternion), r, atol=1e-12)


@properties
@given(angles, st.floats(0, math.pi) | st.floats(-16, -1).map(lambda e: math.pi - 10**e))
def test_the_least_rotation_to_an_up(turn: float, tilt: float) -> None:
    """Also where up points almost straight down."""
    out = math.sin(tilt)
    up = np.array([out * math.cos(turn), -math.cos(tilt), out * math.sin(turn)])
    r = rotation_to_up(up.tolist())
    np.testing.assert_allclose(r @ [0, -1, 0], up, atol=1e-12)
    np.testing.assert_allclose(r @ r.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(r) == pytest.approx(1)
    assert np.trace(r) == pytest.approx(1 + 2 * math.cos(tilt), abs=1e-12)  # no turn but the tilt


@pytest.mark.parametrize("axis", range(3))
def test_half_turns_have_quaternions_too(axis: int) -> None:
    r = -np.eye(3)
    r[axis, axis] = 1
    np.testing.assert_allclose(rotation_from_quaternion(quaternion_from_rotation(r)), r, atol=1e-12)


@properties
@given(angles, angles, angles)
def test_yaw_then_pitch_then_roll(yaw: float, pitch: float, roll: float) -> None:
    parts = rotation(yaw, 0, 0) @ rotation(0, pitch, 0) @ rotation(0, 0, roll)
    torch.testing.assert_close(rotation(yaw, pitch, roll), parts, atol=1e-12, rtol=0)


def test_signs_of_the_angles() -> None:
    """Yaw turns the view right (+x), pitch lifts it (-y), roll dips the right-hand side (+y)."""
    forward, right = torch.tensor([0, 0, 1.0]).double(), torch.tensor([1.0, 0, 0]).double()
    assert (rotation(0.3, 0, 0) @ forward)[0] > 0.29
    assert (rotation(0, 0.3, 0) @ forward)[1] < -0.29
    assert (rotation(0, 0, 0.3) @ right)[1] > 0.29


def test_floats_and_batches_of_angles() -> None:
    batch = rotation_from_yaw_pitch_roll(torch.zeros(4), torch.ones(2, 1), 0.5)
    assert batch.shape == (2, 4, 3, 3)
    alone = rotation_from_yaw_pitch_roll(0.0, 1.0, 0.5)
    assert isinstance(alone, np.ndarray)
    np.testing.assert_allclose(batch[1, 3], alone, atol=1e-7)


@properties
@given(angles, angles, angles)
def test_numpy_and_torch_agree(yaw: float, pitch: float, roll: float) -> None:
    ours, theirs = rotation_from_yaw_pitch_roll(yaw, pitch, roll), rotation(yaw, pitch, roll)
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-12)
    vectors = np.random.default_rng(0).random((4, 5, 3))
    turned = rotate_vectors(ours, vectors)
    np.testing.assert_allclose(turned, rotate_vectors(ours, torch.from_numpy(vectors)), atol=1e-12)
    np.testing.assert_allclose(turned, vectors @ ours.T, atol=1e-12)


def test_random_rotations_of_numpy_are_uniform_and_seeded() -> None:
    turns = random_rotation(300, np.random.default_rng(1))
    np.testing.assert_array_equal(turns, random_rotation(300, np.random.default_rng(1)))
    np.testing.assert_allclose(
        turns @ turns.swapaxes(1, 2), np.eye(3)[None].repeat(300, 0), atol=1e-9
    )
    assert (np.linalg.det(turns) > 0).all()
    assert np.abs(turns.mean(0)).max() < 0.17  # five standard errors


@properties
@given(seeds)
def test_quaternions(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    p, q = torch.randn(2, 4, generator=generator, dtype=torch.float64)
    product = torch.stack(
        (
            p[0] * q[0] - p[1:] @ q[1:],
            *(p[0] * q[1:] + q[0] * p[1:] + torch.linalg.cross(p[1:], q[1:])),
        )
    )
    both = rotation_from_quaternion(p) @ rotation_from_quaternion(q)
    torch.testing.assert_close(rotation_from_quaternion(product), both)
    torch.testing.assert_close(rotation_from_quaternion(-q), rotation_from_quaternion(q))


def test_random_rotations_are_uniform_and_seeded() -> None:
    n = 20_000
    r = random_rotation(n, torch.Generator().manual_seed(3))
    assert torch.equal(r, random_rotation(n, torch.Generator().manual_seed(3)))
    # Every entry of a uniform rotation has mean 0 and mean square 1/3; the angle θ has density
    # (1 - cos θ) / π on [0, π]: mean π/2 + 2/π. Bounds are five standard errors.
    assert r.mean(0).abs().max() < 5 * math.sqrt(1 / 3 / n)
    assert (r.square().mean(0) - 1 / 3).abs().max() < 5 * math.sqrt(4 / 45 / n)
    cosine = (r.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2
    theta = cosine.clamp(-1, 1).arccos()
    assert theta.mean().item() == pytest.approx(math.pi / 2 + 2 / math.pi, abs=5 * 0.65 / n**0.5)


@properties
@given(seeds)
def test_rotating_vectors_is_the_matrix_product(seed: int) -> None:
    r = one_random(seed)
    v = torch.randn(2, 4, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    expected = torch.einsum("ij,...j->...i", r, v)
    torch.testing.assert_close(rotate_vectors(r, v), expected)


def test_rotated_panorama_and_back(ray_image: Tensor, error_px: Callable[..., Tensor]) -> None:
    rays = ray_image.movedim(0, -1)
    r = random_rotation(2, torch.Generator().manual_seed(1))
    turned = rotate_erp(ray_image, r)
    there = error_px(turned.movedim(-3, -1), rotate_vectors(r, rays), 1024)
    back = error_px(rotate_erp(turned, r.mT).movedim(-3, -1), rays, 1024)
    assert there.mean() < 0.001
    assert there.max() < 0.005
    assert back.mean() < 0.001
    assert back.max() < 0.005


@properties
@given(st.integers(-40, 40), st.sampled_from(["bilinear", "nearest", "bicubic"]), seeds)
def test_yaw_by_whole_pixels_is_a_roll(columns: int, mode: str, seed: int) -> None:
    image = torch.rand(3, 8, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    turned = rotate_erp(image, rotation(2 * math.pi * columns / 20, 0, 0), mode=mode)
    torch.testing.assert_close(turned, image.roll(-columns, -1), atol=1e-9, rtol=0)


@properties
@given(st.sampled_from(["bilinear", "nearest", "bicubic"]), seeds)
def test_half_turns_about_the_other_axes_permute_pixels(mode: str, seed: int) -> None:
    image = torch.rand(3, 8, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    rolled_over = rotate_erp(image, rotation(0, 0, math.pi), mode=mode)
    torch.testing.assert_close(rolled_over, image.flip(-1, -2), atol=1e-9, rtol=0)
    looped = rotate_erp(image, rotation(0, math.pi, 0), mode=mode)
    torch.testing.assert_close(looped, image.flip(-1, -2).roll(10, -1), atol=1e-9, rtol=0)


def test_masks_keep_their_type() -> None:
    mask = torch.zeros(1, 8, 16, dtype=torch.bool)
    mask[..., 4, 8] = True
    turned = rotate_erp(mask, rotation(math.pi / 4, 0, 0).float(), mode="nearest")
    assert turned.dtype == torch.bool
    assert turned.nonzero().tolist() == [[0, 4, 6]]  # what was ahead is now to the left


def test_vectors_turn_with_the_panorama(error_px: Callable[..., Tensor]) -> None:
    """Points of a centred sphere stay on every pixel's own ray; a fixed direction becomes R^T d."""
    r = random_rotation(1, torch.Generator().manual_seed(5))[0]
    points = distance_to_points(torch.full((64, 128), 3.0))
    turned = rotate_erp_vectors(points, r)
    assert error_px(turned, erp_rays(64, 128, dtype=torch.float32), 128).max() < 0.01
    direction = torch.tensor([0.6, -0.8, 0.0])
    turned = rotate_erp_vectors(direction.expand(64, 128, 3), r)
    torch.testing.assert_close(turned, (r.mT @ direction).expand(64, 128, 3))
