"""The published table (DA², arXiv 2509.26618, table 1): 35 rows, three datasets, four measures."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

KINDS = ("stanford2d3d", "matterport3d", "panosuncg")  # names of `panodepth.lab.data.SOURCES`
IMAGES = dict(zip(KINDS, (1413, 2014, 3944), strict=True))  # of the released lists
KEYS = ("abs_rel", "rmse", "delta1", "delta2")
_UNIT = 100.0  # of the table, in ours: percent, and cm


@dataclass(frozen=True)
class PublishedRow:
    """setting: "in-domain", "zero-shot fusion", ..., with "affine" where so aligned.

    values: (kind, key) -> number as in our rows: fractions, and metres; None = not published.
    """

    setting: str
    method: str
    values: dict[tuple[str, str], float | None]


@cache
def published() -> tuple[PublishedRow, ...]:
    """All rows, in the paper's order."""
    file = resources.files("panodepth.lab.evaluation.report").joinpath("published_table.csv")
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    return tuple(PublishedRow(row["setting"], row["method"], _values(row)) for row in rows)


def _values(row: Mapping[str, str]) -> dict[tuple[str, str], float | None]:
    cells = {(kind, key): row[f"{kind}_{key.replace('_', '')}"] for kind in KINDS for key in KEYS}
    return {place: float(cell) / _UNIT if cell else None for place, cell in cells.items()}
