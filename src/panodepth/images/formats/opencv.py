"""What OpenCV decodes: WebP, PNG and TIFF of 16 bits or float, and Radiance .hdr."""

from __future__ import annotations

import threading
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from panodepth.errors import DamageError

_OPENCV_LOG = threading.Lock()
_ROWS = 64


def opencv_pixels(content: bytes | bytearray) -> npt.NDArray[Any]:
    """The pixels of a file as OpenCV stores them, but R first; raises ValueError when it cannot."""
    with _OPENCV_LOG:  # the error is ours to tell, in one line
        level = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(0)
        try:
            pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        finally:
            cv2.utils.logging.setLogLevel(level)
    if pixels is None:
        raise DamageError("it is cut short, or its pixels cannot be decoded")
    if pixels.ndim == 3:
        swap = cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
        if pixels.dtype == np.float64:
            return pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
        for top in range(0, len(pixels), _ROWS):  # in place OpenCV works on a copy of all
            rows = pixels[top : top + _ROWS]
            cv2.cvtColor(rows, swap, dst=rows)
    result: npt.NDArray[Any] = pixels
    return result
