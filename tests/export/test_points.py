"""Point clouds, read back by plyfile, trimesh and pygltflib."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import plyfile
import pygltflib
import pytest
import trimesh

from panodepth.errors import OutputError
from panodepth.export import save
from panodepth.export.clouds.options import PlyOptions
from panodepth.export.clouds.ply import write_ply
from panodepth.export.clouds.points_glb import write_points_glb
from panodepth.export.clouds.selection import PointsOptions
from panodepth.export.mark import stated
from panodepth.types import Prediction


def _xyz(vertices: np.ndarray) -> np.ndarray:
    return np.stack([vertices[axis] for axis in "xyz"], axis=-1)


def _accessor(gltf: pygltflib.GLTF2, index: int) -> np.ndarray:
    accessor = gltf.accessors[index]
    view = gltf.bufferViews[accessor.bufferView]
    dtype = {5126: "<f4", 5125: "<u4", 5123: "<u2"}[accessor.componentType]
    size = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}[accessor.type]
    data = gltf.binary_blob()[view.byteOffset : view.byteOffset + view.byteLength]
    return np.frombuffer(data, dtype).reshape(accessor.count, size)


def test_ply_holds_the_unmasked_points_and_their_colours(room: Prediction, tmp_path: Path) -> None:
    assert save(room, tmp_path, ["ply"]) == [tmp_path / "room_points.ply"]
    file = plyfile.PlyData.read(tmp_path / "room_points.ply")
    assert (file.byte_order, file.text) == ("<", False)
    vertices = file["vertex"]
    assert [p.name for p in vertices.properties] == ["x", "y", "z", "red", "green", "blue"]
    assert vertices.count == room.mask.sum()
    assert _xyz(vertices) == pytest.approx(room.points[room.mask], abs=2e-6)
    colours = np.stack([vertices[c] for c in ("red", "green", "blue")], axis=-1)
    assert np.array_equal(colours, room.image[room.mask])
    assert "frame: x right, y down, z forward" in file.comments
    assert "unit: m" in file.comments
    meta = stated(tmp_path / "room_points.ply")
    assert meta is not None
    assert meta["prediction"]["model"] == "truth"
    assert meta["stride"] == 1


@pytest.mark.parametrize("max_points", [10**9, 700])
def test_ply_in_bands_is_the_same_file(
    max_points: int, room: Prediction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ply(room, tmp_path / "whole.ply", PlyOptions(max_points=max_points))
    monkeypatch.setattr("panodepth.export.thinning.BAND_PIXELS", 3 * room.mask.shape[1])
    write_ply(room, tmp_path / "bands.ply", PlyOptions(max_points=max_points))
    assert (tmp_path / "bands.ply").read_bytes() == (tmp_path / "whole.ply").read_bytes()


def test_walls_of_a_room_are_planes_in_the_ply(
    room: Prediction, room_corners: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    save(room, tmp_path / "cloud.ply")
    points = np.asarray(trimesh.load(tmp_path / "cloud.ply").vertices)
    gaps = np.concatenate([np.abs(points - corner) for corner in room_corners], axis=1)
    assert gaps.min(axis=1).max() < 2e-6
    for wall in range(6):
        assert (gaps.argmin(axis=1) == wall).sum() > 50


def test_points_glb_is_y_up_with_linear_colours(room: Prediction, tmp_path: Path) -> None:
    save(room, tmp_path, ["points-glb"])
    gltf = pygltflib.GLTF2().load(str(tmp_path / "room_points.glb"))
    (primitive,) = gltf.meshes[0].primitives
    assert primitive.mode == pygltflib.POINTS
    positions = _accessor(gltf, primitive.attributes.POSITION)
    expected = room.points[room.mask] * [1, -1, -1]
    assert positions == pytest.approx(expected, abs=2e-6)
    accessor = gltf.accessors[primitive.attributes.POSITION]
    assert accessor.min == pytest.approx(positions.min(axis=0))
    assert accessor.max == pytest.approx(positions.max(axis=0))
    colours = _accessor(gltf, primitive.attributes.COLOR_0)
    assert gltf.accessors[primitive.attributes.COLOR_0].normalized
    coded = room.image[room.mask] / 255
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    assert np.abs(colours[:, :3] / 65535 - linear).max() < 1e-4
    assert (colours[:, 3] == 65535).all()
    extras = gltf.asset.extras
    assert extras["unit"] == "m"
    assert extras["frame"].startswith("x right, y up, z backward")
    loaded = trimesh.load(tmp_path / "room_points.glb")
    assert len(loaded.geometry["panorama"].vertices) == room.mask.sum()


def test_points_usdz_is_y_up_with_linear_colours_and_closed_surfaces(
    room: Prediction, tmp_path: Path
) -> None:
    usd = pytest.importorskip("pxr.Usd")
    from pxr import UsdGeom

    (file,) = room.save(tmp_path / "room.usdz", ["points-usdz"], normals=True)
    stage = usd.Stage.Open(str(file))
    assert (UsdGeom.GetStageUpAxis(stage), UsdGeom.GetStageMetersPerUnit(stage)) == ("Y", 1)
    points = UsdGeom.Points(stage.GetPrimAtPath("/panorama/points"))
    turn = np.array([1, -1, -1])
    places = np.array(points.GetPointsAttr().Get())
    assert places == pytest.approx(room.points[room.mask] * turn, abs=2e-6)
    widths = np.array(points.GetWidthsAttr().Get())
    assert widths == pytest.approx(room.distance[room.mask] * 2 * np.pi / 128, rel=1e-5)
    assert points.GetWidthsInterpolation() == "vertex"
    radius = widths[:, None] / 2
    extent = [(places - radius).min(axis=0), (places + radius).max(axis=0)]
    assert np.array(points.GetExtentAttr().Get()) == pytest.approx(np.array(extent), rel=1e-5)
    coded = room.image[room.mask] / 255
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    colours = points.GetDisplayColorPrimvar()
    assert colours.GetInterpolation() == "vertex"
    assert np.array(colours.Get()) == pytest.approx(linear, abs=1e-5)
    normals = np.array(points.GetNormalsAttr().Get())
    assert normals == pytest.approx(room.normals[room.mask] * turn, abs=1e-5)
    assert (stated(file) or {})["quantity"] == "surface point"

    (file,) = room.save(tmp_path / "thin.usdz", ["points-usdz"], voxel=0.5)
    stage = usd.Stage.Open(str(file))
    points = UsdGeom.Points(stage.GetPrimAtPath("/panorama/points"))
    assert not points.GetNormalsAttr().HasAuthoredValue()
    assert np.array(points.GetWidthsAttr().Get()).min() == 0.5
    assert 0 < len(points.GetPointsAttr().Get()) < room.mask.sum() / 2


@pytest.mark.parametrize("write", [write_ply, write_points_glb])
def test_large_clouds_are_thinned_evenly(room: Prediction, tmp_path: Path, write: Callable) -> None:
    kind = PlyOptions if write is write_ply else PointsOptions
    write(room, tmp_path / f"c.{write.__name__[-3:]}", kind(max_points=64 * 128 // 8))
    (geometry,) = trimesh.load_scene(tmp_path / f"c.{write.__name__[-3:]}").geometry.values()
    assert len(geometry.vertices) == room.mask[1::3, 1::3].sum()
    turn = [1, 1, 1] if write is write_ply else [1, -1, -1]
    expected = room.points[1::3, 1::3][room.mask[1::3, 1::3]] * turn
    assert np.asarray(geometry.vertices) == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("name", ["c.ply", "c.glb"])
def test_a_prediction_without_a_valid_pixel_has_no_geometry(
    room: Prediction, tmp_path: Path, name: str
) -> None:
    empty = Prediction(room.distance, np.zeros_like(room.mask), room.image)
    with pytest.raises(OutputError, match=r"c\.(ply|glb): no "):
        save(empty, tmp_path / name)
    assert not list(tmp_path.iterdir())
