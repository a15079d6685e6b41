"""`gdepth` and `disparity`: the picture with its depth, for viewers of 3D photographs.

GDepth is Google's depth map in XMP (https://developers.google.com/depthmap-metadata), the older and
more widely read of its two; Dynamic Depth appends the same picture to the file.
"""

from __future__ import annotations

import io
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from panodepth.atomic import atomic, write_atomic
from panodepth.errors import ConfigError, OutputError
from panodepth.export.jpeg import jpeg
from panodepth.export.meshes.files import short_json
from panodepth.export.metadata import DATA, DISTANCE, metadata, png_texts
from panodepth.export.rasters import png
from panodepth.export.reprojection import as_level_panorama
from panodepth.export.stereo.xmp import full_panorama, with_xmp
from panodepth.geometry.lens import ERP
from panodepth.strict import Share
from panodepth.types import FloatArray, Prediction
from panodepth.version import __version__


@dataclass(frozen=True, kw_only=True)
class GDepthOptions:
    """bits: of the depth map, 16 or 8, which old readers expect."""

    bits: int = 16

    def __post_init__(self) -> None:
        if self.bits not in (8, 16):
            raise ConfigError(f"bits must be 8 or 16, not {self.bits}")


@dataclass(frozen=True, kw_only=True)
class DisparityOptions:
    """cut: this share of the surface is nearer than white, and as much farther than black."""

    cut: Share = 0.01


def write_gdepth(
    prediction: Prediction, path: Path, options: GDepthOptions = GDepthOptions()
) -> list[Path]:
    """JPEG with GPano and GDepth: distance along the ray (OpticRay), coded as RangeInverse.

    With n the value over its largest: distance = Far · Near / (Far - n · (Far - Near)). The sky is
    at Far. Raises OutputError without a surface.
    """
    seen = as_level_panorama(prediction) if isinstance(prediction.lens, ERP) else prediction
    height, width = seen.distance.shape
    near, far = limits(seen, path)
    shown = np.clip(np.where(seen.sky, np.float32(far), seen.solid), near, far).astype(np.float64)
    share = (1 / near - 1 / shown) / max(1 / near - 1 / far, 1e-12)
    coded = _png(share, options.bits)
    tags: dict[str, Any] = full_panorama(width, height) if isinstance(seen.lens, ERP) else {}
    tags |= {
        "GDepth:Format": "RangeInverse",
        "GDepth:Near": f"{near:.9g}",
        "GDepth:Far": f"{far:.9g}",
        "GDepth:Mime": "image/png",
        "GDepth:MeasureType": "OpticRay",
        "GDepth:ImageWidth": width,
        "GDepth:ImageHeight": height,
        "GDepth:Software": f"panodepth {__version__}",
    }
    tags |= {"GDepth:Units": "m"} if seen.unit == "m" else {}
    meta = metadata(seen, DISTANCE, near=near, far=far, sky=far, coding="GDepth RangeInverse")
    data = {"GDepth:Data": b64encode(coded).decode("ascii")}
    told = short_json(meta).encode("ascii")
    write_atomic(path, with_xmp(jpeg(seen.image, width), tags, data, told))
    return [path]


def write_disparity(
    prediction: Prediction, path: Path, options: DisparityOptions = DisparityOptions()
) -> list[Path]:
    """8-bit grey PNG of the picture's size, lighter = nearer: 1 / distance between its quantiles.

    The sky is black. Raises OutputError without a surface.
    """
    limits(prediction, path)
    inverse = 1 / prediction.solid.astype(np.float64)
    dark, light = np.quantile(inverse[prediction.mask], (options.cut / 2, 1 - options.cut / 2))
    share = (inverse - dark) / max(light - dark, 1e-12)
    grey = _levels(np.where(prediction.sky, 0, share), 8)
    more = {"unit": "1", "scale": 1 / 255, "sky": 0, "near": 1 / light, "far": 1 / dark, **DATA}
    meta = metadata(prediction, "inverse distance, lighter = nearer", **more)
    with atomic(path) as (temporary,), temporary.open("wb") as file:
        png.write_png(file, grey.shape, [grey], png_texts(meta))
    return [path]


def limits(prediction: Prediction, path: Path) -> tuple[float, float]:
    """The nearest and the farthest distance of a surface. Raises OutputError without any."""
    surface: FloatArray = prediction.distance[prediction.mask]
    if not surface.size:
        raise OutputError(f"{path}: no pixel is valid, so there is no depth to code")
    return float(surface.min()), float(surface.max())


def _levels(share: Any, bits: int) -> Any:
    """(h, w) shares of the way from 0 to the largest value of so many bits."""
    most = (1 << bits) - 1
    return np.rint(np.clip(share, 0, 1) * most).astype(np.uint16 if bits == 16 else np.uint8)


def _png(share: Any, bits: int) -> bytes:
    file = io.BytesIO()
    png.write_png(file, share.shape, [_levels(share, bits)], {})
    return file.getvalue()
