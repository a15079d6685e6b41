"""Every cue finds the scale of a room whose size is known, and bad ones are refused in one line."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from panodepth.cli import main
from panodepth.errors import ConfigError, InputError
from panodepth.geometry.grid import erp_rays
from panodepth.geometry.level.floor import find_floor
from panodepth.geometry.rotation import rotate_vectors, rotation_from_yaw_pitch_roll
from panodepth.predict.metric.cues import Cue, Seen, to_metres, together
from panodepth.predict.options import PredictOptions
from panodepth.predict.request import RawOutput
from panodepth.types import FloatArray

H, W = 128, 256
UNIT = 0.37  # metres in one unit of the map
LOW, HIGH = np.array([-2.0, -1.1, -1.5]), np.array([3.0, 1.6, 4.0])
ALL = np.ones((H, W), np.bool_)
RNG = np.random.default_rng(5)


def room(pitch_deg: float = 0.0, roll_deg: float = 0.0) -> np.ndarray:
    """Distance in metres (H, W), camera 1.6 m above the floor of a box."""
    turn = rotation_from_yaw_pitch_roll(0.3, *np.radians([pitch_deg, roll_deg]).tolist())
    rays = rotate_vectors(turn, erp_rays(H, W, dtype=np.float64))
    with np.errstate(divide="ignore"):
        return np.asarray(np.where(rays > 0, HIGH / rays, LOW / rays).min(-1))


def picture() -> np.ndarray:
    """(3, H, W) that is neither blank nor noise."""
    rows, columns = np.mgrid[:H, :W]
    grey = 0.5 + 0.3 * np.sin(rows / 9) * np.cos(columns * 2 * np.pi / W)
    return np.broadcast_to(grey, (3, H, W)).astype(np.float32)


def scaled(distance: np.ndarray, valid: np.ndarray = ALL, **options: object):  # type: ignore[no-untyped-def]
    relative = (distance / UNIT).astype(np.float32)
    seen = Seen(relative, valid, picture())
    return to_metres(relative, valid, seen, PredictOptions(**options))  # type: ignore[arg-type]


def agrees(got: np.ndarray, distance: np.ndarray) -> bool:
    return bool(abs(np.median(got / distance) - 1) < 0.005)


def points_of(distance: np.ndarray, count: int = 400) -> np.ndarray:
    rays = erp_rays(H, W, dtype=np.float64)
    rows, columns = RNG.integers(20, H - 20, count), RNG.integers(0, W, count)
    return np.asarray(distance[rows, columns][:, None] * rays[rows, columns])


@pytest.mark.parametrize(("pitch", "roll"), [(0, 0), (15, 0), (-20, 25)])
def test_the_floor_gives_metres_at_any_tilt(pitch: int, roll: int) -> None:
    distance = room(pitch, roll)
    got, facts = scaled(distance, camera_height=1.6)
    assert agrees(got, distance)
    assert facts["metres_by"] == "camera_height"
    assert facts["metres_per_unit"] == pytest.approx(UNIT, rel=0.005)
    assert facts["metres_spread"] < 0.01


def test_a_bed_below_the_camera_is_no_floor() -> None:
    distance = room()
    down = erp_rays(H, W, dtype=np.float64)[..., 1]
    bed = down > math.sin(math.radians(55))
    distance = np.where(bed, 1.05 / np.maximum(down, 0.1), distance)
    assert find_floor(distance, ALL).height == pytest.approx(1.6, rel=0.01)


def test_a_distance_and_a_length_give_metres() -> None:
    distance = room(10, 5)
    got, facts = scaled(distance, known_distance=(100.5, 60.5, distance[60, 100]))
    assert agrees(got, distance)
    assert facts["metres_by"] == "known_distance"
    rays = erp_rays(H, W, dtype=np.float64)
    ends = [distance[y, x] * rays[y, x] for y, x in ((40, 30), (90, 200))]
    length = float(np.linalg.norm(ends[0] - ends[1]))
    got, facts = scaled(distance, known_length=(30.5, 40.5, 200.5, 90.5, length))
    assert agrees(got, distance)
    assert facts["metres_by"] == "known_length"


@pytest.mark.parametrize("form", ["csv", "names", "ascii", "little", "big"])
def test_points_of_a_file_give_metres(tmp_path: Path, form: str) -> None:
    distance = room(0, 12)
    points = points_of(distance)
    points[:80] *= RNG.uniform(0.2, 3, (80, 1))  # what the picture does not show
    file = tmp_path / ("a.csv" if form in ("csv", "names") else "a.ply")
    head = f"ply\nformat {{}} 1.0\nelement vertex {len(points)}\nproperty double x\n"
    head += "property double y\nproperty double z\nproperty uchar red\nend_header\n"
    if form in ("csv", "names"):
        np.savetxt(file, points, delimiter=",", header="x,y,z" * (form == "names"), comments="")
    elif form == "ascii":
        rows = "".join(f"{x} {y} {z} 7\n" for x, y, z in points)
        file.write_text(head.format("ascii") + rows)
    else:
        order = {"little": "<", "big": ">"}[form]
        table = np.zeros(len(points), [(n, order + "f8") for n in "xyz"] + [("red", "u1")])
        for i, name in enumerate("xyz"):
            table[name] = points[:, i]
        file.write_bytes(head.format(f"binary_{form}_endian").encode() + table.tobytes())
    got, facts = scaled(distance, points=file)
    assert agrees(got, distance)
    assert facts["metres_by"] == "points"
    assert facts["metres_spread"] < 0.02


def test_points_of_another_frame_need_the_pose(tmp_path: Path) -> None:
    distance = room()
    pose = np.eye(4)
    pose[:3, :3] = rotation_from_yaw_pitch_roll(1.0, 0.2, -0.1)
    pose[:3, 3] = (4, -2, 7)
    np.savetxt(
        tmp_path / "p.csv", points_of(distance) @ pose[:3, :3].T + pose[:3, 3], delimiter=","
    )
    (tmp_path / "pose.json").write_text(json.dumps(pose.tolist()))
    got, _ = scaled(distance, points=tmp_path / "p.csv", points_pose=tmp_path / "pose.json")
    assert agrees(got, distance)


@pytest.mark.parametrize("sparse", [False, True])
def test_a_coarse_map_bends_the_distance_smoothly(tmp_path: Path, sparse: bool) -> None:
    distance = room()
    lon = erp_rays(H, W, dtype=np.float64)[..., 0]
    wrong = distance * np.exp(0.2 * lon)  # what a network may do: one side too near
    anchor = distance.copy()
    if sparse:
        anchor[RNG.random(anchor.shape) < 0.97] = 0
        file = tmp_path / "a.png"
        cv2.imwrite(str(file), np.rint(anchor * 1000).astype(np.uint16))
    else:
        file = tmp_path / "a.npz"
        np.savez(file, distance=cv2.resize(anchor, (64, 32), interpolation=cv2.INTER_AREA))
    got, facts = scaled(wrong, anchor_depth=file)
    assert facts["metres_by"] == "anchor_depth"
    assert np.median(np.abs(got / distance - 1)) < 0.02
    assert np.median(np.abs(wrong / distance - 1)) > 0.06


def test_a_coarse_map_and_the_floor_agree_at_any_scale(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", distance=room().astype(np.float32))
    _, facts = scaled(room() / 3.7, anchor_depth=tmp_path / "a.npz", camera_height=1.6)
    assert facts["metres_per_unit"] == pytest.approx(3.7 * UNIT, rel=0.01)
    assert facts["other_metres"]["camera_height"]["ratio"] == pytest.approx(1, rel=0.02)


def test_how_far_the_picture_goes_gives_metres() -> None:
    distance = room()
    got, _ = scaled(distance, max_distance=float(np.quantile(distance, 0.98)))
    assert agrees(got, distance)


def test_the_more_trusted_cue_wins_and_the_other_is_told() -> None:
    distance = room()
    got, facts = scaled(
        distance, camera_height=1.44, known_distance=(100.5, 60.5, distance[60, 100])
    )
    assert agrees(got, distance)
    assert facts["other_metres"]["camera_height"]["ratio"] == pytest.approx(0.9, rel=0.01)
    ball = np.full((H, W), 3.0)
    got, facts = scaled(ball, camera_height=1.6, known_distance=(9, 9, 3.0))
    assert agrees(got, ball)
    assert "floor" in facts["other_metres"]["problems"][0]


def test_what_cannot_be_used_is_said(tmp_path: Path) -> None:
    distance, nothing = room(), np.ones((H, W), np.bool_)
    nothing[:80] = False
    with pytest.raises(InputError, match="sky, or masked"):
        scaled(distance, nothing, known_distance=(9, 9, 2.0))
    with pytest.raises(InputError, match="outside the picture of 256x128"):
        scaled(distance, known_distance=(300, 9, 2.0))
    with pytest.raises(InputError, match="shows no surface"):
        scaled(distance, np.zeros_like(nothing), max_distance=5.0)
    with pytest.raises(InputError, match="max distance: a unit of the map would be"):
        scaled(distance, max_distance=1e308)
    with pytest.raises(InputError, match="one place"):
        scaled(distance, known_length=(9, 9, 9, 9, 2.0))
    for content in (b"", b"ply\nformat ascii 1.0\nend_header\n", b"a,b,c\nd,e,f\n", b"ply\n\xff"):
        (tmp_path / "bad").write_bytes(content)
        with pytest.raises(InputError, match=r"bad|0 of 0"):
            scaled(distance, points=tmp_path / "bad")
        with pytest.raises(InputError, match="bad"):
            scaled(distance, anchor_depth=tmp_path / "bad")
    np.savetxt(tmp_path / "few.csv", points_of(distance, 9), delimiter=",")
    with pytest.raises(InputError, match=r"9 of 9 .* at least 50"):
        scaled(distance, points=tmp_path / "few.csv")
    with pytest.raises(InputError, match=r"none\.csv"):
        scaled(distance, points=tmp_path / "none.csv")
    (tmp_path / "pose.json").write_text("[[1, 2], [3, 4]]")
    with pytest.raises(InputError, match="4 rows of 4"):
        scaled(distance, points=tmp_path / "few.csv", points_pose=tmp_path / "pose.json")


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ({"camera_height": 0.0}, "^camera height must be a positive number of metres: 0.0$"),
        ({"max_distance": math.inf}, "^max_distance must be a number, not inf$"),
        ({"known_distance": (1.0, 2.0)}, "^known distance must be 2 coordinates and metres > 0"),
        (
            {"known_length": (1.0, 2.0, 3.0, 4.0, -1.0)},
            "^known length must be 4 coordinates and metres > 0",
        ),
        ({"points_pose": Path("pose.json")}, "^points pose: there are no points; give --points"),
        ({"scale": "guessed"}, "^unknown --scale 'guessed': use learned or none$"),
    ],
)
def test_options_that_cannot_be(bad: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        PredictOptions(**bad)  # type: ignore[arg-type]


def test_what_is_learned_counts_alone_or_by_how_sure_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    said = iter([(UNIT * 1.2, 0.2), (UNIT * 1.2, 0.2)])
    monkeypatch.setattr("panodepth.predict.metric.learned.by_network", lambda *_seen: next(said))
    _, facts = scaled(room(), scale="learned")
    assert facts["metres_by"] == "learned"
    assert facts["metres_per_unit"] == pytest.approx(1.2 * UNIT)
    assert facts["metres_spread"] == 0.2
    _, facts = scaled(room(), scale="learned", camera_height=1.6)  # the floor is exact here
    assert facts["metres_by"] == "camera_height + learned"
    assert facts["metres_per_unit"] == pytest.approx(UNIT, rel=0.005)
    assert facts["other_metres"]["learned"]["ratio"] == pytest.approx(1.2, rel=0.005)


def test_cues_that_are_sure_or_say_nothing_of_it_stay() -> None:
    learned = Cue("learned", 3.0, 0.1)
    for one in (Cue("max_distance", 2.0, None), Cue("points", 2.0, 0.0)):
        assert together(one, learned) == one
    mixed = together(Cue("points", 2.0, 0.1), learned)
    assert mixed.metres == pytest.approx(math.sqrt(6))
    assert mixed.spread == pytest.approx(0.1 / math.sqrt(2))


def test_noise_has_no_learned_metres() -> None:
    relative = room().astype(np.float32)
    noise = RNG.random((3, H, W), dtype=np.float32)
    with pytest.raises(InputError, match="noise"):
        to_metres(relative, ALL, Seen(relative, ALL, noise), PredictOptions(scale="learned"))


@pytest.mark.parametrize("cue", [("--camera-height", "1.6"), ("--known-distance", "512,256=3")])
def test_the_command_says_which_cue_gave_the_metres(
    cue: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = Path(__file__).parents[2] / "examples" / "interior.jpg"
    assert main(["predict", str(picture), *cue, "--out", str(tmp_path), "--format", "npz"]) == 0
    told = capsys.readouterr().out
    assert f"by {cue[0].strip('-').replace('-', ' ')}" in told
    assert ("the floor is" in told) == (cue[0] == "--camera-height")


class Floors:
    """A network whose rooms stand on a floor so far below, the next one in every answer."""

    def __init__(self, *heights: float) -> None:
        self.heights, self.shown = list(heights), 0

    def __call__(self, pixels: Sequence[FloatArray]) -> list[RawOutput]:
        self.shown += len(pixels)
        return [RawOutput(np.log(self.box(self.heights.pop(0))), None) for _ in pixels]

    @staticmethod
    def box(height: float) -> FloatArray:
        rays = erp_rays(64, 128, dtype=np.float64)
        low, high = np.array([-2.0, -1.1, -1.5]), np.array([3.0, height, 4.0])
        with np.errstate(divide="ignore"):
            return np.where(rays > 0, high / rays, low / rays).min(-1).astype(np.float32)


def measured(*heights: float) -> tuple[dict[str, Any], Floors]:
    """What metadata say where the network finds floors so far below, one after the other."""
    floors = Floors(*heights)
    pixels = np.random.default_rng(0).uniform(0, 1, (3, 8, 16)).astype(np.float32)
    pixels = np.ascontiguousarray(pixels.repeat(8, 1).repeat(8, 2))
    everywhere = np.ones((64, 128), np.bool_)
    first = Floors.box(floors.heights.pop(0))
    seen = Seen(first, everywhere, pixels, floors)
    return to_metres(first, everywhere, seen, PredictOptions(camera_height=1.6))[1], floors


def test_metres_are_the_mean_over_views_and_their_spread_is_told() -> None:
    alike, floors = measured(1.3, 1.3, 1.3, 1.3)
    assert floors.shown == 3
    assert alike["metres_per_unit"] == pytest.approx(1.6 / 1.3, rel=0.01)
    assert alike["metres_spread"] < 0.02
    assert "notes" not in alike
    apart, _ = measured(1.3, 1.3, 1.55, 1.55)
    assert 1.6 / 1.55 < apart["metres_per_unit"] < 1.6 / 1.3
    assert 0.05 < apart["metres_spread"] < 0.12
    (note,) = apart["notes"]
    assert note.endswith("metres are that unsure")
