"""What `panodepth evaluate` does, without the command line: run, and write the report."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from panodepth.errors import PanodepthError, require
from panodepth.export.atomic import write_atomic
from panodepth.jobs import Workers
from panodepth.lab.evaluation.report import pictures, report
from panodepth.lab.evaluation.report.page import Shown, html
from panodepth.lab.evaluation.run.datasets import Dataset
from panodepth.lab.evaluation.run.journal import Row
from panodepth.lab.evaluation.run.runner import Place, Run, run_all, sample
from panodepth.lab.evaluation.scoring import compare, predict
from panodepth.version import __version__

PAGE_FILE, MARKDOWN_FILE, CSV_FILE = "index.html", "report.md", "images.csv"


@dataclass(frozen=True)
class Options:
    """How a run is carried out and shown; none of it changes a number but `threads`.

    name: the predictor, for people and for telling runs apart. identity: what else tells two
    predictors of one name apart, e.g. a file's size and time. part: (i, n), see `runner.Place`.
    compare: folders of earlier runs. pictures: worst and median samples shown, each, per dataset.
    """

    name: str
    identity: str = ""
    workers: Workers = field(default_factory=Workers)
    part: tuple[int, int] | None = None
    compare: tuple[str, ...] = ()
    pictures: int = 3


def evaluate_run(
    run: Run, out: Path, options: Options, on_row: Callable[[Row], None] | None = None
) -> dict[str, Any]:
    """Measure everything, write the report into `out` and return it (report.json's content).

    A part of a run writes its rows alone; the plain command then finds them and writes the report.
    Raises ConfigError, ModelError or OutputError when nothing can start.
    """
    if run.extras.points:
        require("--points", "eval", "scipy")
    others = [report.read_report(folder) for folder in options.compare]
    place = Place(out, header(run, options), options.part)
    rows = run_all(run, place, options.workers, on_row)
    kinds = {dataset.name: dataset.kind for dataset in run.datasets}
    made = report.build(rows, run.protocol, kinds, place.header)
    if options.part is None:
        shown = _pictures(run, rows, options.pictures)
        write_report(out, rows, made, others, shown)
    return made


def header(run: Run, options: Options) -> dict[str, Any]:
    """What tells this run from others: the journal's first line."""
    return {
        "version": __version__,
        "predictor": options.name,
        "identity": options.identity,
        "protocol": run.protocol.describe(),
        "extras": asdict(run.extras),
        "datasets": [dataset.describe() for dataset in run.datasets],
        "threads": run.threads,
    }


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


def plain_text(made: Mapping[str, Any], out: Path, options: Options) -> str:
    """The table of measures for a terminal, and where the report is."""
    table = report.measure_table(made)
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in table]
    head = f"{options.name}, protocol {made['protocol']['name']}: {made['protocol']['summary']}"
    if options.part is not None:
        i, n = options.part
        return f"part {i} of {n} is in {out}; without --part the same command writes the report"
    return "\n".join([head, *(line.rstrip() for line in lines), f"report: {out / PAGE_FILE}"])


def _pictures(run: Run, rows: Sequence[Row], count: int) -> list[Shown]:
    """Predict the chosen samples once more and draw them; a sample that now fails is left out."""
    chosen = pictures.choose(rows, count) if count > 0 else []
    if not chosen:
        return []
    predictor = run.make_predictor()
    by_name: dict[str, Dataset] = {dataset.name: dataset for dataset in run.datasets}
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
