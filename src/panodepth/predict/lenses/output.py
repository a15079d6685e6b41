"""A prediction on the level sphere, seen again as the picture was, or through another lens."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from panodepth.export.reprojection import facts, reprojected
from panodepth.geometry.lens import ERP, View
from panodepth.geometry.lenses import ERPPart
from panodepth.images import ImageData
from panodepth.images.gpano import Area
from panodepth.predict.lenses.choice import output_view
from panodepth.predict.lenses.options import LensOptions
from panodepth.predict.lenses.sphere import Origin
from panodepth.types import Prediction


def seen_again(prediction: Prediction, data: ImageData, options: LensOptions) -> Prediction:
    """The prediction as `out_projection` says. data: the panorama, and where it came from."""
    kind = options.out_projection
    if data.pano is not None:
        pose = dict(zip(("heading", "pitch", "roll"), data.pano.pose_deg, strict=True))
        if _stays_level(data.origin, kind):
            pose |= {"pitch": 0.0, "roll": 0.0}
        prediction = replace(prediction, meta={**prediction.meta, "gpano_pose_deg": pose})
    if kind not in ("erp", "input"):
        return reprojected(prediction, output_view(options, len(prediction.distance)))
    prediction = _turned_back(prediction, data.origin, kind)
    if kind == "input" and data.pano is not None and data.pano.area is not None:
        return _cropped(prediction, data.pano.area)
    return prediction


def _stays_level(origin: Origin | None, kind: str) -> bool:
    """Whether the result has been turned level, and not back."""
    if origin is None or origin.rotation is None or kind == "input":
        return False
    return kind != "erp" or not isinstance(origin.lens, ERP)


def _turned_back(prediction: Prediction, origin: Origin | None, kind: str) -> Prediction:
    """What was laid on the sphere, as its own lens sees it; a panorama always."""
    # A panorama that was turned level is given back as it was: a raster keeps its orientation.
    if origin is None or (kind == "erp" and not isinstance(origin.lens, ERP)):
        return prediction
    if origin.rotation is None and isinstance(origin.lens, ERP):
        return prediction  # a part of the sphere, which lies where it was
    data = origin.data
    # The picture's lens to the panorama it was laid on, and that to the level world.
    turns = [turn for turn in (prediction.rotation, origin.rotation) if turn is not None]
    rotation = turns[0] @ turns[1] if len(turns) == 2 else (*turns, None)[0]
    view = View(origin.lens, data.size, rotation)
    found = reprojected(replace(prediction, light=None), view, image=data.to_uint8())
    found = replace(found, light=data.light)
    if data.valid is None:
        return found
    return replace(found, mask=np.logical_and(found.mask, data.valid))


def _cropped(prediction: Prediction, area: Area) -> Prediction:
    """The part of a panorama that its picture was, pixel for pixel."""
    (canvas_height, canvas_width), (height, width) = area.size, area.picture
    columns = (np.arange(width) + area.left) % canvas_width

    def part(array: Any) -> Any:
        return np.ascontiguousarray(array[area.top : area.top + height, columns])

    top, bottom = ((row / canvas_height - 0.5) * math.pi for row in (area.top, area.top + height))
    middle = ((area.left + width / 2) / canvas_width - 0.5) * 2 * math.pi
    lens = ERPPart(2 * math.pi * width / canvas_width, top, bottom, middle)
    names = ("distance", "mask", "image", "raw", "sky_mask", "light", "confidence")
    maps = {name: getattr(prediction, name) for name in names}
    cut: dict[str, Any] = {
        name: None if whole is None else part(whole) for name, whole in maps.items()
    }
    meta = {**prediction.meta, **facts(View(lens, area.picture))}
    return replace(prediction, **cut, meta=meta, lens=lens)
