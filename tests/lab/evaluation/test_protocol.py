"""Protocols are what docs/protocols.md says they are."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from panodepth.lab.evaluation.measures.metrics import ten_metrics
from panodepth.lab.evaluation.protocol import PROTOCOLS
from panodepth.lab.evaluation.report.catalogue import MEASURES

DOCS = Path(__file__).parents[3] / "docs" / "protocols.md"
ALIGNMENTS = {"least squares": "affine", "none": "none"}
BLACK = {"kept": "keep", "left out": "everywhere", "left out of the alignment only": "alignment"}


def documented() -> dict[str, list[str]]:
    """Name -> the cells of its row in the first table."""
    text = DOCS.read_text().split("## Protocols")[1].split("###")[0]
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| `")]
    return {cells[0].strip(" `"): [cell.strip() for cell in cells[1:]] for cells in rows}


def test_the_table_has_them_all():
    assert list(documented()) == list(PROTOCOLS)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_cell_is_true(name):
    protocol, rows = PROTOCOLS[name], documented()
    limit, alignment, clipped, black, weights, units, picture = (
        rows["da2"][i] if cell == "as `da2`" else cell for i, cell in enumerate(rows[name])
    )
    far = None if protocol.far is None else f"1 mm < t < {protocol.far:g} m"
    assert limit == (far or "t > 1 mm")
    assert protocol.near == 1e-3
    assert ALIGNMENTS.get(alignment, "median") == protocol.alignment
    assert ("solid angle" in alignment) == protocol.solid_angle
    assert (clipped == "yes") == protocol.clip
    assert BLACK[black] == protocol.black
    assert (weights == "solid angle") == protocol.solid_angle
    assert (units == "released") == protocol.released_units
    assert (picture != "as it is") == (protocol.long_side == 1092) == (not protocol.closed)


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=lambda p: p.name)
def test_protocols_are_frozen_and_tell_themselves(protocol):
    with pytest.raises(dataclasses.FrozenInstanceError):
        protocol.far = 1.0
    facts = "; ".join(protocol.facts())
    assert ("no upper limit" in facts) == (protocol.far is None)
    assert ("released evaluation" in facts) == protocol.released_units
    assert set(protocol.describe()) == {f.name for f in dataclasses.fields(protocol)}


def test_every_measure_has_a_name_for_people():
    one = np.ones((1, 1), np.float32)
    assert ten_metrics(one, one, one > 0).keys() <= MEASURES.keys()
    assert MEASURES["abs_rel"].show(0.0723) == "7.23"
    assert MEASURES["abs_rel"].show(None) == "–"
    assert [MEASURES[key].arrow for key in ("rmse", "delta1")] == ["↓", "↑"]
