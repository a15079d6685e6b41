"""PNG files: texts of any length, data that end early."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from tests.images.pictures import picture, refused

from panodepth.images import read_image


def long_text(kind: str) -> PngImagePlugin.PngInfo:
    texts = PngImagePlugin.PngInfo()
    workflow = "workflow " * 200_000
    if kind == "zTXt":
        texts.add_text("prompt", workflow, zip=True)
    else:
        texts.add_itxt("prompt", workflow, zip=True)
    return texts


@pytest.mark.parametrize("kind", ["zTXt", "iTXt"])
@pytest.mark.parametrize("deep", [False, True])
def test_png_text_of_any_length_is_of_no_matter(tmp_path: Path, kind: str, deep: bool) -> None:
    plain, path = tmp_path / "plain.png", tmp_path / "long.png"
    pixels = picture().astype(np.uint16) * 257 if deep else picture()
    assert cv2.imwrite(str(plain), np.ascontiguousarray(pixels[..., ::-1]))
    Image.fromarray(picture()).save(path, pnginfo=long_text(kind))
    content, donor = plain.read_bytes(), path.read_bytes()
    at = donor.index(kind.encode()) - 4
    chunk = donor[at : at + 12 + int.from_bytes(donor[at : at + 4], "big")]
    for place in (33, len(content) - 12):  # before the pixels, and behind them
        path.write_bytes(content[:place] + chunk + content[place:])
        assert np.array_equal(read_image(path).pixels, pixels)


def test_png_data_that_end_early_are_told_and_libpng_keeps_quiet(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    for depth, width, height in ((8, 8192, 4096), (16, 16384, 8192), (16, 64, 32)):
        header = struct.pack(">2I5B", width, height, depth, 2, 0, 0, 0)
        rows = zlib.compress(bytes((1 + 64 * 3 * depth // 8) * 8))
        content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows)
        path = tmp_path / f"{depth}.png"
        path.write_bytes(content + chunk(b"IEND", b""))
        message = refused(path)
        assert ("bytes of data for" in message) == (width > 64)
        if width == 64 or depth == 8:
            narrow = struct.pack(">2I5B", 64, 32, depth, 2, 0, 0, 0)
            path.write_bytes(content.replace(chunk(b"IHDR", header), chunk(b"IHDR", narrow)))
            assert "after 25% of 64x32 pixels" in refused(path)
    filters = zlib.compress((b"\7" + bytes(64 * 6)) * 32)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", filters)
        + chunk(b"IEND", b"")
    )
    assert "damaged in row 0" in refused(path)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_png_whose_last_row_is_black_is_whole(tmp_path: Path, mode: str) -> None:
    pixels = picture()
    pixels[-3:] = 0
    image = Image.fromarray(pixels).convert(mode)
    image.save(tmp_path / "b.png")
    expected = np.asarray(image.convert("RGB"))
    assert np.array_equal(read_image(tmp_path / "b.png").pixels, expected)
