"""AbsRel and δ1 after median alignment, sky, by image and by group, and their table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from panodepth.lab.evaluation.measures.align import median_scale
from panodepth.lab.evaluation.measures.metrics import abs_rel, delta
from panodepth.types import BoolArray, FloatArray

Summary = dict[str, dict[str, float]]
"""Group -> measure -> value."""

RESAMPLES = 4000
COVERAGE_PERCENT = 95.0


@dataclass(frozen=True)
class Score:
    """One image: abs_rel is a fraction, delta1 the share of pixels within a factor of 1.25.

    sky_both, sky_either: pixels that are sky by prediction and truth, and by one of them at least;
    None where there is no sky output or no such truth.
    """

    name: str
    group: str
    abs_rel: float
    delta1: float
    sky_both: int | None = None
    sky_either: int | None = None


def score_map(
    prediction: FloatArray, truth: FloatArray, valid: BoolArray, name: str = "", group: str = ""
) -> Score:
    """Measure one (H, W) prediction after median alignment."""
    aligned = prediction * np.float32(median_scale(prediction, truth, valid))
    return Score(name, group, abs_rel(aligned, truth, valid), delta(aligned, truth, valid))


def bootstrap_interval(
    values: Sequence[float], weights: Sequence[float] | None = None
) -> tuple[float, float]:
    """95 % interval of Σ values / Σ weights (weights: 1, the mean) over images drawn anew.

    Percentile bootstrap with a fixed seed. It says how much the number would move with other images
    of the same kind; with fewer than about ten images it is too narrow.
    """
    top = np.asarray(values, dtype=np.float64)
    bottom = np.ones_like(top) if weights is None else np.asarray(weights, dtype=np.float64)
    drawn = np.random.default_rng(0).integers(len(top), size=(RESAMPLES, len(top)))
    below = bottom[drawn].sum(axis=1)
    ratios = top[drawn].sum(axis=1)[below > 0] / below[below > 0]
    tail = (100.0 - COVERAGE_PERCENT) / 2
    low, high = np.percentile(ratios, [tail, 100.0 - tail])
    return float(low), float(high)


def summarise(scores: Sequence[Score], *, intervals: bool = False) -> Summary:
    """Group -> means over its images and their number; "sky" -> intersection over union.

    The sky's pixels are counted over all images together. intervals: also `NAME_low` and
    `NAME_high`, see `bootstrap_interval`.
    """
    groups: Summary = {}

    def put(group: str, name: str, values: list[float], weights: list[float] | None) -> None:
        total = float(len(values)) if weights is None else sum(weights)
        groups[group][name] = sum(values) / total
        if intervals and len(values) > 1:
            low, high = bootstrap_interval(values, weights)
            groups[group] |= {f"{name}_low": low, f"{name}_high": high}

    for group in sorted({s.group for s in scores}):
        mine = [s for s in scores if s.group == group]
        groups[group] = {}
        put(group, "abs_rel", [s.abs_rel for s in mine], None)
        put(group, "delta1", [s.delta1 for s in mine], None)
        groups[group]["images"] = len(mine)
    sky = [(s.sky_both, s.sky_either) for s in scores if s.sky_both is not None and s.sky_either]
    if sky:
        groups["sky"] = {}
        put("sky", "iou", [float(b) for b, _ in sky], [float(e or 0) for _, e in sky])
    return groups


def count_sky(said: BoolArray, truth: BoolArray) -> tuple[int, int]:
    """Pixels that both maps call sky, and that one of them does."""
    return int(np.count_nonzero(said & truth)), int(np.count_nonzero(said | truth))


def table(rows: Mapping[str, Summary]) -> str:
    """Plain text, one line per (predictor, group); intervals in brackets where there are."""
    lines = [f"{'':12s}{'group':10s}{'AbsRel':24s}{'δ1':24s}{'images':>6s}"]
    for who, groups in rows.items():
        for group, s in groups.items():
            if "abs_rel" in s:
                numbers = f"{_cell(s, 'abs_rel')}{_cell(s, 'delta1')}{s['images']:6.0f}"
            else:
                numbers = f"IoU {_cell(s, 'iou')}".rstrip()
            lines.append(f"{who:12s}{group:10s}{numbers}")
    return "\n".join(lines)


def _cell(values: Mapping[str, float], name: str) -> str:
    text = f"{values[name]:.4f}"
    if f"{name}_low" in values:
        text += f" [{values[f'{name}_low']:.4f}, {values[f'{name}_high']:.4f}]"
    return f"{text:24s}"
