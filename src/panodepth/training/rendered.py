"""Scores on rendered panoramas that are never trained on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from panodepth.training.config import VALIDATION_SEED, DataConfig
from panodepth.training.samples import Renderer, render_stored, scene_renderer
from panodepth.training.scores import Score, Summary, score_map, summarise
from panodepth.types import FloatArray

PredictBatch = Callable[[Tensor], tuple[Tensor, Tensor | None]]
"""(B, 3, H, W) to log distance (B, H, W) and sky logit (B, H, W) or None."""


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
        self._images: Tensor | None = None
        self._distance: list[tuple[str, FloatArray]] = []

    def _render(self) -> Tensor:
        renderer = self.renderer or scene_renderer()
        half = max(1, self.count // 2)
        images = []
        for kind in ("indoor", "outdoor"):
            data = dataclasses.replace(self.data, kind=kind)
            for start in range(0, half, data.render_batch):
                indices = range(start, min(start + data.render_batch, half))
                stored = render_stored(renderer, data, indices, seed=self.seed)
                images.append(stored.image.cpu())
                self._distance += [(kind, d.numpy()) for d in stored.distance.cpu()]
        return torch.cat(images)

    @torch.no_grad()
    def score(self, predict: PredictBatch, batch: int) -> Summary:
        """Mean AbsRel and δ1 by group, and the sky's intersection over union where predicted."""
        if self._images is None:
            self._images = self._render()
        scores: list[Score] = []
        both = either = 0
        for start in range(0, len(self._images), batch):
            images = self._images[start : start + batch].float() / 255.0
            log_distance, logit = predict(images)
            maps = log_distance.exp().cpu().numpy()
            for i, prediction in enumerate(maps):
                group, truth = self._distance[start + i]
                valid = np.isfinite(truth) & (truth > 0)
                if valid.any():
                    scores.append(score_map(prediction, truth, valid, str(start + i), group))
                if logit is not None:
                    said, is_sky = (logit[i] > 0).cpu().numpy(), np.isinf(truth)
                    both += int((said & is_sky).sum())
                    either += int((said | is_sky).sum())
        summary = summarise(scores)
        if either:
            summary["sky"] = {"iou": both / either}
        return summary
