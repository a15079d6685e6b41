"""A saved prediction, read back."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from panodepth.errors import InputError
from panodepth.export.colour import colourise
from panodepth.images import IMAGE_SUFFIXES, read_image
from panodepth.images.arrays import read_npz
from panodepth.images.distances import check_floats, clean_distance, flags
from panodepth.types import BoolArray, ByteArray, FloatArray, Prediction, push_back

ENDING = "_distance.npz"  # what follows the name, in files of the format npz


def read_saved(path: Path, *, need_picture: bool = False) -> Prediction:
    """The prediction of an npz file, of `save` or of `panodepth render` (metres, no metadata).

    Its picture is the one of that name beside it, else, where it is not needed, the coloured
    distance: the file has none. Raises InputError for a file that cannot be read or holds no
    panorama's distance.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    arrays = read_npz(path, ("distance", "mask", "sky", "meta"))
    distance = arrays.get("distance")
    if distance is None or distance.ndim != 2 or distance.dtype.kind not in "fiu":
        raise InputError(f"{path}: holds no array `distance` (H, W) of numbers")
    check_floats(distance, str(path))
    height, width = distance.shape
    if width != 2 * height or not height:
        raise InputError(f"{path}: {width}×{height} is no whole panorama, which is twice as wide")
    distance = clean_distance(distance)
    known = np.isfinite(distance) & (distance > 0)
    mask = _flags(path, arrays, "mask", known) & known
    sky = _flags(path, arrays, "sky", np.isposinf(distance)) & ~mask
    meta = _meta(path, arrays)
    solid: FloatArray = np.where(known, distance, np.float32(1))
    image = _picture(path, meta, distance.shape)
    if image is None and need_picture:
        raise InputError(f"{path}: its picture, {width}×{height}, is needed and not beside it")
    if image is None:
        image = colourise(distance, mask)
    return Prediction(push_back(solid, sky, mask), mask, image, meta, sky_mask=sky)


def name_of(path: Path) -> str:
    """The picture's name that a saved prediction's file name has."""
    return path.name.removesuffix(ENDING).removesuffix(".npz")


def _flags(path: Path, arrays: dict[str, Any], name: str, otherwise: BoolArray) -> BoolArray:
    """(H, W), of an array by name, `otherwise` where there is none."""
    found = arrays.get(name, otherwise)
    return flags(found, otherwise.shape, f"{path}: {name}")


def _meta(path: Path, arrays: dict[str, Any]) -> dict[str, Any]:
    """What the prediction's `meta` was."""
    if "meta" not in arrays:
        return {"name": name_of(path), "unit": "m"}
    try:
        stated = json.loads(str(arrays["meta"]))
        return {"name": name_of(path), **dict(stated["prediction"]), "unit": str(stated["unit"])}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(f"{path}: its metadata cannot be read") from error


def _picture(path: Path, meta: dict[str, Any], size: tuple[int, ...]) -> ByteArray | None:
    """(H, W, 3) of the picture that was predicted, if it lies beside the file."""
    names = [Path(str(meta.get("source"))).name, *(name_of(path) + s for s in IMAGE_SUFFIXES)]
    for candidate in (path.parent / name for name in names):
        if os.path.isfile(candidate):  # False too for what can be no file's name
            image = read_image(candidate).to_uint8()
            return image if image.shape[:2] == size else None
    return None
