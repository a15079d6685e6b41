"""Pictures of any lens: predicted as the panorama that they are a part of, and seen as before."""

from __future__ import annotations

import math
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.painted_world import PREDICTOR, error_percent, picture

from panodepth.errors import InputError
from panodepth.geometry.lens import ERP, Lens, Pinhole, View
from panodepth.geometry.lenses import (
    KB4,
    BrownConrady,
    Cubemap,
    DualFisheye,
    EquidistantFisheye,
    ERPPart,
    StereographicFisheye,
)
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.predict.lenses.choice import input_lens
from panodepth.predict.lenses.sphere import sphere_size
from panodepth.predict.options import PredictOptions

DEG = math.radians
LENSES: dict[str, tuple[Lens, tuple[int, int], dict[str, Any]]] = {
    "fisheye": (
        EquidistantFisheye.from_fov(DEG(200), (180, 200)),
        (180, 200),
        {"projection": "fisheye", "fov": (200.0,)},
    ),
    "stereographic": (
        StereographicFisheye(30, 30, 90, 80, DEG(220)),
        (180, 200),
        {
            "projection": "fisheye",
            "fisheye": "stereographic",
            "focal": (30.0,),
            "centre": (90.0, 80.0),
            "fov": (220.0,),
        },
    ),
    "circle": (
        EquidistantFisheye(70 / DEG(95), 70 / DEG(95), 90, 80, DEG(190)),
        (180, 200),
        {"projection": "fisheye", "fov": (190.0,), "circle": (90.0, 80.0, 70.0)},
    ),
    "kb4": (
        KB4(60, 61, 99, 92, DEG(180), 0.02, -0.003, 0.0, 0.0),
        (180, 200),
        {
            "projection": "fisheye",
            "fisheye": "kb4",
            "focal": (60.0, 61.0),
            "centre": (99.0, 92.0),
            "distortion": (0.02, -0.003, 0.0, 0.0),
        },
    ),
    "perspective": (
        Pinhole.from_fov(DEG(100), (120, 160)),
        (120, 160),
        {"projection": "perspective", "fov": (100.0,)},
    ),
    "focal": (
        Pinhole(90, 90, 70, 60),
        (120, 160),
        {"projection": "perspective", "focal": (90.0,), "centre": (70.0, 60.0)},
    ),
    "distorted": (
        BrownConrady(90, 91, 82, 60, -0.2, 0.03, 0.001, -0.002),
        (120, 160),
        {
            "projection": "perspective",
            "focal": (90.0, 91.0),
            "centre": (82.0, 60.0),
            "distortion": (-0.2, 0.03, 0.001, -0.002),
        },
    ),
    "cubemap": (Cubemap("3x2"), (128, 192), {"projection": "cubemap"}),
    "eac": (Cubemap("eac"), (128, 192), {"projection": "cubemap", "layout": "eac"}),
    "cross": (Cubemap("cross"), (180, 240), {"projection": "cubemap", "layout": "cross"}),
    "dual-fisheye": (
        DualFisheye.from_fov(DEG(190), (140, 280)),
        (140, 280),
        {"projection": "dual-fisheye"},
    ),
    "dual-kb4": (
        DualFisheye(
            KB4(40, 41, 69, 71, DEG(195), 0.02, -0.003),
            KB4(42, 42, 212, 70, DEG(195), 0.01, 0.001, -0.001, 0.0),
            DEG(179),
            DEG(1.5),
            DEG(-0.5),
        ),
        (140, 280),
        {
            "projection": "dual-fisheye",
            "fisheye": "kb4",
            "fov": (195.0,),
            "focal": (40.0, 41.0, 42.0, 42.0),
            "centre": (69.0, 71.0, 212.0, 70.0),
            "distortion": (0.02, -0.003, 0.0, 0.0, 0.01, 0.001, -0.001, 0.0),
            "turn": (179.0, 1.5, -0.5),
        },
    ),
    "strip": (
        ERPPart(2 * math.pi, -DEG(50), DEG(40)),
        (90, 360),
        {"top": 50.0, "bottom": -40.0},
    ),
    "part": (
        ERPPart(DEG(200), -DEG(40), DEG(40)),
        (120, 300),
        {"projection": "erp", "fov": (200.0, 80.0)},
    ),
}
NAMES = pytest.mark.parametrize("name", LENSES)


@NAMES
def test_what_the_lens_sees_is_predicted_as_in_the_panorama(name: str) -> None:
    lens, size, options = LENSES[name]
    image = picture(lens, size)
    found = PREDICTOR.predict(image, sky="none", **options)
    assert isinstance(found.lens, ERP)
    height, width = found.distance.shape
    assert width == 2 * height
    rays = ERP().rays((height, width))
    seen = lens.project(rays, size)[1]
    np.testing.assert_array_equal(found.mask, seen)
    assert np.isfinite(found.distance).all()
    assert found.distance.min() > 0
    assert error_percent(found.distance, rays, found.mask & (abs(rays[..., 1]) < 0.866)) < 0.4
    assert error_percent(found.distance, rays, found.mask) < 0.43  # the poles are smoothed
    same = PREDICTOR.predict(image, sky="none", lens=lens)
    np.testing.assert_allclose(same.distance, found.distance, rtol=1e-5)


@NAMES
def test_back_to_the_input(name: str) -> None:
    """The picture's own pixels, each with the distance along its own ray."""
    lens, size, options = LENSES[name]
    image = picture(lens, size)
    valid = np.ones(size, bool)
    valid[40:50] = False
    found = PREDICTOR.predict(image, valid, sky="none", out_projection="input", **options)
    assert found.distance.shape == size
    rays = found.lens.rays(size)
    np.testing.assert_allclose(rays, lens.rays(size), atol=1e-5)
    np.testing.assert_array_equal(found.image, np.rint(image * 255).astype(np.uint8))
    sees = rays.any(-1)
    assert not found.mask[~sees].any()
    assert not found.mask[40:50].any()
    assert found.mask[55:][sees[55:]].mean() > 0.97  # what is left out at its border is masked too
    assert error_percent(found.distance, rays, found.mask) < 0.4
    assert found.distance.min() > 0
    np.testing.assert_allclose(found.points, found.distance[..., None] * rays, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "lens", "size", "turn"),
    [
        ({"out_projection": "cubemap"}, Cubemap("3x2"), (128, 192), None),
        (
            {"out_projection": "perspective", "out_view": (30.0, 10.0), "out_size": (48, 80)},
            Pinhole.from_fov(DEG(90), (48, 80)),
            (48, 80),
            (DEG(30), DEG(10), 0.0),
        ),
        (
            {"out_projection": "fisheye", "out_fov": 220.0, "out_view": (-90.0,)},
            EquidistantFisheye.from_fov(DEG(220), (64, 64)),
            (64, 64),
            (-DEG(90), 0.0, 0.0),
        ),
    ],
)
def test_a_panorama_seen_through_another_lens(
    options: dict[str, Any], lens: Lens, size: tuple[int, int], turn: Any
) -> None:
    image = picture(ERP(), (128, 256))
    found = PREDICTOR.predict(image, sky="none", **options)
    assert found.lens == lens
    assert found.distance.shape == size
    view = View(lens, size, None if turn is None else rotation_from_yaw_pitch_roll(*turn))
    rays = view.rays()
    np.testing.assert_array_equal(found.mask, rays.any(-1))
    assert error_percent(found.distance, rays, found.mask) < 0.4
    shown = np.abs(found.image / 255 - picture(lens, size, view.rotation))[found.mask]
    assert shown.max() < 0.02
    level = found.points @ (np.eye(3) if view.rotation is None else view.rotation).T
    np.testing.assert_allclose(level, found.distance[..., None] * rays, atol=1e-5)
    if turn is None:
        assert found.up.tolist() == [0, -1, 0]
    else:
        np.testing.assert_allclose(view.rotation @ found.up, [0, -1, 0], atol=1e-12)


def test_normals_of_a_plane_seen_through_a_lens() -> None:
    from panodepth.types import Prediction

    lens, size = Pinhole.from_fov(DEG(90), (40, 60)), (40, 60)
    normal = np.array([0.2, -0.9, -0.3]) / np.linalg.norm([0.2, -0.9, -0.3])
    for each, shape in ((lens, size), (EquidistantFisheye(20, 20, 30, 20, DEG(150)), size)):
        rays = each.rays(shape)
        facing = rays @ normal
        hit = facing < -0.1
        distance = np.where(hit, -1 / np.where(hit, facing, -1), 5).astype(np.float32)
        image = np.zeros((*shape, 3), np.uint8)
        found = Prediction(distance, hit, image, lens=each).normals
        inside = hit.copy()  # neighbours too
        for axis in (0, 1):
            for step in (-1, 1):
                inside &= np.roll(hit, step, axis)
        assert inside.mean() > 0.15
        assert (found[inside] @ normal).min() > 0.999


@pytest.mark.parametrize("name", ["distorted", "dual-fisheye", "cubemap", "part"])
def test_what_is_known_counts_in_pixels_of_the_picture(name: str) -> None:
    lens, size, options = LENSES[name]
    v, u = size[0] // 2 + 3, size[1] // 2 + 9
    options = {**options, "out_projection": "input", "level": "none"}
    image = picture(lens, size)
    found = PREDICTOR.predict(image, sky="none", known_distance=(u + 0.5, v + 0.5, 7.0), **options)
    assert found.distance[v, u] == pytest.approx(7.0, rel=0.01)
    ends = (u + 0.5, v + 0.5, u - 19.5, v + 0.5)
    found = PREDICTOR.predict(image, sky="none", known_length=(*ends, 2.0), **options)
    length = np.linalg.norm(found.points[v, u] - found.points[v, u - 20])
    assert length == pytest.approx(2.0, rel=0.03)
    with pytest.raises(InputError, match="sees nothing there"):
        PREDICTOR.predict(image, sky="none", known_distance=(size[1] + 1, v, 7.0), **options)


@pytest.mark.parametrize("name", ["perspective", "fisheye"])
def test_every_format_of_a_picture_that_is_no_panorama(name: str, tmp_path: Path) -> None:
    """Clouds are of the pixels; a mesh is of the sphere that they are laid on."""
    import trimesh
    from plyfile import PlyData

    from panodepth.export import WRITERS

    lens, size, options = LENSES[name]
    options = {**options, "sky": "none", "out_projection": "input", "confidence": True}
    found = PREDICTOR.predict(picture(lens, size), **options).to_metres(scale=1.0)
    files = found.save(tmp_path, list(WRITERS), camera_height=1.6)
    assert len(files) > len(WRITERS)
    vertices = PlyData.read(tmp_path / "panorama_points.ply")["vertex"]
    points = np.stack([vertices[axis] for axis in "xyz"], -1)
    np.testing.assert_allclose(points, found.points[found.mask], rtol=1e-5)
    mesh = trimesh.load(tmp_path / "panorama.glb", force="mesh")
    length = np.linalg.norm(mesh.vertices, axis=-1)
    assert length.min() > 0.9 * found.distance[found.mask].min()
    assert length.max() < 1.1 * found.distance[found.mask].max()
    assert np.load(tmp_path / "panorama_distance.npz")["distance"].shape == size


def test_without_a_lens_nothing_changes() -> None:
    image = picture(ERP(), (90, 180))
    usual = PREDICTOR.predict(image, sky="none")
    for same in ({"projection": "erp"}, {"out_projection": "input"}, {"lens": ERP()}):
        found = PREDICTOR.predict(image, sky="none", **same)
        np.testing.assert_array_equal(found.distance, usual.distance)
        np.testing.assert_array_equal(found.image, usual.image)
    assert not PredictOptions().has_lens


@pytest.mark.parametrize("name", ["photo.insp", "photo.jpg"])
def test_an_unstitched_pair_is_refused_until_it_is_called_one(name: str, tmp_path: Path) -> None:
    from PIL import Image

    lens, size, options = LENSES["dual-fisheye"]
    image = picture(lens, size)
    image[lens.rays(size).any(-1), 1] = 0.5
    Image.fromarray(np.rint(image * 255).astype(np.uint8)).save(tmp_path / name, "JPEG", quality=99)
    with pytest.raises(InputError, match="use --projection dual-fisheye") as caught:
        PREDICTOR.predict(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    found = PREDICTOR.predict(tmp_path / name, sky="none", **options)
    rays = ERP().rays(found.distance.shape)  # type: ignore[arg-type]
    assert found.mask.all()  # 190° twice: the sphere, and more
    assert error_percent(found.distance, rays, found.mask) < 2


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The check of headers before a model is loaded takes the lens's shape for what it is."""
    from PIL import Image

    from panodepth.cli import main

    lens, size, _ = LENSES["fisheye"]
    image = np.rint(picture(lens, size) * 255).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    base = ["predict", str(tmp_path / "a.png"), "--out", str(tmp_path / "out"), "--format", "npz"]
    fisheye = ["--projection", "fisheye", "--fov", "200"]
    assert main([*base, *fisheye, "--out-projection", "input"]) == 0
    with np.load(tmp_path / "out/a_distance.npz") as npz:
        assert npz["distance"].shape == size
        assert '"EquidistantFisheye, pixel centres' in str(npz["meta"])
    capsys.readouterr()
    for wrong, code in (
        ([], 1),
        (["--projection", "cube"], 2),
        (["--projection", "fisheye", "--fov", "wide"], 2),
        (["--projection", "fisheye"], 1),
    ):
        assert main([*base, *wrong]) == code
        assert capsys.readouterr().err.count("\n") == 1


def test_how_fine_a_sphere_must_be_is_found_in_little_memory() -> None:
    """By rays of all pixels it took four times what the rest of a run does."""
    size = (1600, 1600)
    lens = input_lens(PredictOptions(projection="fisheye", fov=(190.0,)), size)
    tracemalloc.start()
    try:
        assert sphere_size(lens, size) == (1664, 3328)  # 12.7 times 128 in the middle
        assert tracemalloc.get_traced_memory()[1] < 50 * math.prod(size)
    finally:
        tracemalloc.stop()
