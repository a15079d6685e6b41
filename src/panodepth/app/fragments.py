"""Pieces of the demo's page as HTML; whatever a visitor named is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from panodepth.app.demo import Row
from panodepth.app.files import offered
from panodepth.app.results import Result
from panodepth.export import WRITERS
from panodepth.export.formats import EYES_IN_METRES, IN_METRES

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
    """The viewer with a result in it, over a line that is seen until its page has come."""
    return (
        '<div class="place"><p>The room is being built: large pictures take a while.</p>'
        f'<iframe class="viewer" allow="fullscreen" title="{escape(result.name)} in 3D" '
        f'src="results/{result.token}/html?inline=1"></iframe></div>'
    )


def downloads_html(result: Result) -> str:
    """A link for every format that the result can be written in, and what is known of it."""
    relative = result.prediction.scale is None
    items = ""
    for name in offered():
        about = escape(WRITERS[name].about)
        if relative and name in (*IN_METRES, *EYES_IN_METRES):
            items += f"<li>{name} <small>{about}: needs a camera height</small></li>"
            continue
        link = f'<a href="results/{result.token}/{name}" target="_blank">{name}</a>'
        items += f"<li>{link} <small>{about}</small></li>"
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
