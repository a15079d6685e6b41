"""A lens is a value: it tells which ray every pixel sees, and which pixel sees a ray.

All lenses look along +z of their own frame (x right, y down) and follow the one rule of the grid:
the centre of the pixel in row y, column x is at (x + 0.5, y + 0.5). Here are the panorama and the
pinhole; the folder `lenses` holds others, and all by name. A `View` is a lens with a size and an
orientation. How to add a lens is in docs/architecture.md.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from panodepth.geometry.arrays import (
    Array,
    ArrayT,
    Scalar,
    broadcast,
    exact_indices,
    from_rows,
    is_numpy,
    library,
    planes,
    to_dtype,
)
from panodepth.geometry.coordinates import pixels_to_rays, rays_to_pixels
from panodepth.geometry.grid import erp_rays
from panodepth.geometry.rotation import rotate_vectors

Size = tuple[int, int]  # (height, width) [px]
Offset = tuple[float, float]  # (right, down) from a pixel's centre [px]

_MIN_COSINE = 1e-6  # rays closer to the image plane than this count as behind the camera


class Lens(Protocol):
    """What maps directions to pixels; a frozen dataclass of the numbers that it depends on.

    closed: its image is the whole sphere, so that sampling crosses the seam and the poles. partial:
    some pixels of its image see nothing.
    """

    closed: ClassVar[bool] = False
    partial: ClassVar[bool] = False

    @abstractmethod
    def unproject(self, pixels: ArrayT, size: Size) -> ArrayT:
        """The unit rays (..., 3) of places (..., 2) in an image; 0 where a pixel sees nothing."""

    @abstractmethod
    def project(self, rays: ArrayT, size: Size) -> tuple[ArrayT, ArrayT]:
        """Where rays of any length meet an image of `size`, and whether they do.

        rays: (..., 3). Returns pixels (..., 2), finite everywhere, and valid (...) bool: the ray
        passes through the lens and within the image's outer edges.
        """

    def readable(self, pixels: ArrayT, size: Size) -> ArrayT:
        """Places (..., 2) moved to where an image may be interpolated without mixing two parts.

        Neighbours in the image are neighbours in the scene, unless a lens says otherwise.
        """
        return pixels

    def rays(self, size: Size, **options: Any) -> Array:
        """The unit ray of every pixel centre: (H, W, 3), 0 where a pixel sees nothing.

        options: offset, dtype and device, as for `pixel_centres`.
        """
        return self.unproject(pixel_centres(size, **options), size)


def pixel_centres(size: Size, **options: Any) -> Array:
    """(H, W, 2) continuous coordinates (u, v) of all pixel centres.

    options: offset, (right, down) from the centre in pixels; dtype, float32 or float64 of NumPy
    (the default, float32) or of torch; device, of the tensor.
    """
    u, v = _centres(size, **options)
    xp = library(u)
    return planes(xp, *xp.broadcast_arrays(u, v))


def _centres(
    size: Size, *, offset: Offset = (0.0, 0.0), dtype: Any = np.float32, device: Any = None
) -> tuple[Array, Array]:
    """The columns' u (W,) and the rows' v (H, 1)."""
    u = exact_indices(size[1], dtype, device) + (0.5 + offset[0])
    v = exact_indices(size[0], dtype, device) + (0.5 + offset[1])
    return to_dtype(u, dtype), to_dtype(v, dtype)[:, None]


def within(x: Any, y: Any, seen: Any, size: Size) -> tuple[Any, Any]:
    """Pixels (..., 2), and which of those that the lens sees lie in an image of `size`."""
    height, width = size
    # Outer edges included: the rays through the border pixels' outer halves are seen too.
    inside = seen & (x >= 0) & (x <= width) & (y >= 0) & (y <= height)
    return planes(library(x), x, y), inside


@dataclass(frozen=True)
class ERP(Lens):
    """The whole sphere, longitude across and latitude down: a panorama."""

    closed = True

    def rays(self, size: Size, **options: Any) -> Array:
        return erp_rays(*size, **options)

    def unproject(self, pixels: ArrayT, size: Size) -> ArrayT:
        return pixels_to_rays(pixels, *size)

    def project(self, rays: ArrayT, size: Size) -> tuple[ArrayT, ArrayT]:
        x, y, z = rays[..., 0], rays[..., 1], rays[..., 2]
        return rays_to_pixels(rays, *size), (x != 0) | (y != 0) | (z != 0)


@dataclass(frozen=True)
class Focal(Lens):
    """A lens with focal lengths and a principal point, in pixels of the image that it took.

    fx, fy, cx, cy: floats, or arrays (...) with one number per view; pixels and rays are then maps
    (..., h, w, 2 or 3). A centred principal point is (w / 2, h / 2).
    """

    fx: Scalar
    fy: Scalar
    cx: Scalar
    cy: Scalar

    @classmethod
    def from_matrix(cls, intrinsics: Array) -> Self:
        """Of K = [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], (..., 3, 3) [px]."""
        entries = ((0, 0), (1, 1), (0, 2), (1, 2))
        numbers = [intrinsics[..., row, column] for row, column in entries]
        # A NumPy float64 would lift float32 arrays to float64; a float does not.
        return cls(*(float(n) if is_numpy(n) and n.ndim == 0 else n for n in numbers))

    def matrix(self) -> Array:
        """K, (..., 3, 3) [px]; NumPy float64 for floats."""
        xp, (fx, fy, cx, cy) = broadcast(self.fx, self.fy, self.cx, self.cy)
        zero, one = xp.zeros_like(fx), xp.ones_like(fx)
        return from_rows(xp, ((fx, zero, cx), (zero, fy, cy), (zero, zero, one)))

    def _flat(self, u: Any, v: Any) -> tuple[Any, Any]:
        """Pixels [px] to the plane at focal length 1."""
        fx, fy, cx, cy = map(_over_pixels, (self.fx, self.fy, self.cx, self.cy))
        return (u - cx) / fx, (v - cy) / fy

    def _pixels(self, x: Any, y: Any, seen: Any, size: Size) -> tuple[Any, Any]:
        """Places in the plane at focal length 1 to pixels and valid, as `project` returns them."""
        fx, fy, cx, cy = map(_over_pixels, (self.fx, self.fy, self.cx, self.cy))
        return within(fx * x + cx, fy * y + cy, seen, size)


def _over_pixels(number: Scalar) -> Scalar:
    """Numbers per view (...) as (..., 1, 1), to go with maps; one number as it is."""
    return number[..., None, None] if getattr(number, "ndim", 0) else number


@dataclass(frozen=True)
class Pinhole(Focal):
    """r = f · tan θ: straight lines stay straight, less than 180°."""

    @classmethod
    def from_fov(cls, x_fov_rad: Scalar, size: Size, *, y_fov_rad: Scalar = None) -> Self:
        """A centred view: fx = w / (2 tan(x_fov / 2)), fy likewise.

        x_fov_rad, y_fov_rad: full angles [rad] in (0, π) between the outer edges of the border
        pixels, floats or (...); without y_fov_rad pixels are square (fy = fx).
        """
        height, width = size
        fx = width / (2 * _tan(x_fov_rad / 2))
        fy = fx if y_fov_rad is None else height / (2 * _tan(y_fov_rad / 2))
        return cls(fx, fy, width / 2, height / 2)

    def fov_rad(self, size: Size) -> tuple[Scalar, Scalar]:
        """Full angles across and down [rad], also off-centre: floats or (...)."""
        xp, (fx, fy, cx, cy) = broadcast(self.fx, self.fy, self.cx, self.cy)
        height, width = size
        # From the axis to either side: the principal point need not be in the middle.
        across = xp.atan2(cx, fx) + xp.atan2(width - cx, fx)
        return across, xp.atan2(cy, fy) + xp.atan2(height - cy, fy)

    def ray_lengths(self, size: Size, **options: Any) -> Array:
        """(..., h, w): distance of the point at z-depth 1 behind each pixel; as `pixel_centres`."""
        x, y = self._flat(*_centres(size, **options))
        return library(x).sqrt(x * x + y * y + 1)

    def unproject(self, pixels: ArrayT, size: Size) -> ArrayT:
        xp = library(pixels)
        x, y = self._flat(pixels[..., 0], pixels[..., 1])
        inverse = 1 / xp.sqrt(x * x + y * y + 1)
        return planes(xp, x * inverse, y * inverse, inverse)

    def project(self, rays: ArrayT, size: Size) -> tuple[ArrayT, ArrayT]:
        x, y, z = rays[..., 0], rays[..., 1], rays[..., 2]
        in_front = z > _MIN_COSINE
        # Behind the camera x / z would be finite but wrong, at z = 0 infinite.
        inverse = 1 / library(rays).where(in_front, z, 1.0)
        return self._pixels(x * inverse, y * inverse, in_front, size)


def _tan(angle: Scalar) -> Scalar:
    """The tangent of a float or an array."""
    return math.tan(angle) if isinstance(angle, float | int) else library(angle).tan(angle)


@dataclass(frozen=True)
class View:
    """What a camera sees: a lens, its image's size, and where it is turned.

    rotation: (..., 3, 3), directions of the view to those of the world (rotation.py); None = as the
    world.
    """

    lens: Lens
    size: Size
    rotation: Array | None = None

    def rays(self, **options: Any) -> Array:
        """Unit rays (..., h, w, 3) through the pixels, in the world's frame; see `Lens.rays`."""
        rays = self.lens.rays(self.size, **options)
        return rays if self.rotation is None else rotate_vectors(self.rotation, rays)
