"""What each file says about itself: frame, unit, scale, and where it came from."""

from __future__ import annotations

import json
from typing import Any

from panodepth import __version__
from panodepth.types import Prediction

HOUSE_FRAME = "x right, y down, z forward"
GLTF_FRAME = "x right, y up, z backward: the house frame's (x, -y, -z)"
PROJECTION = (
    "equirectangular, 360 x 180 degrees, pixel centres at +0.5, image centre looks along +z"
)


def metadata(prediction: Prediction, quantity: str, **more: Any) -> dict[str, Any]:
    """JSON values for one file.

    unit: of stored value times `scale` ("relative", or "m" for metres). more: what this kind of
    file adds or replaces. prediction: the prediction's own metadata.
    """
    height, width = prediction.distance.shape
    return {
        "generator": f"panodepth {__version__}",
        "quantity": quantity,
        "unit": prediction.meta.get("unit", "relative"),
        "scale": 1.0,
        "frame": HOUSE_FRAME,
        "projection": PROJECTION,
        "width": width,
        "height": height,
        **more,
        "prediction": dict(prediction.meta),
    }


def to_json(values: dict[str, Any]) -> str:
    """One line of plain ASCII JSON; what JSON does not know becomes text."""
    return json.dumps(values, default=_plain)


def _plain(value: Any) -> Any:
    """NumPy scalars and arrays as numbers and lists, anything else as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
