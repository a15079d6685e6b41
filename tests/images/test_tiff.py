"""TIFF files: pages and compressions; a choice leaves a note."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from tests.images.pictures import H, W, picture, refused

from panodepth.images import read_image, read_stored, to_image_data


def test_tiff_a_thumbnail_first_is_not_the_picture(tmp_path: Path) -> None:
    for dtype, name in ((np.uint8, "8.tif"), (np.uint16, "16.tif")):
        big = picture().astype(dtype) * (1 if dtype == np.uint8 else 257)
        with tifffile.TiffWriter(tmp_path / name) as file:
            file.write(big[::4, ::4], photometric="rgb", subfiletype=1)
            file.write(big, photometric="rgb", compression="zlib")
        data = read_image(tmp_path / name)
        assert np.array_equal(data.pixels, big)
        assert data.notes == ()
        with tifffile.TiffWriter(tmp_path / name) as file:
            file.write(big[::4, ::4], photometric="rgb")
            file.write(big, photometric="rgb")
        data = read_image(tmp_path / name)
        assert np.array_equal(data.pixels, big)
        assert data.notes == ("page 2 (64x32) of 2 is read",)


def test_tiff_the_picture_may_lie_below_its_thumbnail(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "s.tif") as file:
        file.write(picture()[::4, ::4], photometric="rgb", subfiletype=1, subifds=1)
        file.write(picture(), photometric="rgb", subfiletype=0)
    assert np.array_equal(read_image(tmp_path / "s.tif").pixels, picture())


def test_tiff_pyramids_are_read_without_a_note(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "p.tif", bigtiff=True) as file:
        file.write(picture(), photometric="rgb", tile=(16, 16))
        file.write(picture()[::2, ::2], photometric="rgb", tile=(16, 16), subfiletype=1)
    data = read_image(tmp_path / "p.tif")
    assert np.array_equal(data.pixels, picture())
    assert data.notes == ()


@pytest.mark.parametrize("compression", ["zstd", "lzma"])
def test_tiff_what_the_decoder_lacks_is_named(tmp_path: Path, compression: str) -> None:
    deep = Image.fromarray(picture()[..., 0].astype(np.uint16) * 257)
    deep.save(tmp_path / "d.tif", compression=compression)
    message = refused(tmp_path / "d.tif")
    assert f"16-bit TIFF with {compression.upper()} compression is not read" in message
    assert "LZW or Deflate" in message
    assert "damaged" not in message
    Image.fromarray(picture()).save(tmp_path / "b.tif", compression=compression)
    assert np.array_equal(read_image(tmp_path / "b.tif").pixels, picture())


def test_tiff_raw_photographs_are_refused(tmp_path: Path) -> None:
    tag = [(50706, 1, 4, b"\1\4\0\0", True)]
    tifffile.imwrite(tmp_path / "r.tif", picture(), photometric="rgb", extratags=tag)
    assert "raw photograph (DNG)" in refused(tmp_path / "r.tif")


@pytest.mark.parametrize("part", [0.3, 0.9])
def test_tiff_jpeg_data_that_end_early_are_told(tmp_path: Path, part: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8)
    path = tmp_path / "j.tif"
    Image.fromarray(noise).save(path, compression="jpeg", strip_size=16 * W * 3)
    assert read_image(path).size == (H, W)
    with tifffile.TiffFile(path) as file:
        (starts, counts) = (file.pages[0].tags[tag].value for tag in (273, 279))
    content = bytearray(path.read_bytes())
    stop = starts[-1] + counts[-1]
    cut = starts[-1] + int(counts[-1] * part)
    content[cut:stop] = b"\xff\xd9" + bytes(stop - cut - 2)
    path.write_bytes(bytes(content))
    assert "damaged or unreadable TIFF file (its data end early" in refused(path)


@pytest.mark.parametrize("bits", [8, 16])
def test_tiff_an_unknown_compression_is_named_once(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "u.tif"
    Image.fromarray(picture()[..., 0].astype(f"uint{bits}")).save(path)
    old, new = (struct.pack("<HHIHH", 259, 3, 1, code, 0) for code in (1, 99))
    path.write_bytes(path.read_bytes().replace(old, new))
    assert "TIFF with compression 99 is not read" in refused(path)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(
    "coding", [{}, {"tile": (16, 16)}, {"compression": "zlib"}, {"metadata": None}]
)
@pytest.mark.parametrize("kind", ["float16", "int16", "int32", "uint32", "float64"])
def test_tiff_of_numbers_that_the_decoder_lacks(
    tmp_path: Path, kind: str, order: str, big: bool, coding: dict[str, Any]
) -> None:
    values = np.random.default_rng(0).random((32, 64)) * 30_000
    stored = values.astype(kind)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stored, byteorder=order, bigtiff=big, **coding)
    expected = stored.astype(np.float32) if kind == "float64" else stored
    found = read_stored(path)
    assert np.array_equal(found.pixels, expected)
    assert found.linear == kind.startswith("float")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(
    "coding", [{}, {"tile": (16, 32)}, {"rowsperstrip": 7}, {"compression": "zlib"}]
)
@pytest.mark.parametrize("kind", ["uint16", "float16", "float32", "float64"])
def test_tiff_of_colours_apart(
    tmp_path: Path, kind: str, order: str, big: bool, coding: dict[str, Any]
) -> None:
    """As GDAL and tifffile write bands, and Photoshop by "per channel"."""
    stored = (picture().astype(np.float64) * 100).astype(kind)
    path = tmp_path / "a.tif"
    planes = np.ascontiguousarray(np.moveaxis(stored, -1, 0))
    tifffile.imwrite(
        path,
        planes,
        photometric="rgb",
        planarconfig="separate",
        byteorder=order,
        bigtiff=big,
        extratags=[(274, 3, 1, 3, True)],
        **coding,
    )
    expected = stored[::-1, ::-1]
    assert np.array_equal(read_stored(path).pixels, expected)
    alpha = np.where(np.arange(W) < 9, 0, 1).astype(kind) * np.ones((1, H, 1), kind)
    layered = np.concatenate([planes, alpha])
    tifffile.imwrite(
        path, layered, photometric="rgb", planarconfig="separate", extrasamples=["unassalpha"]
    )
    assert np.array_equal(read_stored(path).pixels, np.moveaxis(layered, 0, -1))


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float16", "float32"])
def test_tiff_colours_multiplied_by_alpha(tmp_path: Path, kind: str) -> None:
    """As stitchers write blended edges: associated alpha (ExtraSamples 1)."""
    white = {"uint8": 255, "uint16": 65535}.get(kind, 1)
    share = np.linspace(0.25, 1, W)[None, :, None] * np.ones((H, 1, 1))
    share[:, :5] = 0
    colours = picture() / 255
    stored = np.concatenate([colours * share, share], axis=2) * white
    stored = (np.rint(stored) if white > 1 else stored).astype(kind)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stored, photometric="rgb", extrasamples=["assocalpha"])
    found = read_stored(path)
    seen = share[..., 0] > 0
    step = 0.03 if kind == "uint8" else 2e-3
    assert found.pixels[..., :3][seen] / white == pytest.approx(colours[seen], abs=step)
    valid = found.valid if kind == "uint8" else found.pixels[..., 3] > 0
    assert np.array_equal(valid, seen)


def test_tiff_colours_of_half_floats(tmp_path: Path) -> None:
    stored = picture().astype(np.float16) / 255
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb")
    assert np.array_equal(read_stored(tmp_path / "a.tif").pixels, stored)


def test_tiff_kinds_that_are_not_read_say_so(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, picture(), byteorder=">", bigtiff=True)
    assert "8-bit BigTIFF in big-endian order is not read" in refused(path)
    tifffile.imwrite(path, picture().astype(np.uint32), photometric="rgb")
    assert "3 samples of 32 bits, sample format 1" in refused(path)
    tifffile.imwrite(path, picture()[..., 0].astype(np.int8))
    assert "1 samples of 8 bits, sample format 2" in refused(path)
    seven = np.stack([picture()[..., 0]] * 7)
    tifffile.imwrite(path, seven, photometric="rgb", planarconfig="separate")
    assert "7 samples of 8 bits, sample format 1, photometric 2, planar" in refused(path)
    tifffile.imwrite(path, picture().astype(np.int16), photometric="rgb")
    assert "3 samples of 16 bits, sample format 2" in refused(path)


def test_tiff_a_jpeg_in_it_that_is_not_read_names_the_file(tmp_path: Path) -> None:
    grey = Image.fromarray(picture()).convert("LA")
    grey.save(tmp_path / "a.tif", compression="jpeg")
    assert refused(tmp_path / "a.tif").startswith(f"{tmp_path / 'a.tif'}: 2-channel JPEG")


def test_tiff_grey_that_was_multiplied_by_its_alpha(tmp_path: Path) -> None:
    grey = picture()[..., 0]
    alpha = np.full_like(grey, 255)
    alpha[:8], alpha[8:16] = 0, 128
    multiplied = np.rint(grey * (alpha / 255)).astype(np.uint8)
    layers = np.dstack([multiplied, alpha])
    options: dict[str, Any] = {"photometric": "minisblack", "planarconfig": "contig"}
    tifffile.imwrite(tmp_path / "a.tif", layers, extrasamples=["assocalpha"], **options)
    with Image.open(tmp_path / "a.tif") as image:
        for source in (tmp_path / "a.tif", image):
            data = to_image_data(source)
            assert data.valid is not None
            assert np.array_equal(data.valid, alpha > 0)
            off = np.abs(data.pixels[..., 0].astype(int) - grey)
            assert off[8:16].max() <= 2
            assert not off[16:].any()


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("extra", ["unassalpha", "assocalpha", "unspecified"])
@pytest.mark.parametrize("grey", [True, False])
@pytest.mark.parametrize("turned", [1, 3])
def test_tiff_of_8_bits_apart_with_alpha(
    tmp_path: Path, compression: str | None, extra: str, grey: bool, turned: int
) -> None:
    colours = picture()[..., :1] if grey else picture()
    alpha = np.full((H, W, 1), 255, np.uint8)
    alpha[: H // 4], alpha[0] = 128, 0
    multiplied = np.rint(colours * (alpha / 255)) if extra == "assocalpha" else colours
    stored = np.concatenate([multiplied.astype(np.uint8), alpha, alpha], -1)  # and one of no use
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.moveaxis(stored[:: 2 - turned, :: 2 - turned], -1, 0),
        photometric="minisblack" if grey else "rgb",
        planarconfig="separate",
        extrasamples=[extra, "unspecified"],
        compression=compression,
        extratags=[(274, 3, 1, turned, True)],
    )
    data = read_image(tmp_path / "a.tif")
    valid = np.ones((H, W), bool) if extra == "unspecified" else alpha[..., 0] > 0
    assert np.array_equal(np.ones_like(valid) if data.valid is None else data.valid, valid)
    apart = np.abs(data.to_uint8().astype(int) - colours)[valid]
    assert apart.max() <= (2 if extra == "assocalpha" else 0)


@pytest.mark.parametrize("factor", [1, 257])
@pytest.mark.parametrize("order", ["<", ">"])
def test_tiff_palettes_of_8_bits_in_16(tmp_path: Path, factor: int, order: str) -> None:
    """Some programs write 0 to 255 where the standard says 0 to 65535."""
    rng = np.random.default_rng(1)
    colours = rng.integers(0, 256, (3, 256), np.uint16)
    places = rng.integers(0, 256, (H, W), np.uint8)
    tifffile.imwrite(
        tmp_path / "a.tif",
        places,
        photometric="palette",
        colormap=(factor * colours).astype(np.uint16),
        byteorder=order,
    )
    found = read_image(tmp_path / "a.tif").to_uint8()
    assert np.array_equal(found, np.moveaxis(colours[:, places], 0, -1))
