"""A prediction on the level sphere, seen again as the picture was, or through another lens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from panodepth.export.reprojection import reprojected
from panodepth.geometry.lens import ERP, View
from panodepth.predict.lenses.choice import output_view
from panodepth.predict.lenses.options import LensOptions
from panodepth.predict.lenses.sphere import Origin
from panodepth.types import Prediction


def seen_again(prediction: Prediction, origin: Origin | None, options: LensOptions) -> Prediction:
    """The prediction as `out_projection` says. origin: where the panorama came from."""
    kind = options.out_projection
    if kind not in ("erp", "input"):
        return reprojected(prediction, output_view(options, len(prediction.distance)))
    # A panorama that was turned level is given back as it was: a raster keeps its orientation.
    if origin is None or (kind == "erp" and not isinstance(origin.lens, ERP)):
        return prediction
    data = origin.data
    found = reprojected(
        prediction, View(origin.lens, data.size, origin.rotation), image=data.to_uint8()
    )
    if data.valid is None:
        return found
    return replace(found, mask=np.logical_and(found.mask, data.valid))
