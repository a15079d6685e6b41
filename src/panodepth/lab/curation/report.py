"""The report of a run: counts, histograms, and a contact sheet of what was kept and rejected."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from panodepth.atomic import write_atomic
from panodepth.lab.curation.frame import REASONS
from panodepth.lab.curation.pipeline import RUN_FILE, records
from panodepth.lab.curation.plots import plot

PAGE, NUMBERS = "report.html", "report.json"
PER_REASON, KEPT_SHOWN = 8, 24  # thumbnails on the page
BINS = 24

_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:68em;padding:0 1em;color:#222}
table{border-collapse:collapse}
td,th{padding:.15em .8em;text-align:left;border-bottom:1px solid #ddd}
td.n{text-align:right}.sheet{display:flex;flex-wrap:wrap;gap:8px}figure{margin:0;width:192px}
figcaption{font-size:11px;overflow-wrap:anywhere;color:#555}img{width:192px;display:block}
.plots{display:flex;flex-wrap:wrap;gap:1.2em}svg{background:#f6f6f6}h2{margin-top:1.6em}
"""


def write_report(out: str | Path) -> dict[str, Any]:
    """Write OUT/report.html and report.json from the run's records; returns the numbers.

    Raises InputError when a record is damaged, OutputError when the folder cannot be written.
    """
    folder = Path(out)
    for name in (PAGE, NUMBERS, RUN_FILE):
        for left in folder.glob(f".{name}.*.tmp"):  # by a process that was killed
            left.unlink(missing_ok=True)
    numbers, sheets = _collect(folder)
    run = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    write_atomic(folder / NUMBERS, json.dumps(numbers, indent=1) + "\n")
    write_atomic(folder / PAGE, _page(run, numbers, sheets))
    return numbers


Thumb = tuple[str, str, str]  # base64 JPEG, name, detail


def _collect(folder: Path) -> tuple[dict[str, Any], dict[str, list[Thumb]]]:
    """The numbers, and thumbnails by reason ("kept" for the kept ones)."""
    counts: dict[str, int] = {}
    values: dict[str, list[float]] = {}
    sheets: dict[str, list[Thumb]] = {}
    first_of: dict[str, str] = {}
    repeated = 0
    for record in records(folder):
        for row in record["units"]:
            reason = row.get("reason", "kept")
            counts[reason] = counts.get(reason, 0) + 1
            for key, value in row.get("measured", {}).items():
                values.setdefault(key, []).append(value)
            if "digest" in row:
                repeated += row["digest"] in first_of
                first_of.setdefault(row["digest"], row["name"])
            shown = sheets.setdefault(reason, [])
            if "thumb" in row and len(shown) < (KEPT_SHOWN if reason == "kept" else PER_REASON):
                shown.append((row["thumb"], row["name"], row.get("detail", "")))
    kept = counts.pop("kept", 0)
    numbers = {
        "kept": kept,
        "rejected": dict(sorted(counts.items())),
        "repeated_between_chunks": repeated,
        "measured": {key: _summary(found) for key, found in sorted(values.items())},
    }
    return numbers, sheets


def _summary(values: Sequence[float]) -> dict[str, Any]:
    """Quantiles, and a histogram from the 1 % to the 99 % quantile."""
    array = np.array(values)
    low, middle, high = (float(q) for q in np.quantile(array, (0.01, 0.5, 0.99)))
    counts, edges = np.histogram(
        array.clip(low, high), BINS, (low, high if high > low else low + 1)
    )
    return {
        "mean": float(array.mean()),
        "quantiles": {"0.01": low, "0.5": middle, "0.99": high},
        "histogram": {"from": float(edges[0]), "to": float(edges[-1]), "counts": counts.tolist()},
    }


def _page(
    run: Mapping[str, Any], numbers: Mapping[str, Any], sheets: Mapping[str, list[Thumb]]
) -> str:
    rejected = numbers["rejected"]
    total = numbers["kept"] + sum(rejected.values())
    rows = [("kept", numbers["kept"], "")]
    rows += [(reason, count, REASONS.get(reason, "")) for reason, count in rejected.items()]
    table = "".join(
        f"<tr><td>{html.escape(reason)}</td><td class=n>{count}</td>"
        f"<td class=n>{count / max(total, 1):.1%}</td><td>{html.escape(text)}</td></tr>"
        for reason, count, text in rows
    )
    limits = run["plan"].get("limits", {})
    plots = "".join(plot(name, found, limits) for name, found in numbers["measured"].items())
    title = f"Curation of {html.escape(run['source'])}"
    parts = [
        f"<!doctype html><meta charset=utf-8><title>{title}</title>",
        f"<style>{_STYLE}</style><h1>{title}</h1>",
        f"<p>{total} frames, {numbers['kept']} kept. Panoramas of "
        f"{run['plan']['size'][1]} × {run['plan']['size'][0]}, out-painted by "
        f"{html.escape(run['plan']['outpainter'])}, seed {run['plan']['seed']}.</p>",
        f"<table><tr><th></th><th>frames</th><th>share</th><th></th></tr>{table}</table>",
        f"<h2>What was measured on kept frames</h2><div class=plots>{plots}</div>",
    ]
    for reason in ("kept", *rejected):
        if sheets.get(reason):
            count = numbers["kept"] if reason == "kept" else rejected[reason]
            shown = f"{html.escape(reason)}: {len(sheets[reason])} of {count:,}"
            parts.append(f"<h2>{shown}</h2><div class=sheet>")
            parts += [_figure(thumb) for thumb in sheets[reason]]
            parts.append("</div>")
    return "\n".join(parts) + "\n"


def _figure(thumb: Thumb) -> str:
    data, name, detail = thumb
    text = html.escape(f"{name}: {detail}" if detail else name)
    picture = f"data:image/jpeg;base64,{data}"
    return f"<figure><img alt='' src='{picture}'><figcaption>{text}</figcaption></figure>"
