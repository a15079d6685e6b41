"""Which part of the sphere a picture is: the GPano fields of its XMP packet.

Fields may be attributes or elements. Source: developers.google.com/streetview/spherical-metadata.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from panodepth.errors import InputError, one_line
from panodepth.images.formats.orientation import MAX_XMP
from panodepth.images.formats.pillow import Decoded, Opened
from panodepth.images.limits import ASPECT_TOLERANCE_PERCENT
from panodepth.size import Size
from panodepth.types import BoolArray

_FULL = ("FullPanoHeightPixels", "FullPanoWidthPixels")
_CROP = ("CroppedAreaImageHeightPixels", "CroppedAreaImageWidthPixels")
_START = ("CroppedAreaTopPixels", "CroppedAreaLeftPixels")
TAGS: dict[str, type] = {
    "ProjectionType": str,
    **dict.fromkeys((*_FULL, *_CROP, *_START), int),
    **dict.fromkeys(("PoseHeadingDegrees", "PosePitchDegrees", "PoseRollDegrees"), float),
    **dict.fromkeys(("InitialViewHeadingDegrees", "InitialViewPitchDegrees"), float),
    "InitialViewRollDegrees": float,
    "UsePanoramaViewer": bool,
}
_NAMESPACE = re.compile(  # "": the one of elements without a prefix
    r"""xmlns(?::([\w.-]+))?\s*=\s*["']https?://ns\.google\.com/photos/1\.0/panorama/?["']"""
)
# The rest of an element's opening tag, and of RDF's own elements around its value.
_OPENED = r"(?:\s[^<>]{0,400}(?<!/))?>\s*(?:<\w[^<>]{0,200}(?<!/)>\s*){0,3}"
_PREFIX = re.compile(r"(?<![\w.-])([\w.-]+):(?=[A-Z])")
_FILL_SAMPLES = 1 << 16  # pixels that the colour outside the picture is the median of


@dataclass(frozen=True)
class Area:
    """Where a picture lies on the whole sphere's canvas. size: (height, width) of the canvas [px].

    top, left: of the picture; it may go on beyond the right edge at the left one. picture: its own
    (height, width).
    """

    size: Size
    top: int
    left: int
    picture: Size


@dataclass(frozen=True)
class Pano:
    """What GPano tags say of a panorama. area: None = it is the whole sphere.

    pose_deg: heading of the image's centre, clockwise from north; its elevation; and by how much
    the right side dips: yaw, pitch and roll of docs/conventions.md.
    """

    area: Area | None = None
    pose_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)


def on_sphere(opened: Opened, name: str) -> Opened:
    """The same picture, on the whole sphere where its tags say that it is a part."""
    area, note = pano_area(opened.xmp, opened.size, name)
    pano = Pano(area, pano_pose(opened.xmp, name))
    if pano == Pano() and not note:
        return opened

    def decode() -> Decoded:
        decoded = opened.decode()
        if area is not None:
            decoded = place_on_sphere(decoded, area)
        notes = (*decoded.notes, note) if note else decoded.notes
        return replace(decoded, notes=notes, pano=None if pano == Pano() else pano)

    return Opened(opened.size if area is None else area.size, decode)


def pano_area(xmp: bytes, size: Size, name: str) -> tuple[Area | None, str]:
    """Where a picture with this XMP packet lies on the sphere, and a note if there is a choice.

    size: (height, width), upright. None: it is the whole sphere, or there are no tags. The tags
    count relative to the picture's size when they were written: it may have been resized since.
    What is missing of a size follows from its shape. Raises InputError for another projection, for
    tags that contradict each other and for a part that they do not place.
    """
    text = _text(xmp)
    if "GPano:" not in text:
        return None, ""
    projection = _field(text, "ProjectionType")
    if projection and projection.lower() != "equirectangular":
        raise InputError(
            f"{name}: its GPano tags say that its projection is {projection[:40]}; "
            "only equirectangular pictures are read"
        )
    full, crop = _pair(text, _FULL, name, (1, 2)), _pair(text, _CROP, name, size)
    top, left = (_whole(text, tag, name) for tag in _START)
    placed = bool(top or left)
    if full is None:
        if placed:
            raise InputError(f"{name}: its GPano tags do not say how large the whole panorama is")
        return None, "" if crop is None else "GPano tags name a part but no whole: taken for it"
    crop = crop or (size if placed or not _same_shape(size, full) else full)
    if crop == full and not placed:
        return None, ""
    if top is None or left is None:
        raise InputError(f"{name}: its GPano tags do not say where in the panorama it lies")
    said = f"{crop[1]}x{crop[0]} of {full[1]}x{full[0]} at ({left}, {top})"
    inside = 0 <= left < full[1] and top >= 0 and top + crop[0] <= full[0]
    if min(*full, *crop) < 1 or crop[1] > full[1] or not (inside and _same_shape(full, (1, 2))):
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
    return Area(canvas, top, round(left * right) % canvas[1], size), ""


def pano_pose(xmp: bytes, name: str) -> tuple[float, float, float]:
    """Heading, pitch and roll of a picture with this XMP packet [deg], 0 where it does not say.

    Raises InputError for what is no such angle.
    """
    tags = pano_tags(xmp, name)
    pose = []
    for tag, limit in (("Heading", 360.0), ("Pitch", 90.0), ("Roll", 180.0)):
        angle = float(tags.get(f"Pose{tag}Degrees", 0.0))
        if not abs(angle) <= limit:
            raise InputError(f"{name}: its GPano tag Pose{tag}Degrees is {angle:g}, not an angle")
        pose.append(angle)
    return pose[0], pose[1], pose[2]


def pano_tags(xmp: bytes, name: str) -> dict[str, str | int | float | bool]:
    """The GPano tags of an XMP packet, by their names; those that there are.

    Raises InputError when a number is none.
    """
    text = _text(xmp)
    found: dict[str, Any] = {}
    for tag, kind in TAGS.items():
        value = _field(text, tag)
        if value:
            found[tag] = value.lower() == "true" if kind is bool else value
            if kind in (int, float):
                found[tag] = _number(value, tag, kind, name)
    return found


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
    return replace(decoded, pixels=pixels, valid=valid)


def on_canvas(mask: BoolArray, area: Area) -> BoolArray:
    """A mask (h, w) of the picture on the whole sphere's canvas (H, W), False outside of it."""
    placed = place_on_sphere(Decoded(mask, mask), area).valid
    assert placed is not None
    return placed


def _field(text: str, name: str) -> str:
    field = rf"(?:GPano:{name}\s*=\s*[\"']|<GPano:{name}{_OPENED})([^\"'<]*)"
    found = re.search(field, text)
    return html.unescape(found[1]).strip() if found else ""


def _text(xmp: bytes) -> str:
    """An XMP packet in any encoding of Unicode, its GPano tags under that prefix.

    The tags are of ASCII, which UTF-16 and UTF-32 pad with zeros.
    """
    text = xmp[:MAX_XMP].replace(b"\0", b"").decode("utf-8", "replace")
    text, *commented = text.split("<!--")
    text += "".join(part.partition("-->")[2] for part in commented)
    text = text.replace("<![CDATA[", "").replace("]]>", "")
    prefixes = {*_NAMESPACE.findall(text)} - {"GPano"}
    if "" in prefixes:
        text = re.sub("(?<=<)(?=[A-Z])", "GPano:", text)
    if prefixes - {""}:  # in one pass, however many there are
        text = _PREFIX.sub(lambda found: "GPano:" if found[1] in prefixes else found[0], text)
    return text


def _pair(text: str, names: tuple[str, str], name: str, shape: Size) -> Size | None:
    """(height, width): a missing one by the shape, that has both; None when both are missing."""
    height, width = (_whole(text, field, name) for field in names)
    if height is None:
        return None if width is None else (round(width * shape[0] / shape[1]), width)
    return height, round(height * shape[1] / shape[0]) if width is None else width


def _whole(text: str, field: str, name: str) -> int | None:
    """A whole number; None when it is missing."""
    value = _field(text, field)
    return int(_number(value, field, int, name)) if value else None


def _number(text: str, tag: str, kind: type, name: str) -> Any:
    try:
        return kind(float(text))
    except (ValueError, OverflowError):
        told = one_line(repr(text), 40)
        raise InputError(f"{name}: its GPano tag {tag} is no number ({told})") from None


def _same_shape(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether width / height of two sizes agree."""
    ratio = size[1] * other[0] / (size[0] * other[1])
    return abs(ratio - 1) * 100 <= ASPECT_TOLERANCE_PERCENT
