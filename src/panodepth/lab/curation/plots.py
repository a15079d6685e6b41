"""Histograms of a run's report, as SVG: axes with their ends, the median, and the gates' limits."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

WIDTH, HEIGHT = 240, 80  # [px] of the bars; axes and their numbers lie outside
LEFT, RIGHT, TOP, BOTTOM = 34, 14, 14, 18
# Measure -> its limits: a key of `quality.Limits`, and whether it is the least or the most allowed.
LIMITS = {
    "valid": (("valid", "least"),),
    "sky": (("sky", "most"),),
    "median": (("near", "least"), ("far", "most")),
    "spread": (("spread", "least"),),
    "contrast": (("contrast", "least"),),
    "sharpness": (("sharpness", "least"),),
    "flying": (("flying", "most"),),
    "edges": (("edges", "least"),),
    "coverage": (("coverage", "least"),),
}
UNITS = {
    "median": "median depth, in the frames' unit",
    "spread": "95 % / 5 % quantile of depth",
    "contrast": "standard deviation of grey, of 255",
    "coverage": "share of the sphere with a distance",
    "valid": "share of the frame with a depth",
    "sky": "share of the frame that is sky",
    "sharpness": "finest octave / next",
    "flying": "share of flying pixels",
    "edges": "depth edges on picture edges, over elsewhere (1 is chance)",
    "agreement": "share on which stitched views agree",
}


def plot(name: str, found: Mapping[str, Any], limits: Mapping[str, float]) -> str:
    """A histogram with its caption. found: as report.json has it; limits: those of the plan.

    The axis reaches out to a limit that is near the values; one farther away is told alone.
    """
    histogram = found["histogram"]
    start, stop = float(histogram["from"]), float(histogram["to"])
    marks = [(limits[key], side) for key, side in LIMITS.get(name, ()) if key in limits]
    near = [at for at, _ in marks if start - (stop - start) <= at <= stop + (stop - start)]
    low, high = min([start, *near]), max([stop, *near])

    def x(value: float) -> float:
        return LEFT + WIDTH * (value - low) / (high - low)

    counts = histogram["counts"]
    top, width = max(max(counts), 1), (x(stop) - x(start)) / len(counts)
    bars = [
        _rect(x(start) + i * width, HEIGHT * count / top, max(width - 1, 0.5))
        for i, count in enumerate(counts)
    ]
    floor, end = TOP + HEIGHT, LEFT + WIDTH
    axes = f"<path d='M{LEFT} {TOP}V{floor}H{end}' fill=none stroke=#555 />"
    labels = [
        _text(LEFT, floor + 13, "start", f"{low:.3g}"),
        _text(end, floor + 13, "end", f"{high:.3g}"),
        _text(LEFT - 4, TOP + 8, "end", f"{top:,}"),
        _text(LEFT - 4, floor, "end", "0"),
    ]
    lines = [_line(x(found["quantiles"]["0.5"]), "#4a6fa5", "median")]
    lines += [_line(x(at), "#b3261e", "limit") for at in near]
    size = f"width={LEFT + WIDTH + RIGHT} height={TOP + HEIGHT + BOTTOM}"
    svg = f"<svg {size}>{''.join([*bars, axes, *labels, *lines])}</svg>"
    told = [f"{name}: {UNITS.get(name, '')}", f"median {found['quantiles']['0.5']:.3g}"]
    told += [
        f"limit: at {side} {at:g}{'' if at in near else ' (off the axis)'}" for at, side in marks
    ]
    caption = html.escape("; ".join(told))
    return (
        f"<figure style='width:{LEFT + WIDTH + RIGHT}px'>{svg}"
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _rect(left: float, height: float, width: float) -> str:
    place = f"x={left:.1f} y={TOP + HEIGHT - height:.1f}"
    return f"<rect {place} width={width:.1f} height={height:.1f} fill=#9db4d6 />"


def _text(x: float, y: float, anchor: str, text: str) -> str:
    where = f"x={x:.1f} y={y:.1f} text-anchor={anchor}"
    return f"<text {where} font-size=10 fill=#555>{html.escape(text)}</text>"


def _line(x: float, colour: str, text: str) -> str:
    place = f"x1={x:.1f} x2={x:.1f} y1={TOP} y2={TOP + HEIGHT}"
    line = f"<line {place} stroke={colour} stroke-width=1.5 stroke-dasharray='4 3' />"
    return f"{line}<text x={x:.1f} y=10 text-anchor=middle font-size=10 fill={colour}>{text}</text>"
