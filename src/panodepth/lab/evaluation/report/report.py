"""A run's report: one JSON object, and the tables that are made of it.

`build` gives the JSON (report.json); Markdown, CSV and the page are written from it and the rows.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from panodepth.errors import ConfigError
from panodepth.lab.evaluation.protocol import Protocol
from panodepth.lab.evaluation.report.catalogue import MEASURES
from panodepth.lab.evaluation.report.paired import SURE, difference_table
from panodepth.lab.evaluation.report.published import IMAGES, KEYS, KINDS, published
from panodepth.lab.evaluation.report.summary import summarise
from panodepth.lab.evaluation.run.journal import Row
from panodepth.strict import parse_json

REPORT_FILE = "report.json"
INTERVALS = "Means over images, with 95 % bootstrap intervals over the images."
PAIRED = f"Image by image (better, worse: p < {SURE:g} by turning signs; ~: no more than chance)"
LOW_COVERAGE = 0.999  # below this the report says that predictions are missing

Table = list[list[str]]
"""Rows of cells; the first is the head."""


def build(
    rows: Sequence[Row], protocol: Protocol, kinds: Mapping[str, str], header: Mapping[str, Any]
) -> dict[str, Any]:
    """The report as plain JSON values; kinds: dataset -> kind; header: what the journal says."""
    datasets = {}
    for summary in summarise(rows):
        timed = sorted(
            row.seconds["predict"] for row in rows if row.dataset == summary.dataset and row.seconds
        )
        datasets[summary.dataset] = {
            "kind": kinds.get(summary.dataset, "folder"),
            "images": summary.images,
            "skipped": summary.skipped,
            "files": _digest(row.files for row in rows if row.dataset == summary.dataset),
            "seconds_predict_median": timed[len(timed) // 2] if timed else None,
            "measures": {key: asdict(value) for key, value in summary.measures.items()},
        }
    skipped = [
        {"dataset": row.dataset, "name": row.name, "reason": row.reason}
        for row in rows
        if row.reason is not None
    ]
    return {
        "run": dict(header),
        "protocol": protocol.describe(),
        "facts": protocol.facts(),
        "datasets": datasets,
        "skipped": skipped,
    }


def _digest(stamps: Iterable[str]) -> str:
    """One digest of those of the samples that were measured, in order; "" = of none is one known.

    The same number of images of the same names may be other files.
    """
    known = [stamp for stamp in stamps if stamp]
    return hashlib.sha256(" ".join(known).encode()).hexdigest()[:16] if known else ""


def read_report(folder: str | Path) -> dict[str, Any]:
    """The report.json of an earlier run. Raises ConfigError when there is none."""
    path = Path(folder)
    path = path / REPORT_FILE if path.is_dir() else path
    try:
        report = parse_json(path.read_bytes())
        report["run"]["predictor"], report["protocol"]["name"], report["datasets"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: no report of an evaluation ({error})") from error
    return dict(report)


def measure_table(report: Mapping[str, Any]) -> Table:
    """Measures down, datasets across: mean [95 % interval]."""
    datasets = report["datasets"]
    table = [["measure", *(f"{name} ({d['images']})" for name, d in datasets.items())]]
    for key, measure in MEASURES.items():
        if not any(key in d["measures"] for d in datasets.values()):
            continue
        cells = []
        for d in datasets.values():
            found = d["measures"].get(key)
            if found is None:
                cells.append("–")
                continue
            text = measure.show(found["mean"])
            if found["low"] is not None:
                text += f" [{measure.show(found['low'])}, {measure.show(found['high'])}]"
            cells.append(text)
        table.append([measure.head(unit_of(report)), *cells])
    return table


def unit_of(report: Mapping[str, Any]) -> str:
    """What distances are measured in: metres wherever the protocol needs them."""
    protocol = report["protocol"]
    metres = protocol.get("far") is not None or protocol.get("alignment") == "none"
    return "m" if metres else "unit"


def skip_table(report: Mapping[str, Any]) -> Table:
    """Dataset, sample, reason; the head alone when nothing was skipped."""
    rows = [[s["dataset"], s["name"], s["reason"]] for s in report["skipped"]]
    return [["dataset", "sample", "why it was skipped"], *rows]


def comparison_table(reports: Sequence[Mapping[str, Any]]) -> Table:
    """Runs down, datasets across, and the published rows below where they apply.

    The first run's datasets are shown. Published numbers stand under datasets of the kinds that
    the paper has, when some run follows the paper's rules (protocols da2, affine).
    """
    datasets = {name: d["kind"] for name, d in reports[0]["datasets"].items()}
    heads = [f"{name} {MEASURES[key].label}" for name in datasets for key in KEYS]
    table = [["predictor", "protocol", *heads]]
    for report in reports:
        cells = []
        for name in datasets:
            measures = report["datasets"].get(name, {}).get("measures", {})
            cells += [MEASURES[key].show(measures.get(key, {}).get("mean")) for key in KEYS]
        table.append([str(report["run"]["predictor"]), report["protocol"]["name"], *cells])
    names = {report["protocol"]["name"] for report in reports}
    if names & {"da2", "affine"} and set(datasets.values()) & set(KINDS):
        for row in published():
            protocol = "affine" if "affine" in row.setting else "da2"
            cells = [
                MEASURES[key].show(row.values.get((kind, key)))
                for kind in datasets.values()
                for key in KEYS
            ]
            table.append([f"{row.method} (published, {row.setting})", protocol, *cells])
    return table


def title(report: Mapping[str, Any]) -> str:
    """The predictor and its protocol."""
    return f"{report['run']['predictor']}, protocol {report['protocol']['name']}"


def sections(
    report: Mapping[str, Any], others: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Table]:
    """The tables below the measures, by heading; others: earlier reports to stand beside it."""
    found = {}
    if others or any(d["kind"] in KINDS for d in report["datasets"].values()):
        found["Beside others"] = comparison_table([report, *others])
    if report.get("beside"):
        found[PAIRED] = difference_table(report["beside"])
    if report["skipped"]:
        found["Skipped"] = skip_table(report)
    return found


def markdown(report: Mapping[str, Any], others: Sequence[Mapping[str, Any]] = ()) -> str:
    """The report as Markdown; others: earlier reports to stand beside it."""
    parts = [
        f"# {title(report)}",
        f"Protocol: {report['protocol']['summary']}.",
        INTERVALS,
        "\n".join(f"- {fact}" for fact in report["facts"]),
        _markdown_table(measure_table(report)),
        "\n".join(f"- {remark}" for remark in remarks(report, others)),
    ]
    for heading, table in sections(report, others).items():
        parts += [f"## {heading}", _markdown_table(table)]
    return "\n\n".join(parts) + "\n"


def other_images(report: Mapping[str, Any]) -> list[str]:
    """A sentence for each dataset whose published rows are means over another number of images."""
    found = []
    for name, dataset in report["datasets"].items():
        images, published_over = dataset["images"], IMAGES.get(dataset["kind"])
        if published_over is not None and images != published_over:
            here = f"{images:,} image{'s' * (images != 1)} here"
            found.append(
                f"{name}: {here}, {published_over:,} behind the published rows: another test set, "
                "not to be compared"
            )
    return found


def other_files(report: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each dataset that an earlier report has measured other files of."""
    found = []
    for other in others:
        for name, dataset in other["datasets"].items():
            here, there = (d.get("files") for d in (report["datasets"].get(name, {}), dataset))
            if here and there and here != there:
                found.append(
                    f"{name}: {title(other)} was measured on other images, or on other files of "
                    "theirs: not to be compared"
                )
    return found


def remarks(report: Mapping[str, Any], others: Sequence[Mapping[str, Any]] = ()) -> list[str]:
    """What a reader must know about the numbers, one sentence each; others: earlier reports."""
    found = [*other_images(report), *other_files(report, others)]
    if unit_of(report) != "m":
        found.append("[unit]: that of each dataset's distances, metres where they are in metres")
    for name, dataset in report["datasets"].items():
        coverage = dataset["measures"].get("coverage", {}).get("mean", 1.0)
        if coverage < LOW_COVERAGE:
            found.append(f"{name}: predictions are missing on {1 - coverage:.2%} of the pixels")
        if dataset["skipped"]:
            found.append(f"{name}: {dataset['skipped']} samples were skipped, listed below")
        seconds = dataset["seconds_predict_median"]
        if seconds is not None:
            threads = report["run"].get("threads", 1)
            number = "one thread" if threads == 1 else f"{threads} threads"
            found.append(f"{name}: {seconds:.3f} s a prediction (median, {number})")
    return found


def csv_text(rows: Sequence[Row]) -> str:
    """One line a sample; numbers as written by repr, so that they read back exactly."""
    keys = [key for key in MEASURES if any(key in row.values for row in rows)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["dataset", "name", *keys, "skipped"])
    for row in rows:
        numbers = [row.values.get(key) for key in keys]
        cells = ["" if value is None else repr(value) for value in numbers]
        writer.writerow([row.dataset, row.name, *cells, row.reason or ""])
    return out.getvalue()


def _markdown_table(table: Table) -> str:
    head, *body = [[cell.replace("|", "\\|") for cell in row] for row in table]
    rule = ["---"] * len(head)
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *body))
