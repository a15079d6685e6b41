"""Distance as 16 bits: what `mkv` files hold.

0 is no surface (sky, masked); 1 to 65535 are even steps of log distance between a near and a far
end that the file names: d = near · (far / near)^((v - 1) / 65534). A step is 0.02 %.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from panodepth.types import BoolArray, FloatArray

Codes = npt.NDArray[np.uint16]

LIMITS = {"relative": (2.0**-10, 2.0**6), "m": (2.0**-6, 2.0**12)}  # by unit
NO_SURFACE, LAST = 0, 65535


def encode(distance: FloatArray, mask: BoolArray, limits: tuple[float, float]) -> Codes:
    """(H, W) codes of distances > 0; beyond the limits (near, far) the ends' codes."""
    near, far = limits
    share = np.log(np.clip(distance, near, far) / near) / np.log(far / near)
    codes = np.rint(share * (LAST - 1)).astype(np.uint16) + np.uint16(1)
    return np.where(mask, codes, np.uint16(NO_SURFACE))


def decode(codes: Codes, limits: tuple[float, float]) -> FloatArray:
    """(H, W) distances; NaN where there is no surface."""
    near, far = limits
    share = (codes.astype(np.float64) - 1) / (LAST - 1)
    distance = near * (far / near) ** share
    return np.where(codes == NO_SURFACE, np.nan, distance).astype(np.float32)
