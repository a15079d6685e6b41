"""Several posed views of one place merged into one panorama, seen from the first view's place.

Views from one place are laid on by rotation. Views from several places are moved to the first
one's: each pixel becomes a point in space and lands on the panorama pixel that its ray meets, the
nearest point winning (z-buffer); what no view saw stays unknown. Colours of views that agree on the
distance are blended by how far from its border each view saw them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from panodepth.geometry.coordinates import rays_to_pixels
from panodepth.geometry.lens import Pinhole, View
from panodepth.lab.curation.frame import Frame, Matrix, RejectedError
from panodepth.lab.curation.project import Placed, place, put, view_coordinates
from panodepth.types import BoolArray, ByteArray, FloatArray

SAME_PLACE = 1e-3  # places closer than this share of the median distance are one
AGREE = 0.05  # distances within this share are one surface
# Least share of pixels seen twice on which the views must agree; moved views may see round corners.
LEAST_AGREEMENT = {"rotated": 0.8, "moved": 0.5}
ENOUGH_SHARED = 200  # pixels seen twice below which agreement says nothing
DENSE = 1.6  # view pixels per panorama pixel and axis that a moved view must have


@dataclass(frozen=True)
class Stitched:
    """Views merged into one panorama.

    placed: its rotation is the world's, its coverage what any view saw. agreement: of the pixels
    that several views saw, the share on which all agree (1 when there are none).
    """

    placed: Placed
    agreement: float


@dataclass(frozen=True)
class _Layer:
    """One view as seen from the common place.

    image: (H, W, 3) uint8. distance: (H, W), 0 = not seen, inf = sky. weight: (H, W), > 0 where
    the view saw something.
    """

    image: ByteArray
    distance: FloatArray
    weight: FloatArray


def stitch(frames: Sequence[Frame], size: tuple[int, int]) -> Stitched:
    """Merge posed views with z-depth into a panorama of (H, W) in the axes of their common world.

    Raises RejectedError when a pose or z-depth is missing, units differ, or the views contradict
    each other.
    """
    first = frames[0]
    for frame in frames:
        if frame.pose is None or frame.z_depth is None or frame.unit != first.unit:
            text = f"{frame.name}: views need poses, depths and one unit"
            raise RejectedError("inconsistent", text)
    places = np.array([frame.pose[:3, 3] for frame in frames if frame.pose is not None])
    reach = np.median([_median_z_depth(frame) for frame in frames])
    moved = float(np.abs(places - places[0]).max()) > SAME_PLACE * reach
    upright = np.eye(3) if first.level or first.pose is None else first.pose[:3, :3].T
    layers = []
    for frame in frames:
        assert frame.pose is not None
        rotation = upright @ frame.pose[:3, :3]
        shift = upright @ (frame.pose[:3, 3] - places[0])
        layers.append(
            _splat(frame, rotation, shift, size) if moved else _rotated(frame, rotation, size)
        )
    merged, agreement, shared = _merge(layers)
    least = LEAST_AGREEMENT["moved" if moved else "rotated"]
    if shared >= ENOUGH_SHARED and agreement < least:
        raise RejectedError(
            "inconsistent",
            f"views agree on {agreement:.0%} of what they share, at least {least:.0%}",
        )
    return Stitched(Placed(*merged, upright), agreement)


def _median_z_depth(frame: Frame) -> float:
    assert frame.z_depth is not None
    valid = frame.z_depth[np.isfinite(frame.z_depth) & (frame.z_depth > 0)]
    return float(np.median(valid)) if valid.size else 1.0


def _rotated(frame: Frame, rotation: Matrix, size: tuple[int, int]) -> _Layer:
    """A view from the common place. rotation: (3, 3), view to panorama; size: (H, W)."""
    placed = place(frame, rotation, size)
    window, pixels, inside, _ = view_coordinates(View(frame.lens, frame.size, rotation), size)
    weight = np.zeros(size, np.float32)
    put(weight, window, np.where(inside, _feather(pixels, frame.size), 0))
    return _Layer(placed.image, placed.distance, weight)


def _feather(pixels: npt.NDArray[Any], view: tuple[int, int]) -> FloatArray:
    """From 0.001 at a view's border to 1 in its middle. pixels: (..., 2) px; view: (h, w)."""
    h, w = view
    inwards = pixels / np.array([w, h], np.float32)
    border = np.minimum(inwards, 1 - inwards).min(-1)
    return np.asarray(np.clip(2 * border, 1e-3, 1), np.float32)


def _splat(frame: Frame, rotation: Matrix, shift: Matrix, size: tuple[int, int]) -> _Layer:
    """A view from another place: each of its pixels becomes a point; the nearest point is seen.

    rotation: (3, 3), view to panorama. shift: (3,), the view's place in the panorama's axes and
    the frame's unit. size: (H, W).
    """
    assert frame.z_depth is not None
    height, width = size
    # Enlarged so that points lie denser than the panorama's pixels, or the layer has holes.
    density = frame.lens.fx * np.pi / height  # view pixels per panorama pixel
    factor = max(1, int(np.ceil(DENSE / density)))
    z_depth = frame.z_depth.repeat(factor, 0).repeat(factor, 1)
    h, w = z_depth.shape
    image = np.asarray(cv2.resize(frame.image, (w, h), interpolation=cv2.INTER_LINEAR), np.uint8)
    given = frame.lens
    lens = Pinhole(*(factor * n for n in (given.fx, given.fy, given.cx, given.cy)))
    rows, columns = np.nonzero((z_depth > 0) & np.isfinite(z_depth))
    pixels = np.stack((columns, rows), -1) + 0.5
    rays = lens.unproject(pixels, (h, w))
    along = z_depth[rows, columns, None].astype(np.float64) / rays[:, 2:]
    points = (rays * along) @ rotation.T + shift
    distance = np.linalg.norm(points, axis=1)
    across, down = rays_to_pixels(points, height, width).astype(np.int64).T
    cell = np.minimum(down, height - 1) * width + across % width
    order = np.argsort(-distance, kind="stable")  # the nearest is written last
    layer = _Layer(
        np.zeros((*size, 3), np.uint8), np.zeros(size, np.float32), np.zeros(size, np.float32)
    )
    cell = cell[order]
    layer.image.reshape(-1, 3)[cell] = image[rows, columns][order]
    layer.distance.ravel()[cell] = distance[order]
    weight = _feather(pixels, (h, w))
    layer.weight.ravel()[cell] = weight[order]
    return layer


def _merge(layers: Sequence[_Layer]) -> tuple[tuple[ByteArray, FloatArray, BoolArray], float, int]:
    """(image, distance, coverage), the share of shared pixels that agree, their number."""
    distances = np.stack([layer.distance for layer in layers])
    weights = np.stack([layer.weight for layer in layers])
    given = np.where(distances > 0, distances, np.nan)
    with np.errstate(invalid="ignore"):
        nearest = np.fmin.reduce(given)
        farthest = np.fmax.reduce(given)
        shared = (np.count_nonzero(distances > 0, axis=0) > 1) & np.isfinite(nearest)
        same = farthest <= (1 + AGREE) * nearest
        # Colours count where the distance is the nearest surface's, or nobody has a distance.
        on_surface = (given <= (1 + AGREE) * nearest) | np.isnan(nearest)[None]
    weights = weights * on_surface
    total = weights.sum(0)
    blend = np.zeros((*total.shape, 3), np.float32)
    for layer, weight in zip(layers, weights, strict=True):
        blend += layer.image * (weight / np.maximum(total, 1e-9))[..., None]
    # The distance is the best view's among those on the nearest surface: never a blend.
    best = np.where(np.isnan(given), -1, weights).argmax(0)
    distance = np.take_along_axis(distances, best[None], 0)[0]
    count = int(np.count_nonzero(shared))
    agreement = float(np.count_nonzero(same & shared) / count) if count else 1.0
    image = np.clip(np.rint(blend), 0, 255).astype(np.uint8)
    return (image, distance.astype(np.float32), total > 0), agreement, count
