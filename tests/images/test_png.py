"""PNG files: texts of any length, data that end early."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from tests.images.pictures import H, W, picture, refused
from tests.images.test_gpano_areas import PART

from panodepth.images import image_size, read_image
from panodepth.images.formats.png import SIGNATURE


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
    assert "wrong in row 0" in refused(path)
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


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _profile(kind: str, content: bytes) -> bytes:
    """As ImageMagick writes it."""
    digits = content.hex()
    lines = "\n".join(digits[i : i + 72] for i in range(0, len(digits), 72))
    return f"\n{kind}\n{len(content):8}\n{lines}\n".encode()


def _forms(xmp: bytes) -> dict[str, bytes]:
    exif = b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\3\0\0\0\0\0\0\0"  # half a turn
    word = b"Raw profile type "
    return {
        "iTXt": _chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp),
        "packed": _chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp)),
        "zTXt": _chunk(b"zTXt", word + b"xmp\0\0" + zlib.compress(_profile("xmp", xmp))),
        "tEXt": _chunk(b"tEXt", word + b"xmp\0" + _profile("xmp", xmp)),
        "eXIf": _chunk(b"eXIf", exif[6:]),
        "profile": _chunk(b"zTXt", word + b"exif\0\0" + zlib.compress(_profile("exif", exif))),
    }


@pytest.mark.parametrize("form", ["iTXt", "packed", "zTXt", "tEXt", "eXIf", "profile"])
@pytest.mark.parametrize("behind", [False, True])
def test_tags_before_and_behind_the_pixels(tmp_path: Path, form: str, behind: bool) -> None:
    """ExifTool writes them behind; ImageMagick as profiles."""
    path = tmp_path / "a.png"
    Image.fromarray(picture()).save(path)
    content, added = path.read_bytes(), _forms(PART.encode())[form]
    place = len(content) - 12 if behind else 33
    path.write_bytes(content[:place] + added + content[place:])
    data = read_image(path)
    if form in ("eXIf", "profile"):
        assert np.array_equal(data.pixels, picture()[::-1, ::-1])
    else:
        assert data.size == image_size(path) == (64, 128)
    path.write_bytes(content[:place] + added[:-1] + b"?" + content[place:])  # a wrong sum
    assert behind == (read_image(path).size == (H, W)) or form in ("eXIf", "profile")


def test_a_swarm_of_false_chunks_behind_the_pixels_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(picture()).save(path)
    path.write_bytes(path.read_bytes() + b"\0\1\0\0eXIf" * 30_000)
    assert np.array_equal(read_image(path).pixels, picture())


@pytest.mark.parametrize("orientation", [1, 6])
def test_one_grey_of_16_bits_may_be_transparent(tmp_path: Path, orientation: int) -> None:
    grey = picture()[..., 0].astype(np.uint16) * 257
    grey[3:9, 5:50] = 1000
    path = tmp_path / "a.png"
    assert cv2.imwrite(str(path), grey)
    content = path.read_bytes()
    exif = b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0%c\0\0\0\0\0\0\0" % orientation
    added = _chunk(b"tRNS", struct.pack(">H", 1000)) + _chunk(b"eXIf", exif)
    path.write_bytes(content[:33] + added + content[33:])
    turned = np.rot90(grey, -1) if orientation == 6 else grey
    assert np.array_equal(read_image(path).valid, turned != 1000)


def test_a_picture_of_a_palette_that_is_missing_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(picture()).quantize(8).save(path)
    assert read_image(path).size == (H, W)
    content = path.read_bytes()
    at = content.index(b"PLTE") - 4
    path.write_bytes(
        content[:at] + content[at + 12 + int.from_bytes(content[at : at + 4], "big") :]
    )
    assert "it has no palette" in refused(path)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_one_grey_of_few_bits_may_be_transparent(tmp_path: Path, depth: int) -> None:
    steps = 2**depth - 1
    codes = (np.arange(32 * 64).reshape(32, 64) // 3 % (steps + 1)).astype(np.uint8)
    bits = np.unpackbits(codes[..., None], axis=2)[..., 8 - depth :].reshape(32, -1)
    rows = np.pad(np.packbits(bits, axis=1), ((0, 0), (1, 0)))
    header = struct.pack(">2I5B", 64, 32, depth, 0, 0, 0, 0)
    chunks = {
        b"IHDR": header,
        b"tRNS": struct.pack(">H", 1),
        b"IDAT": zlib.compress(rows.tobytes()),
    }
    content = b"".join(_chunk(kind, body) for kind, body in chunks.items())
    (tmp_path / "a.png").write_bytes(SIGNATURE + content + _chunk(b"IEND", b""))
    data = read_image(tmp_path / "a.png")
    assert data.valid is not None
    assert np.array_equal(data.valid, codes != 1)
    assert np.array_equal(data.pixels[..., 0], codes * (255 // steps))
