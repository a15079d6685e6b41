"""The report as one HTML file without links to anything: tables, and pictures inside it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from panodepth.lab.evaluation.report.catalogue import MEASURES
from panodepth.lab.evaluation.report.pictures import Choice
from panodepth.lab.evaluation.report.report import (
    INTERVALS,
    Table,
    measure_table,
    remarks,
    sections,
    title,
)

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 122rem; padding: 0 1rem;
       color: #1c1c1c; background: #fff; }
table { border-collapse: collapse; margin: 1rem 0; }
.wide { overflow-x: auto; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #ddd;
         white-space: nowrap; font-variant-numeric: tabular-nums; }
figure { margin: 1rem 0; } img { max-width: 100%; } figcaption { color: #555; }
"""


class Shown(NamedTuple):
    """A chosen sample and its strip of pictures (JPEG)."""

    choice: Choice
    jpeg: bytes


def html(
    report: Mapping[str, Any],
    others: Sequence[Mapping[str, Any]] = (),
    pictures: Sequence[Shown] = (),
) -> str:
    """The whole page."""
    head = escape(title(report))
    known = (*report["facts"], *remarks(report, others))
    facts = "".join(f"<li>{escape(fact)}</li>" for fact in known)
    tables = [f"<h2>{name}</h2>\n{_table(t)}" for name, t in sections(report, others).items()]
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{head}</title>",
        f"<style>{_STYLE}</style><h1>{head}</h1>",
        f"<p>Protocol: {escape(report['protocol']['summary'])}.</p>",
        f"<p>{INTERVALS}</p>",
        f"<ul>{facts}</ul>",
        _table(measure_table(report)),
        *tables,
    ]
    if pictures:
        parts.append("<h2>Worst and median</h2><p>Input, truth, prediction, error (red: too far, ")
        parts.append("blue: too near, by up to a factor of 1.5; dark: not measured).</p>")
        parts += [_figure(shown) for shown in pictures]
    return "\n".join(parts) + "\n"


def _table(table: Table) -> str:
    head, *body = table
    rows = ["<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>"]
    rows += ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in body]
    return "<div class=wide><table>" + "\n".join(rows) + "</table></div>"


def _figure(shown: Shown) -> str:
    row, why = shown.choice
    numbers = ", ".join(
        f"{MEASURES[key].label} {MEASURES[key].show(row.values.get(key))}"
        for key in ("abs_rel", "rmse", "delta1")
    )
    text = escape(f"{row.dataset}: {row.name} ({why}): {numbers}")
    data = base64.b64encode(shown.jpeg).decode("ascii")
    return (
        f'<figure><img alt="{text}" src="data:image/jpeg;base64,{data}">'
        f"<figcaption>{text}</figcaption></figure>"
    )
