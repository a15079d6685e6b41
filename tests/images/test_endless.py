"""Files that would keep a decoder busy for hours, or hold more than memory does."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image
from tests.images.pictures import picture, refused

from panodepth.images import read_image


class Steps:
    """Counts what Python does while a file is read, lines of any library too."""

    def __init__(self, most: int) -> None:
        self.left = most

    def __call__(self, frame: object, event: str, argument: object) -> object:
        self.left -= 1
        assert self.left > 0, "too many steps"
        return self


def within(steps: int, content: bytes) -> str:
    sys.settrace(Steps(steps))
    try:
        return refused(content)
    finally:
        sys.settrace(None)


def saved(kind: str, **how: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture()).save(file, kind, **how)
    return file.getvalue()


ZEROS = bytes(1 << 22)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (saved("JPEG")[:60] + ZEROS, "its header ends in nothing"),
        (b"\xff\xd8" + b"\xff\xe5\0\2" * 300_000, "more than 10,000 segments"),
        (saved("PNG")[:60] + ZEROS, "damaged or unreadable PNG"),
        (saved("PNG")[:33] + ZEROS, "no chunk begins at byte 33"),
        (saved("WEBP")[:12] + ZEROS, "no chunk begins at byte 12"),
        (
            b"RIFF" + struct.pack("<I", 1_600_004) + b"WEBP" + b"JUNK\0\0\0\0" * 200_000,
            "more than 100,000 chunks",
        ),
        (
            b"\x76\x2f\x31\x01\2\0\0\0" + b"".join(b"%x\0a\0\0\0\0\0" % i for i in range(99_999)),
            "attri",
        ),
    ],
    ids=["jpeg zeros", "jpeg segments", "png in data", "png zeros", "webp", "webp chunks", "exr"],
)
def test_padding_and_swarms_are_refused_in_a_bounded_number_of_steps(
    content: bytes, says: str
) -> None:
    assert says in within(2_500_000, content)


def test_many_scans_are_refused() -> None:
    content = saved("JPEG", progressive=True)
    first = content.index(b"\xff\xda")
    scan = content[first : content.index(b"\xff", first + 12)]
    assert "more than 500 scans" in refused(content[:-2] + scan * 600 + content[-2:])


def test_a_file_beyond_all_measure(tmp_path: Path) -> None:
    """Of holes: it takes no room on the disk."""
    path = tmp_path / "huge.jpg"
    path.write_bytes(saved("JPEG"))
    with path.open("r+b") as file:
        file.truncate(3 << 30)
    assert "has 3.0 GiB; at most 2 are read" in refused(path)


def test_an_animated_png_is_noted() -> None:
    control = b"acTL" + struct.pack(">II", 2, 0)
    chunk = struct.pack(">I", 8) + control + struct.pack(">I", zlib.crc32(control))
    plain = saved("PNG")
    assert read_image(plain[:33] + chunk + plain[33:]).notes == (
        "an animation: its first picture is read",
    )
