"""Scores on rendered panoramas that are never trained on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from panodepth.lab.training.config import VALIDATION_SEED, DataConfig
from panodepth.lab.training.feed.samples import Renderer, render_stored, scene_renderer
from panodepth.lab.training.scores import Score, Summary, count_sky, score_map, summarise
from panodepth.strict import build
from panodepth.types import FloatArray

PredictBatch = Callable[[Tensor], tuple[Tensor, Tensor | None]]
"""(B, 3, H, W) to log distance (B, H, W) and sky logit (B, H, W) or None."""


class RenderedPanorama(NamedTuple):
    """image: (3, H, W) uint8. distance: (H, W) float32 [m], 0 = not given, inf = sky."""

    kind: str
    number: int
    image: Tensor
    distance: FloatArray

    @property
    def name(self) -> str:
        """Such as "outdoor_000012"."""
        return f"{self.kind}_{self.number:06d}"


def rendered_panoramas(
    data: DataConfig, counts: Mapping[str, int], seed: int, renderer: Renderer | None = None
) -> Iterator[RenderedPanorama]:
    """Scenes 0 .. count - 1 of each kind ("indoor", "outdoor"), one by one, at `data`'s size."""
    chosen = renderer or scene_renderer()
    for kind, count in counts.items():
        of_kind = build(DataConfig, {"kind": kind}, "data", data)
        for start in range(0, count, data.render_batch):
            indices = range(start, min(start + data.render_batch, count))
            with torch.no_grad():
                stored = render_stored(chosen, of_kind, indices, seed=seed)
            images, distances = stored.image.cpu(), stored.distance.cpu().numpy()
            for i, index in enumerate(indices):
                yield RenderedPanorama(kind, index, images[i], distances[i])


def score_panorama(
    prediction: FloatArray, logit: FloatArray | None, panorama: RenderedPanorama
) -> Score | None:
    """Measure (H, W) distance and sky logit, both at the panorama's size; None: no surface in it.

    Sky is where logit > 0, and where the truth is infinite.
    """
    truth = panorama.distance
    valid = np.isfinite(truth) & (truth > 0)
    if not valid.any():
        return None
    score = score_map(prediction, truth, valid, panorama.name, panorama.kind)
    if logit is None:
        return score
    both, either = count_sky(logit > 0, np.isinf(truth))
    return dataclasses.replace(score, sky_both=both, sky_either=either)


class RenderedSet:
    """A fixed set of rendered panoramas of a seed not trained on, rendered when first needed.

    Half indoor, half outdoor, at the size that `data` gives.
    """

    def __init__(
        self,
        data: DataConfig,
        count: int,
        renderer: Renderer | None = None,
        seed: int = VALIDATION_SEED,
    ) -> None:
        self.data = data
        self.count = count
        self.renderer = renderer
        self.seed = seed
        self._panoramas: list[RenderedPanorama] = []

    def panoramas(self) -> Sequence[RenderedPanorama]:
        """All of them, kept in memory."""
        if not self._panoramas:
            half = max(1, self.count // 2)
            counts = {"indoor": half, "outdoor": half}
            made = rendered_panoramas(self.data, counts, self.seed, self.renderer)
            self._panoramas = list(made)
        return self._panoramas

    @torch.no_grad()
    def scores(self, predict: PredictBatch, batch: int) -> list[Score]:
        """The score of every panorama, `batch` predicted at once."""
        panoramas = self.panoramas()
        scores: list[Score | None] = []
        for start in range(0, len(panoramas), batch):
            chosen = panoramas[start : start + batch]
            log_distance, logit = predict(torch.stack([p.image for p in chosen]).float() / 255.0)
            maps = log_distance.float().exp().cpu().numpy()
            logits = [None] * len(chosen) if logit is None else logit.float().cpu().numpy()
            scores += [score_panorama(*x) for x in zip(maps, logits, chosen, strict=True)]
        return [score for score in scores if score is not None]

    def score(self, predict: PredictBatch, batch: int, *, intervals: bool = False) -> Summary:
        """Mean AbsRel and δ1 by group, and the sky's intersection over union where predicted."""
        return summarise(self.scores(predict, batch), intervals=intervals)
