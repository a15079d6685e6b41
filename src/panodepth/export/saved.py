"""A saved prediction, read back."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.errors import InputError
from panodepth.export.colour import colourise
from panodepth.geometry.rotation import rotation_to_up
from panodepth.images import IMAGE_SUFFIXES, read_image
from panodepth.images.arrays import read_npz
from panodepth.images.distances import check_floats, clean_distance, flags, plane
from panodepth.types import BoolArray, ByteArray, FloatArray, Prediction, push_back

ENDING = "_distance.npz"  # what follows the name, in files of the format npz
# Options by whose other values a picture is no panorama as it lies there, though it may be 2:1.
AS_IT_LIES = {"projection": ("auto", "erp"), "stereo": ("none",)}


def read_saved(path: Path, *, need_picture: bool = False) -> Prediction:
    """The prediction of an npz file, of `save` or of `panodepth render` (metres, no metadata).

    Its picture is the one of that name beside it, if that is the panorama itself, else, where it is
    not needed, the coloured distance: the file has none. Raises InputError for a file that cannot
    be read or holds no panorama's distance.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    arrays = read_npz(path, ("distance", "mask", "sky", "meta"))
    distance = plane(arrays["distance"]) if "distance" in arrays else None
    if distance is None or distance.ndim != 2 or distance.dtype.kind not in "fiu":
        raise InputError(f"{path}: holds no array `distance` (H, W) of numbers")
    check_floats(distance, str(path))
    height, width = distance.shape
    meta = _meta(path, arrays)
    if isinstance(lens := meta.get("lens"), dict):
        raise InputError(
            f"{path}: no whole panorama, but what another lens sees ({lens.get('name')}): "
            "predict it without --out-projection"
        )
    if width != 2 * height or not height:
        raise InputError(f"{path}: {width}×{height} is no whole panorama, which is twice as wide")
    distance = clean_distance(distance)
    known = np.isfinite(distance) & (distance > 0)
    sky = _flags(path, arrays, "sky", np.isposinf(distance))
    mask = _flags(path, arrays, "mask", known & ~sky) & known
    sky &= ~mask
    solid: FloatArray = np.where(known, distance, np.float32(1))
    image = _picture(path, meta, distance.shape)
    if image is None and need_picture:
        raise InputError(f"{path}: its picture, {width}×{height}, is needed and not beside it")
    if image is None:
        image = colourise(distance, mask)
    turn = _rotation(path, meta)
    return Prediction(push_back(solid, sky, mask), mask, image, meta, rotation=turn, sky_mask=sky)


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


def _rotation(path: Path, meta: dict[str, Any]) -> npt.NDArray[np.float64] | None:
    """(3, 3) from the panorama to the level world; None where it is level, or nobody said."""
    try:
        if (stated := meta.get("rotation_to_level")) is not None:
            found = np.array(stated, np.float64)
        elif (level := meta.get("level")) and level["turned"]:
            found = np.asarray(rotation_to_up(level["up"])).T
        else:
            return None
        if found.shape == (3, 3) and np.allclose(found @ found.T, np.eye(3), atol=1e-3):
            return found
    except (ValueError, TypeError, KeyError, ArithmeticError):
        pass
    raise InputError(f"{path}: its metadata say how it is turned, but not in numbers that can be")


def _picture(path: Path, meta: dict[str, Any], size: tuple[int, ...]) -> ByteArray | None:
    """(H, W, 3) of the picture that was predicted, if it lies beside the file and is a panorama."""
    said = meta.get("options")
    given = said if isinstance(said, dict) else {}
    if any(given.get(name, values[0]) not in values for name, values in AS_IT_LIES.items()):
        return None
    names = [Path(str(meta.get("source"))).name, *(name_of(path) + s for s in IMAGE_SUFFIXES)]
    for candidate in (path.parent / name for name in names):
        if os.path.isfile(candidate):  # False too for what can be no file's name
            image = read_image(candidate).to_uint8()
            return image if image.shape[:2] == size else None
    return None
