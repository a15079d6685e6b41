"""The ten metrics and the protocols once more, pixel by pixel in plain Python: a slow, clear twin.

Written from docs/protocols.md alone; it shares no code with the package.
"""

from __future__ import annotations

import math

RULES = {
    # name: (far, align, clip, black, weighted)
    "da2": (5.0, "median", True, "alignment", False),
    "da2-fixed": (5.0, "median", True, "everywhere", False),
    "affine": (5.0, "affine", True, "alignment", False),
    "metric": (5.0, "none", True, "everywhere", False),
    "unik3d": (10.0, "median", True, "everywhere", False),
    "sphere": (math.inf, "median", False, "keep", True),
    "uncapped": (math.inf, "median", False, "keep", False),
}


def median(pairs):
    """Plain median of values with equal weights; the lower weighted median otherwise."""
    values = sorted(pairs)
    weights = [w for _, w in values]
    if len(set(weights)) == 1:
        plain, n = [v for v, _ in values], len(values)
        return (plain[(n - 1) // 2] + plain[n // 2]) / 2
    total, seen = sum(weights), 0.0
    for value, weight in values:
        seen += weight
        if seen >= total / 2:
            return value
    raise AssertionError


def ten(p, t, w):
    n = sum(w)

    def mean(values):
        return sum(v * x for v, x in zip(values, w, strict=True)) / n

    g = [math.log(a) - math.log(b) for a, b in zip(p, t, strict=True)]
    ratio = [max(a / b, b / a) for a, b in zip(p, t, strict=True)]
    mean_g = mean(g)
    return {
        "abs_rel": mean([abs(a - b) / b for a, b in zip(p, t, strict=True)]),
        "sq_rel": mean([(a - b) ** 2 / b for a, b in zip(p, t, strict=True)]),
        "rmse": math.sqrt(mean([(a - b) ** 2 for a, b in zip(p, t, strict=True)])),
        "rmse_log": math.sqrt(mean([x * x for x in g])),
        "log10": mean([abs(math.log10(a) - math.log10(b)) for a, b in zip(p, t, strict=True)]),
        "delta1": mean([float(r < 1.25) for r in ratio]),
        "delta2": mean([float(r < 1.5625) for r in ratio]),
        "delta3": mean([float(r < 1.953125) for r in ratio]),
        "irmse": math.sqrt(mean([(1 / a - 1 / b) ** 2 for a, b in zip(p, t, strict=True)])),
        "silog": 100 * math.sqrt(max(0.0, mean([x * x for x in g]) - mean_g**2)),
    }


def evaluate(image, prediction, truth, mask, protocol):
    """Arrays (H, W[, 3]) of one size; the ten metrics by name."""
    far, align, clip, black, weighted = RULES[protocol]
    height, width = len(truth), len(truth[0])
    measured, fitted = [], []
    for y in range(height):
        weight = math.cos(((y + 0.5) / height - 0.5) * math.pi) if weighted else 1.0
        for x in range(width):
            t, p = float(truth[y][x]), float(prediction[y][x])
            is_black = max(float(c) for c in image[y][x]) == 0.0
            if not mask[y][x] or not 1e-3 < t < far:
                continue
            if is_black and black == "everywhere":
                continue
            measured.append((p, t, weight))
            if not (is_black and black == "alignment"):
                fitted.append((p, t, weight))
    scale, shift = 1.0, 0.0
    if align == "median":
        scale = median([(t, w) for _, t, w in fitted]) / median([(p, w) for p, _, w in fitted])
    elif align == "affine":
        n = len(fitted)
        sp, st = sum(p for p, _, _ in fitted), sum(t for _, t, _ in fitted)
        spp = sum(p * p for p, _, _ in fitted)
        spt = sum(p * t for p, t, _ in fitted)
        scale = (n * spt - sp * st) / (n * spp - sp * sp)
        shift = (st - scale * sp) / n
    aligned = [max(scale * p + shift, 1e-6) for p, _, _ in measured]
    if clip:
        aligned = [min(max(a, 1e-3), far) for a in aligned]
    return ten(aligned, [t for _, t, _ in measured], [w for _, _, w in measured])
