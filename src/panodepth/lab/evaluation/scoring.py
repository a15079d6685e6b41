"""One panorama, one prediction, one protocol: numbers, or the reason why there are none."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from panodepth.errors import InputError
from panodepth.lab.evaluation.measures import boundary, geometry
from panodepth.lab.evaluation.measures.align import Fit, fit
from panodepth.lab.evaluation.measures.metrics import ten_metrics
from panodepth.lab.evaluation.measures.resizing import given_picture, to_size
from panodepth.lab.evaluation.protocol import FIT_SIDE, PROTOCOLS, Extras, Protocol
from panodepth.lab.evaluation.run.journal import Row
from panodepth.lab.evaluation.run.predictors import Predicted, Predictor
from panodepth.types import BoolArray, FloatArray, Panorama

NO_METRES = "the prediction has no unit"
SHAPE_SLACK = 1.25  # how far width / height of a prediction and its truth may differ
SMALLEST = 1e-6  # [truth's unit] distances below it are raised to it, DA² release


class Compared(NamedTuple):
    """A prediction beside the truth, in the truth's unit.

    aligned: (H, W) > 0, not clipped. clipped: (H, W), as the protocol says. truth: (H, W). valid:
    (H, W) bool, where both are known. fit: how it was aligned. coverage: share of the pixels that
    count which the prediction has.
    """

    aligned: FloatArray
    clipped: FloatArray
    truth: FloatArray
    valid: BoolArray
    fit: Fit
    coverage: float


def evaluate(
    panorama: Panorama,
    predictor: Predictor,
    protocol: Protocol,
    extras: Extras | None = None,
    *,
    fit_side: int = FIT_SIDE,
) -> dict[str, float | None]:
    """Every measure of one panorama by name, see `catalogue.MEASURES`; None = nothing to measure.

    Raises InputError, one line, when the panorama or the prediction cannot be measured.
    """
    chosen = extras or Extras()
    predicted = predict(panorama, predictor, protocol)
    compared = compare(panorama, predicted, protocol, fit_side=fit_side)
    values = measure(compared, protocol, chosen) | sky_overlap(panorama, predicted, protocol)
    if chosen.rotation:
        from panodepth.lab.evaluation.measures.rotation import rotation_consistency

        size = compared.truth.shape

        def again(image: FloatArray) -> FloatArray:
            turned = Panorama(image, meta=panorama.meta)
            return to_size(predict(turned, predictor, protocol).distance, size, protocol.closed)

        distance = to_size(predicted.distance, size, protocol.closed)
        values |= rotation_consistency(again, panorama.image, distance)
    return values


def predict(panorama: Panorama, predictor: Predictor, protocol: Protocol) -> Predicted:
    """The prediction for the picture as the protocol gives it. Raises InputError."""
    picture = given_picture(panorama.image, protocol.long_side)
    return predictor(Panorama(picture, meta=panorama.meta))


def compare(
    panorama: Panorama, predicted: Predicted, protocol: Protocol, *, fit_side: int = FIT_SIDE
) -> Compared:
    """Bring the prediction to the truth's size, find what is valid, align and clip.

    Pixels without a prediction (not finite, or 0 and below) are not measured; `coverage` says how
    many of the others there are. fit_side: longest side [px] of the copy for least squares. Raises
    InputError when nothing is left, or the units do not fit the protocol.
    """
    truth, mask = panorama.distance, panorama.mask
    if truth is None or mask is None:
        raise InputError("no distance to compare with")
    _check_units(panorama, predicted, protocol)
    _check_shape(predicted.distance, truth)
    wanted = mask & (truth > protocol.near)
    if protocol.far is not None:
        wanted &= truth < protocol.far
    black = ~panorama.image.any(axis=2) if protocol.black != "keep" else None
    if black is not None and protocol.black == "everywhere":
        wanted &= ~black
    if not wanted.any():
        raise InputError(f"no pixel is valid in protocol {protocol.name}")
    distance = to_size(predicted.distance, truth.shape, protocol.closed)
    known = np.isfinite(distance) & (distance > 0)
    valid = wanted & known
    for_fit = valid if black is None else valid & ~black
    # a released quirk: black pixels may be measured and yet not help to align
    weights = geometry.row_weights(len(truth)) if protocol.solid_angle else None
    if not valid.any():
        raise InputError("the prediction has no distance above 0 where the truth counts")
    if not for_fit.any():
        raise InputError("no valid pixel to align on: all of them are black in the picture")
    found = fit(protocol.alignment, (distance, truth, for_fit), weights, fit_side)
    with np.errstate(over="ignore"):
        aligned = np.maximum(found.apply(distance), np.float32(SMALLEST))
    if not np.isfinite(aligned[valid]).all():
        raise InputError("aligned, the prediction's values are out of all range")
    clipped = np.clip(aligned, protocol.near, protocol.far) if protocol.clip else aligned
    coverage = int(np.count_nonzero(valid)) / int(np.count_nonzero(wanted))
    return Compared(aligned, clipped, truth, valid, found, coverage)


def measure(compared: Compared, protocol: Protocol, extras: Extras) -> dict[str, float | None]:
    """The ten metrics, coverage, and the extras that need no predictor."""
    aligned, clipped, truth, valid, _, coverage = compared
    weights = geometry.row_weights(len(truth)) if protocol.solid_angle else None
    values: dict[str, float | None] = {**(ten_metrics(clipped, truth, valid, weights) or {})}
    values["coverage"] = coverage
    if extras.geometry:
        residual = geometry.log_residual(aligned, truth, valid)
        values |= geometry.seam(residual, valid)
        values |= geometry.poles(aligned, truth, residual, valid)
        values |= geometry.normals(aligned, truth, valid)
        values["boundary_f1"] = boundary.boundary_f1(aligned, truth, valid)
        values["flying"] = boundary.flying_share(aligned, truth, valid)
    if extras.points:
        from panodepth.lab.evaluation.measures.points import cloud_scores

        values |= cloud_scores(aligned, truth, valid)
    return values


def sky_overlap(
    panorama: Panorama, predicted: Predicted, protocol: Protocol
) -> dict[str, float | None]:
    """`sky_iou`, intersection over union of predicted and true sky, and `sky_pixels`, that union.

    Pixels of which nothing is known do not count. None for a panorama whose truth marks no sky, and
    nothing at all where the predictor does not tell sky.
    """
    if predicted.sky is None or panorama.distance is None or panorama.mask is None:
        return {}
    truth = np.isposinf(panorama.distance)
    if not truth.any():
        return {"sky_iou": None, "sky_pixels": None}
    said = to_size(predicted.sky + np.float32(1), truth.shape, protocol.closed) > 1.5  # 1 no, 2 yes
    union = int(np.count_nonzero((said | truth) & (panorama.mask | truth)))
    return {"sky_iou": int(np.count_nonzero(said & truth)) / union, "sky_pixels": union}


def _check_units(panorama: Panorama, predicted: Predicted, protocol: Protocol) -> None:
    """A limit or a comparison in metres needs metres."""
    truth_unit = panorama.meta.get("unit", "m")
    if truth_unit == "relative" and (protocol.far is not None or protocol.alignment == "none"):
        raise InputError(
            f"its distance has no unit, and protocol {protocol.name} needs metres: "
            "use uncapped or sphere, or say the unit in dataset.json"
        )
    if predicted.unit == "relative" and protocol.alignment == "none":
        raise InputError(f"{NO_METRES}, and protocol {protocol.name} needs metres")


def _check_shape(distance: FloatArray, truth: FloatArray) -> None:
    """A map of another shape is of something else, or lies on its side; patches round a little."""
    (h, w), (height, width) = distance.shape, truth.shape
    if not width * h <= SHAPE_SLACK * height * w <= SHAPE_SLACK**2 * width * h:
        raise InputError(f"the prediction is {w}x{h}, of another shape than {width}x{height}")


def score_panoramas(
    panoramas: Mapping[str, Iterable[Panorama]], predictor: Predictor, geometry: bool = False
) -> list[Row]:
    """A row for each panorama, group by group, by protocol `uncapped`; those with nothing to
    measure are left out. geometry: edges and normals too, as `Extras`.
    """
    protocol, extras = PROTOCOLS["uncapped"], Extras(geometry=geometry)
    rows = []
    for group, members in panoramas.items():
        for number, panorama in enumerate(members):
            with contextlib.suppress(InputError):
                values = evaluate(panorama, predictor, protocol, extras)
                rows.append(Row(group, number, str(panorama.meta["name"]), values))
    return rows
