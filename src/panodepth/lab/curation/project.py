"""P2E: a perspective frame laid onto an empty panorama, anywhere on the sphere, by a true rotation.

Work is done only in the rows and columns that the view can reach.

Picture: averaged over a panorama pixel's footprint (shrinking by a whole number, then a narrow
Gaussian), then bilinear: neither aliased nor shifted. Distance: the z-depth of the nearest frame
pixel, divided by the panorama ray's own z. Where the pixels round it lie on one smooth surface,
1 / z, which is affine over a plane, is interpolated instead: exact on planes, and never blended
over an edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from panodepth.geometry.coordinates import rays_to_lonlat
from panodepth.geometry.grid import axis_angles
from panodepth.geometry.lens import View
from panodepth.lab.curation.frame import Frame, Matrix
from panodepth.types import BoolArray, ByteArray, FloatArray

SMOOTH = 0.005  # share of 1 / z above which a bend or step is an edge: nothing is blended over it
_HALF = np.float32(0.5)


@dataclass(frozen=True)
class Placed:
    """A frame on the sphere.

    image: (H, W, 3) uint8, sRGB, 0 where nothing is seen.
    distance: (H, W) float32, along the ray, in the frame's unit; 0 = not given, inf = sky.
    coverage: (H, W), the pixels whose centre's ray passes through the frame.
    rotation: (3, 3), frame to panorama.
    """

    image: ByteArray
    distance: FloatArray
    coverage: BoolArray
    rotation: Matrix


def place(frame: Frame, rotation: Matrix, size: tuple[int, int]) -> Placed:
    """The frame on an empty panorama.

    rotation: (3, 3), frame to panorama. size: (H, W) of the panorama.
    """
    window, pixels, inside, z = view_coordinates(View(frame.lens, frame.size, rotation), size)
    u, v = pixels[..., 0], pixels[..., 1]
    placed = Placed(
        np.zeros((*size, 3), np.uint8), np.zeros(size, np.float32), np.zeros(size, bool), rotation
    )
    if inside.any():
        # Frame pixels per panorama pixel, each way.
        step = np.sqrt(frame.size[0] * frame.size[1] / np.count_nonzero(inside))
        seen = cv2.copyTo(_colours(frame.image, u, v, step), inside.view(np.uint8))
        put(placed.image, window, seen)
        put(placed.coverage, window, inside)
        if frame.z_depth is not None:
            with np.errstate(divide="ignore", invalid="ignore"):
                distance = _z_depth(frame.z_depth, u, v) / z
            distance[~inside] = 0
            put(placed.distance, window, distance)
    return placed


# First row, row past the last, first column, number of columns: columns may run over the seam.
Window = tuple[int, int, int, int]


def view_coordinates(
    view: View, size: tuple[int, int]
) -> tuple[Window, FloatArray, BoolArray, FloatArray]:
    """Where the panorama's rays meet a view.

    view: its rotation, (3, 3), is view to panorama. size: (H, W) of the panorama.
    Returns the window of the panorama that the view can reach; and for the window's pixels: their
    rays' places in the view (rows, columns, 2) [px], whether the view sees them (rows, columns),
    and the z of their unit rays in the view's frame (rows, columns).
    """
    window = _window(view, size)
    top, bottom, left, columns = window
    lon, lat = axis_angles(*size)
    lon, lat = lon[(np.arange(columns) + left) % size[1]], lat[top:bottom, None]
    # What a ray has along an axis of the view: sines per row and column, one product per pixel.
    cos_lat, sin_lat = np.cos(lat).astype(np.float32), np.sin(lat)
    rays = np.empty((3, bottom - top, columns), np.float32)
    for (x, y, z), along in zip(np.asarray(view.rotation).T, rays, strict=True):
        level = x * np.sin(lon) + z * np.cos(lon)
        np.multiply(cos_lat, level.astype(np.float32), out=along)
        along += (y * sin_lat).astype(np.float32)
    pixels, inside = view.lens.project(np.moveaxis(rays, 0, -1), view.size)
    return window, pixels, inside, rays[2]


def coverage_of(view: View, size: tuple[int, int]) -> BoolArray:
    """(H, W) bool: what a view covers of a panorama; see `view_coordinates`."""
    window, _, inside, _ = view_coordinates(view, size)
    coverage = np.zeros(size, bool)
    put(coverage, window, inside)
    return coverage


def _window(view: View, size: tuple[int, int]) -> Window:
    """The window that holds a view: spanned by the rays through the view's border."""
    height, width = size
    h, w = view.size
    rotation = np.asarray(view.rotation)
    along = np.linspace(0, 1, 65)
    edges = [(along, 0 * along), (along, 0 * along + 1), (0 * along, along), (0 * along + 1, along)]
    border = np.concatenate([np.column_stack((x * w, y * h)) for x, y in edges])
    lon, lat = rays_to_lonlat(view.lens.unproject(border, view.size) @ rotation.T).T
    slack = 2 + height // 64  # great circles bulge between the border's samples
    top = int(np.floor((lat.min() / np.pi + 0.5) * height)) - slack
    bottom = int(np.ceil((lat.max() / np.pi + 0.5) * height)) + slack
    # A view that sees a pole reaches it, and all longitudes, though its border does not.
    up_down = np.array([[0.0, -1.0, 0.0], [0.0, 1.0, 0.0]])
    poles = view.lens.project(up_down @ rotation, view.size)[1]
    top, bottom = (0 if poles[0] else max(top, 0)), (height if poles[1] else min(bottom, height))
    if poles.any():
        return top, bottom, 0, width
    # The view lies where the border's longitudes leave no gap: all but the widest gap.
    ordered = np.sort(lon)
    gaps = np.diff(np.append(ordered, ordered[0] + 2 * np.pi))
    widest = int(gaps.argmax())
    start, span = ordered[(widest + 1) % len(ordered)], 2 * np.pi - gaps[widest]
    left = int(np.floor((start / (2 * np.pi) + 0.5) * width)) - slack
    columns = int(np.ceil(span / (2 * np.pi) * width)) + 2 * slack + 1
    return (top, bottom, 0, width) if columns >= width else (top, bottom, left, columns)


def put(target: npt.NDArray[Any], window: Window, values: npt.NDArray[Any]) -> None:
    """Write the values (rows, columns, ...) of a window into a panorama (H, W, ...)."""
    top, bottom, left, columns = window
    width = target.shape[1]
    start = left % width
    first = min(columns, width - start)
    target[top:bottom, start : start + first] = values[:, :first]
    if first < columns:
        target[top:bottom, : columns - first] = values[:, first:]


def _colours(image: ByteArray, u: FloatArray, v: FloatArray, step: float) -> npt.NDArray[np.uint8]:
    """Colours at places u, v [px] of a picture (h, w, 3), averaged over `step` pixels each way."""
    shrink = max(1, int(step))
    if shrink > 1:
        h, w = image.shape[:2]
        rows, columns = max(1, round(h / shrink)), max(1, round(w / shrink))
        small = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA)
        image = np.asarray(small, np.uint8)
        u, v = u * np.float32(columns / w), v * np.float32(rows / h)
    rest = step / shrink
    if rest > 1.05:
        # Pixel boxes of width 1 become ones of width `rest` in the second moment.
        sigma = float(np.sqrt((rest**2 - 1) / 12))
        blurred = cv2.GaussianBlur(image, (5, 5), sigma, borderType=cv2.BORDER_REFLECT)
        image = np.asarray(blurred, np.uint8)
    border = cv2.BORDER_REPLICATE
    return np.asarray(cv2.remap(image, u - _HALF, v - _HALF, cv2.INTER_LINEAR, borderMode=border))


def _z_depth(z_depth: FloatArray, u: FloatArray, v: FloatArray) -> FloatArray:
    """z-depth at places u, v [px] of a map (h, w): the nearest pixel's; interpolated where smooth.

    1 / z is what is interpolated: it is affine over a plane.
    """
    inverse = np.asarray(cv2.divide(1.0, z_depth), np.float32)
    np.copyto(inverse, 0, where=z_depth <= 0)
    x, y = u - _HALF, v - _HALF
    border = cv2.BORDER_REPLICATE
    near = cv2.remap(z_depth, x, y, cv2.INTER_NEAREST, borderMode=border)
    smooth = cv2.remap(_smooth(inverse), x, y, cv2.INTER_NEAREST, borderMode=border)
    mean = cv2.remap(inverse, x, y, cv2.INTER_LINEAR, borderMode=border)
    return np.asarray(cv2.copyTo(cv2.divide(1.0, mean), smooth, near), np.float32)


def _smooth(inverse: FloatArray) -> npt.NDArray[np.uint8]:
    """(h, w) 255 where all nine pixels round it lie on one surface without a step or a sharp bend.

    inverse: 1 / z, 0 = not given or sky, which is never smooth.
    """
    border = cv2.BORDER_REPLICATE
    bend = cv2.Laplacian(inverse, cv2.CV_32F, ksize=1, borderType=border)
    along = cv2.Sobel(inverse, cv2.CV_32F, 2, 0, ksize=1, borderType=border)
    np.maximum(np.abs(bend, out=bend), np.abs(along, out=along), out=bend)
    limit = np.multiply(inverse, np.float32(SMOOTH), out=along)
    flat = np.asarray(cv2.compare(bend, limit, cv2.CMP_LT), np.uint8)
    # At the border there is no second difference: the nearest pixel there.
    flat[[0, -1]], flat[:, [0, -1]] = 0, 0
    return np.asarray(cv2.erode(flat, np.ones((3, 3), np.uint8)), np.uint8)
