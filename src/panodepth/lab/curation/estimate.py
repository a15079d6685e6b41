"""Depth for frames that have none: a pseudo-label by somebody else's model, marked as such."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any, Literal, Protocol, cast

import numpy as np

from panodepth.errors import ModelError, one_line, require
from panodepth.geometry.points import distance_to_z_depth
from panodepth.lab.curation.frame import Frame, RejectedError, clean_map
from panodepth.lab.curation.project import place
from panodepth.types import ByteArray, FloatArray

Form = Literal["z_depth", "distance", "inverse"]  # "inverse" is 1 / z-depth
FORMS: dict[str, Form] = {"inverse": "inverse", "z": "z_depth", "distance": "distance"}
FARTHEST = 50.0  # of an inverse depth: 1/50 of the nearest is the farthest that is believed
ALIGN_SIZE = (128, 256)  # panorama on which overlaps are compared
ENOUGH = 50  # pixels of overlap that tie two views together


@dataclass(frozen=True)
class Estimate:
    """values: (h', w') float32 of any size. form: what they are."""

    values: FloatArray
    form: Form
    unit: Literal["m", "relative"] = "relative"


class DepthEstimator(Protocol):
    """A monocular depth model. `name` goes into the provenance as "pseudo_label"."""

    @property
    def name(self) -> str: ...

    def __call__(self, image: ByteArray) -> Estimate:
        """image: (h, w, 3) uint8 sRGB."""
        ...


@dataclass(frozen=True)
class TransformersEstimator:
    """A `transformers` depth-estimation pipeline; loaded at the first picture, once per object.

    model: hub id or folder. form, unit: what the model's card says it predicts. device: "auto",
    "cpu", "cuda:1", ... make_pipeline: stands in for `transformers.pipeline` (for tests and other
    sources of pipelines). Calling it raises ConfigError when transformers is not installed or there
    is no such device, ModelError when the model cannot be loaded.
    """

    model: str
    form: Form = "inverse"
    unit: Literal["m", "relative"] = "relative"
    device: str = "auto"
    make_pipeline: Callable[..., Any] | None = None

    @property
    def name(self) -> str:
        return self.model

    def __call__(self, image: ByteArray) -> Estimate:
        """image: (h, w, 3) uint8 sRGB."""
        from PIL import Image

        found = self._pipeline(Image.fromarray(image))["predicted_depth"]
        values = np.asarray(found.numpy() if hasattr(found, "numpy") else found, np.float32)
        return Estimate(
            np.ascontiguousarray(values.reshape(values.shape[-2:])), self.form, self.unit
        )

    @cached_property
    def _pipeline(self) -> Any:
        from panodepth.device import choose_device

        device = choose_device(self.device)
        make = self.make_pipeline
        if make is None:
            require("estimated depth", "outpaint", "transformers")
            import transformers

            make = cast(Callable[..., Any], transformers.pipeline)
        try:
            return make("depth-estimation", model=self.model, device=device)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ModelError(
                f"depth model {self.model} cannot be loaded ({one_line(error, 300)})"
            ) from None


def parse_estimator(text: str, device: str) -> TransformersEstimator:
    """The estimator that a text names: MODEL or MODEL:FORM; form "inverse", "z" or "distance"."""
    model, _, form = text.rpartition(":")
    if form not in FORMS:
        model, form = text, "inverse"
    return TransformersEstimator(model, FORMS[form], device=device)


def estimate_z_depth(frame: Frame, estimator: DepthEstimator) -> Frame:
    """The frame with an estimated z-depth, and the model's name in its meta as "pseudo_label".

    Raises RejectedError when the model gives nothing usable.
    """
    import cv2

    estimate = estimator(frame.image)
    values = estimate.values
    if values.ndim != 2 or not np.isfinite(values).any():
        raise RejectedError("no_depth", f"{estimator.name} gave no depth")
    if values.shape != frame.size:
        width_height = frame.size[::-1]  # as OpenCV wants it
        resized = cv2.resize(values, width_height, interpolation=cv2.INTER_LINEAR)
        values = np.asarray(resized, np.float32)
    if estimate.form == "inverse":
        nearest = float(np.nanmax(values))
        if not nearest > 0:
            raise RejectedError("no_depth", f"{estimator.name} gave no depth")
        values = 1 / np.maximum(values / nearest, 1 / FARTHEST)
    elif estimate.form == "distance":
        values = distance_to_z_depth(values, frame.lens)
    z_depth = clean_map(values)
    z_depth[np.isinf(z_depth)] = 0
    meta = {**frame.meta, "pseudo_label": estimator.name}
    return replace(frame, z_depth=z_depth, unit=estimate.unit, meta=meta)


def align_scales(frames: Sequence[Frame]) -> list[Frame]:
    """Posed views of one place with their z-depths on one scale, the first frame's.

    The logarithms of the scales are fitted to the median ratios of all overlaps (least squares);
    views are compared by direction, so they should be from about one place. A view that overlaps no
    other keeps its scale.
    """
    layers = []
    for frame in frames:
        rotation = np.eye(3) if frame.pose is None else frame.pose[:3, :3]
        distance = place(frame, rotation, ALIGN_SIZE).distance
        layers.append(np.where(np.isfinite(distance), distance, 0))
    unit = np.eye(len(frames))
    rows, sides = [], []  # one equation per overlap: log scale i - log scale j = log ratio
    for i, j in combinations(range(len(frames)), 2):
        both = (layers[i] > 0) & (layers[j] > 0)
        count = np.count_nonzero(both)
        if count >= ENOUGH:
            ratio = np.median(np.log(layers[j][both] / layers[i][both]))
            rows.append(np.sqrt(count) * (unit[i] - unit[j]))
            sides.append(np.sqrt(count) * ratio)
    if not rows:
        return list(frames)
    # Only differences are known: the solution of least norm leaves views without overlap at 0.
    logs = np.linalg.lstsq(np.array(rows), np.array(sides), rcond=None)[0]
    overlaps = np.abs(rows).sum(0) > 0
    scales = np.where(overlaps, np.exp(logs - logs[0]), 1).astype(np.float32)
    return [
        replace(frame, z_depth=None if frame.z_depth is None else frame.z_depth * scale)
        for frame, scale in zip(frames, scales, strict=True)
    ]
