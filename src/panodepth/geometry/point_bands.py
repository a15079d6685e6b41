"""Points of NumPy maps, fast: in bands of rows that stay in a core's cache."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from panodepth.geometry.arrays import Array

BAND_PIXELS = 1 << 15  # worked on at a time


def lonlat_points(distance: Array, lon: Array, lat: Array) -> Array:
    """(h, w, 3) points of the pixels at longitudes (w,) and latitudes (h,) [rad], in their unit."""
    points = np.empty((*distance.shape, 3), distance.dtype)
    place = points.transpose(2, 0, 1)
    for _ in point_bands(distance, lon, lat, max(1, BAND_PIXELS // len(lon)), place):
        pass
    return points


def point_bands(
    distance: Array, lon: Array, lat: Array, rows_at_once: int, place: Array | None = None
) -> Iterator[tuple[slice, Array]]:
    """The points of `lonlat_points` band by band: some of the h rows, and (3, rows, w) x, y, z.

    Each array is overwritten by the next: fresh memory costs more than the arithmetic. place: a
    (3, h, w) array that takes them all instead.
    """
    dtype = distance.dtype
    cos_lon, sin_lon = np.cos(lon).astype(dtype), np.sin(lon).astype(dtype)
    cos_lat, sin_lat = np.cos(lat).astype(dtype)[:, None], np.sin(lat).astype(dtype)[:, None]
    planes = np.empty((3, rows_at_once, len(lon)), dtype) if place is None else place

    for top in range(0, len(lat), rows_at_once):
        rows = slice(top, min(top + rows_at_once, len(lat)))
        x, y, z = out = planes[:, : rows.stop - top] if place is None else planes[:, rows]
        np.multiply(distance[rows], cos_lat[rows], out=x)  # its level part, until the last line
        np.multiply(x, cos_lon, out=z)
        np.multiply(distance[rows], sin_lat[rows], out=y)
        np.multiply(x, sin_lon, out=x)
        yield rows, out
