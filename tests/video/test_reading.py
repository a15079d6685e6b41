"""Frames of video files and of folders."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from panodepth.errors import InputError
from panodepth.types import Prediction
from panodepth.video.options import VideoOptions
from panodepth.video.places import find_clips
from panodepth.video.reading import Frame, open_clip

RATE = 10


def picture(number: int) -> np.ndarray:
    """(64, 128, 3) uint8, whose brightness says which frame it is."""
    return np.full((64, 128, 3), 10 * number + 5, np.uint8)


def write_video(path: Path, count: int = 20, codec: str = "libx264", grain: bool = False) -> Path:
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, RATE)
        stream.width, stream.height, stream.pix_fmt = 128, 64, "yuv420p"
        stream.codec_context.gop_size = 5
        for number in range(count):
            image = picture(number)
            if grain:  # which makes frames large, and keeps their brightness
                image = np.clip(image + rng.integers(-4, 5, image.shape), 0, 255)
            frame = av.VideoFrame.from_ndarray(image.astype(np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def frames(path: Path, **options: object) -> list[Frame]:
    with open_clip(path, VideoOptions(**options)) as clip:  # type: ignore[arg-type]
        return list(clip.frames)


def numbers(found: list[Frame]) -> list[int]:
    """Which frames they are, by their brightness."""
    return [round((float(np.asarray(each.image).mean()) - 5) / 10) for each in found]


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("b.mkv", "libx264"), ("c.avi", "mpeg4")]
)
def test_every_frame_comes_once_and_in_order(tmp_path: Path, name: str, codec: str) -> None:
    found = frames(write_video(tmp_path / name, codec=codec))
    assert numbers(found) == list(range(20))
    assert [each.number for each in found] == list(range(20))
    assert [each.time for each in found] == pytest.approx([n / RATE for n in range(20)], abs=1e-3)
    assert found[0].image.shape == (64, 128, 3)


def test_a_part_and_every_so_manieth(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4")
    found = frames(path, start=0.45, end=1.55, every=3)
    assert numbers(found) == [5, 8, 11, 14]
    assert [each.number for each in found] == [5, 8, 11, 14]
    assert [each.time for each in found] == pytest.approx([0, 0.3, 0.6, 0.9], abs=1e-3)
    with open_clip(path, VideoOptions(start=0.5, end=1.5, every=2)) as clip:
        assert (clip.count, clip.rate, clip.name) == (5, RATE / 2, "a")


def test_large_frames_are_reduced_unless_pixels_are_counted(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", 1)
    with av.open(str(tmp_path / "large.mp4"), "w") as file:
        stream = file.add_stream("libx264", RATE)
        stream.width, stream.height, stream.pix_fmt = 512, 256, "yuv420p"
        image = cv2.resize(picture(3), (512, 256))
        file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(stream.encode(None))
    assert frames(path, rows=512)[0].image.shape == (64, 128, 3)
    assert frames(tmp_path / "large.mp4", rows=64)[0].image.shape == (64, 128, 3)
    known = frames(tmp_path / "large.mp4", rows=64, known_distance=(9, 9, 2))
    assert known[0].image.shape == (256, 512, 3)


def test_a_folder_of_pictures_is_a_clip(tmp_path: Path) -> None:
    for number in range(6):
        cv2.imwrite(str(tmp_path / f"{number:03d}.png"), picture(number))
    found = frames(tmp_path, rate=5.0, every=2)
    assert numbers(found) == [0, 2, 4]
    assert [each.time for each in found] == pytest.approx([0, 0.4, 0.8])
    assert find_clips([str(tmp_path)]) == [tmp_path]


def test_frames_are_in_the_order_in_which_people_count(tmp_path: Path) -> None:
    for number in (0, 1, 2, 9, 10, 11):
        cv2.imwrite(str(tmp_path / f"frame_{number}.png"), picture(number))
    cv2.imwrite(str(tmp_path / "._frame_3.png"), picture(3))
    assert numbers(frames(tmp_path)) == [0, 1, 2, 9, 10, 11]


def test_results_among_the_frames_are_none(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), picture(1))
    distance = np.ones((64, 128), np.float32)
    Prediction(distance, distance > 0, picture(1), {"name": "a"}).save(tmp_path, ["preview"])
    assert len(list(tmp_path.iterdir())) == 2
    assert len(frames(tmp_path)) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names there")
def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", 2)
    os.mkfifo(tmp_path / "b.mp4")
    assert find_clips([str(tmp_path)]) == [tmp_path / "a.mp4"]


def test_a_folder_of_videos_stands_for_each(tmp_path: Path) -> None:
    paths = [write_video(tmp_path / name, 2) for name in ("a.mp4", "b.mkv")]
    assert find_clips([str(tmp_path)]) == paths


def test_a_cut_off_file_gives_what_it_has(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", grain=True)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])
    with open_clip(path, VideoOptions()) as clip:
        found = numbers(list(clip.frames))
    assert 5 <= len(found) < 20
    assert found == list(range(len(found)))


def test_damage_in_the_middle_is_passed_over_and_told(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", grain=True)
    content = bytearray(path.read_bytes())
    for start in range(len(content) // 2, len(content) // 2 + 40):
        content[start] ^= 0xFF
    path.write_bytes(content)
    with open_clip(path, VideoOptions()) as clip:
        assert 5 <= len(list(clip.frames)) <= 20


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_what_a_decoder_fills_in_is_told_with_its_time(tmp_path: Path, name: str) -> None:
    path = write_video(tmp_path / name, grain=True)
    with av.open(str(path)) as file:
        key = [p for p in file.demux(video=0) if p.is_keyframe][2]
        place, time = (key.pos or 0) + key.size // 2, float((key.pts or 0) * key.time_base)
    content = bytearray(path.read_bytes())
    for start in range(place, place + 8):
        content[start] ^= 0xA5
    path.write_bytes(content)
    with open_clip(path, VideoOptions()) as clip:
        assert len(list(clip.frames)) == 20
        assert clip.damaged == pytest.approx([time])


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.mp4", b"", "no video that FFmpeg reads"),
        ("a.mp4", b"\0\0\0\x18ftypmp42\0\0\0\0", "no video that FFmpeg reads"),
        ("a.mp4", b"hello world, this is no video", "no video that FFmpeg reads"),
        ("a.m3u8", b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n#EXT-X-ENDLIST\n", "no video that"),
        ("a.txt", b"ffconcat version 1.0\nfile '/etc/hostname'\n", "no video that FFmpeg reads"),
    ],
)
def test_what_is_no_video_is_told(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=told):
        frames(tmp_path / name)


def test_sound_alone_is_told(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as file:
        stream = file.add_stream("pcm_s16le", 8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        sound.sample_rate = 8000
        file.mux(stream.encode(sound))
        file.mux(stream.encode(None))
    with pytest.raises(InputError, match="holds no pictures, sound alone"):
        frames(tmp_path / "a.mkv")


def test_a_start_after_the_end_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ends at 2\.0 s, before the start at 5 s"):
        frames(write_video(tmp_path / "a.mp4"), start=5.0)


def test_a_flat_video_is_told(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "flat.mp4"), "w") as file:
        stream = file.add_stream("libx264", RATE)
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        blank = av.VideoFrame.from_ndarray(np.zeros((90, 160, 3), np.uint8), format="rgb24")
        file.mux(stream.encode(blank))
        file.mux(stream.encode(None))
    with pytest.raises(InputError, match="160x90 is not a full panorama"):
        frames(tmp_path / "flat.mp4")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("gone.mp4", r"gone\.mp4 \(no such file\)"),
        ("https://a.b/c.mp4", "an address, not a file"),
        ("photo.jpg", "a picture, not a video: panodepth predict takes it"),
        ("empty", "no video and no picture in this folder"),
    ],
)
def test_what_cannot_be_a_clip_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=told):
        find_clips([name])


def test_two_clips_of_one_name_are_told(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.mkv"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match="would be called the same"):
        find_clips([str(tmp_path / "a.mp4"), str(tmp_path / "a.mkv")])
