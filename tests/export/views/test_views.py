"""A room through ordinary cameras: what the files say leads back to the walls."""

from __future__ import annotations

import io
import json
import math
import os
import shutil
import struct
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import plyfile
import pytest

from panodepth.errors import ConfigError
from panodepth.export.views.archive import pack
from panodepth.export.views.cameras import ViewOptions, cameras
from panodepth.geometry.rotation import rotate_vectors, rotation_from_yaw_pitch_roll
from panodepth.types import Prediction

SIZE = (256, 512)


@pytest.fixture
def room(make_room: Callable[..., Prediction]) -> Prediction:
    """Its colours say the direction: red and green where a ray goes, -1 to 1."""
    room = make_room(*SIZE, masked=False)
    directions = room.points / np.linalg.norm(room.points, axis=-1, keepdims=True)
    return replace(room, image=np.rint((directions + 1) * 127.5).astype(np.uint8))


def opened(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as whole:
        assert whole.testzip() is None
        return {name: whole.read(name) for name in whole.namelist()}


def pixels(content: bytes) -> np.ndarray:
    found = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    return found[..., ::-1] if found.ndim == 3 else found


def wall(rays: np.ndarray, corners: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """(...) distance of the room's walls along unit rays (..., 3)."""
    low, high = corners
    with np.errstate(divide="ignore"):
        return np.abs(np.where(rays > 0, high / rays, low / rays)).min(-1)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.mark.parametrize("options", [{}, {"views": 5, "fov": 70.0, "size": 96}])
def test_distance_and_z_depth_are_those_of_the_walls(
    options: dict[str, Any],
    room: Prediction,
    room_corners: tuple[np.ndarray, np.ndarray],
    tmp_path: Path,
) -> None:
    (path,) = room.save(tmp_path, ["views"], picture="png", **options)
    assert path.name == "room_views.zip"
    files = opened(path)
    about = json.loads(files["views.json"])
    assert about["unit"] == "m"
    assert about["depth_scale"] == 0.001
    assert len(about["views"]) == options.get("views", 6)
    assert len(files) == 1 + 3 * len(about["views"])
    for view in about["views"]:
        u, v = np.meshgrid(np.arange(view["width"]) + 0.5, np.arange(view["height"]) + 0.5)
        x, y = (u - view["cx"]) / view["fx"], (v - view["cy"]) / view["fy"]
        seen = unit(np.stack([x, y, np.ones_like(x)], -1))
        rays = seen @ np.array(view["camera_to_world"])[:3, :3].T
        true = wall(rays, room_corners)
        distance, z_depth = (
            pixels(files[view[kind]]) * about["depth_scale"] for kind in ("distance", "z_depth")
        )
        assert np.median(np.abs(distance / true - 1)) < 5e-4
        assert np.quantile(np.abs(distance / true - 1), 0.99) < 0.01
        np.testing.assert_allclose(z_depth, distance * seen[..., 2], atol=0.0011)
        shown = pixels(files[view["image"]]) / 127.5 - 1
        np.testing.assert_allclose(shown, rays, atol=0.03)


def test_wide_views_of_a_large_panorama_are_no_larger_than_fits_in_memory() -> None:
    taken = cameras(16384, ViewOptions(views=2, fov=170))
    assert {camera.size for camera in taken} == {(8192, 8192)}


def test_faces_are_as_sharp_as_the_panorama_and_views_go_round() -> None:
    faces = cameras(1024, ViewOptions())
    assert [camera.name for camera in faces] == ["front", "right", "back", "left", "up", "down"]
    assert {camera.size for camera in faces} == {(326, 326)}  # 1024 / π
    eight = cameras(1024, ViewOptions(views=8, fov=60.0, size=100))
    assert [camera.name for camera in eight][::7] == ["view_0", "view_7"]
    ahead = np.array([camera.rotation[:, 2] for camera in eight])
    yaw = np.degrees(np.arctan2(ahead[:, 0], ahead[:, 2]))
    np.testing.assert_allclose(yaw, [0, 45, 90, 135, 180, -135, -90, -45], atol=1e-9)
    assert eight[0].lens.fx == pytest.approx(50 / math.tan(math.radians(30)))


@pytest.mark.parametrize("camera", ["pinhole", "equirectangular"])
def test_a_colmap_model_projects_its_points_onto_their_pixels(
    camera: str, room: Prediction, room_corners: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    (path,) = room.save(tmp_path, ["colmap"], camera=camera, max_points=3000)
    files = opened(path)
    points = {}
    for line in files["sparse/0/points3D.txt"].decode().splitlines():
        number, *values = line.split()
        assert len(values) == 9
        points[int(number)] = np.array(values[:3], float), values[7:]
    assert 1500 < len(points) <= 3000
    (model,) = files["sparse/0/cameras.txt"].decode().splitlines()
    name, width, height, *numbers = model.split()[1:]
    size, numbers = np.array([int(width), int(height)]), np.array(numbers, float)
    lines = files["sparse/0/images.txt"].decode().splitlines()
    assert len(lines) == 2 * (6 if camera == "pinhole" else 1)
    for pose, seen in zip(lines[::2], lines[1::2], strict=True):
        image, qw, qx, qy, qz, *rest = pose.split()
        assert rest[:4] == ["0", "0", "0", "1"]
        assert f"images/{rest[4]}" in files
        turn = quaternion_matrix(np.array([qw, qx, qy, qz], float))
        for place, (u, v, number) in enumerate(np.array(seen.split(), float).reshape(-1, 3)):
            xyz, track = points[int(number)]
            assert track == [image, str(place)]
            x, y, z = turn @ xyz
            if name == "PINHOLE":
                found = numbers[:2] * [x / z, y / z] + numbers[2:]
            else:
                np.testing.assert_array_equal(numbers, size)
                lon, lat = math.atan2(x, z), math.atan2(y, math.hypot(x, z))
                found = (np.array([lon / (2 * math.pi), lat / math.pi]) + 0.5) * size
            np.testing.assert_allclose(found, (u, v), atol=1e-3)
    xyz = np.array([place for place, _ in points.values()])
    np.testing.assert_allclose(xyz.min(0), room_corners[0], atol=0.003)
    np.testing.assert_allclose(xyz.max(0), room_corners[1], atol=0.003)


@pytest.mark.parametrize("camera", ["pinhole", "equirectangular"])
def test_a_colmap_model_is_the_same_in_binary(
    camera: str, room: Prediction, tmp_path: Path
) -> None:
    """Read field by field as COLMAP's page on its format has it, and compared with the text."""
    (path,) = room.save(tmp_path, ["colmap"], camera=camera, max_points=400)
    files = {name.removeprefix("sparse/0/"): io.BytesIO(b) for name, b in opened(path).items()}

    def take(name: str, code: str) -> tuple[float, ...]:
        return struct.unpack(f"<{code}", files[f"{name}.bin"].read(struct.calcsize(f"<{code}")))

    def text(name: str) -> list[list[str]]:
        return [line.split() for line in files[f"{name}.txt"].read().decode().splitlines()]

    ((number, model, *values),) = text("cameras")
    assert take("cameras", "Q") == (1,)
    assert take("cameras", "Ii") == (int(number), {"PINHOLE": 1, "EQUIRECTANGULAR": 17}[model])
    numbers = take("cameras", f"QQ{len(values) - 2}d")
    np.testing.assert_allclose(numbers, np.array(values, float), rtol=1e-8)
    lines = text("images")
    assert take("images", "Q") == (len(lines) // 2,)
    for pose, seen in zip(lines[::2], lines[1::2], strict=True):
        found = take("images", "I7dI")
        np.testing.assert_allclose(found, np.array(pose[:9], float), atol=1e-11)
        assert files["images.bin"].read(len(pose[9]) + 1).decode() == pose[9] + "\0"
        assert take("images", "Q") == (len(seen) // 3,)
        assert list(take("images", "ddQ" * (len(seen) // 3))) == [float(value) for value in seen]
    rows = text("points3D")
    assert take("points3D", "Q") == (len(rows),)
    for row in rows:
        number, *values = take("points3D", "Q3d3BdQII")
        assert values.pop(7) == 1  # of one observation
        np.testing.assert_allclose([number, *values], np.array(row, float), rtol=1e-6)
    assert not any(files[f"{name}.bin"].read() for name in ("cameras", "images", "points3D"))


def quaternion_matrix(q: np.ndarray) -> np.ndarray:
    """Of a unit quaternion w, x, y, z: v + 2 w (a × v) + 2 a × (a × v)."""
    assert np.linalg.norm(q) == pytest.approx(1)
    w, axis = q[0], q[1:]
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + 2 * w * cross + 2 * cross @ cross


def test_nerfstudio_s_cameras_see_the_cloud_where_its_colours_are(
    room: Prediction, tmp_path: Path
) -> None:
    (path,) = room.save(tmp_path, ["nerfstudio"], max_points=2000, picture="png")
    files = opened(path)
    told = json.loads(files["transforms.json"])
    assert told["camera_model"] == "OPENCV"
    cloud = plyfile.PlyData.read(io.BytesIO(files[told["ply_file_path"]]))["vertex"]
    xyz = np.stack([cloud[axis] for axis in "xyz"], -1).astype(float)
    rgb = np.stack([cloud[colour] for colour in ("red", "green", "blue")], -1)
    np.testing.assert_allclose(xyz.min(0), [-2, -3, -1.6], atol=0.003)  # right, forward, up
    np.testing.assert_allclose(xyz.max(0), [2.5, 4, 1.1], atol=0.003)
    seen = np.zeros(len(xyz), bool)
    for frame in told["frames"]:
        pose = np.array(frame["transform_matrix"])
        x, y, z = ((xyz - pose[:3, 3]) @ pose[:3, :3]).T
        u = told["fl_x"] * x / -z + told["cx"]
        v = told["fl_y"] * -y / -z + told["cy"]
        inside = (z < 0) & (u > 0.5) & (u < told["w"] - 0.5) & (v > 0.5) & (v < told["h"] - 0.5)
        row, column = np.floor(v[inside]).astype(int), np.floor(u[inside]).astype(int)
        image = pixels(files[frame["file_path"]])
        depth = pixels(files[frame["depth_file_path"]]) / 1000
        np.testing.assert_allclose(image[row, column], rgb[inside], atol=3)
        off = np.abs(depth[row, column] / -z[inside] - 1)
        assert np.median(off) < 0.002
        assert np.quantile(off, 0.95) < 0.02
        seen |= inside
    assert seen.mean() > 0.97


def test_nerfstudio_takes_the_whole_panorama(room: Prediction, tmp_path: Path) -> None:
    (path,) = room.save(tmp_path, ["nerfstudio"], camera="equirectangular", picture="png")
    files = opened(path)
    told = json.loads(files["transforms.json"])
    assert (told["camera_model"], told["fl_x"], told["fl_y"]) == ("EQUIRECTANGULAR", 256, 256)
    np.testing.assert_array_equal(pixels(files["images/panorama.png"]), room.image)
    (frame,) = told["frames"]
    # Its middle looks along -z of the camera, which is forward, y in the world.
    np.testing.assert_allclose(-np.array(frame["transform_matrix"])[:3, 2], [0, 1, 0], atol=1e-9)


def test_a_tilted_picture_gives_level_views(room: Prediction, tmp_path: Path) -> None:
    turn = np.asarray(rotation_from_yaw_pitch_roll(0.3, math.radians(12), math.radians(-7)))
    looking = rotate_vectors(turn, room.points / np.linalg.norm(room.points, axis=-1)[..., None])
    low, high = np.array([-2.0, -1.1, -3.0]), np.array([2.5, 1.6, 4.0])
    tilted = replace(room, distance=wall(looking, (low, high)).astype(np.float32), rotation=turn)
    level, other = (
        pixels(opened(p.save(tmp_path / n, ["views"])[0])["distance/left.png"]).astype(float)
        for n, p in (("a/", room), ("b/", tilted))
    )
    np.testing.assert_allclose(other, level, rtol=0.02)


def test_the_sky_is_no_surface_and_far_things_have_a_coarser_step(
    room: Prediction, tmp_path: Path
) -> None:
    sky = np.zeros(room.mask.shape, bool)
    sky[:64] = True
    far = replace(room, distance=room.distance * 100, mask=~sky, sky_mask=sky)
    files = opened(far.save(tmp_path, ["views"])[0])
    about = json.loads(files["views.json"])
    assert about["depth_scale"] == pytest.approx(far.distance[~sky].max() / 65535)
    assert not pixels(files["z_depth/up.png"])[40:-40, 40:-40].any()
    assert pixels(files["z_depth/down.png"]).all()
    files = opened(far.save(tmp_path, ["nerfstudio"])[0])
    depth = pixels(files["z_depth/front.png"])  # 400 m away: more than thousandths reach
    assert not depth.any()


def test_the_same_prediction_gives_the_same_bytes(room: Prediction, tmp_path: Path) -> None:
    one, two = (
        room.save(tmp_path / name, ["colmap"], views=3, max_points=500)[0] for name in ("a/", "b/")
    )
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"views.fov": 60.0}, "fov goes with views"),
        ({"views.views": -1}, "at least 0"),
        ({"views.views": 4, "views.fov": 175.0}, "at most 170"),
        ({"colmap.size": 8193}, "at most 8192"),
        ({"colmap.camera": "fisheye"}, "choose one of pinhole, equirectangular"),
        ({"colmap.camera": "equirectangular", "colmap.views": 4}, "views goes with camera"),
        ({"nerfstudio.picture": "gif"}, "choose one of jpg, png"),
    ],
)
def test_options_that_cannot_be(
    given: dict[str, Any], says: str, room: Prediction, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=says):
        room.save(tmp_path, ["views", "colmap", "nerfstudio"], **given)
    assert list(tmp_path.iterdir()) == []


def test_files_are_packed_the_same_whatever_the_clock_says(tmp_path: Path) -> None:
    """Robots without a clock are in 1970, before which ZIP begins."""
    (tmp_path / "in").mkdir()
    packed = []
    for second in (0, 1_000_000_000):
        (tmp_path / "in/a.txt").write_text("text")
        os.utime(tmp_path / "in/a.txt", (second, second))
        pack(tmp_path / "a.zip", [tmp_path / "in/a.txt"], tmp_path)
        packed.append((tmp_path / "a.zip").read_bytes())
    assert packed[0] == packed[1]
    with zipfile.ZipFile(tmp_path / "a.zip") as whole:
        assert whole.read("in/a.txt") == b"text"


def test_packed_names_are_what_others_unpack(tmp_path: Path) -> None:
    names = ["é ü ß.png", "全天球写真" * 11 + ".png", "s/" + "𝄞" * 60, os.fsdecode(b"caf\xe9.png")]
    for name in names:
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, errors="surrogateescape", encoding="utf-8")
    pack(tmp_path / "a.zip", [tmp_path / "in" / name for name in names], tmp_path / "in")
    with zipfile.ZipFile(tmp_path / "a.zip") as whole:
        assert whole.namelist() == [*names[:3], "caf\ufffd.png"]  # the last one is no text
        assert [whole.read(entry).decode() for entry in whole.infolist()[:3]] == names[:3]
    if tool := shutil.which("unzip"):
        subprocess.run([tool, "-q", tmp_path / "a.zip", "-d", tmp_path / "out"], check=True)
        assert all((tmp_path / "out" / name).read_text() == name for name in names[:3])
