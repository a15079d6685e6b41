"""WebP files: pixels, memory, data that end early, animations."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, WebPImagePlugin
from tests.images.pictures import H, W, picture, refused

from panodepth.images import image_size, limits, read_image


def test_an_animation_leaves_a_note(tmp_path: Path) -> None:
    frames = [Image.fromarray(picture(seed)) for seed in range(3)]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    data = read_image(tmp_path / "a.webp")
    assert np.array_equal(data.pixels, picture())
    assert "first of its 3 frames" in data.notes[0]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("size", [(H, W), (37, 75)])
def test_webp_is_read_as_pillow_reads_it(mode: str, lossless: bool, size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 4), dtype=np.uint8)
    pixels[:5, :, 3] = 0
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, "WEBP", lossless=lossless)
    with Image.open(file) as image:
        expected = np.asarray(image.convert("RGBA"))
    data = read_image(file.getvalue())
    assert image_size(file.getvalue()) == data.size == size
    seen = expected[..., 3] != 0
    assert np.array_equal(np.ones(size, bool) if data.valid is None else data.valid, seen)
    assert np.array_equal(data.pixels[seen], expected[..., :3][seen])


def test_webp_large_ones_never_are_rgba_in_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes 16 bytes a pixel: that is too much but for small animations."""
    frames = [Image.fromarray(picture(seed)) for seed in range(2)]
    moving, still = io.BytesIO(), io.BytesIO()
    frames[0].save(moving, "WEBP", save_all=True, append_images=frames[1:])
    frames[0].save(still, "WEBP")
    monkeypatch.setattr(limits, "MAX_DECODED_BYTES", 16 * W * H - 1)
    assert "GiB decoded" in refused(moving.getvalue())
    assert read_image(still.getvalue()).size == (H, W)
    with monkeypatch.context() as patch:
        patch.setattr(WebPImagePlugin.WebPImageFile, "_open", lambda self: 1 / 0)
        assert read_image(still.getvalue()).size == (H, W)


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("part", [0.3, 0.9, 0.99])
def test_webp_data_that_end_early_are_told(lossless: bool, part: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "WEBP", lossless=lossless)
    content = file.getvalue()
    cut = bytearray(content[: int(len(content) * part) // 2 * 2])
    assert "it is cut short inside chunk VP8" in refused(bytes(cut))
    cut[4:8], cut[16:20] = (struct.pack("<I", len(cut) - n) for n in (8, 20))
    assert "damaged or unreadable WebP" in refused(bytes(cut))


@pytest.mark.parametrize("lossless", [True, False])
def test_what_lies_behind_the_end_is_ignored(lossless: bool) -> None:
    """As browsers and libwebp do: disks and cameras pad files."""
    file = io.BytesIO()
    Image.fromarray(np.full((H, W, 3), 90, np.uint8)).save(file, "WEBP", lossless=lossless)
    whole = read_image(file.getvalue())
    for behind in (bytes(512), b"\xff\0 of a camera"):
        np.testing.assert_array_equal(read_image(file.getvalue() + behind).pixels, whole.pixels)
