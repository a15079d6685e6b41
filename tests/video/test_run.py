"""Whole clips: files out, the command line, and what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

import panodepth
from panodepth.cli import main
from panodepth.errors import ConfigError, InputError, OutputError
from panodepth.export.formats import relative_note
from panodepth.predict.predictor import Predictor
from panodepth.video.options import VideoOptions, parse_seconds
from panodepth.video.reading import Clip, Frame
from panodepth.video.run import predict_clip, steadied
from panodepth.video.streams import is_ours, read_distance

EXAMPLE = Path(panodepth.__file__).parents[2] / "examples/interior.jpg"
RATE, COUNT = 10, 6


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return panodepth.load()


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """(64, 128, 3) uint8."""
    small = cv2.resize(cv2.imread(str(EXAMPLE)), (128, 64), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(small[..., ::-1])


@pytest.fixture
def video(tmp_path: Path, picture: np.ndarray) -> Path:
    """A camera that turns by two columns a frame."""
    path = tmp_path / "walk é.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", RATE, {"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 128, 64, "yuv420p"
        for number in range(COUNT):
            turned = np.ascontiguousarray(np.roll(picture, -2 * number, axis=1))
            file.mux(stream.encode(av.VideoFrame.from_ndarray(turned, format="rgb24")))
        file.mux(stream.encode(None))
    return path


def clip(images: list[np.ndarray], name: str = "clip") -> Clip:
    def frames() -> Iterator[Frame]:
        for number, image in enumerate(images):
            yield Frame(number, number / RATE, image)

    return Clip(name, Path(f"{name}.mp4"), len(images), RATE, frames())


def test_a_video_becomes_videos_and_a_path(video: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    formats = "mkv,preview,grey,path,npz"
    assert main(["video", str(video), "--out", str(out), "--format", formats, "--quiet"]) == 0
    names = ["distance.mkv", "preview.mp4", "grey.mp4", "path.txt", "frames.jsonl"]
    found = sorted(path.name for path in out.iterdir())
    assert found == sorted(["walk é", *(f"walk é_{name}" for name in names)])

    lines = [json.loads(line) for line in (out / "walk é_frames.jsonl").read_text().splitlines()]
    assert [line["number"] for line in lines] == list(range(1, COUNT + 1))
    assert [line["cut"] for line in lines] == [True] + [False] * (COUNT - 1)
    yaw = [2 * np.arctan2(line["rotation_wxyz"][2], line["rotation_wxyz"][0]) for line in lines]
    np.testing.assert_allclose(np.degrees(yaw), np.arange(COUNT) * 2 * 360 / 128, atol=0.3)

    frames = list(read_distance(out / "walk é_distance.mkv"))
    assert [time for time, _ in frames] == pytest.approx(np.arange(COUNT) / RATE, abs=2e-3)
    for number, (_, distance) in enumerate(frames, 1):
        with np.load(out / "walk é" / f"walk é_{number:06d}_distance.npz") as npz:
            assert (np.isnan(distance) == ~npz["mask"]).all()
            stored, mask = npz["distance"], npz["mask"]
        np.testing.assert_allclose(distance[mask], stored[mask], rtol=5e-4)

    for name, size in (("preview", (128, 128)), ("grey", (64, 128))):
        with av.open(str(out / f"walk é_{name}.mp4")) as file:
            images = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
            assert len(images) == COUNT
            assert images[0].shape[:2] == size
            assert file.streams.video[0].average_rate == RATE
    path = (out / "walk é_path.txt").read_text().splitlines()
    assert path[0].startswith("# a shot")
    assert len(path) == COUNT + 1
    assert [len(line.split()) for line in path[1:]] == [8] * COUNT
    assert all(is_ours(out / f"walk é_{name}") for name in names[:3])
    assert not is_ours(video)


def test_grey_is_white_where_it_is_near(
    predictor: Predictor, picture: np.ndarray, tmp_path: Path
) -> None:
    options = VideoOptions(out=tmp_path, formats=("grey", "mkv"))
    predict_clip(predictor, clip([picture]), options)
    with av.open(str(tmp_path / "clip_grey.mp4")) as file:
        grey = next(file.decode(video=0)).to_ndarray(format="gray").astype(float)
    distance = next(read_distance(tmp_path / "clip_distance.mkv"))[1]
    seen = np.isfinite(distance)
    assert np.corrcoef(grey[seen], np.log(distance[seen]))[0, 1] < -0.98


def test_without_steady_each_frame_is_what_predict_says(
    predictor: Predictor, picture: np.ndarray
) -> None:
    images = [picture, np.roll(picture, 9, axis=1)]
    options = VideoOptions(steady=False)
    for (_, now), image in zip(
        steadied(predictor, clip(images).frames, options), images, strict=True
    ):
        alone = predictor.predict(image, level="none")
        np.testing.assert_array_equal(now.prediction.distance, alone.distance)


def test_metres_are_carried_on(predictor: Predictor, picture: np.ndarray) -> None:
    options = VideoOptions(camera_height=1.6)
    first, *more = [
        now.prediction for _, now in steadied(predictor, clip([picture] * 3).frames, options)
    ]
    assert first.unit == "m"
    for each in more:
        assert each.unit == "m"
        assert each.meta["metres_by"] == "camera_height"
        np.testing.assert_allclose(each.distance, first.distance, rtol=1e-3)


def test_nothing_is_left_of_a_clip_that_fails(
    predictor: Predictor, picture: np.ndarray, tmp_path: Path
) -> None:
    def frames() -> Iterator[Frame]:
        yield Frame(0, 0.0, picture)
        raise InputError("clip.mp4: damaged after frame 1")

    broken = replace(clip([]), frames=frames())
    with pytest.raises(InputError, match="damaged after frame 1"):
        predict_clip(predictor, broken, VideoOptions(out=tmp_path))
    assert not list(tmp_path.iterdir())


def test_frames_that_lack_are_told(
    predictor: Predictor, picture: np.ndarray, tmp_path: Path
) -> None:
    short = replace(clip([picture]), count=100, damaged=[0.5])
    result = predict_clip(predictor, short, VideoOptions(out=tmp_path, formats=("mkv",)))
    assert result.notes == [
        "clip.mp4: 1 damaged piece, at 0.5 s: what follows may be off, too",
        "clip.mp4: 1 frames of 100: the file may be cut",
    ]


def test_files_of_a_longer_run_are_told(
    predictor: Predictor, picture: np.ndarray, tmp_path: Path
) -> None:
    options = VideoOptions(out=tmp_path, formats=("npz",))
    assert predict_clip(predictor, clip([picture] * 3), options).notes == []
    told = f"{tmp_path / 'clip'}: files from clip_000002 on are of an earlier, longer run"
    assert predict_clip(predictor, clip([picture]), options).notes == [told]


def test_what_others_wrote_is_not_overwritten(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "walk é_preview.mp4"
    other.write_bytes(b"mine")
    assert main(["video", str(video), "--out", str(tmp_path)]) == 2
    assert "no result of panodepth, so it is not overwritten" in capsys.readouterr().err
    assert other.read_bytes() == b"mine"


def test_a_name_that_is_too_long_is_told_before_anything_runs(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = video.rename(tmp_path / f"{'n' * 245}.mp4")
    assert main(["video", str(long), "--out", str(tmp_path / "out")]) == 2
    assert "cannot be written (File name too long)" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_measurements_that_are_not_there_are_told_before_anything_runs(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["video", str(video), "--out", str(out), "--points", str(tmp_path / "no.csv")]) == 2
    assert "no.csv" in capsys.readouterr().err
    assert not out.exists()


def test_clips_that_are_done_are_left_and_own_results_are_no_clips(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["video", str(tmp_path), "--out", str(tmp_path), "--end", "0.25", "--json"]
    assert main(command) == 0
    first = json.loads(capsys.readouterr().out)
    assert (first["frames"], len(first["results"])) == (3, 1)
    lines = (tmp_path / "walk é_frames.jsonl").read_text().splitlines()
    each = [json.loads(line)["flicker"] for line in lines]
    assert each[0] is None
    assert first["results"][0]["flicker"] == pytest.approx(np.mean(each[1:]), abs=1e-6)
    assert main([*command, "--skip-existing"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["skipped"], again["frames"], again["results"]) == (1, 0, [])


def test_relative_frames_in_a_format_of_metres_are_told_once(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["video", str(video), "--out", str(tmp_path), "--end", "0.25", "--format"]
    assert main([*command, "points-glb,mkv"]) == 0
    told = f"note: {relative_note(('points-glb',))}"
    assert [line for line in capsys.readouterr().err.splitlines() if "metres" in line] == [told]
    assert main([*command, "mkv"]) == 0
    out, err = capsys.readouterr()
    assert "metres" not in err
    assert re.search(r"^flicker 0\.\d\d%: of what is still", out, re.MULTILINE)


def test_one_bad_clip_does_not_stop_the_others(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    out = tmp_path / "out"
    command = ["video", str(bad), str(video), "--out", str(out), "--every", "3", "--format", "mkv"]
    assert main(command) == 1
    told = capsys.readouterr()
    assert told.err.count("error: ") == 1
    assert "bad.mp4: no video that FFmpeg reads" in told.err
    assert (out / "walk é_distance.mkv").exists()
    assert not list(out.glob("bad*"))


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        ({"every": 0}, ConfigError, "every 1"),
        ({"rows": 10}, ConfigError, "rows must be at least 64"),
        ({"rate": 0.0}, ConfigError, "rate must lie above 0"),
        ({"start": 3.0, "end": 2.0}, ConfigError, "is not after the start"),
        ({"out_projection": "cubemap"}, ConfigError, "out_projection"),
        ({"formats": ("mp3",)}, OutputError, "unknown format 'mp3'"),
        ({"formats": ()}, OutputError, "no format named"),
        ({"formats": ("laserscan",)}, ConfigError, "laserscan"),
        ({"up_axis": "z"}, ConfigError, "no file of a frame is written"),
        ({"settings": ("ply.up=z",), "formats": ("mkv",)}, ConfigError, "no file of a frame"),
        ({"settings": ("ply.upp=z",), "formats": ("ply",)}, ConfigError, "upp"),
        ({"up_axis": "w", "formats": ("ply", "mkv")}, ConfigError, "w"),
        ({"formats": ("path",), "steady": False}, ConfigError, "nothing says how the camera moved"),
    ],
)
def test_options_that_cannot_be(given: dict[str, Any], error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        VideoOptions(**given)


def test_settings_of_formats_are_those_of_predict() -> None:
    given = VideoOptions(formats=("ply", "mkv"), settings=("ply.max_points=9",), up_axis="z")
    assert given.writer_settings == {"up": "z", "ply.max_points": 9}


@pytest.mark.parametrize(
    ("text", "seconds"), [("12.5", 12.5), ("1:02", 62.0), ("1:02:03.5", 3723.5), ("0", 0.0)]
)
def test_times(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "1:2:3:4", "-1", "nan", "inf", "soon"])
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(ConfigError, match="is no time"):
        parse_seconds(text)
