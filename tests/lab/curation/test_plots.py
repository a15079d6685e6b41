"""Histograms of the report: axes, limits in their place, how many of how many are shown."""

from __future__ import annotations

import re

import numpy as np
import pytest
from tests.lab.curation.conftest import Made
from tests.lab.curation.test_pipeline import PLAN, frames

from panodepth.lab.curation.pipeline import Options, curate
from panodepth.lab.curation.plots import LEFT, LIMITS, UNITS, WIDTH, plot
from panodepth.lab.curation.quality import Limits
from panodepth.lab.curation.report import write_report

FOUND = {
    "quantiles": {"0.5": 0.4},
    "histogram": {"from": 0.3, "to": 0.7, "counts": [3, 0, 12, 5]},
}


def places(svg: str, colour: str) -> list[float]:
    return [float(x) for x in re.findall(rf"<line x1=([\d.]+) [^>]*stroke={colour}", svg)]


def test_axes_have_their_ends_and_the_median_its_place() -> None:
    svg = plot("contrast", FOUND, {})
    for text in (">0.3<", ">0.7<", ">12<", ">0<", "median 0.4"):
        assert text in svg
    assert places(svg, "#4a6fa5") == [pytest.approx(LEFT + WIDTH / 4, abs=0.1)]
    assert places(svg, "#b3261e") == []


def test_a_limit_near_the_values_widens_the_axis() -> None:
    svg = plot("valid", FOUND, {"valid": 0.1})
    assert places(svg, "#b3261e") == [pytest.approx(LEFT)]
    assert ">0.1<" in svg
    assert "limit: at least 0.1<" in svg
    inside = plot("sky", FOUND, {"sky": 0.5})
    assert places(inside, "#b3261e") == [pytest.approx(LEFT + WIDTH / 2)]
    assert "limit: at most 0.5" in inside


def test_a_limit_far_away_is_told_alone() -> None:
    svg = plot("median", FOUND, {"near": 0.2, "far": 200.0})
    assert places(svg, "#b3261e") == [pytest.approx(LEFT)]
    assert "limit: at most 200 (off the axis)" in svg


def test_every_limit_that_has_a_measure_is_marked() -> None:
    keys = {key for marks in LIMITS.values() for key, _ in marks}
    assert keys | {"same"} == set(vars(Limits()))
    assert set(LIMITS) <= set(UNITS)


@pytest.mark.parametrize("counts", [[0, 0], [7]])
def test_bars_stay_inside(counts: list[int]) -> None:
    found = {"quantiles": {"0.5": 1.0}, "histogram": {"from": 1, "to": 2, "counts": counts}}
    heights = [float(h) for h in re.findall(r"height=([\d.]+) fill", plot("edges", found, {}))]
    assert np.all(np.array(heights) <= 80)


def test_the_sheet_says_how_many_of_how_many(made: Made) -> None:
    out = made.root / "out"
    curate(frames(made), PLAN, out, Options(chunk=7))
    write_report(out)
    page = (out / "report.html").read_text()
    assert "<h2>kept: 3 of 6</h2>" in page
    assert "<h2>intrinsics: " not in page or "intrinsics: 1 of 1" in page
    assert page.count("limit</text>") >= 3
