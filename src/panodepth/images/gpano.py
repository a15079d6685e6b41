"""Which part of the sphere a picture is: the GPano fields of its XMP packet.

Fields may be attributes or elements. Source: developers.google.com/streetview/spherical-metadata.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from panodepth.errors import InputError
from panodepth.images.formats.orientation import MAX_XMP
from panodepth.images.formats.pillow import Decoded, Opened
from panodepth.images.limits import ASPECT_TOLERANCE_PERCENT
from panodepth.size import Size

_FULL = ("FullPanoHeightPixels", "FullPanoWidthPixels")
_CROP = ("CroppedAreaImageHeightPixels", "CroppedAreaImageWidthPixels")
_START = ("CroppedAreaTopPixels", "CroppedAreaLeftPixels")
_FILL_SAMPLES = 1 << 16  # pixels that the colour outside the picture is the median of


@dataclass(frozen=True)
class Area:
    """Where a picture lies on the whole sphere's canvas. size: (height, width) of the canvas [px].

    top, left: of the picture; it may go on beyond the right edge at the left one.
    """

    size: Size
    top: int
    left: int


def on_sphere(opened: Opened, name: str) -> Opened:
    """The same picture, on the whole sphere where its tags say that it is a part."""
    area, note = pano_area(opened.xmp, opened.size, name)

    def decode() -> Decoded:
        decoded = opened.decode()
        if area is not None:
            return place_on_sphere(decoded, area)
        return replace(decoded, notes=(*decoded.notes, note))

    if area is None and not note:
        return opened
    return Opened(opened.size if area is None else area.size, decode)


def pano_area(xmp: bytes, size: Size, name: str) -> tuple[Area | None, str]:
    """Where a picture with this XMP packet lies on the sphere, and a note if there is a choice.

    size: (height, width), upright. None: it is the whole sphere, or there are no tags. The tags
    count relative to the picture's size when they were written: it may have been resized since.
    Raises InputError for another projection and for tags that contradict each other.
    """
    text = xmp[:MAX_XMP].decode("utf-8", "replace")
    if "GPano:" not in text:
        return None, ""
    projection = _field(text, "ProjectionType")
    if projection and projection.lower() != "equirectangular":
        raise InputError(
            f"{name}: its GPano tags say that its projection is {projection[:40]}; "
            "only equirectangular pictures are read"
        )
    full, crop, start = (_pair(text, names, name) for names in (_FULL, _CROP, _START))
    if full is None or crop is None or (crop == full and start in (None, (0, 0))):
        return None, ""
    if start is None:
        raise InputError(f"{name}: its GPano tags do not say where in the panorama it lies")
    top, left = start
    said = f"{crop[1]}x{crop[0]} of {full[1]}x{full[0]} at ({left}, {top})"
    inside = 0 <= left < full[1] and top >= 0 and top + crop[0] <= full[0]
    if min(*full, *crop) < 1 or crop[1] > full[1] or not inside:
        raise InputError(f"{name}: its GPano tags contradict each other ({said}); correct them")
    height, width = size
    if not _same_shape(size, crop):
        if _same_shape(size, full):
            return None, f"GPano tags say {said}, but it has the shape of the whole sphere: whole"
        raise InputError(
            f"{name}: its GPano tags ({said}) do not fit its {width}x{height} pixels: it was "
            "cropped since; correct or remove the tags"
        )
    down, right = height / crop[0], width / crop[1]
    canvas = max(height, round(full[0] * down)), max(width, round(full[1] * right))
    top = min(round(top * down), canvas[0] - height)
    return Area(canvas, top, round(left * right) % canvas[1]), ""


def place_on_sphere(decoded: Decoded, area: Area) -> Decoded:
    """The picture on the whole sphere's canvas; outside of it nothing is valid."""
    height, width = decoded.pixels.shape[:2]
    step = max(1, int(np.sqrt(height * width / _FILL_SAMPLES)))
    fill = np.median(decoded.pixels[::step, ::step], axis=(0, 1)).astype(decoded.pixels.dtype)
    pixels = np.empty((*area.size, *decoded.pixels.shape[2:]), decoded.pixels.dtype)
    pixels[...] = fill
    valid = np.zeros(area.size, np.bool_)
    columns = (np.arange(width) + area.left) % area.size[1]
    rows = slice(area.top, area.top + height)
    pixels[rows, columns] = decoded.pixels
    valid[rows, columns] = True if decoded.valid is None else decoded.valid
    return Decoded(pixels, valid, decoded.linear, decoded.notes, decoded.texts)


def _field(text: str, name: str) -> str:
    found = re.search(rf"GPano:{name}\s*(?:=\s*[\"']|>)\s*([^\"'<]*)", text)
    return found[1].strip() if found else ""


def _pair(text: str, names: tuple[str, str], name: str) -> tuple[int, int] | None:
    """Two whole numbers; None when one is missing."""
    values = [_field(text, field) for field in names]
    if not all(values):
        return None
    try:
        first, second = (int(float(value)) for value in values)
    except (ValueError, OverflowError):
        raise InputError(f"{name}: its GPano tag {names[0]} is no number") from None
    return first, second


def _same_shape(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether width / height of two sizes agree."""
    ratio = size[1] * other[0] / (size[0] * other[1])
    return abs(ratio - 1) * 100 <= ASPECT_TOLERANCE_PERCENT
