"""EXR files against OpenEXR itself: read by it, and byte for byte as it writes them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import OpenEXR
import pytest

from panodepth.export.rasters import deflate
from panodepth.export.rasters.exr import ZIP_ROWS, write_exr

ATTRIBUTES = {"unit": "m", "scale": 1.0, "panodepth": '{"a": 1}'}
SIZES = [(1, 1), (1, 5), (15, 8), (16, 30), (17, 33), (64, 128), (100, 50)]


def planes(count: int, size: tuple[int, int], *, noise: bool) -> np.ndarray:
    """(C, H, W) float32: noise in every bit, or something smooth with a hole of zeros."""
    rng = np.random.default_rng(size[0])
    if noise:
        bits = rng.integers(0, 2**32, (count, *size), np.uint32)
        bits &= np.uint32(0xBFFFFFFF)  # neither infinite nor NaN
        return bits.view(np.float32)
    smooth = np.sin(np.arange(count * size[0] * size[1]) / 50).astype(np.float32) + 2
    smooth[: size[1] // 2] = 0
    return smooth.reshape(count, *size)


def written(values: np.ndarray, names: str, *, zipped: bool, rows: int) -> bytes:
    file = io.BytesIO()
    bands = [values[:, top : top + rows] for top in range(0, values.shape[1], rows)]
    write_exr(file, names, values.shape[1:], bands, ATTRIBUTES, zipped=zipped)
    return file.getvalue()


@pytest.mark.parametrize("library", ["ISA-L", "zlib"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("names", ["Y", "XYZ"])
@pytest.mark.parametrize("noise", [False, True])
def test_openexr_reads_every_bit(
    library: str,
    size: tuple[int, int],
    names: str,
    noise: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if library == "zlib":
        monkeypatch.setattr(deflate, "isal", None)
    values = planes(len(names), size, noise=noise)
    for zipped in (True, False):
        path = tmp_path / f"{zipped}.exr"
        path.write_bytes(written(values, names, zipped=zipped, rows=ZIP_ROWS))
        with OpenEXR.File(str(path), separate_channels=True) as file:
            header, channels = dict(file.header()), dict(file.channels())
            read = np.stack([channels[name].pixels for name in names])
        assert np.array_equal(read.view(np.uint32), values.view(np.uint32))
        assert list(channels) == list(names)
        wanted = OpenEXR.ZIP_COMPRESSION if zipped else OpenEXR.NO_COMPRESSION
        assert header["compression"] == wanted
        assert {key: header[key] for key in ATTRIBUTES} == ATTRIBUTES


def by_openexr(values: np.ndarray, names: str, compression: object, path: Path) -> bytes:
    header = {"compression": compression, "type": OpenEXR.scanlineimage, **ATTRIBUTES}
    with OpenEXR.File(header, dict(zip(names, values, strict=True))) as file:
        file.write(str(path))
    return path.read_bytes()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("names", ["Y", "XYZ"])
def test_uncompressed_files_are_openexrs_own_byte_for_byte(
    size: tuple[int, int], names: str, tmp_path: Path
) -> None:
    values = planes(len(names), size, noise=True)
    theirs = by_openexr(values, names, OpenEXR.NO_COMPRESSION, tmp_path / "theirs.exr")
    assert written(values, names, zipped=False, rows=5) == theirs


@pytest.mark.parametrize("zipped", [True, False])
def test_bands_do_not_show(zipped: bool) -> None:
    values = planes(3, (50, 20), noise=False)
    whole = written(values, "XYZ", zipped=zipped, rows=50)
    assert written(values, "XYZ", zipped=zipped, rows=2 * ZIP_ROWS) == whole


def test_zip_is_about_as_small_as_openexrs(tmp_path: Path) -> None:
    values = planes(1, (64, 256), noise=False)
    values[0, :, 128:] = np.round(values[0, :, 128:], 2)
    theirs = by_openexr(values, "Y", OpenEXR.ZIP_COMPRESSION, tmp_path / "theirs.exr")
    ours = written(values, "Y", zipped=True, rows=64)
    assert len(ours) < 1.1 * len(theirs) < values.nbytes
    noise = planes(1, (64, 256), noise=True)  # stored as it is
    assert len(written(noise, "Y", zipped=True, rows=64)) < noise.nbytes + 1000
