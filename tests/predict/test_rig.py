"""Several cameras become one panorama: by what a JSON file says of them."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from panodepth.cli import main
from panodepth.errors import ConfigError, InputError
from panodepth.geometry.grid import erp_rays
from panodepth.geometry.lens import Pinhole, View
from panodepth.geometry.lenses import KB4, BrownConrady
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.geometry.stitching import Camera
from panodepth.images import linear_to_srgb, srgb_to_linear
from panodepth.predict.folder import checks, memory
from panodepth.predict.folder.checks import check_first
from panodepth.predict.folder.inputs import find_rig_folders
from panodepth.predict.folder.options import RunOptions
from panodepth.predict.folder.pipeline import _pixels
from panodepth.predict.lenses.exposures import log_gains, matched
from panodepth.predict.lenses.rig import read_rig

SIZE = (96, 128)


def colour(points: Any) -> Any:
    """What a wall is painted with: smooth in all three coordinates."""
    return 0.5 + 0.2 * np.sin(0.7 * points + np.array([0, 1, 2]))


def write_rig(folder: Path, radius: float | None = None) -> Path:
    """Six cameras all round, one of them a fisheye that looks up, off the centre of a ball."""
    cameras = []
    for i, yaw in enumerate((0, 60, 120, 180, -120, -60)):
        fisheye = i == 5
        kb4 = KB4(30, 30, 64, 48, math.radians(190), 0.02)
        lens = kb4 if fisheye else Pinhole.from_fov(math.radians(100), SIZE)
        turn = rotation_from_yaw_pitch_roll(math.radians(yaw), math.radians(70 if fisheye else 0))
        told = {name: getattr(lens, name) for name in ("fx", "fy", "cx", "cy")}
        told |= {"model": "kb4", "fov_deg": 190, "k1": 0.02} if fisheye else {"model": "pinhole"}
        told |= {"image": f"{i}.png", "width": 128, "height": 96}
        told |= {"rotation": turn.tolist()} if i % 2 else {"yaw_deg": yaw}
        position = [0.0, 0.0, 0.0] if radius is None else [0.3 * math.sin(yaw), 0.1, 0.2]
        rays = View(lens, SIZE, turn).rays(dtype=np.float64)
        points = rays if radius is None else on_ball(np.array(position), rays, radius)
        image = np.where(rays.any(-1)[..., None], colour(points), 0)
        Image.fromarray(np.rint(image * 255).astype(np.uint8)).save(folder / f"{i}.png")
        cameras.append({**told, "position_m": position})
    path = folder / "rig.json"
    path.write_text(json.dumps({"cameras": cameras, "radius_m": radius}))
    return path


def on_ball(position: Any, rays: Any, radius: float) -> Any:
    """Where rays from a place inside meet the ball round the origin."""
    along = rays @ position
    reach = -along + np.sqrt(along**2 + radius**2 - position @ position)
    return position + rays * reach[..., None]


@pytest.mark.parametrize("radius", [None, 4.0])
def test_a_rig_sees_the_same_world_as_a_panorama(tmp_path: Path, radius: float | None) -> None:
    data = read_rig(write_rig(tmp_path, radius)).panorama(tmp_path)
    assert data.size[1] == 2 * data.size[0]
    assert data.name == tmp_path.name
    truth = colour(erp_rays(*data.size) * (radius or 1.0))
    seen = np.ones(data.size, bool) if data.valid is None else data.valid
    assert 0.7 < seen.mean() < 1  # nobody looks straight down
    assert np.abs(data.image - truth)[seen].mean() < 0.004
    assert np.abs(data.image - truth)[seen].max() < 0.06


def test_what_is_transparent_in_a_picture_is_taken_from_others_or_not_at_all(
    tmp_path: Path,
) -> None:
    """As the vehicle that stands in each of its cameras' views."""
    rig = read_rig(write_rig(tmp_path))
    before = rig.panorama(tmp_path)
    for number in range(5):
        picture = Image.open(tmp_path / f"{number}.png").convert("RGBA")
        for box in ((0, 70, 128, 96), (0, 0, 20, 96)):  # below, and what a neighbour sees too
            picture.paste((255, 0, 255, 0), box)
        picture.save(tmp_path / f"{number}.png")
    data = rig.panorama(tmp_path)
    assert data.valid is not None
    assert before.valid is not None
    assert data.valid.mean() < before.valid.mean() - 0.05
    middle = slice(data.size[0] * 4 // 10, data.size[0] // 2)
    assert data.valid[middle].all()
    truth = colour(erp_rays(*data.size))
    assert (np.abs(data.image - truth)[data.valid] < 0.06).mean() > 0.999


def test_all_pictures_of_a_rig_count_in_memory(tmp_path: Path) -> None:
    rig = write_rig(tmp_path)
    [item] = find_rig_folders([str(tmp_path)]).files
    options = RunOptions(rig=rig, out=tmp_path)
    assert _pixels(item, options) == 6 * SIZE[0] * SIZE[1]
    sphere = read_rig(rig).panorama(tmp_path).size
    laid = math.prod(sphere) * memory.RIG_BYTES // memory.PIXEL_BYTES
    limited = replace(options, max_memory=1.0)
    assert _pixels(item, limited) == 6 * SIZE[0] * SIZE[1] + laid


def test_a_folder_of_a_rig_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shots = tmp_path / "moment"
    shots.mkdir()
    rig = str(write_rig(shots))
    out = ["--out", str(tmp_path / "out"), "--format", "npz"]
    assert main(["predict", str(shots), "--rig", rig, *out]) == 0
    with np.load(tmp_path / "out/moment_distance.npz") as npz:
        assert npz["distance"].shape == npz["mask"].shape
        assert 0 < npz["mask"].mean() < 1
    (shots / "3.png").unlink()
    capsys.readouterr()
    assert main(["predict", str(shots), "--rig", rig, *out]) == 1
    assert "no picture 3.png, which the rig names" in capsys.readouterr().err
    assert main(["predict", str(tmp_path), "--rig", rig, *out]) == 1
    assert f"name the folders of the moments, such as {shots}\n" in capsys.readouterr().err
    assert main(["predict", str(shots / "1.png"), "--rig", rig, *out]) == 2
    assert "--rig takes folders" in capsys.readouterr().err


def test_a_pinhole_with_distortion(tmp_path: Path) -> None:
    path = write_rig(tmp_path)
    values = json.loads(path.read_text())
    values["cameras"][0] |= {"k1": -0.1, "k2": 0.01, "p1": 0.002, "p2": -0.001, "k3": 0.003}
    path.write_text(json.dumps(values))
    told = read_rig(path).cameras[0].camera((48, 64)).view.lens
    assert isinstance(told, BrownConrady)
    assert (told.k1, told.k2, told.p1, told.p2, told.k3) == (-0.1, 0.01, 0.002, -0.001, 0.003)
    assert told.cx == 32


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model": "fish"}, "model"),
        ({"fx": -1}, "fx"),
        ({"focal": 3}, "unknown key 'focal'"),
        ({"rotation": [[1, 0, 0], [0, 1, 0], [0, 0, -1]]}, "no rotation matrix"),
        ({"rotation": [[1, 0, 0], [0, 1, 0], [0, 1, 1]]}, "no rotation matrix"),
        ({"rotation": [[1, 0, 0], [0, 1, 0]]}, "3 rows of 3"),
        ({"rotation": [[1, 0], [0, 1], [0, 0, 1]]}, "3 rows of 3"),
        ({"rotation": []}, "3 rows of 3"),
        ({"position_m": [1, 2]}, "position_m is 3 numbers"),
        ({"width": 200}, "of another shape than 200x96"),
        ({"model": "kb4", "k1": -0.5}, "hold for less than"),
        ({"p1": 0.001, "model": "kb4"}, "p1 says nothing about a kb4 lens"),
        ({"k4": 0.001}, "k4 says nothing about a pinhole lens"),
        ({"image": "1.png"}, "names a picture twice"),
    ],
)
def test_what_a_rig_cannot_be(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    path = write_rig(tmp_path)
    values = json.loads(path.read_text())
    values["cameras"][0] |= change
    path.write_text(json.dumps(values))
    with pytest.raises((ConfigError, InputError)) as caught:
        read_rig(path).panorama(tmp_path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_rig(tmp_path: Path) -> None:
    for text, says in (
        ("{", "not JSON"),
        ('{"cameras": []}', "has no cameras"),
        ("3", "table"),
    ):
        (tmp_path / "r.json").write_text(text)
        with pytest.raises(ConfigError, match=says):
            read_rig(tmp_path / "r.json")
    with pytest.raises(ConfigError, match="cannot read rig"):
        read_rig(tmp_path / "none.json")


def matched_world(gains: Any, cameras: int = 6) -> tuple[list[Any], list[Camera]]:
    """Pictures of a world of soft colours, each in linear light times its gain."""
    pictures, found = [], []
    for i, gain in zip(range(cameras), gains, strict=False):
        turn = rotation_from_yaw_pitch_roll(math.radians(60 * i))
        view = View(Pinhole.from_fov(math.radians(100), SIZE), SIZE, turn)
        light = 0.12 + 0.08 * np.sin(3 * view.rays() + np.array([0, 1, 2], np.float32))
        pictures.append(linear_to_srgb(np.moveaxis(light * gain, -1, 0).clip(0, 1)))
        found.append(Camera(view))
    return pictures, found


@pytest.mark.parametrize("seed", range(10))
def test_exposures_are_matched_by_their_overlaps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gains = rng.choice([0.5, 2.5], 6) if seed < 3 else rng.uniform(0.5, 2.5, 6)
    pictures, cameras = matched_world(gains)
    found = log_gains(pictures, cameras)
    expected = -np.log(gains) + np.log(gains).mean()
    assert found == pytest.approx(expected, abs=0.05)
    light = [srgb_to_linear(one).mean() for one in matched(pictures, cameras)]
    plain = [srgb_to_linear(one).mean() for one in matched_world([1.0] * 6)[0]]
    ratio = np.array(light) / plain
    assert ratio.std() / ratio.mean() < 0.05


def test_what_agrees_or_does_not_overlap_stays() -> None:
    pictures, cameras = matched_world([1.0] * 6)
    assert all(a is b for a, b in zip(matched(pictures, cameras), pictures, strict=True))
    pictures, cameras = matched_world([0.5, 1, 1, 2], 4)
    apart = [pictures[0], pictures[3]], [cameras[0], cameras[3]]
    assert log_gains(*apart) == pytest.approx([0, 0])
    black = [np.zeros_like(pictures[0]), pictures[1]]
    assert log_gains(black, cameras[:2]) == pytest.approx([0, 0])


def test_a_rig_that_takes_too_much_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of its pictures count, each of which alone is small enough."""
    rig = write_rig(tmp_path)
    monkeypatch.setattr(memory, "PIXEL_BYTES", 1 << 14)
    items = find_rig_folders([str(tmp_path)]).files
    options = RunOptions(rig=rig, out=tmp_path / "out", max_memory=1.0)
    left, refused = check_first(items, options)
    assert left == []
    told = r"6 pictures, the first 128x96, take about 1\.6 GB, more than --max-memory 1GB"
    assert re.search(told, str(refused[0].error))
    assert check_first(items, replace(options, max_memory=2.0))[1] == []


def test_the_panorama_that_a_rig_becomes_counts_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = write_rig(tmp_path)
    monkeypatch.setattr(memory, "PIXEL_BYTES", 1)
    monkeypatch.setattr(checks, "RIG_BYTES", 1 << 15)
    items = find_rig_folders([str(tmp_path)]).files
    options = RunOptions(rig=rig, out=tmp_path / "out", max_memory=1.0)
    assert "more than --max-memory 1GB" in str(check_first(items, options)[1][0].error)
