"""HEIC files, through the optional package pillow-heif, and AVIF files, through Pillow."""

from __future__ import annotations

from dataclasses import replace
from typing import BinaryIO

import numpy as np

from panodepth.errors import InputError
from panodepth.images.curves import avif_curve_notes, code_notes
from panodepth.images.formats.orientation import stated_orientation
from panodepth.images.formats.pillow import Decoded, Opened, from_pillow, upright
from panodepth.images.formats.quiet import without_warnings

_BRANDS = 128  # bytes at the start in which the file's kinds are named
_BOXES = 1 << 16  # bytes at the start that hold the boxes which describe the picture


def open_heif(name: str, file: BinaryIO) -> Opened:
    """A HEIC or AVIF file. Raises InputError when this installation cannot read it."""
    brands = file.read(_BRANDS)
    file.seek(0)
    box = brands[: int.from_bytes(brands[:4], "big")]
    return _open_avif(name, file) if b"avi" in box else _open_heic(name, file)


def _open_avif(name: str, file: BinaryIO) -> Opened:
    try:
        from PIL import AvifImagePlugin
    except ImportError:
        raise InputError(
            f"{name}: AVIF needs Pillow 11.3 or newer: pip install -U pillow"
        ) from None
    if not AvifImagePlugin.SUPPORTED:
        raise InputError(f"{name}: this Pillow was built without AVIF; save it as JPEG or PNG")
    with without_warnings():  # Pillow reads the EXIF block at once
        image = AvifImagePlugin.AvifImageFile(file)
    # Pillow states the file's own turn as EXIF's orientation.
    orientation = stated_orientation(image.info.get("exif") or b"", b"")
    frames = image.n_frames
    animated = (f"an animation: the first of its {frames} frames is read",) if frames > 1 else ()
    file.seek(0)
    notes = (*animated, *avif_curve_notes(file.read(_BOXES)))

    def decode() -> Decoded:
        return replace(from_pillow(image, orientation), notes=notes)

    size = upright((image.height, image.width), orientation)
    return Opened(size, decode, bytes(image.info.get("xmp") or b""))


def _open_heic(name: str, file: BinaryIO) -> Opened:
    try:
        from pillow_heif import open_heif as opened
    except ImportError:
        raise InputError(
            f'{name}: HEIC needs an extra: pip install "panodepth[heif]"; or save it as JPEG'
        ) from None
    # 10 bits come in 16. The file's own turn is applied; what its EXIF says of one is a copy.
    image = opened(file, convert_hdr_to_8bit=False)
    notes = []
    if len(image) > 1:
        notes.append(f"picture {image.primary_index + 1} of {len(image)} is read")
    stated = image.info.get("nclx_profile", {})
    primaries = None if image.info.get("icc_profile") else stated.get("color_primaries")
    notes += code_notes(stated.get("transfer_characteristics"), primaries)

    def decode() -> Decoded:
        profile = bytes(image.info.get("icc_profile") or b"")
        return Decoded(np.asarray(image), notes=tuple(notes), profile=profile)

    width, height = image.size
    return Opened((height, width), decode, bytes(image.info.get("xmp") or b""))
