"""Pieces of the demo's page as HTML; whatever a visitor named is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from panodepth.app.demo import Row
from panodepth.app.files import offered
from panodepth.app.results import Result
from panodepth.export import WRITERS

MARKS = {"waiting": "·", "working": "…", "done": "✓", "failed": "✗"}


def rows_html(rows: Sequence[Row]) -> str:
    """What became of each picture."""
    lines = [
        f'<li class="{row.state}"><b>{MARKS[row.state]}</b> {escape(row.name)}'
        f"{': ' + escape(row.text) if row.text else ''} <i>{row.state}</i></li>"
        for row in rows
    ]
    return f'<ul class="rows" role="status">{"".join(lines)}</ul>'


def problem_html(text: str) -> str:
    """Why nothing began."""
    return f'<p class="problem" role="alert">{escape(text)}</p>'


def viewer_html(result: Result) -> str:
    """The viewer with a result in it."""
    return (
        f'<iframe class="viewer" title="{escape(result.name)} in 3D" '
        f'src="results/{result.token}/html?inline=1"></iframe>'
    )


def downloads_html(result: Result) -> str:
    """A link for every format, and what is known of the result."""
    links = [
        f'<a href="results/{result.token}/{name}" target="_blank">{name}</a> '
        f"<small>{escape(WRITERS[name].about)}</small>"
        for name in offered()
    ]
    items = "".join(f"<li>{link}</li>" for link in links)
    return f'<p class="facts">{facts(result)}</p><ul class="downloads">{items}</ul>'


def facts(result: Result) -> str:
    """Size, unit and scale of a result, in a sentence."""
    prediction = result.prediction
    height, width = prediction.distance.shape
    told = f"{escape(result.name)}: {width}×{height}, {prediction.sky.mean():.0%} sky, "
    if prediction.scale is None:
        return told + "distances without a unit; a camera height gives metres"
    spread = "" if prediction.metres_spread is None else f" ± {prediction.metres_spread:.0%}"
    return told + f"in metres, {prediction.scale:.2f} m per unit{spread}"
