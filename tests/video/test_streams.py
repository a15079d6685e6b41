"""What the files of a clip carry beside pictures: sound, and tags of the sphere."""

from __future__ import annotations

import os
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from tests.video.spheres import RATE, write

from panodepth.errors import InputError
from panodepth.images import to_image_data
from panodepth.types import Prediction
from panodepth.video.boxes import said
from panodepth.video.options import VideoOptions
from panodepth.video.reading import open_clip
from panodepth.video.run import ClipResult, predict_clip
from panodepth.video.streams import read_distance

GREY = np.full((64, 128, 3), np.linspace(20, 220, 128, dtype=np.uint8)[:, None], np.uint8)
SOUND_RATE, COUNT = 48_000, 20


class Bright:
    """Says that what is bright is far, and fails where nothing is."""

    def predict(self, image: Any, options: Any = None) -> Prediction:
        data = to_image_data(image)
        if data.to_uint8().max() < 9:
            raise InputError("image: is black")
        distance = 1 + data.to_uint8()[..., 0].astype(np.float32) / 255
        meta = {"unit": "relative", "notes": ["it is grey"]}
        return Prediction(distance, distance > 0, data.to_uint8(), meta)


def run(path: Path, out: Path, **options: Any) -> ClipResult:
    chosen = VideoOptions(out=out, **{"formats": ("mkv", "preview", "grey"), **options})
    with open_clip(path, chosen) as clip:
        return predict_clip(Bright(), clip, chosen)  # type: ignore[arg-type]


def with_sound(path: Path, codec: str) -> Path:
    """Two seconds of pictures, with a tone in the second half of each second."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", RATE)
        stream.height, stream.width, stream.pix_fmt = 64, 128, "yuv420p"
        sound = file.add_stream(codec, SOUND_RATE, layout="mono")
        times = np.arange(SOUND_RATE * COUNT // RATE) / SOUND_RATE
        tone = 8000 * np.sin(2 * np.pi * 440 * times) * (np.floor(2 * times) % 2)
        for number in range(COUNT):
            frame = av.VideoFrame.from_ndarray(GREY, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            file.mux(stream.encode(frame))
            start = number * SOUND_RATE // RATE
            samples = tone[start : start + SOUND_RATE // RATE].astype(np.int16)
            piece = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
            piece.sample_rate, piece.pts = SOUND_RATE, start
            piece.time_base = Fraction(1, SOUND_RATE)
            file.mux(sound.encode(piece))
        file.mux(sound.encode(None))
        file.mux(stream.encode(None))
    return path


def loud(path: Path) -> list[float]:
    """When its sound begins to be heard or ends [s]."""
    with av.open(str(path)) as file:
        peaks = [(f.time, float(np.abs(f.to_ndarray()).max())) for f in file.decode(audio=0)]
    most = max(peak for _, peak in peaks)
    heard = [(time, peak > most / 5) for time, peak in peaks]
    return [b[0] for a, b in pairwise(heard) if a[1] != b[1]]


@pytest.mark.parametrize(
    ("name", "codec", "start", "changes"),
    [
        ("a.mp4", "aac", None, [0.5, 1.0, 1.5]),
        ("a.mp4", "aac", 0.75, [0.25, 0.75]),
        ("a.mkv", "libopus", None, [0.5, 1.0, 1.5]),
    ],
)
def test_sound_is_copied_to_the_preview_in_time(
    tmp_path: Path, name: str, codec: str, start: float | None, changes: list[float]
) -> None:
    first = 0.0 if start is None else 0.8 - start  # of the first frame from the start on
    run(with_sound(tmp_path / name, codec), tmp_path / "out", start=start)
    found = [time for time in loud(tmp_path / "out/a_preview.mp4") if time > 0.1]
    assert found == pytest.approx(np.array(changes) - first, abs=0.05)
    for other in ("a_grey.mp4", "a_distance.mkv"):
        with av.open(str(tmp_path / "out" / other)) as file:
            assert not file.streams.audio
    with av.open(str(tmp_path / "out/a_preview.mp4")) as file:
        assert len(list(file.decode(video=0))) == (COUNT if start is None else 12)


@pytest.mark.parametrize(("start", "first"), [(None, 0.0), (2.2, 2.2)])
def test_sound_goes_on_where_files_were_joined(
    tmp_path: Path, start: float | None, first: float
) -> None:
    whole = with_sound(tmp_path / "one.ts", "aac").read_bytes()
    (tmp_path / "a.ts").write_bytes(2 * whole)
    run(tmp_path / "a.ts", tmp_path / "out", formats=("preview",), start=start)
    changes = np.array([0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5]) - first
    found = [time for time in loud(tmp_path / "out/a_preview.mp4") if time > 0.1]
    assert found == pytest.approx(changes[changes > 0.1], abs=0.06)


def test_sound_that_mp4_does_not_hold_is_left_out(tmp_path: Path) -> None:
    run(with_sound(tmp_path / "a.avi", "pcm_s16le"), tmp_path / "out")
    with av.open(str(tmp_path / "out/a_preview.mp4")) as file:
        assert not file.streams.audio


def test_whole_panoramas_are_tagged_and_pairs_of_pictures_are_not(tmp_path: Path) -> None:
    source = write(tmp_path / "a.mp4", [GREY] * 30)
    run(source, tmp_path / "out")
    grey, preview = (tmp_path / f"out/a_{kind}.mp4" for kind in ("grey", "preview"))
    found = said(grey, 1)
    assert found.projection == b"equi"
    assert b"<GSpherical:Spherical>true</GSpherical:Spherical>" in found.xml
    assert said(preview, 1) == (b"", None, b"")
    with open_clip(grey, VideoOptions()) as clip:
        frames = list(clip.frames)
        assert (len(frames), clip.notes) == (30, ())
    assert all(np.ptp(np.asarray(frame.image)) > 50 for frame in frames)
    for path in (grey, preview):
        content = path.read_bytes()
        assert content.find(b"moov") < content.find(b"mdat")
    with av.open(str(grey)) as file:
        frame = next(file.decode(video=0))
        assert "SPHERICAL" in [data.type.name for data in frame.side_data]


def test_errors_name_the_file_and_nothing_is_left(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", [GREY] * 3 + [np.zeros_like(GREY)])
    with pytest.raises(InputError, match=r"a\.mp4, after 0\.2 s: is black") as error:
        run(path, tmp_path / "out")
    assert str(path) in str(error.value)
    assert not list((tmp_path / "out").iterdir())


def test_what_is_said_of_the_first_frame_is_told_once(tmp_path: Path) -> None:
    assert run(write(tmp_path / "a.mp4", [GREY] * 3), tmp_path / "out").notes == [
        "a.mp4: it is grey"
    ]


@pytest.mark.skipif(os.name == "nt", reason="no such names there")
def test_a_name_with_a_colon_is_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(write(tmp_path / "a:b.mp4", [GREY] * 2), tmp_path)
    monkeypatch.chdir(tmp_path)
    assert len(list(read_distance("a:b_distance.mkv"))) == 2
