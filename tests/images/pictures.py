"""Small pictures, and how the readers refuse a file."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from panodepth.errors import InputError
from panodepth.images import to_image_data

H, W = 32, 64


def picture(seed: int = 0, height: int = H, width: int = W) -> np.ndarray:
    """A smooth (H, W, 3) uint8 picture, nowhere black."""
    noise = np.random.default_rng(seed).integers(60, 256, (4, 8, 3), dtype=np.uint8)
    return np.clip(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC), 50, 255)


def refused(source: object) -> str:
    with pytest.raises(InputError) as caught:
        to_image_data(source)
    assert "\n" not in str(caught.value)
    return str(caught.value)
