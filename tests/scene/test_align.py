"""Several cameras in one painted room, with exact distances: turn, place and scale of each."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from plyfile import PlyData

from panodepth.cli import main
from panodepth.cli.view import read_rooms
from panodepth.errors import InputError
from panodepth.export.formats import relative_note
from panodepth.geometry.grid import erp_rays
from panodepth.geometry.rotation import rotate_vectors, rotation_from_yaw_pitch_roll
from panodepth.predict.options import PredictOptions
from panodepth.scene.align import Room, Scene, align
from panodepth.scene.files import write_scene
from panodepth.scene.matching import Matches
from panodepth.scene.poses import Place, in_frame, inverse, read_poses
from panodepth.scene.registration import register, turned
from panodepth.types import Prediction

SIZE = (256, 512)
LOW, HIGH = np.array([-3.0, -1.2, -2.5]), np.array([3.5, 1.6, 4.0])
PLACES = [
    Place(0.0, (0.0, 0.0, 0.0), 3.0),
    Place(70.0, (1.2, 0.1, 1.1), 5.0),
    Place(-160.0, (-0.9, -0.1, 1.6), 2.0),
]


def painted(hits: np.ndarray, seed: int) -> np.ndarray:
    """(H, W, 3) uint8 of points (H, W, 3) on the walls: blots on each, of several sizes."""
    rng = np.random.default_rng(seed)
    side = np.argmin(np.minimum(np.abs(hits - LOW), np.abs(hits - HIGH)), -1)
    far = np.take_along_axis(hits, side[..., None], -1)[..., 0] > 0
    grey = np.zeros(hits.shape[:2], np.float32)
    for wall in range(6):
        noise = sum(
            cv2.resize(rng.uniform(0, 1, (n, n)).astype(np.float32), (512, 512))
            for n in (12, 30, 80)
        )
        across, down = ((1, 2), (0, 2), (0, 1))[wall // 2]
        u, v = (((hits[..., k] + 4) * 60).astype(np.float32) for k in (across, down))
        seen = cv2.remap(noise, u, v, cv2.INTER_LINEAR)
        grey = np.where((side == wall // 2) & (far == bool(wall % 2)), seen, grey)
    return np.repeat((grey * 85)[..., None].clip(0, 255).astype(np.uint8), 3, -1)


def photo(place: Place, name: str, seed: int = 1, tilt_deg: float = 0.0) -> Prediction:
    """A picture taken at a place, its distances exact, in a unit of place.scale metres."""
    turn = rotation_from_yaw_pitch_roll(math.radians(place.yaw_deg))
    tilt = rotation_from_yaw_pitch_roll(0.0, math.radians(tilt_deg))
    rays = rotate_vectors(turn @ tilt, erp_rays(*SIZE, dtype=np.float64))
    start = np.array(place.position)
    with np.errstate(divide="ignore"):
        distance = np.where(rays > 0, (HIGH - start) / rays, (LOW - start) / rays).min(-1)
    image = painted(start + distance[..., None] * rays, seed)
    distance = (distance / place.scale).astype(np.float32)
    meta = {"name": name, "unit": "relative"}
    everywhere = np.ones(SIZE, np.bool_)
    return Prediction(distance, everywhere, image, meta, rotation=tilt if tilt_deg else None)


@pytest.fixture(scope="module")
def photos() -> list[Prediction]:
    return [photo(place, "abc"[i]) for i, place in enumerate(PLACES)]


@pytest.fixture(scope="module")
def elsewhere() -> Prediction:
    return photo(PLACES[1], "elsewhere", seed=2)


@pytest.fixture(scope="module")
def found(photos: list[Prediction], elsewhere: Prediction) -> Scene:
    return align([*photos, elsewhere])


def check(scene: Scene, true: Sequence[Place], unit: float) -> None:
    """Within what is promised, of the true places seen from the first. unit: in metres."""
    for room, place in zip(scene.rooms[1:], true[1:], strict=True):
        assert room.place is not None
        step = np.array(place.position)
        assert abs(math.remainder(room.place.yaw_deg - place.yaw_deg, 360)) < 1
        off = np.array(room.place.position) * unit - step
        assert np.linalg.norm(off) < 0.05 * np.linalg.norm(step)
        assert room.place.scale * unit == pytest.approx(place.scale, rel=0.03)


def test_three_pictures_of_a_room_and_one_of_another(found: Scene) -> None:
    scene = found
    assert scene.unit == "relative"
    assert scene.rooms[0].place == Place()
    assert scene.rooms[3].place is None
    check(replace(scene, rooms=scene.rooms[:3]), PLACES, PLACES[0].scale)
    for room in scene.rooms[1:3]:
        assert room.matches >= 12
        assert 0 < room.yaw_spread_deg < 1
        assert 0 < room.position_spread * PLACES[0].scale < 0.2


def test_metres_of_any_of_them_are_metres_of_all(photos: list[Prediction]) -> None:
    metric = replace(
        photos[1],
        distance=photos[1].distance * np.float32(PLACES[1].scale),
        meta={**photos[1].meta, "unit": "m"},
    )
    scene = align([photos[0], metric])
    assert scene.unit == "m"
    check(scene, [PLACES[0], replace(PLACES[1], scale=1.0)], 1.0)


def test_a_tilted_picture_that_was_levelled(photos: list[Prediction]) -> None:
    tilted = photo(PLACES[1], "b", tilt_deg=25)
    check(align([photos[0], tilted]), PLACES[:2], PLACES[0].scale)


def test_a_camera_a_little_off_level_that_nobody_levelled(photos: list[Prediction]) -> None:
    tilted = replace(photo(PLACES[1], "b", tilt_deg=3), rotation=None)
    check(align([photos[0], tilted]), PLACES[:2], PLACES[0].scale)


def test_given_poses_leave_the_scales(photos: list[Prediction], tmp_path: Path) -> None:
    listed = [
        {"name": "abc"[i], "yaw_deg": p.yaw_deg, "position": p.position}
        for i, p in enumerate(PLACES)
    ]
    file = tmp_path / "poses.json"
    file.write_text(json.dumps({"rooms": listed}))
    scene = align(photos, read_poses(file))
    assert scene.unit == "m"
    for room, place in zip(scene.rooms, PLACES, strict=True):
        assert room.place is not None
        assert room.place.position == place.position
        assert room.place.scale == pytest.approx(place.scale, rel=0.03)
    with pytest.raises(InputError, match="there is none of c"):
        align(photos, {"a": PLACES[0], "b": PLACES[1]})


def test_files(
    photos: list[Prediction], elsewhere: Prediction, found: Scene, tmp_path: Path
) -> None:
    files = write_scene(found, [*photos, elsewhere], tmp_path)
    assert [file.name for file in files] == ["rooms.json", "rooms_points.ply", "rooms.html"]
    told = json.loads(files[0].read_text())
    assert told["unit"] == "relative"
    assert [room["name"] for room in told["rooms"]] == ["a", "b", "c"]
    assert told["left_out"] == ["elsewhere"]
    places = read_poses(files[0])
    assert places["b"].yaw_deg == pytest.approx(70, abs=1)
    vertex = PlyData.read(files[1])["vertex"]
    points = np.stack([vertex[axis] for axis in "xyz"], -1) * PLACES[0].scale
    assert len(points) == 3 * SIZE[0] * SIZE[1]
    off = np.minimum(np.abs(points - LOW), np.abs(points - HIGH)).min(-1)
    assert np.quantile(off, 0.95) < 0.06  # metres from the walls
    assert b'"rooms"' in files[2].read_bytes()


def test_guesses_are_in_the_viewer_alone_and_files_may_say_no_more_than_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tuple(Room("ab"[i], PLACES[i]) for i in range(2)), "relative")
    monkeypatch.setattr("panodepth.scene.align.align", lambda *_: scene)
    near = [photo(place, "abc"[i]) for i, place in enumerate(PLACES[:2])]
    for number, picture in enumerate(near):
        panel = picture.distance[100:140, 50:120]
        panel *= 0.4
        told = {"model": "secret", "source": "secret.jpg", "options": {"level": "secret"}}
        replace(picture, meta={**picture.meta, **told}).save(tmp_path, ["npz"])
        Image.fromarray(picture.image).save(tmp_path / f"{'abc'[number]}.png")
    names = [str(tmp_path / f"{name}_distance.npz") for name in "ab"]
    plain, filled = tmp_path / "plain", tmp_path / "filled"
    assert main(["align", *names, "--out", str(plain), "--format", "ply,las"]) == 0
    more = ["--behind", "8", "--no-metadata", "--format", "ply,las"]
    assert main(["align", *names, "--out", str(filled), *more]) == 0
    assert b"secret" in (plain / "rooms_points.ply").read_bytes()
    for file in filled.iterdir():
        assert b"secret" not in file.read_bytes()
    pages = [(folder / "rooms.html").read_text(encoding="utf-8") for folder in (plain, filled)]
    assert ['id="behind-0"' in page for page in pages] == [False, True]
    counts = [len(PlyData.read(f / "rooms_points.ply")["vertex"]) for f in (plain, filled)]
    assert counts[0] == counts[1]
    rooms = json.loads((filled / "rooms.json").read_text())["rooms"]
    assert [room["name"] for room in rooms] == ["a", "b"]
    assert main(["align", *names, "--out", str(tmp_path / "no"), "--behind", "31"]) == 2
    assert "behind" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


def test_the_command(
    photos: list[Prediction],
    elsewhere: Prediction,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for picture in [*photos[:2], elsewhere]:
        picture.save(tmp_path, ["npz"])
        Image.fromarray(picture.image).save(tmp_path / f"{picture.meta['name']}.png")
    names = [str(tmp_path / f"{name}_distance.npz") for name in ("a", "b", "elsewhere")]
    out = ["--out", str(tmp_path / "out")]
    assert main(["align", *names, *out, "--json"]) == 1
    shown = capsys.readouterr()
    assert shown.err == "error: elsewhere: shows nothing of what the others show, left out\n"
    told = json.loads(shown.out)
    assert [room["name"] for room in told["rooms"]] == ["a", "b"]
    assert all(Path(file).is_file() for file in told["files"])
    assert main(["align", *names[:2], *out, "--format", "las,ply"]) == 0
    assert capsys.readouterr().err == f"note: {relative_note(('las',))}\n"
    assert main(["align", names[0], names[2], *out, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told == {"error": "no two of these pictures show the same place", "exit_code": 1}
    assert main(["align", names[0], names[2], *out]) == 1
    assert main(["align", names[0], *out]) == 2
    assert main(["align", *names, *out, "--poses", names[0]]) == 2
    lines = capsys.readouterr().err.splitlines()
    says = ("no two of these pictures show the same place", "alone", "poses: ")
    assert len(lines) == 3
    assert all(say in line for say, line in zip(says, lines, strict=True))


@pytest.mark.parametrize("seed", range(25))
def test_matches_with_rough_distances_and_wrong_ones(seed: int) -> None:
    # Drawn by seed: the bounds are of a noise that searched-for examples would leave.
    rng = np.random.default_rng(seed)
    yaw, scale = rng.uniform(-math.pi, math.pi), rng.uniform(0.3, 3)
    position = rng.uniform([-2, -0.5, 0.5], [2, 0.5, 2])
    here = rng.uniform(LOW, HIGH, (120, 3))
    there = turned(-yaw, here - position) / scale
    there[80:] = rng.uniform(-3, 3, (40, 3))
    lengths = [np.linalg.norm(points, axis=1) for points in (here, there)]
    rays = [points / length[:, None] for points, length in zip((here, there), lengths, strict=True)]
    rough = [length * np.exp(rng.normal(0, 0.08, 120)) for length in lengths]
    found = register(Matches(rays[0], rough[0], rays[1], rough[1]))
    assert found is not None
    assert abs(math.remainder(found.yaw_rad - yaw, 2 * math.pi)) < math.radians(0.5)
    assert np.linalg.norm(found.position - position) < 0.05 * np.linalg.norm(position)
    assert found.scale == pytest.approx(scale, rel=0.05)
    assert 48 <= found.matches <= 85  # of 80 that are right: close ones are off by more


@given(st.floats(-180, 180), st.floats(0.1, 9), st.tuples(*[st.floats(-9, 9)] * 3))
def test_a_place_and_its_inverse(
    yaw: float, scale: float, position: tuple[float, float, float]
) -> None:
    place = Place(yaw, position, scale)
    for back in (in_frame(place, inverse(place)), in_frame(inverse(place), place)):
        assert abs(math.remainder(back.yaw_deg, 360)) < 1e-9
        assert np.linalg.norm(back.position) < 1e-9
        assert back.scale == pytest.approx(1)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"rooms": [{}]}', '{"rooms": [{"name": 1, "yaw_deg": 0, "position": [1]}]}'],
)
def test_bad_poses(text: str, tmp_path: Path) -> None:
    file = tmp_path / "poses.json"
    file.write_text(text)
    with pytest.raises(InputError, match=r"poses: .*poses\.json: not"):
        read_poses(file)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-1e300", "1e9"])
def test_poses_beyond_all_measure_are_refused(number: str, tmp_path: Path) -> None:
    file = tmp_path / "poses.json"
    file.write_text(f'{{"rooms": [{{"name": "a", "yaw_deg": 0, "position": [0, {number}, 0]}}]}}')
    with pytest.raises(InputError, match=r"a: numbers must be finite, below 1e\+09, and a scale"):
        read_poses(file)


def test_two_poses_of_one_name_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "poses.json"
    rooms = [{"name": name, "yaw_deg": 0, "position": [1, 2, 3]} for name in "abb"]
    file.write_text(json.dumps({"rooms": rooms}))
    with pytest.raises(InputError, match=r"poses\.json: not .*a name stands there twice: b"):
        read_poses(file)


def test_poses_that_are_not_in_metres_are_refused_where_these_are_needed(tmp_path: Path) -> None:
    file = tmp_path / "poses.json"
    rooms = [{"name": "a", "yaw_deg": 0, "position": [1, 2, 3]}]
    file.write_text(json.dumps({"unit": "relative", "rooms": rooms}))
    assert read_poses(file) == {"a": Place(0, (1, 2, 3))}
    with pytest.raises(InputError, match="unit is 'relative', and metres are needed"):
        read_poses(file, metres=True)
    file.write_text(json.dumps({"rooms": rooms}))
    assert read_poses(file, metres=True) == {"a": Place(0, (1, 2, 3))}


def test_saved_relative_predictions_become_metres_by_the_cameras_height(
    photos: list[Prediction], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = []
    for picture in photos[:2]:
        files += picture.save(tmp_path, ["npz"])
        Image.fromarray(picture.image).save(tmp_path / f"{picture.meta['name']}.png")
    height = float(HIGH[1] - PLACES[0].position[1])
    (room, *_) = read_rooms(files, PredictOptions(camera_height=height), ("default", "cpu", "auto"))
    assert room.unit == "m"
    np.testing.assert_allclose(room.distance, photos[0].distance * PLACES[0].scale, rtol=0.01)
    given = ["align", *map(str, files), "--out", str(tmp_path / "out")]
    assert main([*given, "--scale", "learned"]) == 2
    (tmp_path / "b.png").unlink()
    assert main([*given, "--camera-height", str(height)]) == 2
    lines = capsys.readouterr().err.splitlines()
    says = ("camera_height alone makes metres", "b_distance.npz: its picture, 512×256, is needed")
    assert len(lines) == 2
    assert all(say in line for say, line in zip(says, lines, strict=True))
