"""A picture that some lens took, laid on a level sphere; what it does not see is not valid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from panodepth.errors import InputError
from panodepth.geometry.arrays import Array
from panodepth.geometry.coordinates import rays_to_pixels
from panodepth.geometry.lens import ERP, Lens, Size, View, pixel_centres
from panodepth.geometry.lenses.dual import DualFisheye
from panodepth.geometry.resampling import resample
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.geometry.stitching import Camera, stitch
from panodepth.images import ImageData
from panodepth.images.gpano import Area, on_canvas
from panodepth.predict.lenses.borders import without_borders
from panodepth.predict.lenses.choice import MOST_SIDE, check, input_lens
from panodepth.predict.lenses.filling import continued
from panodepth.predict.lenses.options import LensOptions
from panodepth.predict.lenses.stereo import left_eye
from panodepth.predict.masks import checked_mask
from panodepth.predict.metric.options import MetricOptions
from panodepth.types import BoolArray, FloatArray

Options = TypeVar("Options", bound=MetricOptions)
MAX_ROWS = 2048  # of the sphere: the network sees far fewer
MIN_ROWS = 128
SEEN_ROWS = 512  # of a picture, by which the sphere's are chosen: all would take gigabytes


@dataclass(frozen=True)
class Origin:
    """Where a picture on the sphere comes from. data: the picture itself.

    rotation: (3, 3), directions of its lens to those of the level sphere; None = they are the same.
    """

    lens: Lens
    data: ImageData
    rotation: Array | None

    def measured(self, options: Options, size: Size) -> Options:
        """Options that know something at pixels of the picture, now of a panorama of `size`.

        Raises InputError where the lens sees nothing at one of them.
        """
        changes: dict[str, Any] = {}
        for name in ("known_distance", "known_length"):
            if (known := getattr(options, name)) is not None:
                *places, metres = known
                changes[name] = (*self._on_panorama(places, size), metres)
        return replace(options, **changes)

    def _on_panorama(self, places: Sequence[float], size: Size) -> list[float]:
        """u, v, u, v, ... of the picture as those of a panorama of `size`."""
        area = _area(self.data)
        height, width = self.data.size if area is None else area.picture
        pixels = np.reshape(places, (-1, 2)).astype(np.float64)
        inside = (pixels >= 0) & (pixels <= (width, height))
        placed = pixels if area is None else pixels + (area.left, area.top)
        rays = self.lens.unproject(placed, self.data.size)
        inside &= rays.any(axis=-1, keepdims=True)
        for u, v in pixels[~inside.all(axis=-1)]:
            raise InputError(
                f"pixel {u:g},{v:g}: the lens of the {width}x{height} picture sees nothing there"
            )
        if self.rotation is not None:
            rays = rays @ np.asarray(self.rotation).T
        found: list[float] = rays_to_pixels(rays, *size).ravel().tolist()
        return found


def on_sphere(data: ImageData, mask: Any, options: LensOptions) -> ImageData:
    """The picture as a panorama, 2:1, level. mask: the user's for the picture, or None.

    Raises InputError where the picture does not suit the options.
    """
    check(options)
    area = _area(data)
    if mask is not None:
        given = _mask_of(mask, data)
        data = replace(data, valid=given if data.valid is None else given & data.valid)
    data = left_eye(data, options)
    lens = input_lens(options, data.size)
    if area is not None and not isinstance(lens, ERP):
        raise InputError(
            f"{data.source or 'image'}: its GPano tags say which part of a panorama it is; "
            "leave --projection and its numbers out, or remove the tags"
        )
    if max(data.size) > MOST_SIDE:
        raise InputError(
            f"{data.source or 'image'}: a side of more than {MOST_SIDE:,} pixels cannot be laid on "
            "the sphere: resize the picture first"
        )
    rotation, data = _levelling(data, options)
    if isinstance(lens, ERP):
        if rotation is None:  # of a part, masks and pixels count in the picture as it was
            return data if area is None else replace(data, origin=Origin(lens, data, None))
        if data.may_be_padded:
            data = without_borders(data, options, any_aspect=True)
    size = sphere_size(lens, data.size)
    pixels, seen = _laid(data, lens, rotation, size)
    if not seen.any():
        raise InputError(f"{data.source or 'image'}: the lens sees nothing of the picture")
    pixels = continued(pixels, seen)
    light = None
    if data.light is not None:
        linear = replace(data, pixels=np.asarray(data.light, np.float32))
        light = np.moveaxis(_laid(linear, lens, rotation, size)[0] * seen, 0, -1)
    return replace(
        data,
        pixels=np.ascontiguousarray(np.moveaxis(pixels, 0, -1)),
        valid=None if seen.all() else seen,
        light=light,
        origin=Origin(lens, data, rotation),
    )


def _area(data: ImageData) -> Area | None:
    """Where the picture lies on its canvas, by its tags; None = it is all of it."""
    return None if data.pano is None else data.pano.area


def _mask_of(mask: Any, data: ImageData) -> BoolArray:
    """The user's mask at a picture's size (H, W); that of a part may be as large as the part."""
    area = _area(data)
    if area is None:
        return checked_mask(mask, data.size)
    given = checked_mask(mask, area.picture, data.size)
    return given if given.shape == data.size else on_canvas(given, area)


def _levelling(data: ImageData, options: LensOptions) -> tuple[Array | None, ImageData]:
    """The rotation to the level world that the picture's tags tell, and a note of it."""
    if data.pano is None or options.pose == "ignore":
        return None, data
    _, pitch, roll = data.pano.pose_deg
    if pitch == roll == 0:
        return None, data
    # The heading is left as it is: level is up to a turn about the vertical.
    rotation = rotation_from_yaw_pitch_roll(0.0, math.radians(pitch), math.radians(roll))
    note = f"levelled by its GPano pose (pitch {pitch:g}°, roll {roll:g}°); --pose ignore does not"
    return rotation, replace(data, notes=(*data.notes, note))


def sphere_size(lens: Lens, size: Size) -> Size:
    """(H, W) of a panorama as fine as a picture of a (height, width) is in its middle."""
    if isinstance(lens, ERP):
        rows = size[0]
    else:
        every = math.ceil(size[0] / SEEN_ROWS)
        pixels = pixel_centres((size[0] // every, size[1]), dtype=np.float64)
        rays = lens.unproject(pixels * (1, every), size)
        sees = rays.any(axis=-1)
        both = sees[:, :-1] & sees[:, 1:]
        steps = np.linalg.norm(rays[:, 1:] - rays[:, :-1], axis=-1)[both]
        # The finer half: what is far from the axis is coarser in one lens and finer in another.
        rows = round(math.pi / max(float(np.median(steps)), 1e-9)) if steps.size else MIN_ROWS
    # A multiple: a large picture is averaged in whole boxes on its way to the network.
    rows = min(MAX_ROWS, MIN_ROWS * max(1, round(rows / MIN_ROWS)))
    return rows, 2 * rows


def _laid(
    data: ImageData, lens: Lens, rotation: Array | None, size: Size
) -> tuple[FloatArray, BoolArray]:
    """(3, H, W) on the sphere, 0 where nothing valid is seen, and (H, W) where it is."""
    planes = np.moveaxis(data.image, -1, 0)
    view = View(ERP(), size, None if rotation is None else np.asarray(rotation).T)
    valid = data.valid
    if isinstance(lens, DualFisheye):
        halves = lens.halves(data.size)
        cameras = [Camera(half) for _, half in halves]
        pixels, seen = stitch([planes[..., columns] for columns, _ in halves], cameras, size)
    else:
        finer = round(data.size[0] / size[0]) if isinstance(lens, ERP) else 1
        pixels, seen = resample(planes, lens, view, supersample=max(1, min(4, finer)))
    if valid is not None:
        still = resample(valid[None], lens, view, mode="nearest")[0][0]
        seen = seen & still
    return pixels, np.asarray(seen)
