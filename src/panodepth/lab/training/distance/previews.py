"""Preview pictures of a run: rows of input, truth, prediction and error."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from panodepth.export.colour import colourise, distance_range, distance_table
from panodepth.lab.losses import Truth, log_alignment
from panodepth.types import BoolArray, ByteArray, FloatArray

ERROR_LIMIT = 0.5  # |log error| shown in the brightest colour: 65 % too far


def draw_preview(image: Tensor, truth: Truth, log_distance: Tensor) -> ByteArray:
    """(B·H, 4·W, 3) uint8: input, truth, prediction, error of each panorama in a row.

    image: (B, 3, H, W) in [0, 1]; log_distance: (B, H, W). The prediction is aligned to the truth
    by the median and shown on its colour scale; the error is |log prediction / truth|, from dark
    (0) to bright (`ERROR_LIMIT` and more). Pixels without a truth are shown as masked.
    """
    valid = truth.valid
    log_true = torch.where(valid, truth.distance, 1.0).log()
    aligned = log_distance.float() + log_alignment(log_distance, log_true, valid)[:, None, None]
    seen = (image.permute(0, 2, 3, 1) * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    predicted, true = aligned.exp().cpu().numpy(), log_true.exp().cpu().numpy()
    error = (aligned - log_true).abs().cpu().numpy()
    known = valid.cpu().numpy()
    rows = [
        np.concatenate([seen[i], *_maps(predicted[i], true[i], error[i], known[i])], axis=1)
        for i in range(len(seen))
    ]
    return np.concatenate(rows)


def _maps(
    predicted: FloatArray, true: FloatArray, error: FloatArray, known: BoolArray
) -> tuple[ByteArray, ByteArray, ByteArray]:
    limits = distance_range(true, known) if known.any() else None
    place = (error / ERROR_LIMIT).clip(0, 1) * 255
    wrong = distance_table()[::-1][place.astype(np.uint8)]
    masked = colourise(true, np.zeros_like(known))
    return (
        colourise(true, known, limits=limits),
        colourise(predicted, limits=limits),
        np.where(known[..., None], wrong, masked),
    )
