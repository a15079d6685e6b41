"""Whatever `predict` takes as an image: paths, bytes, open files, PIL images, arrays, tensors."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from panodepth.errors import InputError, one_line
from panodepth.images.files import read_image
from panodepth.images.formats.pillow import from_pillow, upright
from panodepth.images.formats.tags import ORIENTATION
from panodepth.images.limits import MAX_PIXELS, check_size
from panodepth.images.picture import ImageData, from_array
from panodepth.images.xmp import pano_area, place_on_sphere
from panodepth.types import BoolArray


def to_image_data(source: Any, *, max_pixels: int = MAX_PIXELS) -> ImageData:
    """Anything `predict` accepts as ImageData.

    source: a path; the bytes of a file, or an object with `read` that gives them; a PIL image (its
        EXIF orientation is applied); an (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) array or tensor,
        sRGB-coded: uint8, uint16, or float in [0, 1] with NaN or Inf = invalid (the fourth channel
        is alpha: 0 = invalid; so is what a masked array masks in any channel); or ImageData,
        returned as it is. 8-bit arrays are copied: the caller may use theirs again.
    Raises InputError for anything else, with what was found.
    """
    if isinstance(source, ImageData):
        return source
    if isinstance(source, str | os.PathLike | bytes | bytearray | memoryview):
        return read_image(source, max_pixels=max_pixels)
    if isinstance(source, Image.Image):
        return _from_pil(source, max_pixels)
    if hasattr(source, "read"):
        return read_image(_content(source), max_pixels=max_pixels)
    array, valid = _as_array(source)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise InputError(
            f"image array has shape {array.shape}; expected (H, W), (H, W, 3) or (H, W, 4)"
        )
    check_size((array.shape[0], array.shape[1]), "image array", max_pixels)
    if array.dtype == np.uint8:  # other types are converted before anybody keeps them
        array = array.copy()
    return from_array(array, valid, "image array")


def _from_pil(image: Image.Image, max_pixels: int) -> ImageData:
    check_size((image.height, image.width), "PIL image", max_pixels)
    try:
        image.load()  # turns a TIFF upright and takes the tag away
        orientation = image.getexif().get(ORIENTATION, 1)
        said = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
        decoded = from_pillow(image, orientation)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # the file behind it may be damaged or closed
        raise InputError(f"PIL image cannot be read ({one_line(error)})") from error
    size = upright((image.height, image.width), orientation)
    xmp = said.encode() if isinstance(said, str) else bytes(said)
    area, note = pano_area(xmp, size, "PIL image")
    if area is not None:
        check_size(area.size, "PIL image", max_pixels)
        decoded = place_on_sphere(decoded, area)
    return from_array(decoded.pixels, decoded.valid, "PIL image").noted(note)


def _content(source: Any) -> bytes:
    """What is left in an open file."""
    try:
        content = source.read()
    except Exception as error:
        raise InputError(f"image file object cannot be read ({one_line(error)})") from error
    if not isinstance(content, bytes | bytearray | memoryview):
        raise InputError(f"image file object gives {type(content).__name__}; open it in mode 'rb'")
    return bytes(content)


def _as_array(source: Any) -> tuple[npt.NDArray[Any], BoolArray | None]:
    """An array, and which (H, W) of it a masked array does not mask."""
    if not hasattr(source, "__array__"):
        kind = type(source).__name__
        raise InputError(
            f"an image can be a path, bytes, an open file, a PIL image or an array, not {kind}"
        )
    if hasattr(source, "detach"):  # a torch tensor: on any device, with or without a gradient
        source = source.detach().cpu()
        if str(source.dtype) == "torch.bfloat16":  # NumPy has no such type
            source = source.float()
    valid: BoolArray | None = None
    if isinstance(source, np.ma.MaskedArray):
        masked = np.ma.getmaskarray(source)
        valid = np.logical_not(masked.any(axis=2) if masked.ndim == 3 else masked)
    try:
        return np.asarray(source), valid
    except Exception as error:
        kind = type(source).__name__
        raise InputError(f"image of type {kind} is no array ({one_line(error)})") from error
