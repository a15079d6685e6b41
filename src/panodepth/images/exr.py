"""OpenEXR pictures: R G B (A), Y (A), or the first layer that has R, G and B; always linear."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from panodepth.errors import InputError
from panodepth.images.limits import check_bytes
from panodepth.images.pillow import Decoded, Opened


def open_exr(path: Path, file: BinaryIO) -> Opened:
    """The size is the display window's; pixels outside the data window are not valid."""
    import OpenEXR

    file.close()  # OpenEXR opens by name
    with OpenEXR.File(str(path), header_only=True) as opened:
        if not opened.parts:
            raise ValueError("no image in it")
        headers = [dict(part.header) for part in opened.parts]  # they go when the file is closed
        listing = [[channel.name for channel in header["channels"]] for header in headers]
    part, names = _choose(listing, path)
    display, data = (_window(headers[part][key]) for key in ("displayWindow", "dataWindow"))
    values = 0
    for header, channels in zip(headers, listing, strict=True):
        left, top, right, bottom = _window(header["dataWindow"])
        values += len(channels) * (right - left) * (bottom - top)

    def decode() -> Decoded:
        check_bytes(values * 4, str(path))  # all channels are decoded, at up to 4 bytes a value
        with OpenEXR.File(str(path), separate_channels=True) as opened:
            if len(opened.parts) <= part:
                raise ValueError("the file is cut short")
            channels = opened.parts[part].channels
            planes = [channels[name].pixels for name in names]
        if len({plane.shape for plane in planes}) > 1:
            raise ValueError("subsampled channels")
        pixels = planes[0] if len(planes) == 1 else np.stack(planes, axis=-1)
        return _in_display_window(pixels, display, data)

    return Opened((display[3] - display[1], display[2] - display[0]), decode)


def _window(box: Any) -> tuple[int, int, int, int]:
    """A window of the header, whose corners are both inside, as left, top, right, bottom."""
    (left, top), (right, bottom) = np.asarray(box).tolist()
    return left, top, right + 1, bottom + 1


def _choose(listing: list[list[str]], path: Path) -> tuple[int, list[str]]:
    """Which part and which of its channels make the picture; listing: the names in each part."""
    for part, names in enumerate(listing):
        if {"R", "G", "B"} <= set(names):
            return part, ["R", "G", "B"] + ["A"] * ("A" in names)
    for part, names in enumerate(listing):
        if "Y" in names:
            return part, ["Y"]
    for part, names in enumerate(listing):
        for name in names:
            layer = name.removesuffix("R")
            if layer.endswith(".") and {layer + "G", layer + "B"} <= set(names):
                return part, [layer + channel for channel in "RGB"]
    found = ", ".join(name for names in listing for name in names)
    raise InputError(f"{path}: no R, G, B or Y channel; it has {found}")


def _in_display_window(
    pixels: npt.NDArray[Any], display: tuple[int, ...], data: tuple[int, ...]
) -> Decoded:
    """The data window's pixels placed in the display window; windows: left, top, right, bottom."""
    if display == data:
        return Decoded(pixels, linear=True)
    width, height = display[2] - display[0], display[3] - display[1]
    canvas = np.zeros((height, width, *pixels.shape[2:]), pixels.dtype)
    valid = np.zeros((height, width), np.bool_)
    left, top = max(display[0], data[0]), max(display[1], data[1])
    right, bottom = min(display[2], data[2]), min(display[3], data[3])
    if left < right and top < bottom:
        inside = np.s_[
            top - display[1] : bottom - display[1], left - display[0] : right - display[0]
        ]
        canvas[inside] = pixels[top - data[1] : bottom - data[1], left - data[0] : right - data[0]]
        valid[inside] = True
    return Decoded(canvas, valid, linear=True)
