"""The bridge to training: a sample at the size that a batch needs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from panodepth.errors import InputError
from panodepth.geometry.resizing import resize_erp
from panodepth.lab.data.source import PanoramaSource
from panodepth.types import Panorama


def load_resized(source: PanoramaSource, index: int, size: tuple[int, int]) -> Panorama:
    """Sample `index` at size (H, W); raises InputError as the source does.

    See `resize_panorama`. InputError too when no valid pixel is left at that size.
    """
    resized = resize_panorama(source[index], size)
    if resized.mask is not None and not resized.mask.any():
        name = resized.meta.get("name", f"sample {index}")
        raise InputError(f"{source.name}: {name}: no valid pixel is left at {size[1]}x{size[0]}")
    return resized


def resize_panorama(panorama: Panorama, size: tuple[int, int]) -> Panorama:
    """A panorama at another size (H, W), closed over the seam and the poles.

    The picture is filtered (bilinear, antialiased); distance and mask take the nearest pixel, so
    that no value lies between a near and a far surface or between a surface and the sky.
    """
    if panorama.image.shape[:2] == size:
        return panorama
    planes = resize_erp(panorama.image.transpose(2, 0, 1), size).clip(0, 1)
    image = np.ascontiguousarray(planes.transpose(1, 2, 0))
    distance, mask = (
        None if array is None else resize_erp(array, size, mode="nearest")
        for array in (panorama.distance, panorama.mask)
    )
    return replace(panorama, image=image, distance=distance, mask=mask)
