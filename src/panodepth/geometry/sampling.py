"""Read a panorama anywhere on the sphere: no left or right edge, and no edge at the poles."""

from __future__ import annotations

from typing import Literal

import numpy as np

from panodepth.geometry.arrays import Array, ArrayT, is_floating, is_numpy
from panodepth.geometry.coordinates import rays_to_pixels
from panodepth.geometry.seam import pad_erp

SampleMode = Literal["bilinear", "nearest", "bicubic"]

TAPS_BEYOND_EDGE = {"nearest": 0, "bilinear": 1, "bicubic": 2}


def sample_erp(image: ArrayT, rays: ArrayT, mode: SampleMode = "bilinear") -> ArrayT:
    """Values of a panorama along rays: (..., C, h, w).

    image: (..., C, H, W); any dtype for "nearest", floating for the rest.
    rays: (..., h, w, 3) of any length, finite; leading axes of both broadcast.
    """
    height, width = image.shape[-2:]
    return sample_image(image, rays_to_pixels(rays, height, width), mode, closed=True)


def sample_image(
    image: ArrayT, uv: ArrayT, mode: SampleMode = "bilinear", *, closed: bool = False
) -> ArrayT:
    """Values of an image at continuous coordinates; outside, the nearest border pixel.

    image: (..., C, H, W); any dtype for "nearest", floating for the rest (half types are
    interpolated in float32). uv: (..., h, w, 2), pixel centres at + 0.5; leading axes broadcast.
    closed: the image is a panorama, so there is no border: taps cross the seam and the poles.
    NumPy arrays have no "bicubic"; OpenCV before 5 rounds their places to 1/32 px.
    Returns (..., C, h, w) in the image's dtype.
    """
    check_interpolation(image, mode)
    if closed:
        pad = TAPS_BEYOND_EDGE[mode]
        image, uv = (pad_erp(image, pad), uv + pad) if pad else (image, uv)
    if is_numpy(image):
        return _sample_numpy(image, uv, mode)
    # Inside the function: callers with NumPy arrays load no torch.
    from panodepth.geometry.torch_kernels import sample

    return sample(image, uv, mode)


def _sample_numpy(image: Array, uv: Array, mode: SampleMode) -> Array:
    """`sample_image` by OpenCV of (..., C, H, W): the twin of `torch_kernels.sample`."""
    import cv2

    channels, height, width = image.shape[-3:]
    lead = np.broadcast_shapes(image.shape[:-3], uv.shape[:-3])
    images = np.broadcast_to(image, (*lead, channels, height, width))
    places = np.broadcast_to(uv, (*lead, *uv.shape[-3:]))
    out = np.empty((*lead, channels, *uv.shape[-3:-1]), image.dtype)
    for i in np.ndindex(lead):
        if mode == "nearest":  # not OpenCV's: it knows neither bool nor int64
            column, row = np.moveaxis(np.floor(places[i]).astype(np.int64), -1, 0)
            out[i] = images[i][:, row.clip(0, height - 1), column.clip(0, width - 1)]
            continue
        # OpenCV counts from the centre of the first pixel, and knows no half precision.
        x, y = np.moveaxis((places[i] - 0.5).astype(np.float32), -1, 0)
        for channel, plane in zip(out[i], images[i], strict=True):
            wide = plane.astype(np.promote_types(image.dtype, np.float32), copy=False)
            channel[...] = cv2.remap(
                np.ascontiguousarray(wide), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
    return out


def check_interpolation(image: Array, mode: str) -> None:
    """Raise ValueError unless `mode` is known and can interpolate an image (..., C, H, W)."""
    if mode not in TAPS_BEYOND_EDGE:
        raise ValueError(f"unknown sampling mode {mode!r}: use bilinear, nearest or bicubic")
    if mode != "nearest" and not is_floating(image):
        raise ValueError(f"{mode} sampling needs a floating image, not {image.dtype}: use nearest")
    if mode == "bicubic" and is_numpy(image):
        raise ValueError("bicubic sampling needs a tensor: use torch.from_numpy, or bilinear")
