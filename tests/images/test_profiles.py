"""Colour profiles: AdobeRGB's colours become sRGB's, sRGB's own stay, damaged ones are told."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, PngImagePlugin

import panodepth
from panodepth.images import read_image, read_stored, to_image_data

# Colourants seen under D50, columns red, green, blue: of Adobe RGB (1998) and of sRGB.
ADOBE = np.array(
    [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]]
)
SRGB = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
)
GAMMA = 2.19921875
SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SIZE = (40, 80)


CURVE = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(GAMMA * 256))


def profile(
    matrix: np.ndarray = ADOBE, name: str = "Adobe RGB (1998)", curve: bytes = CURVE
) -> bytes:
    """An ICC profile, version 2.4, of three colourants and one curve."""
    xyz = [b"XYZ \0\0\0\0" + np.round(c * 65536).astype(">i4").tobytes() for c in matrix.T]
    parts = dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), xyz, strict=True))
    parts |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    return packed(parts, b"mntrRGB XYZ ", name)


def packed(parts: dict[bytes, bytes], kind: bytes, name: str = "inks") -> bytes:
    """A profile of these tags. kind: class, colours and space that they are turned to."""
    text = name.encode() + b"\0"
    white = np.array([0.9642, 1.0, 0.8249])
    parts = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78),
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": b"XYZ \0\0\0\0" + np.round(white * 65536).astype(">i4").tobytes(),
        **parts,
    }
    at = 128 + 4 + 12 * len(parts)
    table, body = struct.pack(">I", len(parts)), b""
    for tag, part in parts.items():
        part += bytes(-len(part) % 4)
        table += struct.pack(">4sII", tag, at + len(body), len(part))
        body += part
    header = bytearray(128)
    header[0:4] = struct.pack(">I", at + len(body))
    header[8:12] = b"\2\x40\0\0"
    header[12:24] = kind
    header[36:40] = b"acsp"
    header[68:80] = np.round(white * 65536).astype(">i4").tobytes()
    return bytes(header) + table + body


def expected(pixels: np.ndarray) -> np.ndarray:
    """Adobe RGB (1998) codes as sRGB's, in 0..255, unrounded."""
    light = (pixels / 255.0) ** GAMMA @ (np.linalg.inv(SRGB) @ ADOBE).T
    light = light.clip(0, 1)
    coded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(255 * coded)


def picture() -> np.ndarray:
    """Colours that both spaces have."""
    colours = np.random.default_rng(4).uniform(60, 190, (5, 10, 3))
    return colours.repeat(8, 0).repeat(8, 1).astype(np.uint8)


def write(path: Path, icc: bytes | None) -> Path:
    options = {"quality": 100, "subsampling": 0} if path.suffix == ".jpg" else {}
    options |= {"lossless": True} if path.suffix == ".webp" else {}
    Image.fromarray(picture()).save(path, icc_profile=icc, **options)
    return path


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
def test_colours_of_another_space_become_srgbs(tmp_path: Path, ending: str) -> None:
    found = read_image(write(tmp_path / f"a.{ending}", profile()))
    assert np.abs(found.pixels - expected(picture())).max() <= (3 if ending == "jpg" else 1.5)
    assert found.notes == ("its colours were turned from Adobe RGB (1998) to sRGB",)


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("icc", [None, SRGB_PROFILE])
def test_srgb_stays_bit_for_bit(tmp_path: Path, ending: str, icc: bytes | None) -> None:
    path = write(tmp_path / f"a.{ending}", icc)
    found = read_image(path)
    assert np.array_equal(found.pixels, read_stored(path).pixels[..., :3])
    assert found.notes == ()


def test_a_file_s_bytes_and_pil_images_are_turned_too(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", profile())
    want = read_image(path).pixels
    for source in (path.read_bytes(), io.BytesIO(path.read_bytes()), Image.open(path)):
        found = to_image_data(source)
        assert np.array_equal(found.pixels, want)
        assert "Adobe RGB (1998)" in found.notes[0]


def test_alpha_stays_what_it_is(tmp_path: Path) -> None:
    alpha = np.full(SIZE, 255, np.uint8)
    alpha[:8] = 0
    rgba = np.dstack([picture(), alpha])
    for ending in ("png", "webp"):
        path = tmp_path / f"a.{ending}"
        Image.fromarray(rgba).save(
            path, icc_profile=profile(), **({"lossless": True} if ending == "webp" else {})
        )
        found = read_image(path)
        assert found.valid is not None
        assert np.array_equal(found.valid, alpha > 0)
        assert np.abs(found.pixels - expected(picture()))[8:].max() <= 1.5


def test_values_that_are_no_colours_are_never_turned(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", profile())
    assert np.array_equal(read_stored(path).pixels, picture())


def deep_png(path: Path, icc: bytes) -> Path:
    """The picture in 16 bits."""
    deep = picture().astype(np.uint16) * 257
    content = bytearray(cv2.imencode(".png", deep[..., ::-1])[1])
    chunks = io.BytesIO()
    PngImagePlugin.putchunk(chunks, b"iCCP", b"icc\0\0" + zlib.compress(icc))
    content[33:33] = chunks.getvalue()  # behind IHDR
    path.write_bytes(content)
    return path


def test_sixteen_bits_are_turned_with_all_their_bits(tmp_path: Path) -> None:
    want = expected(picture())
    deep = picture().astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "a.tif", deep, photometric="rgb", iccprofile=profile())
    for path in (deep_png(tmp_path / "a.png", profile()), tmp_path / "a.tif"):
        found = read_image(path)
        assert found.pixels.dtype == np.uint16
        assert np.abs(found.pixels / 257 - want).max() < 0.05
        assert found.notes == ("its colours were turned from Adobe RGB (1998) to sRGB",)
        assert np.array_equal(read_stored(path).pixels, deep)
    assert np.array_equal(read_image(deep_png(tmp_path / "s.png", SRGB_PROFILE)).pixels, deep)


def _para(kind: int, *numbers: float) -> bytes:
    return b"para\0\0\0\0" + struct.pack(
        f">HH{len(numbers)}i", kind, 0, *(round(n * 65536) for n in numbers)
    )


CURVES = [
    b"curv\0\0\0\0" + struct.pack(">I", 0),
    b"curv\0\0\0\0" + struct.pack(">IH", 1, 461),
    b"curv\0\0\0\0" + struct.pack(">I5H", 5, 0, 3000, 14000, 34000, 65535),
    _para(0, 1.8),
    _para(1, 2.0, 1.05, -0.05),
    _para(2, 2.0, 1.04, -0.04, 0.0),
    _para(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045),
    _para(4, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045, 0.0, 0.0),
]


@pytest.mark.parametrize("curve", CURVES, ids=range(len(CURVES)))
def test_sixteen_bits_become_what_littlecms_makes_of_eight(tmp_path: Path, curve: bytes) -> None:
    icc = profile(curve=curve)
    eight = read_image(write(tmp_path / "8.png", icc)).pixels
    deep = read_image(deep_png(tmp_path / "16.png", icc)).pixels
    assert np.abs(deep / 257 - eight).max() < 1.0


def test_sixteen_bits_stay_where_a_profile_is_one_of_tables(tmp_path: Path) -> None:
    found = read_image(deep_png(tmp_path / "a.png", profile().replace(b"cprt", b"A2B0")))
    assert np.array_equal(found.pixels, picture().astype(np.uint16) * 257)
    assert "colours are taken for sRGB" in found.notes[0]


def inks_profile() -> bytes:
    """CMYK to Lab (ICC.1:2022, 10.11): paper is white, and each ink makes it half as light."""
    corners = [100 * 0.5 ** bin(n).count("1") for n in range(16)]
    table = b"".join(struct.pack("3B", round(lab * 2.55), 128, 128) for lab in corners)
    straight = bytes(range(256))
    identity = np.array(65536 * np.eye(3), ">i4").tobytes()
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity
    return packed({b"A2B0": lut + straight * 4 + table + straight * 3}, b"prtrCMYKLab ")


def test_inks_are_turned_by_their_profile(tmp_path: Path) -> None:
    """Cyan of a half: halfway from L* = 100 to L* = 50, and as grey as this profile's inks are."""
    inks = Image.new("CMYK", SIZE[::-1], (128, 0, 0, 0))
    light = ((75 + 16) / 116) ** 3
    grey = 255 * (1.055 * light ** (1 / 2.4) - 0.055)
    for ending in ("jpg", "tif"):
        inks.save(tmp_path / f"a.{ending}", icc_profile=inks_profile(), quality=100)
        for source in (tmp_path / f"a.{ending}", Image.open(tmp_path / f"a.{ending}")):
            found = to_image_data(source)
            assert np.abs(found.pixels - grey).max() < 3
            assert found.notes == ("its colours were turned from inks to sRGB",)
        inks.save(tmp_path / f"d.{ending}", icc_profile=b"no profile", quality=100)
        found = read_image(tmp_path / f"d.{ending}")
        assert found.notes == ("its colour profile cannot be used: colours are taken for sRGB",)
        inks.save(tmp_path / f"n.{ending}", quality=100)
        plain = read_image(tmp_path / f"n.{ending}")
        assert plain.notes == ()
        assert np.array_equal(plain.pixels, found.pixels)


@pytest.mark.parametrize("icc", [b"no profile", profile()[:200], SRGB_PROFILE[:130] + bytes(500)])
def test_a_profile_that_cannot_be_used_is_told_and_costs_nothing(
    tmp_path: Path, icc: bytes
) -> None:
    for ending in ("jpg", "png", "tif", "webp"):
        path = write(tmp_path / f"a.{ending}", icc)
        found = read_image(path)
        assert np.array_equal(found.pixels, read_stored(path).pixels[..., :3])
        assert found.notes == ("its colour profile cannot be used: colours are taken for sRGB",)


def test_a_name_with_control_characters_is_printed_escaped(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", profile(name="\x1b[31mred\n" + "x" * 500))
    (note,) = read_image(path).notes
    assert note.isprintable()
    assert len(note) < 120


def test_a_prediction_s_picture_is_srgb(tmp_path: Path, model_file: Path) -> None:
    found = panodepth.load(model_file, device="cpu").predict(write(tmp_path / "a.png", profile()))
    assert np.abs(found.image - expected(picture())).max() <= 1.5
    assert "Adobe RGB" in found.meta["notes"][0]


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_the_colours_of_a_palette_are_turned_too(tmp_path: Path, ending: str) -> None:
    rgb = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8))
    few = rgb.quantize(16)
    few.save(tmp_path / f"p.{ending}", icc_profile=profile())
    few.convert("RGB").save(tmp_path / "rgb.png", icc_profile=profile())
    turned = read_image(tmp_path / "rgb.png")
    with Image.open(tmp_path / f"p.{ending}") as opened:
        assert opened.mode == "P"
        for found in (read_image(tmp_path / f"p.{ending}"), to_image_data(opened)):
            assert found.notes == turned.notes != ()
            np.testing.assert_array_equal(found.pixels, turned.pixels)
