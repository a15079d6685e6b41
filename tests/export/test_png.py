"""PNG files: what Pillow and OpenCV read is what was written, whoever deflates."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from panodepth.export.rasters import deflate
from panodepth.export.rasters.png import write_png


@pytest.fixture(params=["ISA-L", "zlib"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both libraries; without the package `isal` only zlib."""
    if request.param == "ISA-L":
        pytest.importorskip("isal")
    else:
        monkeypatch.setattr(deflate, "isal", None)
    return str(request.param)


def picture(kind: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Values over the whole range, smooth in one half and noise in the other."""
    dtype = np.dtype(kind)
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    smooth = np.linspace(0, np.iinfo(dtype).max, int(np.prod(shape))).reshape(shape).astype(dtype)
    noise[:, : shape[1] // 2] = smooth[:, : shape[1] // 2]
    return noise


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (64, 128), (33, 67)])
@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.parametrize("kind", ["uint8", "uint16"])
@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_others_read_the_same_pixels(
    library: str, kind: str, shape: tuple[int, int], channels: tuple[int, ...], rows: int
) -> None:
    pixels = picture(kind, (*shape, *channels))
    file = io.BytesIO()
    bands = [pixels[top : top + rows] for top in range(0, len(pixels), rows)]
    write_png(file, shape, bands, {"key": "some text"})
    read = cv2.imdecode(np.frombuffer(file.getvalue(), np.uint8), cv2.IMREAD_UNCHANGED)
    assert read.dtype == pixels.dtype
    assert np.array_equal(read[..., ::-1] if channels else read, pixels)
    with Image.open(file) as image:
        image.verify()  # every chunk's checksum
    with Image.open(file) as image:
        assert image.size == shape[::-1]
        assert image.text == {"key": "some text"}
        if kind == "uint8":
            assert np.array_equal(np.asarray(image), pixels)


def test_bands_do_not_show_in_the_pixels_nor_change_the_callers_array() -> None:
    pixels = picture("uint16", (40, 60))
    kept = pixels.copy()
    views = [pixels[:, ::2][top : top + 9] for top in range(0, 40, 9)]  # not contiguous
    file = io.BytesIO()
    write_png(file, (40, 30), views, {})
    read = cv2.imdecode(np.frombuffer(file.getvalue(), np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(read, pixels[:, ::2])
    assert np.array_equal(pixels, kept)


def test_smooth_maps_are_no_larger_than_opencv_makes_them(library: str, tmp_path: Path) -> None:
    y, x = np.mgrid[0:256, 0:512] / 256
    grey = (2e4 * (1.5 + np.sin(5 * x) * np.cos(7 * y))).astype(np.uint16)
    levels = (grey >> 8).astype(np.uint8)
    for pixels in (grey, np.stack([levels, 255 - levels, levels // 2], axis=-1)):
        file = io.BytesIO()
        write_png(file, pixels.shape[:2], [pixels], {})
        assert len(file.getvalue()) < 1.15 * len(cv2.imencode(".png", pixels)[1])
