"""Clocks of video files, frames that change their size, and files that are not sound."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from tests.video.spheres import RATE, write

from panodepth.errors import InputError
from panodepth.video.options import VideoOptions
from panodepth.video.places import find_clips
from panodepth.video.reading import Frame, open_clip

GREY = np.full((64, 128, 3), np.linspace(20, 220, 128, dtype=np.uint8)[:, None], np.uint8)


def frames(path: Path, **options: object) -> list[Frame]:
    with open_clip(path, VideoOptions(**options)) as clip:  # type: ignore[arg-type]
        return list(clip.frames)


def test_time_goes_on_where_files_were_joined(tmp_path: Path) -> None:
    one = write(tmp_path / "one.ts", [GREY] * 10)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(2 * one.read_bytes())
    times = [frame.time for frame in frames(joined)]
    assert times == pytest.approx(np.arange(20) / RATE, abs=2e-3)
    part = frames(joined, start=0.75, end=1.25)
    assert [frame.number for frame in part] == [8, 9, 10, 11, 12]
    later = frames(joined, start=1.55)  # after what the file says of its length
    assert [frame.number for frame in later] == [16, 17, 18, 19]


def test_frames_that_are_coded_out_of_turn_are_in_time(tmp_path: Path) -> None:
    path = write(tmp_path / "a.avi", [GREY] * 20, max_b_frames=3)
    times = [frame.time for frame in frames(path)]
    assert times == pytest.approx(np.arange(20) / RATE, abs=2e-3)


def test_a_clock_that_begins_late_adds_no_frames(tmp_path: Path) -> None:
    path = write(tmp_path / "late.mkv", [GREY] * 10, begins=50)
    with open_clip(path, VideoOptions(start=0.25)) as clip:
        assert abs(clip.count - 8) <= 1
        assert [frame.number for frame in clip.frames] == list(range(3, 10))


def test_all_frames_of_a_slow_recording_are_read(tmp_path: Path) -> None:
    """Of fewer than one in two seconds, FFmpeg guesses the beginning from a later frame."""
    with av.open(str(tmp_path / "slow.mkv"), "w") as file:
        stream = file.add_stream("libx264", Fraction(1, 7))
        stream.height, stream.width, stream.pix_fmt = 64, 128, "yuv420p"
        for _ in range(6):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(GREY, format="rgb24")))
        file.mux(stream.encode(None))
    found = frames(tmp_path / "slow.mkv")
    assert [(frame.number, frame.time) for frame in found] == [(n, 7.0 * n) for n in range(6)]


def test_frames_of_another_size_become_as_large_as_the_first(tmp_path: Path) -> None:
    large = np.asarray(cv2.resize(GREY, (256, 128)))
    parts = [write(tmp_path / f"{k}.ts", [x] * 4) for k, x in enumerate((GREY, large))]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    found = frames(joined)
    assert len(found) >= 7
    assert {np.asarray(frame.image).shape for frame in found} == {(64, 128, 3)}


def test_pictures_of_two_sizes_are_told(tmp_path: Path) -> None:
    for number in (1, 2):
        image = np.ascontiguousarray(np.repeat(np.repeat(GREY, number, 0), number, 1))
        cv2.imwrite(str(tmp_path / f"{number}.png"), image)
    with pytest.raises(InputError, match=r"2\.png: 256x128, and the frames before it are 128x64"):
        frames(tmp_path)


def test_frames_too_small_are_told_with_their_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", [np.zeros((4, 8, 3), np.uint8)] * 2)
    with pytest.raises(InputError, match=r"a\.mp4: 8x4 is too small"):
        frames(path)


def test_a_start_after_the_last_frame_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.mp4: no frame from 0\.95 s on"):
        frames(write(tmp_path / "a.mp4", [GREY] * 10), start=0.95)


def test_a_folder_of_results_alone_is_told(tmp_path: Path) -> None:
    write(tmp_path / "a_grey.mp4", [GREY])
    with (
        av.open(str(tmp_path / "a_grey.mp4")) as one,
        av.open(str(tmp_path / "b_grey.mp4"), "w") as other,
    ):
        other.metadata["comment"] = '{"generator": "panodepth 1"}'
        stream = other.add_stream_from_template(one.streams.video[0])
        for packet in one.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                other.mux(packet)
    assert find_clips([str(tmp_path)]) == [tmp_path / "a_grey.mp4"]
    (tmp_path / "a_grey.mp4").unlink()
    with pytest.raises(InputError, match="no video in this folder but results of panodepth"):
        find_clips([str(tmp_path)])
