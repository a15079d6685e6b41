"""Stored distances of any program: which values are a surface, which are sky, which say nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from panodepth.errors import InputError
from panodepth.types import BoolArray, FloatArray

if TYPE_CHECKING:
    from panodepth.images.formats.pillow import Decoded

SKY_FROM = 1e9  # Blender writes 1e10; others the largest float32, 3.4e38
HALF_MAX = 65504.0  # the largest float16: what was farther, and the sky, was clipped to it
CODE_MAX = 65535  # the largest uint16, likewise; programs put both into wider types, too


def clean_distance(values: npt.NDArray[Any]) -> FloatArray:
    """A new float32 map with 0 where nothing is given (NaN, values <= 0) and inf in the sky.

    values: (H, W) distance or z-depth of any type as it is stored. Sky: values from SKY_FROM on,
    and those clipped to what a type can hold: HALF_MAX in float16, and either it or CODE_MAX where
    it is the largest of all values of other floats; of whole numbers see `clipped`.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        clean = np.array(values, np.float32)
    clean[~(clean > 0)] = 0
    clean[clean >= SKY_FROM] = np.inf
    if values.dtype.kind == "f":
        farthest = clean.max(initial=0, where=np.isfinite(clean))
        if values.dtype == np.float16 or farthest in (HALF_MAX, CODE_MAX):
            clean[clean >= max(farthest, HALF_MAX)] = np.inf
    elif values.dtype.kind in "iu":
        clean[clipped(values)] = np.inf
    return clean


def plane(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """An array without its axes of length 1, where what is left is (H, W): a network's (1, 1, H, W)
    or (H, W, 1); any other as it is.
    """
    left = values.squeeze() if values.ndim > 2 else values
    return left if left.ndim == 2 else values


def check_floats(values: npt.NDArray[Any], where: str) -> None:
    """Raise InputError for whole numbers: steps of what, nobody says; most often millimetres."""
    if values.dtype.kind in "iu":
        raise InputError(
            f"{where}: its distance is of whole numbers ({values.dtype}), of millimetres? "
            "save it as floats, in metres"
        )


def flags(values: npt.NDArray[Any], shape: tuple[int, ...], where: str) -> BoolArray:
    """An array of flags or numbers as bool. Raises InputError unless it has the distance's shape.

    NaN is False, as 0 is. where: its file and name, for errors.
    """
    values = plane(values)
    if values.shape != shape or values.dtype.kind not in "biuf":
        raise InputError(f"{where} {values.dtype} {values.shape} does not match distance {shape}")
    return np.asarray(np.nan_to_num(values) != 0)


def stored_numbers(decoded: Decoded) -> npt.NDArray[Any]:
    """(H, W), as the file holds them: grey whose 0 is white is turned round, distances are not."""
    return ~decoded.pixels if decoded.turned else decoded.pixels


def clipped(codes: npt.NDArray[Any]) -> BoolArray:
    """Where whole numbers (H, W) are the largest of their type, or CODE_MAX that is the largest.

    Nowhere in 8 bits, of which distances use the last value like any other.
    """
    if codes.dtype.itemsize == 1:
        return np.zeros(codes.shape, np.bool_)
    most = np.iinfo(codes.dtype).max
    return np.asarray(codes == (CODE_MAX if codes.max(initial=0) == CODE_MAX else most))
