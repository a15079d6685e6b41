"""JPEG files: damaged EXIF, data that end early, kinds that are not read."""

from __future__ import annotations

import io
import re
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.images.pictures import H, W, picture, refused

from panodepth.images import read_image


def with_exif(path: Path, block: bytes) -> Path:
    """A JPEG of the picture with this TIFF block as its EXIF."""
    Image.fromarray(picture()).save(path, quality=95)
    content = path.read_bytes()
    body = b"Exif\0\0" + block
    path.write_bytes(
        content[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + content[2:]
    )
    return path


@pytest.mark.parametrize(
    ("block", "turned"),
    [
        (b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x02\0\0\0\x06\0\x06\0\0\0\0\0", True),
        (b"II*\0\x08\0\0\0\x05\0\x12\x01\x03\0\x01\0\0\0\x49", False),
        (b"II*\0\x08\0\0\0\x05\0\x12\x01\x03\0\x01\0\0\0\x49\x46\0\0", False),
        (b"II*\0\xff\xff\xff\x7f", False),
        (b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0", True),
        (b"", False),
    ],
)
def test_jpeg_damaged_exif_is_no_noise(
    tmp_path: Path, block: bytes, turned: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    path = with_exif(tmp_path / "x.jpg", block)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = read_image(path)
    assert data.size == ((W, H) if turned else (H, W))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("progressive", [True, False])
def test_jpeg_that_cannot_hold_its_pixels_is_cut_short(tmp_path: Path, progressive: bool) -> None:
    path = tmp_path / "big.jpg"
    Image.new("RGB", (256, 128), "grey").save(path, progressive=progressive)
    content = bytearray(path.read_bytes())
    assert read_image(path).size == (128, 256)
    mark = b"\xff\xc2" if progressive else b"\xff\xc0"
    at = content.index(mark + b"\x00\x11\x08") + 5
    content[at : at + 4] = struct.pack(">2H", 8192, 16384)
    path.write_bytes(bytes(content))
    assert "its data end early" in refused(path)


@pytest.mark.parametrize(
    ("marker", "word"), [(0xC3, "lossless"), (0xC5, "hierarchical"), (0xF7, "JPEG-LS")]
)
def test_jpeg_kinds_that_are_not_read_are_named(tmp_path: Path, marker: int, word: str) -> None:
    path = tmp_path / "k.jpg"
    Image.fromarray(picture()).save(path)
    path.write_bytes(path.read_bytes().replace(b"\xff\xc0", bytes([0xFF, marker]), 1))
    message = refused(path)
    assert re.search(f"{word}.? JPEG is not read; save it as", message)


def coded(noise: bool, **options: object) -> bytes:
    """A JPEG of noise, or of the very grey that libjpeg fills up with."""
    grey = np.full((H, W, 3), 128, np.uint8)
    dice = np.random.default_rng(0)
    pixels = dice.integers(0, 256, (H, W, 3), dtype=np.uint8) if noise else grey
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", **options)
    return file.getvalue()


@pytest.mark.parametrize("noise", [True, False])
@pytest.mark.parametrize("progressive", [True, False])
@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize("restarts", [{}, {"restart_marker_blocks": 2}])
def test_jpeg_whole_files_are_read_as_they_are(
    noise: bool, progressive: bool, subsampling: int, restarts: dict
) -> None:
    content = coded(noise, progressive=progressive, subsampling=subsampling, **restarts)
    with Image.open(io.BytesIO(content)) as image:
        expected = np.asarray(image)
    for behind in (b"", bytes(9), content):  # some cameras put a second picture behind
        assert np.array_equal(read_image(content + behind).pixels, expected)
    if not progressive:  # only the end mark is missing
        assert np.array_equal(read_image(content[:-2]).pixels, expected)


@settings(max_examples=60, deadline=None)
@given(
    noise=st.booleans(),
    progressive=st.booleans(),
    restarts=st.sampled_from([{}, {"restart_marker_blocks": 2}]),
    part=st.floats(0, 1),
    behind=st.sampled_from([b"", bytes(9), b"\xff\xd8\xff\xe0\0\4xx\xff\xd9"]),
)
def test_jpeg_data_that_end_before_a_valid_end_mark_are_told(
    noise: bool, progressive: bool, restarts: dict, part: float, behind: bytes
) -> None:
    content = coded(noise, progressive=progressive, quality=90, **restarts)
    first, last = content.index(b"\xff\xda") + 14, content.rindex(b"\xff\xda")
    # A cut in the last blocks is within what libjpeg looks ahead.
    begin = last if progressive else first
    size = len(content) - begin
    stop = begin + max(0, min(int(0.9 * size), size - 24) if progressive else int(0.9 * size))
    cut = content[: first + int(part * (stop - first))].rstrip(b"\xff")
    assert "damaged or unreadable JPEG file (its data end early" in refused(
        cut + b"\xff\xd9" + behind
    )


@pytest.mark.parametrize("progressive", [True, False])
def test_jpeg_whose_height_stands_behind_its_pixels_says_so(progressive: bool) -> None:
    content = bytearray(coded(False, progressive=progressive))
    at = content.index(b"\xff\xc2" if progressive else b"\xff\xc0") + 5
    height, content[at : at + 2] = content[at : at + 2], bytes(2)
    content[-2:-2] = b"\xff\xdc\0\4" + height
    told = refused(bytes(content))
    assert "height behind its pixels (DNL)" in told
    assert "damaged" not in told
