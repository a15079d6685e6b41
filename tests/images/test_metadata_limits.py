"""What stands beside the pixels costs a bounded amount of time and memory, all of it together."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.images.pictures import picture
from tests.images.test_endless import saved, within

from panodepth.export.mark import stated
from panodepth.images import read_image
from panodepth.images.formats.png import MAX_KEYWORDS, MAX_TEXTS, read_texts
from panodepth.images.formats.tags import MAX_ALL_ENTRIES, Tags

PNG = saved("PNG")
FULL = zlib.compress(bytes(1 << 20), 9)  # a mebibyte in a kilobyte


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunks(*chunks: bytes) -> bytes:
    return PNG[:33] + b"".join(chunks) + PNG[33:]


def international(number: int, text: bytes = FULL) -> bytes:
    return chunk(b"iTXt", b"k%d\0\1\0\0\0" % number + text)


SWARMS = {
    "iTXt": with_chunks(*map(international, range(300))),
    "zTXt": with_chunks(*(chunk(b"zTXt", b"k%d\0\0" % n + FULL) for n in range(300))),
    "one keyword": with_chunks(*(international(7) for _ in range(300))),
    "damaged": with_chunks(*(international(n, FULL[:-4]) for n in range(300))),
    "profile": with_chunks(chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(1 << 27), 9))),
}


@pytest.mark.parametrize("content", SWARMS.values(), ids=SWARMS.keys())
def test_texts_of_a_png_are_unpacked_up_to_a_limit(content: bytes) -> None:
    tracemalloc.start()
    try:
        read = read_image(content)
        texts = read_texts(io.BytesIO(content))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert np.array_equal(read.pixels, picture())
    assert sum(map(len, texts.values())) <= MAX_TEXTS
    assert most < 4 * MAX_TEXTS


def test_many_small_texts_are_left_out() -> None:
    content = with_chunks(*(chunk(b"tEXt", b"k%d\0x" % n) for n in range(5000)))
    assert len(read_texts(io.BytesIO(content))) == MAX_KEYWORDS


def test_what_counts_is_found_behind_a_long_text() -> None:
    said = chunk(b"tEXt", b"panodepth\0{}")
    assert read_texts(io.BytesIO(with_chunks(international(1), said)))["panodepth"] == "{}"


def tiff(*entries: tuple[int, int, int, int], more: bytes = b"") -> bytes:
    """A TIFF file of 64 × 128 grey pixels by its header. entries: (tag, type, count, value)."""
    plain = [(256, 4, 1, 128), (257, 4, 1, 64), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    tags = {entry[0]: entry for entry in (*plain, *entries)}
    body = b"".join(struct.pack("<HHII", *tags[tag]) for tag in sorted(tags))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + body + bytes(4) + more


def overlapping() -> bytes:
    """256 directories of 4,096 tags each, on top of each other, in 51 KB."""
    content = bytearray(b"II*\0\x08\0\0\0" + struct.pack("<H", 4096) * 25_200)
    for at in range(8, 8 + 4 * 256, 4):
        struct.pack_into("<I", content, at + 2 + 4096 * 12, at + 4)
    return bytes(content)


MANY = 1 << 21


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (overlapping(), "none of its pages is a picture"),
        (tiff((273, 1, MANY, 90), (279, 1, MANY, 90), more=bytes(MANY)), "more than 1,048,576"),
        (tiff((258, 1, MANY, 90), more=bytes(MANY)), "tag 258 has more than 1,048,576 values"),
    ],
    ids=["overlapping", "strips", "bits"],
)
def test_tags_are_read_up_to_a_limit(content: bytes, says: str) -> None:
    assert says in within(200_000, content)


def test_tags_of_all_directories_are_counted() -> None:
    tags = Tags(io.BytesIO(overlapping()))
    assert len(tags.directories()) == MAX_ALL_ENTRIES // 4096


def jpeg_tiff(jpeg: bytes, tables: int = 0) -> bytes:
    """A TIFF file whose only strip is a JPEG; tables of so many bytes."""
    at = 8 + 2 + 12 * 9 + 4
    entries = [(259, 3, 1, 7), (273, 4, 1, at), (277, 3, 1, 1), (279, 4, 1, len(jpeg))]
    entries += [(347, 7, tables, at + len(jpeg))]
    return tiff(*entries, more=jpeg + b"\xff\xd8" + bytes(max(0, tables - 4)) + b"\xff\xd9")


def grey() -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture()[..., 0]).save(file, "JPEG")
    return file.getvalue()


def test_a_jpeg_in_a_tiff_file_is_no_larger_than_pictures_are() -> None:
    jpeg = bytearray(grey())
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">2H", 65_000, 65_000)
    assert "damaged or unreadable TIFF" in within(200_000, jpeg_tiff(bytes(jpeg)))


def test_tables_before_each_jpeg_are_short() -> None:
    assert "its JPEG tables have" in within(200_000, jpeg_tiff(grey(), tables=100_000))


def exr(parts: int, attributes: int = 0, channels: int = 1, chunks: int = 0) -> bytes:
    """The headers of an EXR file of so many parts, each with so many of each."""

    def attribute(name: bytes, kind: bytes, value: bytes) -> bytes:
        return name + b"\0" + kind + b"\0" + struct.pack("<I", len(value)) + value

    listed = [b"%x\0" % n + struct.pack("<iIii", 1, 0, 1, 1) for n in range(channels - 3)]
    listed += [name + b"\0" + struct.pack("<iIii", 1, 0, 1, 1) for name in (b"B", b"G", b"R")]
    window = struct.pack("<4i", 0, 0, 127, 63)
    header = attribute(b"channels", b"chlist", b"".join(listed) + b"\0")
    header += attribute(b"compression", b"compression", b"\0")
    header += attribute(b"dataWindow", b"box2i", window)
    header += attribute(b"displayWindow", b"box2i", window)
    header += b"".join(attribute(b"%x" % n, b"x", b"") for n in range(attributes))
    header += attribute(b"chunkCount", b"int", struct.pack("<i", chunks)) if chunks else b""
    several = 0x1000 if parts > 1 else 0
    start = b"\x76\x2f\x31\x01" + struct.pack("<I", 2 | several)
    return start + (header + b"\0") * parts + b"\0" * (parts > 1) + bytes(8 * chunks)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (exr(100, attributes=400), "more than 20,000 attributes"),
        (exr(100, channels=1000), "more than 10,000 channels"),
        (exr(1, channels=100_000), "more than 10,000 channels"),
        (exr(1, chunks=(1 << 20) + 1), "more than 1,048,576 chunks"),
    ],
    ids=["attributes", "channels of parts", "channels", "chunks"],
)
def test_headers_of_an_exr_are_read_up_to_a_limit(content: bytes, says: str) -> None:
    assert says in within(2_000_000, content)


def test_exif_in_many_pieces() -> None:
    jpeg = saved("JPEG")
    piece = b"\xff\xe1" + struct.pack(">H", 20_008) + b"Exif\0\0" + bytes(20_000)
    assert "more than 100 EXIF blocks" in within(200_000, jpeg[:2] + piece * 300 + jpeg[2:])


def test_whose_file_it_is_costs_little(tmp_path: Path) -> None:
    """Folders are looked through for results, whatever lies there."""
    files = {
        "a.jpg": b"\xff\xd8" + b"\xff\xe5\0\2" * 300_000 + b"\xff\xfe\0\4{}",
        "b.e57": b"ASTM-E57" + struct.pack("<2I4Q", 1, 0, 1 << 60, 1 << 40, 48, 1 << 60),
        "c.png": SWARMS["iTXt"],
        "d.tif": overlapping(),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        assert stated(tmp_path / name) is None
