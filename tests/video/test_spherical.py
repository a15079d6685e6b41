"""What tags of a video say of its frames, as they are read."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from tests.video.spheres import QUARTER, eyes, sphere, tagged, v1, write

from panodepth.errors import InputError
from panodepth.images import ImageData
from panodepth.video.boxes import said
from panodepth.video.options import VideoOptions
from panodepth.video.reading import Clip, Frame, open_clip

RED, BLUE = (np.full((64, 128, 3), colour, np.uint8) for colour in ((200, 0, 0), (0, 0, 200)))
GREY = np.full((64, 128, 3), np.linspace(20, 220, 128, dtype=np.uint8)[:, None], np.uint8)
ABOVE, BESIDE = np.concatenate((RED, BLUE)), np.concatenate((RED, BLUE), axis=1)


def read(path: Path, **options: object) -> tuple[Frame, Clip]:
    with open_clip(path, VideoOptions(**options)) as clip:  # type: ignore[arg-type]
        return next(clip.frames), clip


def array(frame: Frame) -> np.ndarray:
    assert isinstance(frame.image, np.ndarray)
    return frame.image


def data(frame: Frame) -> ImageData:
    assert isinstance(frame.image, ImageData)
    return frame.image


@pytest.mark.parametrize(
    ("image", "entry", "xml", "layout"),
    [
        (ABOVE, eyes(1), b"", "top-bottom"),
        (ABOVE, eyes(1) + sphere(), b"", "top-bottom"),
        (BESIDE, eyes(2) + sphere(), b"", "left-right"),
        (BESIDE[:, ::-1], eyes(4) + sphere(), b"", "left-right"),
        (ABOVE, b"", v1(ProjectionType="equirectangular", StereoMode="top-bottom"), "top-bottom"),
        (BESIDE, b"", v1(StereoMode="left-right"), "left-right"),
        (BESIDE, eyes(2) + sphere(), v1(StereoMode="top-bottom"), "left-right"),
        # Eyes that are squeezed into the shape of one picture, as is usual.
        (np.concatenate((RED[::2], BLUE[::2])), eyes(1) + sphere(), b"", "top-bottom"),
    ],
)
def test_of_two_eyes_the_left_one_is_read(
    tmp_path: Path, image: np.ndarray, entry: bytes, xml: bytes, layout: str
) -> None:
    frame, clip = read(tagged(write(tmp_path / "a.mp4", [image] * 2), entry, xml))
    rows = min(64, len(image) // 2) if layout == "top-bottom" else 64
    assert array(frame).shape == (rows, 2 * rows, 3)
    assert np.abs(array(frame).mean(axis=(0, 1)) - RED[0, 0]).max() < 6
    assert clip.notes == (f"a.mp4: by its tags of two eyes ({layout}) the left one is read",)


def test_matroska_says_the_same(tmp_path: Path) -> None:
    pose = sphere(numbers=(0, 0, QUARTER, QUARTER), pose=(10, -5, 3))
    source = tagged(write(tmp_path / "a.mp4", [BESIDE[:, 64:192]] * 2), eyes(2) + pose)
    with av.open(str(source)) as one, av.open(str(tmp_path / "a.mkv"), "w") as other:
        stream = other.add_stream_from_template(one.streams.video[0])
        for packet in one.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                other.mux(packet)
    for path in (source, tmp_path / "a.mkv"):
        image = data(read(path)[0])
        assert image.pano.pose_deg == (0.0, -5.0, 3.0)
        assert image.size == image.pano.area.size == (64, 128)
        assert (image.pano.area.left, image.pano.area.picture) == (32, (64, 64))
        assert image.valid is not None
        assert image.valid[:, 32:96].all()
        assert image.valid.mean() == 0.5


def test_a_part_of_the_sphere_lies_where_its_tags_say(tmp_path: Path) -> None:
    band = (QUARTER, QUARTER // 2, 0, 0)
    path = tagged(write(tmp_path / "a.mp4", [GREY[24:64]] * 2), sphere(numbers=band))
    frame, clip = read(path)
    assert clip.notes == ("a.mp4: by its tags it is 360°x112.5° of the sphere, the rest is masked",)
    image = data(frame)
    assert image.valid is not None
    assert image.valid[16:56].all()
    assert not image.valid[:16].any()
    assert not image.valid[56:].any()
    crop = {"FullPanoWidthPixels": 128, "FullPanoHeightPixels": 64, "CroppedAreaTopPixels": 16}
    crop |= {"CroppedAreaImageWidthPixels": 128, "CroppedAreaImageHeightPixels": 40}
    old = tagged(write(tmp_path / "b.mp4", [GREY[24:64]] * 2), xml=v1(**crop))
    assert data(read(old)[0]).pano == image.pano
    reduced = data(read(old, rows=64)[0])
    assert reduced.size == (64, 128)


def test_where_a_viewer_looks_first_is_no_pose(tmp_path: Path) -> None:
    xml = v1(ProjectionType="equirectangular", InitialViewPitchDegrees=20)
    frame, _ = read(tagged(write(tmp_path / "a.mp4", [GREY] * 2), xml=xml))
    assert array(frame).shape == (64, 128, 3)


def test_a_pose_is_left_out_on_request(tmp_path: Path) -> None:
    path = tagged(write(tmp_path / "a.mp4", [GREY] * 2), sphere(pose=(0, 20, 0)))
    assert data(read(path)[0]).pano.pose_deg == (0.0, 20.0, 0.0)
    assert array(read(path, pose="ignore")[0]).shape == (64, 128, 3)


def test_a_cubemap_becomes_a_panorama(tmp_path: Path) -> None:
    faces = np.concatenate(
        [
            np.concatenate([np.full((64, 64, 3), c, np.uint8) for c in row], axis=1)
            for row in ((40, 80, 120), (160, 200, 240))
        ]
    )  # right, left, up; down, front, back
    path = tagged(write(tmp_path / "a.mp4", [faces] * 2), sphere(b"cbmp", (0, 0)))
    frame, clip = read(path)
    image = data(frame)
    height, width = image.size
    assert width == 2 * height
    middle = 255 * image.pixels[height // 2, [width // 4, width // 2, 3 * width // 4, 0]].mean(
        axis=-1
    )
    np.testing.assert_allclose(middle, (80, 200, 40, 240), atol=4)
    ends = 255 * image.pixels[[4, -4], width // 2].mean(axis=-1)
    np.testing.assert_allclose(ends, (120, 160), atol=4)
    assert clip.notes == ("a.mp4: by its tags it is a cubemap",)


@pytest.mark.parametrize(
    ("entry", "xml", "told"),
    [
        (sphere(b"mshp", (0, 0)), b"", "a mesh"),
        (sphere(b"abcd", ()), b"", "an unknown kind"),
        (sphere(b"cbmp", (0, 8)), b"", "a cubemap with a padding of 8 pixels"),
        (sphere(b"cbmp", (0, 0)), b"", "has no square faces"),
        (eyes(3) + sphere(), b"", "two eyes in a way of its own"),
        (sphere(pose=(0, 100, 0)), b"", "a pose of pitch 100"),
        (b"", v1(ProjectionType="cubemap"), "cubemap"),
        (b"", v1(FullPanoWidthPixels="many"), "is no number"),
    ],
)
def test_what_cannot_be_read_is_refused_and_options_win(
    tmp_path: Path, entry: bytes, xml: bytes, told: str
) -> None:
    path = tagged(write(tmp_path / "a.mp4", [GREY] * 2), entry, xml)
    with pytest.raises(InputError, match=told) as error:
        read(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    assert array(read(path, projection="erp")[0]).shape == (64, 128, 3)


def test_parts_that_cannot_be_are_told(tmp_path: Path) -> None:
    crop = {"FullPanoWidthPixels": 128, "FullPanoHeightPixels": 64, "CroppedAreaTopPixels": 60}
    crop |= {"CroppedAreaImageWidthPixels": 128, "CroppedAreaImageHeightPixels": 40}
    path = tagged(write(tmp_path / "a.mp4", [GREY] * 2), xml=v1(**crop))
    with pytest.raises(InputError, match="its tags contradict each other"):
        read(path)


@pytest.mark.parametrize("at", range(0, 60, 7))
def test_boxes_of_any_size_are_read_in_bounds(tmp_path: Path, at: int) -> None:
    path = tagged(write(tmp_path / "a.mp4", [GREY] * 2), eyes(1) + sphere(), v1())
    content = bytearray(path.read_bytes())
    start = content.find(b"stsd") - 4 + at
    content[start : start + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    said(path, 1)
    path.write_bytes(b"\0\0\0\1moov" + b"\xff" * 8 + bytes(content))
    assert said(path, 1) == said(tmp_path / "a.mp4", 7) == (b"", None, b"")


@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_frames_are_turned_as_players_do(tmp_path: Path, degrees: int) -> None:
    image = np.concatenate((RED[:, :64], GREY[:, 64:]), axis=1)
    coded = np.rot90(image, -degrees // 90)
    plain = write(tmp_path / "a.mp4", [coded] * 2)
    with av.open(str(plain)) as one, av.open(str(tmp_path / "b.mp4"), "w") as other:
        stream = other.add_stream_from_template(one.streams.video[0])
        stream.set_display_rotation(degrees)
        for packet in one.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                other.mux(packet)
    found = array(read(tmp_path / "b.mp4")[0]).astype(int)
    assert found.shape == image.shape
    assert np.abs(found - image).mean() < 6


def test_pixels_that_are_no_squares_are_shown_as_such(tmp_path: Path) -> None:
    image = np.ascontiguousarray(GREY[:, ::2])
    path = write(tmp_path / "a.mp4", [image] * 2, sample_aspect_ratio=Fraction(2, 1))
    assert array(read(path)[0]).shape == (64, 128, 3)
    with pytest.raises(InputError, match="64x64 is not a full panorama"):
        read(write(tmp_path / "b.mp4", [image] * 2))
