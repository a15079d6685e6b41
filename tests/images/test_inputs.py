"""What `predict` takes as an image: bytes, open files, masked arrays, tensors, PIL images."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from panodepth.errors import InputError
from panodepth.images import read_image, to_image_data

H, W = 12, 24
PICTURE = np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8)


@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "webp", "exr", "hdr", "deep.png"])
def test_bytes_and_open_files_are_read_as_the_path_is(tmp_path: Path, ending: str) -> None:
    import cv2
    import OpenEXR

    path = tmp_path / f"p.{ending}"
    if ending == "exr":
        OpenEXR.File({}, {"RGB": PICTURE.astype(np.float32)}).write(str(path))
    elif ending in ("hdr", "deep.png"):
        deep = PICTURE.astype(np.float32 if ending == "hdr" else np.uint16)
        assert cv2.imwrite(str(path), deep)
    else:
        Image.fromarray(PICTURE).save(path, lossless=True)
    expected = read_image(path)
    content = path.read_bytes()
    with path.open("rb") as file:
        for source in (content, bytearray(content), memoryview(content), io.BytesIO(content), file):
            data = to_image_data(source)
            assert np.array_equal(data.pixels, expected.pixels)
            assert (data.name, data.source) == ("", "")


def test_bytes_that_are_no_picture_say_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="image bytes: the file is empty"):
        to_image_data(b"")
    with pytest.raises(InputError, match="image bytes: not a jpg"):
        to_image_data(b"hello, world, this is text")
    with pytest.raises(InputError, match="open it in mode 'rb'"):
        to_image_data(io.StringIO("text"))
    written = io.BytesIO()
    Image.fromarray(PICTURE).save(written, "PNG")
    with pytest.raises(InputError, match=r"at its end: .* seek\(0\)"):
        to_image_data(written)
    closed = io.BytesIO(b"x")
    closed.close()
    with pytest.raises(InputError, match="cannot be read"):
        to_image_data(closed)
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(30))
    with pytest.raises(InputError, match="image bytes: damaged or unreadable PNG"):
        to_image_data((tmp_path / "cut.png").read_bytes())


def test_8_bit_arrays_belong_to_the_caller() -> None:
    buffer = PICTURE.copy()
    data = to_image_data(buffer)
    buffer[:] = 0
    assert np.array_equal(data.pixels, PICTURE)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_what_a_masked_array_masks_is_not_valid(dtype: type) -> None:
    image = PICTURE.astype(dtype) / (255 if dtype == np.float32 else 1)
    mask = np.zeros(PICTURE.shape, bool)
    mask[2, 3, 1] = mask[5] = True
    masked = np.ma.array(image.astype(dtype), mask=mask)
    data = to_image_data(masked)
    assert data.valid is not None
    assert np.array_equal(data.valid, ~mask.any(axis=2))
    grey = to_image_data(masked[..., 0])
    assert np.array_equal(grey.valid, ~mask[..., 0])
    unmasked = to_image_data(np.ma.array(PICTURE))
    assert unmasked.valid is None
    with pytest.raises(InputError, match="no valid pixel"):
        to_image_data(np.ma.array(PICTURE, mask=True))


def test_values_under_a_mask_are_of_no_matter() -> None:
    image = np.ma.array(PICTURE.astype(np.float32) / 255, mask=False)
    image[0, 0] = 1e20
    image[0, 0] = np.ma.masked
    data = to_image_data(image)
    assert data.valid is not None
    assert np.argwhere(~data.valid).tolist() == [[0, 0]]
    assert data.image.max() <= 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("grad", [False, True])
def test_tensors_of_every_float_type(dtype: torch.dtype, grad: bool) -> None:
    tensor = torch.from_numpy(PICTURE / np.float32(255)).to(dtype).requires_grad_(grad)
    error = 2**-8 if dtype == torch.bfloat16 else 1e-3
    assert np.abs(to_image_data(tensor).image - PICTURE / 255).max() < error
    assert np.array_equal(to_image_data(torch.from_numpy(PICTURE)).pixels, PICTURE)


def test_tensors_that_are_no_images_say_what_they_are() -> None:
    with pytest.raises(InputError, match=r"shape \(3, 12, 24\).*moveaxis"):
        to_image_data(torch.zeros(3, H, W))
    with pytest.raises(InputError, match="image of type Tensor is no array"):
        to_image_data(torch.zeros(H, W).to_sparse())
    with pytest.raises(InputError, match="dtype"):
        to_image_data(torch.zeros(H, W, 3, dtype=torch.int64))
    with pytest.raises(InputError, match="image of type Tensor is no array"):
        to_image_data(torch.zeros(H, W, 3, device="meta"))
    with pytest.raises(InputError, match="dtype complex64"):
        to_image_data(torch.zeros(H, W, 3, dtype=torch.complex64, requires_grad=True))


def test_pil_images_of_mode_i_are_right_or_refused() -> None:
    deep = Image.fromarray(PICTURE[..., 0].astype(np.int32) * 257)
    assert deep.mode == "I"
    assert np.array_equal(to_image_data(deep).pixels[..., 0], PICTURE[..., 0].astype(int) * 257)
    with pytest.raises(InputError, match=r"mode I has values.*convert it to L"):
        to_image_data(Image.fromarray(PICTURE).convert("L").convert("I"))
    with pytest.raises(InputError, match="not 16-bit"):
        to_image_data(Image.fromarray(np.full((H, W), 70_000, np.int32)))
    with pytest.raises(InputError, match=r"must lie in \[0, 1\]"):
        to_image_data(Image.fromarray(PICTURE).convert("F"))


def test_pil_images_of_damaged_files_say_so(tmp_path: Path) -> None:
    path = tmp_path / "cut.jpg"
    Image.fromarray(PICTURE).save(path)
    path.write_bytes(path.read_bytes()[:-40])
    with Image.open(path) as image, pytest.raises(InputError, match="PIL image cannot be read"):
        to_image_data(image)


EXIF = {
    "cut": b"II*\0\x08\0\0\0\xff\xff" + bytes(40),
    "twice": b"II*\0\x08\0\0\0\1\0\x12\1\3\0\2\0\0\0\1\0\1\0\0\0\0\0",
    "none": b"garbage!",
}


@pytest.mark.parametrize(
    ("kind", "damage"),  # AVIF is not written with what is none at all
    [(k, d) for k in ("AVIF", "WEBP", "PNG", "JPEG") for d in EXIF if (k, d) != ("AVIF", "none")],
)
@pytest.mark.filterwarnings("error")
def test_a_damaged_exif_block_costs_neither_picture_nor_warning(kind: str, damage: str) -> None:
    block = b"Exif\0\0" + EXIF[damage]
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, which writes and opens it here
        Image.fromarray(np.tile(PICTURE, (2, 2, 1))).save(file, kind, exif=block)
        image = Image.open(file)
    assert to_image_data(image).size == to_image_data(file.getvalue()).size == (2 * H, 2 * W)
