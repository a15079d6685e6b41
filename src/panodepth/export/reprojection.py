"""A prediction as another lens in the same place sees it."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np

from panodepth.geometry.arrays import Array
from panodepth.geometry.lens import ERP, View
from panodepth.geometry.resampling import resample
from panodepth.types import ByteArray, FloatArray, Prediction, push_back

SPHERE_ROWS = 1024  # of a panorama made for a writer that needs one
FACTS = ("projection", "lens", "rotation_to_level")  # keys of what `facts` says


def reprojected(prediction: Prediction, view: View, image: ByteArray | None = None) -> Prediction:
    """The prediction through another lens; distance stays along the ray.

    view: its rotation is from its frame to the level world's, as `Prediction.rotation`. image:
    (h, w, 3) uint8 that the lens took, if there is one; else the prediction's is resampled.
    What is not seen is not valid there.
    """
    turned = View(view.lens, view.size, _between(prediction.rotation, view.rotation))
    values, seen = resample(_mixable(prediction)[None], prediction.lens, turned)
    kinds = np.stack((prediction.mask, prediction.sky))
    there, sky = resample(kinds, prediction.lens, turned, mode="nearest")[0]
    solid = np.where(seen & (values[0] > 0), values[0], np.float32(1)).astype(np.float32)
    if image is None:
        planes = np.moveaxis(prediction.image, -1, 0).astype(np.float32)
        colours = resample(planes, prediction.lens, turned)[0]
        image = np.clip(np.rint(np.moveaxis(colours, 0, -1)), 0, 255).astype(np.uint8)
    kept = {key: value for key, value in prediction.meta.items() if key not in FACTS}
    linear = prediction.linear
    if linear is not None:
        linear = np.moveaxis(
            resample(np.moveaxis(linear, -1, 0), prediction.lens, turned)[0], 0, -1
        )
    sure = prediction.confidence
    if sure is not None:
        sure = resample(sure[None], prediction.lens, turned)[0][0]
    mask = np.asarray(there & seen, np.bool_)
    return Prediction(
        push_back(solid, sky, mask),
        mask,
        image,
        {**kept, **facts(view)},
        solid if sky.any() else None,
        view.lens,
        view.rotation,
        sky_mask=sky if sky.any() else None,
        light=linear,
        confidence=sure,
    )


def _mixable(prediction: Prediction) -> FloatArray:
    """(H, W) `solid`, an infinite sky at the farthest surface: means with BEHIND say nothing."""
    infinite = np.isposinf(prediction.distance)
    if prediction.raw is not None or not infinite.any():
        return prediction.solid
    return push_back(np.where(infinite, 0, prediction.solid), prediction.sky, prediction.mask)


def as_panorama(prediction: Prediction) -> Prediction:
    """The prediction itself if it is a panorama, else seen as a level one of SPHERE_ROWS."""
    if isinstance(prediction.lens, ERP):
        return prediction
    return reprojected(_continued(prediction), View(ERP(), (SPHERE_ROWS, 2 * SPHERE_ROWS)))


def _continued(prediction: Prediction) -> Prediction:
    """The prediction with what its lens sees going on where it sees nothing, as a fisheye beyond
    its circle: between pixels at the rim nothing else is mixed in. The mask stays.
    """
    import cv2

    unseen = ~prediction.lens.rays(prediction.distance.shape).any(axis=-1)
    if not unseen.any() or unseen.all():
        return prediction
    _, nearest = cv2.distanceTransformWithLabels(
        unseen.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    place = np.empty(int(nearest.max()) + 1, np.intp)
    place[nearest[~unseen]] = np.flatnonzero(~unseen)
    taken = place[nearest[unseen]]

    def filled(values: Any) -> Any:
        found = values.copy()
        found[unseen] = values.reshape(-1, *values.shape[2:])[taken]
        return found

    names = ("distance", "raw", "image", "light", "confidence")
    maps = {name: getattr(prediction, name) for name in names}
    return replace(
        prediction, **{name: filled(values) for name, values in maps.items() if values is not None}
    )


def as_level_panorama(prediction: Prediction) -> Prediction:
    """The prediction itself if it is a panorama of the level world, else seen as one."""
    if isinstance(prediction.lens, ERP) and prediction.rotation is not None:
        height, width = prediction.distance.shape
        return reprojected(prediction, View(ERP(), (height, width)))
    return as_panorama(prediction)


def levelled_points(prediction: Prediction) -> FloatArray:
    """(H, W, 3) points of a prediction in the level world's frame."""
    return levelled(prediction, replace(prediction, distance=prediction.solid, raw=None).points)


def levelled(prediction: Prediction, vectors: FloatArray) -> FloatArray:
    """Vectors (..., 3) in the frame of a prediction's lens to the level world's."""
    if prediction.rotation is None:
        return vectors
    return np.asarray(vectors @ np.asarray(prediction.rotation, np.float32).T, np.float32)


def facts(view: View) -> dict[str, Any]:
    """What files say of a lens and its turn."""
    told: dict[str, Any] = {}
    if not isinstance(view.lens, ERP):
        name = type(view.lens).__name__
        told = {"projection": f"{name}, pixel centres at +0.5", "lens": {"name": name}}
        told["lens"] |= asdict(view.lens)  # type: ignore[call-overload]
    if view.rotation is not None:
        told["rotation_to_level"] = np.asarray(view.rotation).tolist()
    return told


def _between(source: Array | None, view: Array | None) -> Any:
    """(3, 3) from the view's frame to the source's, both to the level one; None = the same."""
    if source is None:
        return view
    return source.T if view is None else source.T @ view
