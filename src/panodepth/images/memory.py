"""Images in memory: open files, PIL images, arrays and tensors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from panodepth.errors import InputError, one_line, raise_if_out_of_memory
from panodepth.images.formats.jpeg_segments import extended_gpano
from panodepth.images.formats.orientation import oriented
from panodepth.images.formats.pillow import Decoded, from_pillow, upright
from panodepth.images.formats.quiet import without_warnings
from panodepth.images.formats.tags import ORIENTATION
from panodepth.images.gpano import Pano, pano_area, pano_pose, place_on_sphere
from panodepth.images.limits import check_size
from panodepth.images.picture import ImageData, from_array
from panodepth.images.profiles import as_srgb
from panodepth.types import BoolArray


def from_memory(source: Any, max_pixels: int) -> ImageData:
    """What `to_image_data` takes beside paths, bytes and open files. Raises InputError."""
    if isinstance(source, Image.Image):
        return _from_pil(source, max_pixels)
    array, valid = _as_array(source)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        first = array.ndim == 3 and array.shape[0] in (1, 3, 4)
        raise InputError(
            f"image array has shape {array.shape}; expected (H, W), (H, W, 3) or (H, W, 4)"
            + ("; move its channels last, as in numpy.moveaxis(image, 0, -1)" if first else "")
        )
    check_size((array.shape[0], array.shape[1]), "image array", max_pixels)
    if array.dtype == np.uint8:  # other types are converted before anybody keeps them
        array = array.copy()
    return from_array(array, valid, "image array")


def _from_pil(image: Image.Image, max_pixels: int) -> ImageData:
    check_size((image.height, image.width), "PIL image", max_pixels)
    try:
        image.load()  # turns a TIFF upright and takes the tag away
        orientation = _stated_orientation(image)
        said = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
        decoded = _decoded(image, orientation)
        if decoded.profile:
            decoded = as_srgb(decoded)
    except InputError:
        raise
    except Exception as error:  # the file behind it may be damaged or closed
        raise_if_out_of_memory(error, "PIL image")
        raise InputError(f"PIL image cannot be read ({one_line(error)})") from error
    size = upright((image.height, image.width), orientation)
    xmp = said.encode() if isinstance(said, str) else bytes(said)
    if b"HasExtendedXMP" in xmp:
        xmp += extended_gpano(getattr(image, "applist", ()), xmp)
    area, note = pano_area(xmp, size, "PIL image")
    if area is not None:
        check_size(area.size, "PIL image", max_pixels)
        decoded = place_on_sphere(decoded, area)
    data = from_array(decoded.pixels, decoded.valid, "PIL image")
    pano = Pano(area, pano_pose(xmp, "PIL image"))
    notes = (*decoded.notes, *((note,) if note else ()))
    return replace(data, notes=notes, pano=None if pano == Pano() else pano)


def _stated_orientation(image: Image.Image) -> int:
    with without_warnings():
        try:
            stated = image.getexif().get(ORIENTATION, 1)
        except Exception:  # a damaged block says nothing, as in files
            return 1
    return stated if isinstance(stated, int) else 1


def _decoded(image: Image.Image, orientation: int) -> Decoded:
    """16 bits and float grey as they are. Raises InputError for other whole numbers."""
    if image.mode == "F":
        return Decoded(oriented(np.array(image, np.float32), orientation))
    if not image.mode.startswith("I"):
        return from_pillow(image, orientation)
    deep = np.asarray(image)
    low, high = int(deep.min()), int(deep.max())
    if low < 0 or high > 65535:
        raise InputError(f"integer image has values {low} to {high}, not 16-bit")
    if image.mode == "I" and high < 256:  # as convert("I") makes them: what is white?
        raise InputError(
            f"image of mode I has values {low} to {high}: convert it to L (8 bits) or I;16"
        )
    return Decoded(oriented(deep.astype(np.uint16), orientation))


def content_of(source: Any) -> bytes:
    """What is left in an open file. Raises InputError."""
    try:
        content = source.read()
    except Exception as error:
        raise_if_out_of_memory(error, "image file object")
        raise InputError(f"image file object cannot be read ({one_line(error)})") from error
    if not isinstance(content, bytes | bytearray | memoryview):
        raise InputError(f"image file object gives {type(content).__name__}; open it in mode 'rb'")
    if not content and getattr(source, "seekable", bool)() and source.tell():  # after writing it
        raise InputError("image file object is at its end: go back to its start by seek(0)")
    return bytes(content)


def _as_array(source: Any) -> tuple[npt.NDArray[Any], BoolArray | None]:
    """An array, and which (H, W) of it a masked array does not mask."""
    if not hasattr(source, "__array__"):
        kind = type(source).__name__
        raise InputError(
            f"an image can be a path, bytes, an open file, a PIL image or an array, not {kind}"
        )
    valid: BoolArray | None = None
    if isinstance(source, np.ma.MaskedArray):
        masked = np.ma.getmaskarray(source)
        valid = np.logical_not(masked.any(axis=2) if masked.ndim == 3 else masked)
    try:
        if hasattr(source, "detach"):  # a torch tensor: on any device, with or without a gradient
            source = source.detach().cpu()
            if str(source.dtype) == "torch.bfloat16":  # NumPy has no such type
                source = source.float()
        return np.asarray(source), valid
    except Exception as error:
        raise_if_out_of_memory(error, "image array")
        kind = type(source).__name__
        raise InputError(f"image of type {kind} is no array ({one_line(error)})") from error
