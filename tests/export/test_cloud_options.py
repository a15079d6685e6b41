"""Frames, thinning and normals of clouds."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import plyfile
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panodepth.errors import ConfigError, OutputError
from panodepth.export.clouds.e57 import Scan, write_scans
from panodepth.export.clouds.e57_names import crc32c
from panodepth.export.clouds.selection import Points
from panodepth.export.frames import FRAMES
from panodepth.export.mark import stated
from panodepth.types import Prediction

AXES = {  # of a point, from the house frame's x, y, z
    "house": lambda x, y, z: (x, y, z),
    "y": lambda x, y, z: (x, -y, -z),
    "z": lambda x, y, z: (x, z, -y),
    "ros": lambda x, y, z: (z, -x, -y),
    "blender": lambda x, y, z: (x, z, -y),
    "unity": lambda x, y, z: (x, -y, z),
    "unreal": lambda x, y, z: (100 * z, 100 * x, -100 * y),
}


def _read(path: Path, names: tuple[str, ...] = ("x", "y", "z")) -> np.ndarray:
    vertices = plyfile.PlyData.read(path)["vertex"]
    return np.stack([vertices[name] for name in names], axis=-1)


@pytest.mark.parametrize("up", list(FRAMES))
def test_frames(room: Prediction, tmp_path: Path, up: str) -> None:
    room.save(tmp_path / "c.ply", up=up)
    expected = np.stack(AXES[up](*room.points[room.mask].T), axis=-1)
    assert _read(tmp_path / "c.ply") == pytest.approx(expected, rel=1e-5, abs=1e-5)
    turned = np.linalg.det(FRAMES[up].matrix)
    assert FRAMES[up].left_handed == (turned < 0) == (up in ("unity", "unreal"))
    meta = stated(tmp_path / "c.ply")
    assert meta is not None
    assert meta["scale"] == pytest.approx(0.01 if up == "unreal" else 1)
    assert meta["frame"] == FRAMES[up].about


def _las(path: Path) -> np.ndarray:
    laspy = pytest.importorskip("laspy")
    return np.stack([getattr(laspy.read(path), axis) for axis in "xyz"], axis=-1)


def _e57(path: Path) -> np.ndarray:
    with pytest.importorskip("pye57").E57(str(path)) as file:
        scan = file.read_scan_raw(0)
    return np.stack([scan[f"cartesian{axis}"] for axis in "XYZ"], axis=-1)


@pytest.mark.parametrize(("ending", "read"), [("las", _las), ("laz", _las), ("e57", _e57)])
@pytest.mark.parametrize("up", list(FRAMES))
def test_formats_in_metres_are_in_metres_along_any_axes(
    ending: str, read: Callable[[Path], np.ndarray], up: str, room: Prediction, tmp_path: Path
) -> None:
    pytest.importorskip({"las": "laspy", "laz": "lazrs", "e57": "pye57"}[ending])
    room.save(tmp_path / f"c.{ending}", up=up)
    points, meta = read(tmp_path / f"c.{ending}"), stated(tmp_path / f"c.{ending}")
    expected = np.stack(AXES[up](*room.points[room.mask].T), axis=-1) / FRAMES[up].per_unit
    assert points == pytest.approx(expected, abs=0.0006)  # LAS: steps of a millimetre
    assert meta is not None
    assert meta["scale"] == 1
    assert "centi" not in meta["frame"]


@settings(max_examples=20, deadline=None)
@given(points=st.lists(st.tuples(*[st.floats(-9, 9, width=32)] * 3), min_size=1, max_size=9))
def test_points_and_planes_agree(points: list) -> None:
    house = np.array(points, np.float32)
    for frame in FRAMES.values():
        assert np.array_equal(frame.points(house), np.stack(frame.planes(house.T), axis=-1))
        lengths = np.linalg.norm(frame.directions(house), axis=1)
        assert lengths == pytest.approx(np.linalg.norm(house, axis=1), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("edge", [0.1, 0.5, 3.0])
def test_one_point_for_each_voxel(make_room: Callable, tmp_path: Path, edge: float) -> None:
    room = make_room(48, 96)
    room.save(tmp_path / "c.ply", voxel=edge)
    points = _read(tmp_path / "c.ply")
    cells = np.floor(points.astype(np.float64) / edge)
    assert len(np.unique(cells, axis=0)) == len(points)
    every = np.floor(room.points[room.mask].astype(np.float64) / edge)
    assert len(np.unique(every, axis=0)) == len(points)
    kept = {tuple(p) for p in points.tolist()}
    assert kept <= {tuple(p) for p in room.points[room.mask].tolist()}


def test_points_at_depth_edges_can_go(rays: Callable, tmp_path: Path) -> None:
    near = np.zeros((32, 64), bool)
    near[10:20, 20:40] = True
    distance = np.where(near, 1.5, 4.0).astype(np.float32)
    distance[10:20, 19] = distance[10:20, 40] = 2.5  # flying between both
    image = np.zeros((32, 64, 3), np.uint8)
    box = Prediction(distance, np.ones_like(near), image, {"unit": "m"})
    box.save(tmp_path / "all.ply")
    box.save(tmp_path / "clean.ply", edge_threshold=0.06)
    lengths = np.linalg.norm(_read(tmp_path / "clean.ply"), axis=1)
    assert set(np.round(lengths, 3).tolist()) == {1.5, 4.0}
    assert len(lengths) == 32 * 64 - 20
    assert len(_read(tmp_path / "all.ply")) == 32 * 64


def test_no_point_left_is_an_error(tmp_path: Path) -> None:
    distance = np.where(np.indices((8, 16)).sum(axis=0) % 2, 1, 4).astype(np.float32)
    image = np.zeros((8, 16, 3), np.uint8)
    board = Prediction(distance, np.ones((8, 16), bool), image)
    with pytest.raises(OutputError, match="edge_threshold leaves no point"):
        board.save(tmp_path / "c.ply", edge_threshold=0.06)


@pytest.mark.parametrize("up", ["house", "ros", "unreal"])
def test_normals_on_request(room: Prediction, tmp_path: Path, up: str) -> None:
    room.save(tmp_path / "c.ply", up=up, normals=True)
    normals = _read(tmp_path / "c.ply", ("nx", "ny", "nz"))
    expected = np.stack(AXES[up](*room.normals[room.mask].T), axis=-1)
    assert normals == pytest.approx(expected / (100 if up == "unreal" else 1), abs=1e-5)


def test_pcd(room: Prediction, tmp_path: Path) -> None:
    room.save(tmp_path / "c.pcd", normals=True)
    header, _, content = (tmp_path / "c.pcd").read_bytes().partition(b"DATA binary\n")
    lines = header.decode().splitlines()
    assert max(map(len, lines)) < 400
    said = dict(line.split(" ", 1) for line in lines if not line.startswith("#"))
    count = int(room.mask.sum())
    assert said["FIELDS"] == "x y z normal_x normal_y normal_z rgb"
    assert (said["SIZE"], said["TYPE"]) == ("4 4 4 4 4 4 4", "F F F F F F U")
    assert said["WIDTH"] == said["POINTS"] == str(count)
    assert len(content) == 28 * count
    x, y, z, *_, rgb = struct.unpack("<6fI", content[:28])
    first = room.points[room.mask][0]
    assert (x, y, z) == pytest.approx((first[2], -first[0], -first[1]))
    red, green, blue = (int(value) for value in room.image[room.mask][0])
    assert rgb == red << 16 | green << 8 | blue
    meta = stated(tmp_path / "c.pcd")
    assert meta is not None
    assert meta["frame"].startswith("x forward, y left, z up")


def test_files_can_keep_quiet(room: Prediction, tmp_path: Path) -> None:
    told = Prediction(room.distance, room.mask, room.image, {**room.meta, "source": "secret.jpg"})
    files = told.save(f"{tmp_path}/", ["npz", "ply", "exr", "png", "glb"], metadata=False)
    for file in files:
        assert file.name.startswith("room")
        meta = stated(file)
        assert meta is not None
        assert meta["prediction"] == {"unit": "m"}
        assert b"secret" not in file.read_bytes()
    with pytest.raises(ConfigError, match="metadata must be true or false"):
        told.save(tmp_path / "x.ply", metadata="no")


@pytest.mark.parametrize(("unit", "size"), [("m", 1e6), ("m", 1e9), ("relative", 1e-5)])
def test_las_holds_places_as_far_apart_or_as_close_as_they_come(
    make_room: Callable[..., Prediction], tmp_path: Path, unit: str, size: float
) -> None:
    room = make_room(unit=unit)
    room = replace(room, distance=room.distance * np.float32(size))
    file = tmp_path / "a.las"
    pytest.importorskip("laspy")
    room.save(file, up="house")
    off = np.abs(_las(file) - room.points[room.mask]).max()
    assert off < 1e-3 * size


def test_the_same_scans_are_the_same_e57(room: Prediction, tmp_path: Path) -> None:
    pye57 = pytest.importorskip("pye57")
    points = Points(room.points[room.mask], room.image[room.mask], np.argwhere(room.mask))
    other = replace(points, xyz=points.xyz + 1)
    files = {"a": points, "b": points, "c": other}
    for name, second in files.items():
        scans = [Scan("left", points), Scan("right", second, (1.0, 2.0, 3.0))]
        write_scans(tmp_path / f"{name}.e57", scans, {"name": "x" * 3000})
    one, same, unlike = ((tmp_path / f"{name}.e57").read_bytes() for name in files)
    assert one == same
    guids = re.compile(rb"\{[0-9a-f-]{36}\}")
    found = guids.findall(one)
    assert len(set(found)) == len(found) >= 2  # of the file and its scans; one may lie on two pages
    assert not set(found) & set(guids.findall(unlike))
    with pye57.E57(str(tmp_path / "c.e57")) as file:  # which checks the sums of pages
        assert [file.get_header(n)["guid"].value()[:1] for n in (0, 1)] == ["{", "{"]
        assert len(file.read_scan_raw(1)["cartesianX"]) == room.mask.sum()


def test_the_checksum_is_that_of_the_standard() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720, B.4
