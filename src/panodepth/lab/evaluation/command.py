"""What `panodepth evaluate` does, without the command line: run, and write the report."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from panodepth.atomic import write_atomic
from panodepth.errors import PanodepthError, require
from panodepth.jobs import Workers
from panodepth.lab.evaluation.report import paired, pictures, report
from panodepth.lab.evaluation.report.page import Shown, html
from panodepth.lab.evaluation.request import Request
from panodepth.lab.evaluation.run.journal import Row
from panodepth.lab.evaluation.run.runner import Place, Run, run_all, sample
from panodepth.lab.evaluation.scoring import compare, predict
from panodepth.version import __version__

PAGE_FILE, MARKDOWN_FILE, CSV_FILE = "index.html", "report.md", "images.csv"


def evaluate_run(
    run: Run,
    request: Request,
    workers: Workers | None = None,
    identity: str = "",
    on_row: Callable[[Row], None] | None = None,
) -> dict[str, Any]:
    """Measure everything, write the report into `request.out` and return what report.json holds.

    A part of a run writes its rows alone; the plain command then finds them and writes the report.
    identity: what, beside names, tells this predictor from others. Raises ConfigError, ModelError
    or OutputError when nothing can start.
    """
    if run.extras.points:
        require("--points", "eval", "scipy")
    others = [report.read_report(folder) for folder in request.compare]
    earlier = [paired.read_images(folder, CSV_FILE) for folder in request.compare]
    header = {  # what tells this run from others: the journal's first line
        "version": __version__,
        "predictor": request.predictor,
        "identity": identity,
        "protocol": run.protocol.describe(),
        "extras": asdict(run.extras),
        "datasets": [dataset.describe() for dataset in run.datasets],
        "threads": run.threads,
    }
    rows = run_all(run, Place(request.out, header, request.part), workers, on_row)
    kinds = {dataset.name: dataset.kind for dataset in run.datasets}
    made = report.build(rows, run.protocol, kinds, header)
    made |= {"beside": [], "not_beside": []} if others else {}
    for other, images in zip(others, earlier, strict=True):
        records = paired.differences(made, rows, other, images)
        made["beside"] += records
        made["not_beside"] += [] if records else [paired.why_not(made, other, images)]
    if request.part is None:
        shown = _pictures(run, rows, request.pictures)
        write_report(request.out, rows, made, others, shown)
    return made


def write_report(
    out: Path,
    rows: Sequence[Row],
    made: Mapping[str, Any],
    others: Sequence[Mapping[str, Any]] = (),
    shown: Sequence[Shown] = (),
) -> None:
    """report.json, report.md, images.csv and index.html, each whole or not there at all."""
    write_atomic(out / CSV_FILE, report.csv_text(rows))
    write_atomic(out / MARKDOWN_FILE, report.markdown(made, others))
    write_atomic(out / PAGE_FILE, html(made, others, shown))
    write_atomic(out / report.REPORT_FILE, json.dumps(made, indent=1, ensure_ascii=False) + "\n")


def plain_text(made: Mapping[str, Any], request: Request) -> str:
    """The table of measures for a terminal, and where the report is."""
    if request.part is not None:
        i, n = request.part
        place = f"part {i} of {n} is in {request.out}"
        return f"{place}; without --part the same command writes the report"
    table = report.measure_table(made)
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in table]
    head = f"{report.title(made)}: {made['protocol']['summary']}"
    notes = [f"note: {text}" for text in report.other_images(made)]
    notes += paired.sentences(made.get("beside", ()))
    notes += [f"note: {text}" for text in made.get("not_beside", ())]
    page = f"report: {request.out / PAGE_FILE}"
    return "\n".join([head, *(line.rstrip() for line in lines), *notes, page])


def skipped_lines(made: Mapping[str, Any]) -> list[str]:
    """One line a sample; where a dataset gave no number at all, one line a reason, of which the
    first sample's stands for those that differ in the sample's name alone.
    """
    found: dict[tuple[str, ...], list[Mapping[str, str]]] = {}
    for row in made["skipped"]:
        dataset, name = row["dataset"], row["name"]
        alone = (name,) if made["datasets"][dataset]["images"] else ()
        own = (
            rf"(?<![\w.]){re.escape(name.rpartition('/')[2])}(?=[_.])"  # its files' names begin so
        )
        alike = re.sub(own, "*", row["reason"])
        found.setdefault((dataset, alike, *alone), []).append(row)
    return [
        f"{first['dataset']}: {first['name']}{f' and {len(others)} more' * bool(others)}: "
        f"{first['reason']}"
        for first, *others in found.values()
    ]


def _pictures(run: Run, rows: Sequence[Row], count: int) -> list[Shown]:
    """Predict the chosen samples once more and draw them; a sample that now fails is left out."""
    chosen = pictures.choose(rows, count) if count > 0 else []
    if not chosen:
        return []
    predictor = run.make_predictor()
    by_name = {dataset.name: dataset for dataset in run.datasets}
    shown = []
    for choice in chosen:
        dataset = by_name[choice.row.dataset]
        try:
            panorama = sample(dataset, choice.row.index)
            predicted = predict(panorama, predictor, run.protocol)
            compared = compare(panorama, predicted, run.protocol, fit_side=dataset.fit_side)
        except PanodepthError:
            continue
        shown.append(Shown(choice, pictures.strip(panorama.image, compared)))
    return shown
