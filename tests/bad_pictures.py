"""Files that are no panorama, each in its own way, and what is said of them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)


def text(path: Path) -> None:
    path.write_text("this is no picture\n" * 20)


def half(path: Path) -> None:
    """The first half of a good file of the ending's kind."""
    Image.fromarray(noise(128, 256)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def truncated_exr(path: Path) -> None:
    write_exr(path, np.ones((32, 64, 3), np.float32))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def all_nan_exr(path: Path) -> None:
    write_exr(path, np.full((32, 64, 3), np.nan, np.float32))


def transparent(path: Path) -> None:
    Image.fromarray(np.zeros((32, 64, 4), np.uint8)).save(path)


def write_exr(path: Path, pixels: np.ndarray) -> None:
    import OpenEXR

    channels = {"RGB": np.ascontiguousarray(pixels)}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, channels).write(str(path))


def of_size(height: int, width: int) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(noise(height, width)).save(path)


photo = of_size(60, 90)


def starting(start: bytes) -> Callable[[Path], None]:
    """Bytes that begin as a kind of file does, and nothing of it after."""
    return lambda path: path.write_bytes(start + bytes(range(256)))  # type: ignore[return-value]


def huge_png(path: Path) -> None:
    """A whole, valid 30,000 × 15,000 grey PNG, black: 0.45 gigapixel in 0.4 MB."""
    width, height = 30_000, 15_000

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    packer = zlib.compressobj(1)
    rows = bytes((1 + width) * 500)
    packed = b"".join(packer.compress(rows) for _ in range(height // 500)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    )


NOT_FULL = "is not a full panorama, whose width is 2 x its height"
BAD_PICTURES: list[tuple[str, Callable[[Path], None], str]] = [
    ("text.png", text, ""),
    ("cut.jpg", half, ""),
    ("cut.png", half, ""),
    ("cut.webp", half, ""),
    ("cut.tiff", half, ""),
    ("cut.exr", truncated_exr, ""),
    ("nan.exr", all_nan_exr, "no valid pixel"),
    ("clear.png", transparent, "no valid pixel"),
    ("empty.png", Path.touch, "empty"),
    ("dot.png", of_size(1, 1), "1x1"),
    ("photo.png", photo, f"90x60 {NOT_FULL}"),
    ("tall.jpg", of_size(128, 64), f"64x128 {NOT_FULL}"),
    ("huge.png", huge_png, "30000x15000"),
    ("program.jpg", starting(b"\x7fELF\x02\x01\x01\x00"), "not a"),
    ("archive.png", starting(b"PK\x03\x04"), "not a"),
    ("drawing.jpg", starting(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "not a"),
    ("page.jpg", starting(b"%PDF-1.7\n"), "not a"),
    ("start.jpg", starting(b"\xff\xd8\xff\xe0"), ""),
    ("start.png", starting(b"\x89PNG\r\n\x1a\n"), ""),
    ("start.tiff", starting(b"II*\x00\x08\x00\x00\x00"), ""),
    ("start.hdr", starting(b"#?RADIANCE\n"), ""),
]
