"""OpenEXR pictures, always linear: which layer is the picture, and where its pixels lie.

Channels R G B (A) come first, then the layer or part whose name says that it is the picture, then
luminance with chroma (Y RY BY), then grey (Y), then the first layer with R, G and B. Small letters
r g b (a) are read too; where a channel is there in both, the capital's.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from panodepth.errors import DamageError, InputError
from panodepth.images.curves import primaries_note
from panodepth.images.exposure import LUMINANCE_WEIGHTS
from panodepth.images.formats.exr_file import Part, Parts, read_parts
from panodepth.images.formats.pillow import Decoded, Opened
from panodepth.images.formats.quiet import without_library_lines
from panodepth.images.limits import check_bytes

# Names of the layer or part that is the picture, the first there is; of a name its small letters
# and digits. "Image" is of Blender's file output, "FinalImage" of Unreal, "C" of Houdini, "Ci" of
# RenderMan.
PICTURE_LAYERS: tuple[str, ...] = ("combined", "beauty", "rgba", "rgb", "color", "colour", "final")
PICTURE_LAYERS += (
    "composite",
    "finalimage",
    "image",
    "rgbcolor",
    "main",
    "c",
    "ci",
    "denoised",
    "denoisedimage",
    "noisyimage",
)
_LIKE_PICTURES = re.compile("combined|beauty")  # in longer names, where none is one of those
_VIEWS = ("left", "right")  # of a layer: its name's last word in files of two eyes
_LETTERS = {"RED": "R", "GREEN": "G", "BLUE": "B", "ALPHA": "A"}  # as Nuke names them
_CHROMA = {"Y", "RY", "BY"}


class Choice(NamedTuple):
    """What is read. part: its number. names: of the channels. note: if others might have been."""

    part: int
    names: list[str]
    note: str = ""


class Layer(NamedTuple):
    """Channels R, G, B (A) under one prefix ("" or "ViewLayer.Combined.") of a part, by name."""

    part: int
    prefix: str
    names: list[str]


def open_exr(name: str, file: BinaryIO) -> Opened:
    """The size is the display window's; pixels outside the data window are not valid."""
    found = read_parts(name, file)
    choice = choose_layer(name, found.parts)
    part = found.parts[choice.part]

    def decode() -> Decoded:
        planes = read_channels(name, file, found, choice)
        if set(choice.names) >= _CHROMA:
            planes = _from_chroma(planes)
        if len({plane.shape for plane in planes}) > 1:
            raise InputError(f"{name}: subsampled channels are not read; save R, G, B in full")
        pixels = planes[0] if len(planes) == 1 else np.stack(planes, axis=-1)
        pixels = pixels.astype(np.float32) if pixels.dtype.kind == "u" else pixels
        notes = tuple(note for note in (choice.note, _colours_note(part)) if note)
        return _in_display_window(pixels, part.display, part.data, notes)

    return Opened((part.display[3] - part.display[1], part.display[2] - part.display[0]), decode)


def read_channels(
    name: str, file: BinaryIO, parts: Parts, choice: Choice
) -> list[npt.NDArray[Any]]:
    """The chosen channels, (h, w) each, in the data window. Raises ValueError for damaged files."""
    import OpenEXR

    check_bytes(parts.bytes_decoded, name)  # all channels are decoded
    parts.check_chunks(file)
    with (
        _path_of(file) as path,
        without_library_lines(),
        OpenEXR.File(path, separate_channels=True) as opened,
    ):
        if len(opened.parts) <= choice.part:
            raise DamageError(f"its part {choice.part + 1} cannot be decoded")
        channels = opened.parts[choice.part].channels
        return [np.asarray(channels[wanted].pixels) for wanted in choice.names]


@contextmanager
def _path_of(file: BinaryIO) -> Iterator[str]:
    """Where the library, which opens by name, finds the file; it is written out if need be."""
    path = getattr(file, "name", None)
    if isinstance(path, str):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "picture.exr")
        file.seek(0)
        with open(path, "wb") as copy:
            copy.write(file.read())
        yield path


def choose_layer(name: str, parts: Sequence[Part]) -> Choice:
    """Which channels of which part make the picture. Raises InputError when none do."""
    names = [[channel.name for channel in part.channels] for part in parts]
    layers = [layer for number, found in enumerate(names) for layer in _layers(number, found)]
    for wanted in ("", *PICTURE_LAYERS):
        named = [layer for layer in layers if _called(layer, parts) == wanted]
        if named:
            return Choice(named[0].part, named[0].names, _note(named, parts))
    layers.sort(key=lambda layer: _LIKE_PICTURES.search(_called(layer, parts)) is None)
    plain = [layer for layer in layers if not layer.prefix]
    if plain:
        return Choice(plain[0].part, plain[0].names, _note(plain, parts))
    for number, found in enumerate(names):
        if set(found) >= _CHROMA:
            return Choice(number, ["Y", "RY", "BY"] + ["A"] * ("A" in found))
        if {"X", "Y", "Z"} <= set(found):
            raise InputError(
                f"{name}: channels X, Y, Z may be colours or places; save R, G and B instead"
            )
        if "Y" in found:
            return Choice(number, ["Y", "Y", "Y", "A"] if "A" in found else ["Y"])
    if layers:
        return Choice(layers[0].part, layers[0].names, _note(layers, parts))
    held = ", ".join(channel for found in names for channel in found)
    raise InputError(f"{name}: no channels R, G and B, nor Y; it has {held[:300]}")


def _layers(part: int, names: Sequence[str]) -> Iterator[Layer]:
    layers: dict[str, dict[str, str]] = {}  # prefix to capital to name
    for channel in sorted(names, reverse=True):  # capitals last, so that they count
        prefix, dot, letter = channel.rpartition(".")
        letter = letter.upper()
        layers.setdefault(prefix + dot, {})[_LETTERS.get(letter, letter)] = channel
    for prefix in dict.fromkeys(channel[: channel.rfind(".") + 1] for channel in names):
        if set("RGB") <= set(found := layers[prefix]):
            yield Layer(part, prefix, [found[letter] for letter in "RGBA" if letter in found])


def _called(layer: Layer, parts: Sequence[Part]) -> str:
    """The name of a layer, or of its part, in small letters and digits, without that of an eye.

    "": it has none, in a part without one.
    """
    # A part with a name and plain R, G, B is as good as a layer of that name.
    part = parts[layer.part]
    words = (layer.prefix.rstrip(".") or part.text("name")).split(".")
    if len(words) > 1 and (words[-1].lower() in _VIEWS or words[-1] == part.text("view")):
        del words[-1]
    return re.sub(r"[\W_]", "", words[-1]).lower()


def _note(layers: Sequence[Layer], parts: Sequence[Part]) -> str:
    """Which of several layers was taken; "" when there is but one."""
    if len(layers) == 1:
        return ""
    called = [
        layer.prefix.rstrip(".") or parts[layer.part].text("name") or f"part {layer.part + 1}"
        for layer in layers
    ]
    others = ", ".join(called[1:])
    return f"layer {called[0]} is read; it also has {others[:200]}"


def _colours_note(part: Part) -> str:
    """What is said of a part whose colours are not sRGB's; "" where it states none."""
    kind, content = part.attributes.get("chromaticities", ("", b""))
    if kind != "chromaticities" or len(content) < 24:
        return ""
    return primaries_note(np.frombuffer(content, "<f4", 6))


def _from_chroma(planes: Sequence[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    """R, G, B (and alpha) of Y, RY = (R - Y) / Y, BY = (B - Y) / Y.

    planes: Y (H, W), RY and BY of every second pixel and row, from the first on, alpha (H, W).
    Returns (H, W) each, linear.
    """
    y = planes[0].astype(np.float32)
    across, down = (
        1 / -(-whole // n) for whole, n in zip(y.T.shape, planes[1].T.shape, strict=True)
    )
    places = np.array([[across, 0, 0], [0, down, 0]])
    red, blue = (
        cv2.warpAffine(
            plane.astype(np.float32),
            places,
            y.T.shape,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for plane in planes[1:3]
    )
    red, blue = (red + 1) * y, (blue + 1) * y
    weights = LUMINANCE_WEIGHTS
    green = (y - weights[0] * red - weights[2] * blue) / weights[1]
    return [red, green.astype(np.float32), blue, *planes[3:]]


def _in_display_window(
    pixels: npt.NDArray[Any],
    display: tuple[int, ...],
    data: tuple[int, ...],
    notes: tuple[str, ...],
) -> Decoded:
    """The data window's pixels placed in the display window; what lies outside is 0 and not valid.

    pixels: (h, w) or (h, w, C) of the data window. display, data: left, top, right, bottom [px].
    """
    if display == data:
        return Decoded(pixels, linear=True, notes=notes)
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
    return Decoded(canvas, valid, linear=True, notes=notes)
