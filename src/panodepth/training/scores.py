"""AbsRel and δ1 after median alignment, by image and by group, and their table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from panodepth.evaluation.align import median_scale
from panodepth.evaluation.metrics import abs_rel, delta
from panodepth.types import BoolArray, FloatArray

Summary = dict[str, dict[str, float]]
"""Group -> measure -> value."""


@dataclass(frozen=True)
class Score:
    """One image: abs_rel is a fraction, delta1 the share of pixels within a factor of 1.25."""

    name: str
    group: str
    abs_rel: float
    delta1: float


def score_map(
    prediction: FloatArray, truth: FloatArray, valid: BoolArray, name: str = "", group: str = ""
) -> Score:
    """Measure one (H, W) prediction after median alignment."""
    aligned = prediction * np.float32(median_scale(prediction, truth, valid))
    return Score(name, group, abs_rel(aligned, truth, valid), delta(aligned, truth, valid))


def summarise(scores: Sequence[Score]) -> Summary:
    """Group -> means over its images and their number."""
    groups: Summary = {}
    for group in sorted({s.group for s in scores}):
        mine = [s for s in scores if s.group == group]
        groups[group] = {
            "abs_rel": float(np.mean([s.abs_rel for s in mine])),
            "delta1": float(np.mean([s.delta1 for s in mine])),
            "images": len(mine),
        }
    return groups


def table(rows: Mapping[str, Summary]) -> str:
    """Plain text, one line per (predictor, group)."""
    lines = [f"{'':12s}{'group':10s}{'AbsRel':>8s}{'δ1':>8s}{'images':>8s}"]
    for who, groups in rows.items():
        for group, s in groups.items():
            if "abs_rel" in s:
                numbers = f"{s['abs_rel']:8.4f}{s['delta1']:8.4f}{s['images']:8.0f}"
            else:
                numbers = "  " + " ".join(f"{k} {v:.4f}" for k, v in s.items())
            lines.append(f"{who:12s}{group:10s}{numbers}")
    return "\n".join(lines)
