"""A part of a file is decoded from a key frame on, and gives the frames of the whole."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from tests.video.spheres import RATE

from panodepth.video import reading
from panodepth.video.options import VideoOptions
from panodepth.video.reading import Frame, open_clip

COUNT, KEYS = 40, 8


def write(path: Path, codec: str, options: dict[str, str], begins: int = 0, **of: Any) -> Path:
    """A video of noise that moves, all of whose frames differ; a key frame every KEYS frames."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (8, 16, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, RATE, options)
        stream.width, stream.height, stream.pix_fmt = 128, 64, "yuv420p"
        stream.codec_context.gop_size = KEYS
        for name, value in of.items():
            setattr(stream.codec_context, name, value)
        for number in range(COUNT):
            image = np.roll(noise, 3 * number, 1) // 2 + np.uint8(2 * number)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = begins + number, Fraction(1, RATE)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def moved(path: Path, name: str, by: Callable[[int], int]) -> Path:
    """The same packets in a file beside it, `by(number)` frames later; they come from an MP4."""
    other = path.with_name(name)
    with av.open(str(path)) as one, av.open(str(other), "w") as two:
        source = one.streams.video[0]
        stream = two.add_stream_from_template(source)
        tick = round(1 / RATE / float(source.time_base or 1))
        for packet in one.demux(video=0):
            if packet.dts is None or packet.pts is None:
                continue
            late = by(packet.pts // tick) * tick
            if packet.pts + late < -COUNT * tick:
                continue
            packet.pts, packet.dts = packet.pts + late, packet.dts + late
            packet.stream = stream
            two.mux(packet)
    return other


def frames(path: Path, **options: Any) -> list[Frame]:
    with open_clip(path, VideoOptions(**options)) as clip:
        return list(clip.frames)


def same(path: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
    """Assert that a part is the same whether what lies before it is decoded or not."""
    found = frames(path, **options)
    with monkeypatch.context() as patch:
        patch.setattr(reading, "_later", lambda *_: None)
        whole = frames(path, **options)
    assert len(found) > 2
    facts = [(f.number, f.time, f.clock) for f in whole]
    assert [(f.number, f.time, f.clock) for f in found] == facts
    for one, other in zip(found, whole, strict=True):
        assert np.array_equal(np.asarray(one.image), np.asarray(other.image))


def begins_at(path: Path, start: float) -> int | None:
    """The number of the first frame that is decoded for a start [s]; None = of the file's."""
    with ExitStack() as held:
        later = reading._later(path, held, start, [])
        return None if later is None else later[0]


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {}),
        ("b.mkv", "libx264", {"x264-params": "open-gop=1:bframes=3:b-pyramid=strict"}),
        ("c.mp4", "libx264", {"x264-params": "open-gop=1:bframes=3"}),
        ("d.mov", "mpeg4", {}),
        ("e.mp4", "libx265", {"x265-params": "open-gop=1:bframes=3:log-level=none"}),
        ("f.webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
    ],
)
def test_a_part_is_the_same_and_decoded_from_a_key_frame_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, codec: str, options: dict[str, str]
) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    of = {} if "vp9" in codec else {"max_b_frames": 3}
    path = write(tmp_path / name, codec, options, **of)
    assert begins_at(path, 3.05) in range(KEYS, 31)
    for start in (0.35, 2.35, 2.4, 3.05):
        same(path, monkeypatch, start=start, end=start + 0.65)
    same(path, monkeypatch, start=2.75, every=3)


@pytest.mark.parametrize("name", ["b.mp4", "b.mkv"])
@pytest.mark.parametrize("late", [-KEYS - 3, 5])
def test_clocks_that_begin_early_or_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, late: int
) -> None:
    path = write(tmp_path / "a.mp4", "libx264", {}, max_b_frames=2)
    path = moved(path, name, lambda _: late)  # before 0, MP4's edit list leaves frames out
    for start in (0.35, 1.75, 2.05):
        same(path, monkeypatch, start=start)
    assert begins_at(path, 2.05) is not None


def test_frames_that_do_not_come_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.mp4", "libx264", {}, max_b_frames=0)
    path = moved(path, "b.mp4", lambda number: number // 3)
    same(path, monkeypatch, start=3.05, end=4.5)
    assert begins_at(path, 3.05) is not None


@pytest.mark.parametrize(("name", "codec"), [("a.avi", "mpeg4"), ("b.ts", "libx264")])
def test_what_has_no_sure_times_is_decoded_from_the_first_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, codec: str
) -> None:
    path = write(tmp_path / name, codec, {}, max_b_frames=2)
    assert begins_at(path, 3.05) is None
    same(path, monkeypatch, start=3.05)


def test_an_intra_refresh_without_key_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"x264-params": "intra-refresh=1:keyint=8:bframes=0"}
    same(write(tmp_path / "a.mp4", "libx264", options), monkeypatch, start=3.05)


def test_a_file_that_begins_between_key_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.mp4", "libx264", {}, max_b_frames=0)
    cut = moved(path, "b.mkv", lambda number: 0 if number > 3 else -100)
    same(cut, monkeypatch, start=2.05)


def test_damage_before_the_part_is_no_matter(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv", "libx264", {})
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as file:
        packets = [packet for packet in file.demux(video=0) if packet.size]
        place = (packets[KEYS].pos or 0) + packets[KEYS].size // 2
    content[place : place + 30] = bytes(30)
    path.write_bytes(content)
    with open_clip(path, VideoOptions(start=3.05)) as clip:
        assert [frame.number for frame in clip.frames] == list(range(31, COUNT))
        assert clip.damaged == []
