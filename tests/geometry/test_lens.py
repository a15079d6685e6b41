"""Lenses as algebra: project undoes rays, in both libraries, for every lens that is registered."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from panodepth.geometry.lens import ERP, Lens, Pinhole, View, pixel_centres
from panodepth.geometry.lenses import (
    KB4,
    LENSES,
    BrownConrady,
    Cubemap,
    DualFisheye,
    EquisolidFisheye,
    ERPPart,
    OrthographicFisheye,
    StereographicFisheye,
)
from panodepth.geometry.lenses.cube import CUBE_FACES, CubeFace
from panodepth.geometry.lenses.cubemap import LAYOUTS
from panodepth.geometry.lenses.fisheyes import EquidistantFisheye
from panodepth.geometry.resampling import resample
from panodepth.geometry.rotation import random_rotation, rotate_vectors

properties = settings(deadline=None, max_examples=30, derandomize=True)
seeds = st.integers(0, 2**32 - 1)
SIZE = (48, 64)
BOTH = pytest.mark.parametrize("dtype", [np.float32, np.float64, torch.float32, torch.float64])

# Every registered lens, in a usual and an awkward form.
EXAMPLES: dict[str, list[Lens]] = {
    "erp": [ERP()],
    "erp_part": [ERPPart(5, -1.2, 0.9, 2.5), ERPPart()],
    "pinhole": [Pinhole.from_fov(1.6, SIZE), Pinhole(30, 41, 3.2, 40.9)],
    "brown_conrady": [
        BrownConrady(40, 41, 31, 25, -0.28, 0.07, 0.002, -0.001, -0.006),
        BrownConrady(30, 30, 32, 24, 0.1, 0.02, 0.0, 0.0),
    ],
    "cube_face": [CubeFace(face) for face in CUBE_FACES],
    "equidistant": [EquidistantFisheye.from_fov(3.6, SIZE), EquidistantFisheye(9, 8, 30, 20, 6.2)],
    "equisolid": [EquisolidFisheye.from_fov(3.6, SIZE), EquisolidFisheye(15, 14, 30, 20, 5.8)],
    "stereographic": [StereographicFisheye.from_fov(4, SIZE), StereographicFisheye(16, 12, 30, 20)],
    "orthographic": [
        OrthographicFisheye.from_fov(3, SIZE),
        OrthographicFisheye(27, 28, 30, 20, 2.4),
    ],
    "kb4": [KB4(19, 18, 33, 22, 3.3, 0.05, -0.01, 0.002, -1e-4), KB4(17, 17, 32, 24, 3, -0.03)],
    "cubemap": [*map(Cubemap, LAYOUTS), Cubemap("3x2", "fbudlr", "012301")],
    "dual_fisheye": [  # without an overlap: where both see a ray, one pixel of two is projected to
        DualFisheye.from_fov(math.pi, SIZE),
        DualFisheye.from_fov(2.9, SIZE, EquisolidFisheye, yaw_rad=3.1, pitch_rad=0.1, roll_rad=0.3),
    ],
}
ALL = [lens for kind in EXAMPLES.values() for lens in kind]
LENS = pytest.mark.parametrize("lens", ALL, ids=str)


def as_numpy(array: Any) -> Any:
    return array.numpy() if isinstance(array, Tensor) else array


def test_every_registered_lens_is_tested_here() -> None:
    assert set(EXAMPLES) == set(LENSES)
    for name, lenses in EXAMPLES.items():
        assert all(type(lens) is LENSES[name] for lens in lenses)


@LENS
@BOTH
def test_projected_rays_are_the_pixel_centres(lens: Lens, dtype: Any) -> None:
    rays = lens.rays(SIZE, dtype=dtype)
    assert rays.dtype == dtype
    pixels, valid = lens.project(rays, SIZE)
    assert pixels.dtype == dtype
    length = as_numpy((rays * rays).sum(-1)) ** 0.5
    sees = as_numpy(valid)
    np.testing.assert_array_equal(sees, length > 0.5)
    np.testing.assert_allclose(length[sees], 1, atol=1e-6)
    expected = as_numpy(pixel_centres(SIZE, dtype=dtype))
    atol = 2e-3 if as_numpy(rays).dtype == np.float32 else 1e-9
    np.testing.assert_allclose(as_numpy(pixels)[sees], expected[sees], atol=atol)
    assert sees.mean() > 0.45  # of a cross: half


@LENS
@properties
@given(seeds)
def test_unprojected_pixels_are_the_rays(lens: Lens, seed: int) -> None:
    """project ∘ unproject ∘ project = project for any ray, of any length."""
    generator = np.random.default_rng(seed)
    rays = generator.standard_normal((50, 3))
    pixels, valid = lens.project(rays, SIZE)
    assert np.isfinite(pixels).all()
    back = lens.unproject(pixels, SIZE)[valid]
    unit = rays[valid] / np.linalg.norm(rays[valid], axis=-1, keepdims=True)
    np.testing.assert_allclose(back, unit, atol=1e-9)
    stretched, same = lens.project(rays * generator.uniform(0.1, 9, (50, 1)), SIZE)
    np.testing.assert_array_equal(same, valid)
    np.testing.assert_allclose(stretched[valid], pixels[valid], atol=1e-9)


@LENS
def test_numpy_and_torch_agree(lens: Lens) -> None:
    """To 1e-6 in float32: a lens has one formula."""
    rays = lens.rays(SIZE)
    twin = lens.rays(SIZE, dtype=torch.float32)
    np.testing.assert_allclose(rays, twin.numpy(), atol=1e-6)
    pixels, valid = lens.project(rays.astype(np.float64), SIZE)
    theirs, seen = lens.project(torch.from_numpy(rays).double(), SIZE)
    np.testing.assert_allclose(pixels, theirs.numpy(), atol=1e-6)
    np.testing.assert_array_equal(valid, seen.numpy())


@LENS
def test_offsets_move_within_the_pixel(lens: Lens) -> None:
    moved = lens.rays(SIZE, offset=(0.25, -0.4), dtype=np.float64)
    pixels, valid = lens.project(moved, SIZE)
    expected = pixel_centres(SIZE, dtype=np.float64) + [0.25, -0.4]
    np.testing.assert_allclose(pixels[valid], expected[valid], atol=1e-9)


@LENS
def test_a_ray_of_length_zero_is_seen_by_nobody(lens: Lens) -> None:
    pixels, valid = lens.project(np.zeros((1, 3)), SIZE)
    assert not valid.any()
    assert np.isfinite(pixels).all()


@LENS
@properties
@given(seeds)
def test_turning_twice_is_turning_by_the_product(lens: Lens, seed: int) -> None:
    a, b = random_rotation(2, np.random.default_rng(seed))
    once = View(lens, (6, 8), a @ b).rays(dtype=np.float64)
    twice = rotate_vectors(a, View(lens, (6, 8), b).rays(dtype=np.float64))
    np.testing.assert_allclose(once, twice, atol=1e-12)
    plain = View(lens, (6, 8), np.eye(3)).rays(dtype=np.float64)
    np.testing.assert_array_equal(plain, View(lens, (6, 8)).rays(dtype=np.float64))


@LENS
@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_resampling_in_place_changes_nothing(lens: Lens, kind: str) -> None:
    image = np.random.default_rng(0).random((2, *SIZE)).astype(np.float32)
    given = image if kind == "numpy" else torch.from_numpy(image)
    for mode, atol in (("nearest", 0), ("bilinear", 0.02 if kind == "numpy" else 1e-3)):
        same, valid = resample(given, lens, View(lens, SIZE), mode=mode)  # type: ignore[arg-type]
        seen = as_numpy(valid)
        np.testing.assert_allclose(as_numpy(same)[:, seen], image[:, seen], atol=atol)
        assert (as_numpy(same)[:, ~seen] == 0).all()


ROUND_TRIPS: dict[str, tuple[Lens, tuple[int, int]]] = {
    "erp": (ERP(), (384, 768)),
    "erp_part": (ERPPart(4, -1, 1.2, 3), (384, 700)),
    "pinhole": (Pinhole.from_fov(math.radians(80), (300, 400)), (300, 400)),
    "brown_conrady": (BrownConrady(300, 305, 210, 140, -0.25, 0.08, 0.001, 0.002), (300, 400)),
    "cube_face": (CubeFace("left"), (256, 256)),
    "equidistant": (EquidistantFisheye.from_fov(math.radians(190), (512, 600)), (512, 600)),
    "equisolid": (EquisolidFisheye.from_fov(math.radians(220), (512, 512)), (512, 512)),
    "stereographic": (StereographicFisheye.from_fov(math.radians(220), (600, 600)), (600, 600)),
    "orthographic": (OrthographicFisheye.from_fov(math.radians(140), (512, 512)), (512, 512)),
    "kb4": (KB4(160, 160, 256, 256, 3, 0.05, -0.01, 0.002), (512, 512)),
    "cubemap": (Cubemap("eac"), (516, 768)),
    "dual_fisheye": (DualFisheye.from_fov(math.radians(200), (512, 1024)), (512, 1024)),
}


@pytest.mark.parametrize("name", LENSES)
@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_round_trips_from_a_panorama(
    name: str, kind: str, ray_image: Tensor, error_px: Callable[..., Tensor]
) -> None:
    """Panorama -> lens -> panorama, turned: under 0.05 px of the panorama in the mean."""
    lens, size = ROUND_TRIPS[name]
    turn = random_rotation(1, np.random.default_rng(3))[0]
    image = ray_image.numpy() if kind == "numpy" else ray_image
    picture, seen = resample(image, ERP(), View(lens, size, turn))
    back, covered = resample(picture, lens, View(ERP(), (512, 1024), turn.T))
    pictured = torch.as_tensor(np.asarray(picture)).movedim(0, -1)
    rays = torch.as_tensor(View(lens, size, turn).rays())
    there = error_px(pictured, rays, 1024)[torch.as_tensor(np.asarray(seen))]
    again = error_px(
        torch.as_tensor(np.asarray(back)).movedim(0, -1), ray_image.movedim(0, -1), 1024
    )[torch.as_tensor(np.asarray(covered))]
    assert there.mean() < (0.02 if kind == "numpy" else 0.002)  # OpenCV: coordinates to 1/32 px
    assert again.mean() < 0.05
    assert covered.any()


class TestPinhole:
    fovs = st.floats(0.2, 2.8)

    @properties
    @given(fovs, fovs, st.integers(1, 50), st.integers(1, 50))
    def test_field_of_view_and_intrinsics(self, x_fov: float, y_fov: float, h: int, w: int) -> None:
        lens = Pinhole.from_fov(x_fov, (h, w), y_fov_rad=y_fov)
        np.testing.assert_allclose(lens.fov_rad((h, w)), (x_fov, y_fov))
        again = Pinhole.from_matrix(lens.matrix())
        assert again == lens
        assert again.rays((h, w)).dtype == again.ray_lengths((h, w)).dtype == np.float32
        batch = Pinhole.from_fov(torch.tensor([x_fov, y_fov]).double(), (h, w))
        assert batch.matrix().shape == (2, 3, 3)
        across = Pinhole.from_matrix(batch.matrix()).fov_rad((h, w))[0]
        torch.testing.assert_close(across, torch.tensor([x_fov, y_fov]).double())
        assert torch.equal(batch.matrix()[:, 0, 0], batch.matrix()[:, 1, 1])

    def test_field_of_view_off_centre(self) -> None:
        """Principal point in the left edge: the view spans 0 to 45 degrees."""
        lens = Pinhole(10, 10, 0, 5)
        assert math.degrees(lens.fov_rad((10, 10))[0]) == pytest.approx(45)
        assert lens.rays((10, 10))[0, 0, 0] > 0

    def test_the_border_of_a_right_angled_view_is_at_45_degrees(self) -> None:
        edge = Pinhole.from_fov(math.pi / 2, (3, 3)).rays((3, 3), offset=(0.5, 0.0))[1, 2]
        np.testing.assert_allclose(edge, [0.5**0.5, 0, 0.5**0.5], atol=1e-6)

    def test_a_lens_per_view(self) -> None:
        """Numbers (2, 1) go with maps (2, 3, h, w, ·)."""
        fov = torch.tensor([[1.0], [2.0]]).double()
        lens = Pinhole.from_fov(fov, (5, 6))
        rays = lens.rays((5, 6), dtype=torch.float64)
        assert rays.shape == (2, 1, 5, 6, 3)
        pixels, valid = lens.project(rays.expand(2, 3, 5, 6, 3), (5, 6))
        torch.testing.assert_close(
            pixels, pixel_centres((5, 6), dtype=torch.float64).expand(2, 3, 5, 6, 2)
        )
        assert valid.all()
        for i in range(2):
            alone = Pinhole.from_fov(float(fov[i]), (5, 6)).rays((5, 6), dtype=torch.float64)
            torch.testing.assert_close(rays[i, 0], alone)


class TestRadial:
    @pytest.mark.parametrize("fov_deg", [100, 180, 202, 350])
    def test_the_circle_touches_the_nearer_edges(self, fov_deg: float) -> None:
        lens = EquidistantFisheye.from_fov(math.radians(fov_deg), SIZE)
        half = math.radians(fov_deg) / 2
        for sign in (1, -1):
            inside = np.array([[0, sign * math.sin(half - 1e-6), math.cos(half - 1e-6)]])
            pixels, valid = lens.project(inside, SIZE)
            assert valid.all()
            np.testing.assert_allclose(pixels[0], [32, 24 + sign * 24], atol=1e-3)
            outside = np.array([[0, sign * math.sin(half + 1e-6), math.cos(half + 1e-6)]])
            assert not lens.project(outside, SIZE)[1].any()
        corner = lens.rays(SIZE)[0, 0]
        assert (corner == 0).all()

    def test_equal_angles_are_equally_long(self) -> None:
        theta = np.linspace(0, 1.5, 7)
        lens = EquidistantFisheye(100, 100, 0, 0)
        rays = np.stack((np.sin(theta), 0 * theta, np.cos(theta)), -1)
        np.testing.assert_allclose(lens.project(rays, (9, 999))[0][:, 0], 100 * theta, atol=1e-9)

    def test_gradients_are_finite_on_the_axis(self) -> None:
        lens = EquidistantFisheye(10, 10, 2.5, 2.5)
        rays = torch.tensor([[0.0, 0, 1], [0, 0, -1], [0.1, 0, 1]], requires_grad=True)
        lens.project(rays, (5, 5))[0].sum().backward()
        assert rays.grad is not None
        assert rays.grad.isfinite().all()


def test_cube_faces_hold_the_sphere_once() -> None:
    """Every direction is seen by one face, but for those along the cube's edges."""
    rays = np.random.default_rng(0).standard_normal((2000, 3))
    seen = sum(CubeFace(face).project(rays, (8, 8))[1].astype(int) for face in CUBE_FACES)
    assert (seen == 1).all()
