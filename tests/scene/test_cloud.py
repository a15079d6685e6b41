"""The joint cloud: what each format holds of rooms at known places, near and far."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import laspy
import numpy as np
import pye57
import pytest
from plyfile import PlyData

from panodepth.cli import main
from panodepth.errors import OutputError
from panodepth.export.mark import stated
from panodepth.scene.align import Room, Scene
from panodepth.scene.cloud import checked_formats, write_cloud
from panodepth.scene.files import write_scene
from panodepth.scene.poses import Place
from panodepth.types import Prediction

EAST, HEIGHT, NORTH = 500_000.0, 312.0, 5_400_000.0
UTM = [
    Place(0.0, (EAST, -HEIGHT, NORTH), 1.0),
    Place(90.0, (EAST + 3, -HEIGHT - 1, NORTH + 2), 2.0),
]
NEAR = [Place(0.0, (0.0, 0.0, 0.0), 1.0), Place(90.0, (3.0, -1.0, 2.0), 2.0)]
SIZE = (16, 32)


def ball(name: str, bump: float) -> Prediction:
    """2 m all around, but `bump` [m] straight ahead, where it is red."""
    distance = np.full(SIZE, 2.0, np.float32)
    image = np.zeros((*SIZE, 3), np.uint8)
    distance[7:9, 15:17] = bump
    image[7:9, 15:17, 0] = 255
    return Prediction(distance, distance > 0, image, {"name": name, "unit": "m"})


def checked(xyz: np.ndarray, red: np.ndarray, places: list[Place]) -> None:
    """xyz: (N, 3) east, north, height."""
    assert len(xyz) == 2 * SIZE[0] * SIZE[1]
    (east, down, north), (more_east, more_down, more_north) = (p.position for p in places)
    first, second = np.split(xyz, 2)
    for found, at, scale in ((first, places[0], 1), (second, places[1], 2)):
        x, y, z = at.position
        radius = np.linalg.norm(found - (x, z, -y), axis=1)
        np.testing.assert_allclose(np.median(radius), 2 * scale, atol=0.001)
    # Straight ahead: to the north of the first, to the east of the second, which is turned right.
    ahead, to_the_right = (half[mark > 0].mean(axis=0) for half, mark in
                           ((first, red[: len(first)]), (second, red[len(first) :])))  # fmt: skip
    np.testing.assert_allclose(ahead, (east, north + 3, -down), atol=0.1)
    np.testing.assert_allclose(to_the_right, (more_east + 8, more_north, -more_down), atol=0.2)


@pytest.mark.parametrize("places", [NEAR, UTM], ids=["near", "utm"])
@pytest.mark.parametrize("kind", ["ply", "las", "laz", "e57"])
def test_rooms_stand_where_a_survey_has_them(
    kind: str, places: list[Place], tmp_path: Path
) -> None:
    placed = [(ball("hall", 3.0), places[0]), (ball("study", 4.0), places[1])]
    path = tmp_path / f"rooms_points.{kind}"
    write_cloud("m", placed, path)
    told = stated(path)
    assert told is not None
    assert (told["unit"], told["rooms"]) == ("m", ["hall", "study"])
    if kind == "ply":
        vertex = PlyData.read(path)["vertex"]
        x, y, z = (np.asarray(vertex[axis], np.float64) for axis in "xyz")
        checked(np.stack([x, z, -y], axis=1), vertex["red"], places)
        assert vertex["x"].dtype == (np.float64 if places is UTM else np.float32)
    elif kind == "e57":
        with pye57.E57(str(path)) as file:
            assert file.scan_count == 2
            scans = [file.read_scan(i, colors=True, ignore_missing_fields=True) for i in range(2)]
            assert [file.get_header(i)["name"].value() for i in range(2)] == ["hall", "study"]
        columns = [np.concatenate([scan[f"cartesian{axis}"] for scan in scans]) for axis in "XYZ"]
        checked(np.stack(columns, axis=1), np.concatenate([s["colorRed"] for s in scans]), places)
    else:
        file = laspy.read(path)
        checked(np.array(file.xyz), np.asarray(file.red), places)


def test_the_page_is_in_the_unit_of_the_scene_and_near_its_first_room(tmp_path: Path) -> None:
    # By poses in metres: what is predicted is relative, and a tape would say "rel.".
    rooms = [ball("hall", 3.0), ball("study", 4.0)]
    relative = [replace(room, meta={**room.meta, "unit": "relative"}) for room in rooms]
    placed = (Room("hall", UTM[0]), Room("study", UTM[1]))
    *_, page = write_scene(Scene(placed, "m"), relative, tmp_path)
    told = re.search(r'id="rooms">(.*?)</script>', page.read_text(encoding="utf-8"))
    assert told is not None
    first, second = json.loads(told[1])
    assert (first["unit"], second["unit"]) == ("m", "m")
    assert first["place"] == {"yaw_deg": 0.0, "position": [0.0, 0.0, 0.0], "scale": 1.0}
    assert second["place"] == {"yaw_deg": 90.0, "position": [3.0, -1.0, 2.0], "scale": 1.0}
    assert (first["near"], second["near"]) == pytest.approx((2, 4), rel=1e-3)
    kept = json.loads((tmp_path / "rooms.json").read_text())["rooms"][1]
    assert (kept["scale"], kept["position"][0]) == (2.0, EAST + 3)


def test_other_formats_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked_formats(["las,E57", "las"]) == ("las", "e57")
    with pytest.raises(OutputError, match="ply, las, laz or e57"):
        checked_formats(["glb"])
    out = tmp_path / "out"
    assert main(["align", "a.jpg", "b.jpg", "--out", str(out), "--format", "glb"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not out.exists()


def test_pictures_without_a_pose_are_told_before_any_is_predicted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = [tmp_path / f"{name}.jpg" for name in ("hall", "study")]
    for path in pictures:
        path.write_bytes(b"not opened")
    poses = tmp_path / "poses.json"
    posed = [{"name": name, "yaw_deg": 0, "position": [0, 0, 0]} for name in ("hall", "attic")]
    poses.write_text(json.dumps({"rooms": posed}))
    out = ["--out", str(tmp_path / "out"), "--poses", str(poses)]
    assert main(["align", *map(str, pictures), *out]) == 2
    told = "error: poses: there is none of study; it has those of hall, attic\n"
    assert capsys.readouterr().err == told
