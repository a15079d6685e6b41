"""NumPy against torch: one formula gives one result, and the fast routes give the clear one's."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from panodepth.geometry import resizing
from panodepth.geometry.grid import axis_angles, erp_rays, solid_angles
from panodepth.geometry.point_bands import lonlat_points, point_bands
from panodepth.geometry.points import distance_to_normals, distance_to_points, points_to_normals
from panodepth.geometry.resizing import resize_erp

SIZES = [(1, 2), (2, 3), (7, 14), (16, 33), (90, 180), (128, 256)]


def bumpy(height: int, width: int, seed: int = 0) -> np.ndarray:
    """(H, W) float32 distance with steps and smooth parts, 0.2 to 20."""
    rng = np.random.default_rng(seed)
    smooth = np.exp(rng.normal(0, 0.02, (height, width)))
    steps = np.where(rng.random((height, width)) < 0.2, rng.uniform(0.2, 20), 3.0)
    return (smooth * steps).astype(np.float32)


@pytest.mark.parametrize("size", SIZES)
def test_rays_and_solid_angles(size: tuple[int, int]) -> None:
    for ours, theirs in ((np.float32, torch.float32), (np.float64, torch.float64)):
        rays = erp_rays(*size, dtype=ours)
        assert rays.dtype == ours
        np.testing.assert_allclose(rays, erp_rays(*size, dtype=theirs).numpy(), atol=2e-7)
    areas = solid_angles(*size)
    np.testing.assert_allclose(areas, solid_angles(*size, dtype=torch.float64).numpy())
    assert areas.sum() * size[1] == pytest.approx(4 * math.pi)


@pytest.mark.parametrize("size", SIZES)
def test_points(size: tuple[int, int]) -> None:
    distance = bumpy(*size)
    points = distance_to_points(distance)
    assert points.dtype == np.float32
    expected = distance_to_points(torch.from_numpy(distance)).numpy()
    np.testing.assert_allclose(points, expected, rtol=1e-6, atol=1e-6)
    both = distance_to_points(np.stack((distance, 2 * distance)))  # batches: the clear formula
    np.testing.assert_allclose(both[0], points, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(both[1], 2 * points, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("rows", [1, 5, 1000])
def test_points_in_bands(rows: int) -> None:
    distance = bumpy(16, 33)
    lon, lat = axis_angles(16, 33)
    for thin in (np.s_[:, :], np.s_[1::3, 2::5]):
        part = distance[thin], lon[thin[1]], lat[thin[0]]
        bands = [(band, planes.copy()) for band, planes in point_bands(*part, rows)]
        joined = np.concatenate([planes for _, planes in bands], axis=1)
        assert np.array_equal(joined.transpose(1, 2, 0), lonlat_points(*part))
        assert all(planes.shape[1] == band.stop - band.start <= rows for band, planes in bands)


@pytest.mark.parametrize("size", [(2, 4), (7, 14), (16, 34), (17, 33), (90, 180), (128, 256)])
@pytest.mark.parametrize("unit", [1e-4, 1.0, 1e4])
def test_normals(size: tuple[int, int], unit: float) -> None:
    distance = bumpy(*size).astype(np.float64) * unit
    expected = points_to_normals(distance_to_points(distance))
    theirs = distance_to_normals(torch.from_numpy(distance)).numpy()
    np.testing.assert_allclose(theirs, expected, atol=1e-9)
    ours = distance_to_normals(distance)
    single = distance_to_normals(distance.astype(np.float32))
    if size[1] % 2:  # half a turn is no whole column: distances are averaged there, not points
        ours, single, expected = ours[1:-1], single[1:-1], expected[1:-1]
    np.testing.assert_allclose(ours, expected, atol=1e-7)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, atol=2e-3)
    assert np.abs(single - expected).mean() < 2e-5


def test_normals_of_large_maps_take_several_bands() -> None:
    distance = bumpy(256, 1024).astype(np.float64)
    expected = distance_to_normals(torch.from_numpy(distance)).numpy()
    np.testing.assert_allclose(distance_to_normals(distance), expected, atol=1e-7)


def test_normals_of_extreme_ratios_are_unit_and_face_the_camera() -> None:
    rng = np.random.default_rng(1)
    distance = np.exp(rng.uniform(-8, 8, (48, 96))).astype(np.float32)
    normals = distance_to_normals(distance)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1, atol=1e-5)
    assert ((normals * erp_rays(48, 96)).sum(-1) <= 1e-6).all()


def test_rolling_rolls() -> None:
    distance = bumpy(32, 64).astype(np.float64)
    for function in (distance_to_normals, lambda d: resize_erp(d, (16, 32))):
        plain, rolled = function(distance), function(np.roll(distance, 20, 1))
        if plain.ndim == 2:
            np.testing.assert_allclose(rolled, np.roll(plain, 10, 1), atol=1e-12)
        else:
            turn = 2 * math.pi * 20 / 64
            x, y, z = np.moveaxis(np.roll(plain, 20, 1), -1, 0)
            turned = (x * math.cos(turn) + z * math.sin(turn), y)
            np.testing.assert_allclose(rolled[..., 0], turned[0], atol=1e-9)
            np.testing.assert_allclose(rolled[..., 1], turned[1], atol=1e-9)


RESIZES = [
    ((60, 120), (14, 28)),
    ((28, 56), (64, 128)),
    ((33, 67), (20, 90)),
    ((4, 8), (31, 17)),
    ((5, 7), (1, 1)),
    ((90, 180), (90, 60)),
    ((20, 40), (20, 40)),
]


@pytest.mark.parametrize(("before", "after"), RESIZES)
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("band_pixels", [1, 100, 1 << 16])
def test_resizing(
    before: tuple[int, int],
    after: tuple[int, int],
    antialias: bool,
    band_pixels: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resizing, "BAND_PIXELS", band_pixels)
    image = np.random.default_rng(0).random((3, *before)).astype(np.float32)
    kept = image.copy()
    tensor = torch.from_numpy(image)
    ours = resize_erp(image, after, antialias=antialias)
    expected = resize_erp(tensor, after, antialias=antialias).numpy()
    np.testing.assert_allclose(ours, expected, atol=1e-6)
    cut = resize_erp(image, after, antialias=antialias, edges="cut")
    plain = F.interpolate(
        tensor[None], after, mode="bilinear", align_corners=False, antialias=antialias
    )[0]
    np.testing.assert_allclose(cut, plain.numpy(), atol=2e-5)
    theirs = resize_erp(tensor, after, antialias=antialias, edges="cut").numpy()
    np.testing.assert_allclose(cut, theirs, atol=1e-6)
    np.testing.assert_array_equal(image, kept)


def test_sizes_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="0×4"):
        resize_erp(np.ones((2, 4), np.float32), (0, 4))
    with pytest.raises(ValueError, match="at least one"):
        erp_rays(0, 4)


def test_arrays_load_no_torch() -> None:
    """Neither do the functions themselves, when they are given arrays."""
    code = """
import sys
import numpy as np
from panodepth.geometry.lens import ERP, Pinhole, View
from panodepth.geometry.lenses import LENSES
from panodepth.geometry.points import distance_to_normals, distance_to_points
from panodepth.geometry.resampling import resample, rotate_erp
from panodepth.geometry import resizing
from panodepth.geometry.resizing import resize_erp
from panodepth.geometry.rotation import random_rotation, rotation_from_yaw_pitch_roll

image = np.random.default_rng(0).random((3, 8, 16), np.float32)
resize_erp(image, (5, 10))
distance_to_normals(image[0] + 1)
points = distance_to_points(image)
rotate_erp(image, random_rotation(1, np.random.default_rng(0))[0])
view = View(Pinhole.from_fov(1.0, (4, 5)), (4, 5), rotation_from_yaw_pitch_roll(1.0))
resample(image, ERP(), view, supersample=2)
sys.exit("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
