"""What each file says about itself: frame, unit, scale, and where it came from."""

from __future__ import annotations

import json
import re
from typing import Any

from panodepth.types import Prediction
from panodepth.version import __version__

GENERATOR = "panodepth"
FORMAT_VERSION = 2  # of these keys; 1 had none, and a second "scale" inside "prediction"
DISTANCE = "Euclidean distance along the ray"
HOUSE_FRAME = "x right, y down, z forward"
GLTF_FRAME = "x right, y up, z backward: the house frame's (x, -y, -z)"
PROJECTION = (
    "equirectangular, 360 x 180 degrees, pixel centres at +0.5, image centre looks along +z"
)
# Of numbers in files that tools open as colours; Blender's word.
DATA = {"color_space": "Non-Color"}
PLY_COMMENT = "panodepth"  # how comments that hold a piece of the JSON begin
PLY_LINE = 360  # characters of JSON in one: there are readers that end at a line of 512 bytes
# Beside the full JSON, as plain values:
PNG_TEXT_KEYS = ("quantity", "unit", "scale", "frame", "invalid", "sky", "color_space")
EXR_KEYS = ("generator", "quantity", "unit", "scale", "frame")


def metadata(prediction: Prediction, quantity: str, **more: Any) -> dict[str, Any]:
    """JSON values for one file; docs/conventions.md has every key.

    quantity: what is stored: stored value times "scale" is in "unit" ("relative", "m" or "1").
    more: what this kind of file adds or replaces.
    """
    height, width = prediction.distance.shape
    return {
        "generator": f"{GENERATOR} {__version__}",
        "format_version": FORMAT_VERSION,
        "quantity": quantity,
        "unit": prediction.meta.get("unit", "relative"),
        "scale": 1.0,
        "frame": HOUSE_FRAME,
        "projection": prediction.meta.get("projection", PROJECTION),
        "width": width,
        "height": height,
        **more,
        "prediction": dict(prediction.meta),
    }


def png_texts(meta: dict[str, Any]) -> dict[str, str]:
    """What a PNG file says in its text chunks: some plain values, and all as JSON."""
    plain = {key: str(meta[key]) for key in PNG_TEXT_KEYS if key in meta}
    return {**plain, "panodepth": to_json(meta)}


def exr_attributes(meta: dict[str, Any]) -> dict[str, Any]:
    """What an EXR file says in its header: some plain values, and all as JSON."""
    return {"panodepth": to_json(meta), **{key: meta[key] for key in EXR_KEYS}}


def ply_comments(meta: dict[str, Any]) -> list[str]:
    """What a PLY file says in its comments: some plain values, and all as JSON, in pieces.

    Every line is ASCII and shorter than 400 bytes. The pieces, put together, are the JSON: readers
    may cut spaces off the ends of a line, so no piece begins or ends with one.
    """
    said = {key: to_json(str(meta[key]))[1:-1][:PLY_LINE] for key in ("frame", "unit", "scale")}
    text = to_json(meta, separators=(",", ":"))  # spaces in strings alone
    pieces = [text[at : at + PLY_LINE] for at in range(0, len(text), PLY_LINE)]
    lines = [f"{PLY_COMMENT} " + re.sub(r"^ | $", r"\\u0020", piece) for piece in pieces]
    return [f"comment {line}" for line in [*(f"{k}: {text}" for k, text in said.items()), *lines]]


def to_json(values: Any, **style: Any) -> str:
    """Plain ASCII JSON, one line unless `style` says; what JSON lacks is text, NaN and inf null."""
    sound = json.loads(json.dumps(values, default=plain), parse_constant=lambda _: None)
    return json.dumps(sound, **style)


def plain(value: Any) -> Any:
    """NumPy scalars and arrays as numbers and lists, anything else as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
