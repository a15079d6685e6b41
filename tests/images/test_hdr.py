"""Radiance files: headers and colours."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.images.pictures import picture, refused

from panodepth.images import image_size, read_image, read_stored


def test_hdr_xyze_is_read(tmp_path: Path) -> None:
    light = cv2.cvtColor(picture(), cv2.COLOR_RGB2BGR).astype(np.float32) / 255
    assert cv2.imwrite(str(tmp_path / "rgb.hdr"), light)
    expected = read_image(tmp_path / "rgb.hdr").image
    to_xyz = np.array(  # IEC 61966-2-1
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], np.float32
    )
    xyz = light[..., ::-1] @ to_xyz.T
    assert cv2.imwrite(str(tmp_path / "xyz.hdr"), np.ascontiguousarray(xyz[..., ::-1]))
    content = (tmp_path / "xyz.hdr").read_bytes().replace(b"_rgbe", b"_xyze", 1)
    (tmp_path / "xyz.hdr").write_bytes(content)
    assert np.abs(read_image(tmp_path / "xyz.hdr").image - expected).mean() < 0.01
    other = content.replace(b"32-bit_rle_xyze", b"64-bit_something", 1)
    (tmp_path / "other.hdr").write_bytes(other)
    assert "64-bit_something" in refused(tmp_path / "other.hdr")


def test_hdr_header_lines_in_any_order(tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "a.hdr"), picture().astype(np.float32))
    content = (tmp_path / "a.hdr").read_bytes()
    after = content.replace(b"rle_rgbe\n", b"rle_rgbe\nEXPOSURE=2.0\n# made by hand\n", 1)
    (tmp_path / "b.hdr").write_bytes(after)
    first, second = (read_image(tmp_path / f"{name}.hdr").pixels for name in "ab")
    assert np.array_equal(first, second)


ROWS, COLUMNS = 16, 32


def codes() -> np.ndarray:
    """(ROWS, COLUMNS, 4) uint8, RGBE, with some pixels like their neighbours."""
    found = np.random.default_rng(1).integers(130, 256, (ROWS, COLUMNS, 4), dtype=np.uint8)
    found[..., 3] = 128
    found[:, 8:14] = found[:, 8:9]
    found[3:12] = found[3, 0]  # 288 pixels: more than a byte holds
    return found


def write_hdr(path: Path, line: bytes, data: bytes) -> Path:
    path.write_bytes(b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n" + line + b"\n" + data)
    return path


@pytest.mark.parametrize("down", ["-Y", "+Y"])
@pytest.mark.parametrize("right", ["+X", "-X"])
@pytest.mark.parametrize("by_column", [False, True])
def test_rows_and_columns_in_any_order(
    tmp_path: Path, down: str, right: str, by_column: bool
) -> None:
    upright = codes()
    stored = upright[:: -1 if down == "+Y" else 1, :: -1 if right == "-X" else 1]
    axes = [f"{down} {ROWS}", f"{right} {COLUMNS}"]
    if by_column:
        stored, axes = stored.swapaxes(0, 1), axes[::-1]
    path = write_hdr(tmp_path / "a.hdr", " ".join(axes).encode(), stored.tobytes())
    found = read_stored(path)
    assert found.pixels.shape == (ROWS, COLUMNS, 3)
    assert image_size(path) == (ROWS, COLUMNS)
    assert np.array_equal(found.pixels, upright[..., :3] / np.float32(256))


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ("0.640 0.330 0.290 0.600 0.150 0.060 0.3333 0.3333", ""),
        ("0.708 0.292 0.170 0.797 0.131 0.046 0.3127 0.3290", "BT.2020"),
        ("0.9 0.1 0.1 0.9 0.1 0.1 0.3 0.3", "of other primaries"),
        ("0.708 0.292", ""),
        ("none of this is a number at all", ""),
    ],
)
def test_colours_of_another_space_are_told(tmp_path: Path, stated: str, told: str) -> None:
    line = f"-Y {ROWS} +X {COLUMNS}".encode()
    path = write_hdr(tmp_path / "a.hdr", line, codes().tobytes())
    content = path.read_bytes().replace(b"\n\n", f"\nPRIMARIES={stated}\n\n".encode(), 1)
    path.write_bytes(content)
    note = f"its colours are {told} and taken for sRGB's"
    assert read_stored(path).notes == ((note,) if told else ())
    path.write_bytes(content.replace(b"rgbe\n", b"xyze\n"))
    assert read_stored(path).notes == ()


def test_the_older_coding_of_repeats(tmp_path: Path) -> None:
    """R, G and B of 1: the last pixel again; runs go on across lines, as some programs write."""
    flat = codes().reshape(-1, 4)
    new = np.flatnonzero(np.r_[True, (flat[1:] != flat[:-1]).any(axis=1)])
    data = b""
    for start, length in zip(new, np.diff(np.r_[new, len(flat)]) - 1, strict=True):
        data += flat[start].tobytes()
        data += bytes([1, 1, 1, length & 255]) if length else b""
        data += bytes([1, 1, 1, length >> 8]) if length > 255 else b""
    line = f"-Y {ROWS} +X {COLUMNS}".encode()
    path = write_hdr(tmp_path / "a.hdr", line, data)
    assert np.array_equal(read_stored(path).pixels, codes()[..., :3] / np.float32(256))
    assert "cut short" in refused(write_hdr(path, line, data[:-8]))
    endless = write_hdr(path, line, flat[0].tobytes() + bytes([1, 1, 1, 255]) * 50)
    assert (read_stored(endless).pixels == codes()[0, 0, :3] / np.float32(256)).all()


@pytest.mark.parametrize(
    ("line", "says"),
    [("-Y 16 +Y 32", "both run along Y"), ("16 32", "no line such as -Y height +X width")],
)
def test_headers_without_a_size_are_told(tmp_path: Path, line: str, says: str) -> None:
    assert says in refused(write_hdr(tmp_path / "a.hdr", line.encode(), codes().tobytes()))
