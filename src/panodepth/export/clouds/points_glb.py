"""A coloured point cloud as binary glTF, Y up."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from panodepth.export.clouds.ply import MAX_CLOUD_POINTS, QUANTITY
from panodepth.export.glb import ARRAY_BUFFER, POINTS, Glb
from panodepth.export.metadata import GLTF_FRAME, metadata
from panodepth.export.thinning import kept_rows, thinned
from panodepth.images import srgb_to_linear
from panodepth.types import Prediction


def write_points_glb(
    prediction: Prediction, path: Path, *, max_points: int = MAX_CLOUD_POINTS
) -> list[Path]:
    """One POINTS primitive, without the masked pixels, thinned as `write_ply` does.

    COLOR_0 is linear light, as glTF defines it, in 16 bits; alpha is 1.
    """
    cloud = thinned(prediction, path, max_points)
    positions = np.empty((cloud.count, 3), np.float32)
    colours = np.empty((cloud.count, 4), np.uint16)
    linear = srgb_to_linear(np.arange(256, dtype=np.float32) / np.float32(255))
    table = np.rint(linear * 65535).astype(np.uint16)  # white, and so opaque alpha, is 65535
    start = 0
    for planes, mask, image in cloud.bands():
        keep = mask.ravel()
        points = kept_rows(planes.reshape(3, -1).T, keep)
        end = start + len(points)
        positions[start:end] = points
        rgba = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2RGBA)
        colours[start:end] = kept_rows(cv2.LUT(rgba, table).reshape(-1, 4), keep)
        start = end
    glb = Glb("panorama", metadata(prediction, QUANTITY, frame=GLTF_FRAME, stride=cloud.stride))
    attributes = {
        "POSITION": glb.positions(positions),
        "COLOR_0": glb.accessor(colours, normalized=True, target=ARRAY_BUFFER),
    }
    glb.write(path, {"attributes": attributes, "mode": POINTS})
    return [path]
