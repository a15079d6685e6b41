"""Pinhole views of a panorama, and the way back.

Intrinsics K = [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] are in pixels of the same continuous
coordinates as everywhere: the centre of the first pixel is at (0.5, 0.5), so a centred principal
point is (w / 2, h / 2). A view's `rotation` maps its camera frame to the panorama's (rotation.py).
"""

from __future__ import annotations

import torch
from torch import Tensor

from panodepth.geometry.grid import broadcast, erp_rays
from panodepth.geometry.rotation import rotate_vectors
from panodepth.geometry.sampling import SampleMode, sample_erp, sample_image

_MIN_COSINE = 1e-6  # rays closer to the image plane than this count as behind the camera


def intrinsics_from_fov(
    x_fov_rad: Tensor | float,
    height: int,
    width: int,
    *,
    y_fov_rad: Tensor | float | None = None,
) -> Tensor:
    """K (..., 3, 3) of a centred view: fx = w / (2 tan(x_fov / 2)), fy likewise.

    x_fov_rad, y_fov_rad: (...) full angles [rad] in (0, π) between the outer edges of the border
    pixels; without y_fov_rad pixels are square (fy = fx).
    """
    fx = width / (2 * torch.tan(torch.as_tensor(x_fov_rad) / 2))
    fy = fx if y_fov_rad is None else height / (2 * torch.tan(torch.as_tensor(y_fov_rad) / 2))
    fx, fy = broadcast(fx, fy)
    zero, one = torch.zeros_like(fx), torch.ones_like(fx)
    entries = (fx, zero, one * (width / 2), zero, fy, one * (height / 2), zero, zero, one)
    return torch.stack(entries, dim=-1).reshape(*fx.shape, 3, 3)


def fov_from_intrinsics(intrinsics: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Full angles (x_fov, y_fov) [rad], each (...), of K (..., 3, 3); also off-centre."""
    fx, cx = intrinsics[..., 0, 0], intrinsics[..., 0, 2]
    fy, cy = intrinsics[..., 1, 1], intrinsics[..., 1, 2]
    x_fov = torch.atan2(cx, fx) + torch.atan2(width - cx, fx)
    y_fov = torch.atan2(cy, fy) + torch.atan2(height - cy, fy)
    return x_fov, y_fov


def perspective_rays(
    intrinsics: Tensor,
    height: int,
    width: int,
    *,
    rotation: Tensor | None = None,
    offset: tuple[float, float] = (0.0, 0.0),
) -> Tensor:
    """Unit rays (..., h, w, 3) through the pixels of a view, in the panorama's frame.

    intrinsics: (..., 3, 3). rotation: (..., 3, 3), None = identity.
    offset: (right, down) from the pixel centre, in pixels.
    """
    dtype, device = intrinsics.dtype, intrinsics.device
    u = torch.arange(width, dtype=dtype, device=device) + (0.5 + offset[0])
    v = torch.arange(height, dtype=dtype, device=device)[:, None] + (0.5 + offset[1])
    k = intrinsics[..., None, None]
    x = (u - k[..., 0, 2, :, :]) / k[..., 0, 0, :, :]
    y = (v - k[..., 1, 2, :, :]) / k[..., 1, 1, :, :]
    x, y = broadcast(x, y)
    rays = torch.stack((x, y, torch.ones_like(x)), dim=-1)
    rays = rays / rays.norm(dim=-1, keepdim=True)
    return rays if rotation is None else rotate_vectors(rotation, rays)


def erp_to_perspective(
    image: Tensor,
    intrinsics: Tensor,
    rotation: Tensor | None,
    size: tuple[int, int],
    *,
    mode: SampleMode = "bilinear",
    supersample: int = 1,
) -> Tensor:
    """E2P: the pinhole view (..., C, h, w) of a panorama (..., C, H, W).

    intrinsics: (..., 3, 3). rotation: (..., 3, 3) or None. size: (h, w); leading axes broadcast.
    supersample: n averages n × n rays per pixel, against aliasing where the view is coarser than
    the panorama (n about the ratio of their resolutions; not with "nearest").
    """
    total: Tensor | None = None
    for offset in _sub_pixels(supersample, mode):
        rays = perspective_rays(intrinsics, *size, rotation=rotation, offset=offset)
        seen = sample_erp(image, rays, mode)
        total = seen if total is None else total + seen
    assert total is not None
    return total if supersample == 1 else total / supersample**2


def _sub_pixels(supersample: int, mode: str) -> list[tuple[float, float]]:
    """Centres of the n × n parts of a pixel, as offsets from its centre."""
    if supersample < 1 or (supersample > 1 and mode == "nearest"):
        raise ValueError(f"supersample must be at least 1, and 1 for nearest: not {supersample}")
    steps = [(i + 0.5) / supersample - 0.5 for i in range(supersample)]
    return [(right, down) for down in steps for right in steps]


def perspective_to_erp(
    image: Tensor,
    intrinsics: Tensor,
    rotation: Tensor | None,
    size: tuple[int, int],
    *,
    mode: SampleMode = "bilinear",
    supersample: int = 1,
) -> tuple[Tensor, Tensor]:
    """P2E: a pinhole view (..., C, h, w) laid onto an empty panorama.

    intrinsics: (..., 3, 3). rotation: (..., 3, 3) or None. size: (H, W) of the panorama.
    mode: "nearest" for distances and masks (convert z-depth to distance first).
    supersample: n averages n × n rays per panorama pixel, for views finer than the panorama.
    Returns the image (..., C, H, W), 0 where nothing is seen, and the coverage (..., H, W) bool:
    exactly the panorama pixels whose centre's ray passes through the view, borders included.
    """
    view_size = (image.shape[-2], image.shape[-1])
    coverage = _project(intrinsics, rotation, size, (0.0, 0.0), view_size)[1]
    total: Tensor | None = None
    for offset in _sub_pixels(supersample, mode):
        uv, _ = _project(intrinsics, rotation, size, offset, view_size)
        seen = sample_image(image, uv, mode)
        total = seen if total is None else total + seen
    assert total is not None
    mean = total if supersample == 1 else total / supersample**2
    return torch.where(coverage[..., None, :, :], mean, torch.zeros_like(mean)), coverage


def _project(
    intrinsics: Tensor,
    rotation: Tensor | None,
    size: tuple[int, int],
    offset: tuple[float, float],
    view_size: tuple[int, int],
) -> tuple[Tensor, Tensor]:
    """Where panorama rays meet a view: (..., H, W, 2) coordinates and (..., H, W) bool inside."""
    height, width = view_size
    rays = erp_rays(*size, offset=offset, dtype=intrinsics.dtype, device=intrinsics.device)
    if rotation is not None:
        rays = rotate_vectors(rotation.mT, rays)
    x, y, z = rays.unbind(-1)
    in_front = z > _MIN_COSINE
    z = torch.where(in_front, z, torch.ones_like(z))
    k = intrinsics[..., None, None]
    u = k[..., 0, 0, :, :] * (x / z) + k[..., 0, 2, :, :]
    v = k[..., 1, 1, :, :] * (y / z) + k[..., 1, 2, :, :]
    inside = in_front & (u >= 0) & (u <= width) & (v >= 0) & (v <= height)
    return torch.stack((u, v), dim=-1), inside
