"""Two runs on the same images, image by image: the choice of images, which both share, drops out.

The intervals of two means overlap long after their difference is beyond doubt, as some images are
hard for everybody.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from panodepth.errors import ConfigError, one_line
from panodepth.lab.evaluation.report.catalogue import MEASURES
from panodepth.lab.evaluation.report.summary import RESAMPLES, SEED, statistic
from panodepth.lab.evaluation.run.journal import Row

COMPARED = ("abs_rel", "delta1")
SURE = 0.05  # a difference whose p is below is called better or worse
MOST_EXACT = 11  # images: up to here every way to turn the signs is tried

ImageValues = Mapping[tuple[str, str], Mapping[str, float]]
"""(dataset, name) of an image -> measure -> value."""


def read_images(folder: str | Path, name: str) -> ImageValues:
    """The values of an earlier run's images; empty where its file of them is not there.

    folder: of its report, or that report.json. name: of the file. Raises ConfigError when it is of
    another form.
    """
    place = Path(folder)
    file = (place if place.is_dir() else place.parent) / name
    if not file.is_file():
        return {}
    try:
        with file.open(encoding="utf-8", errors="replace", newline="") as opened:
            return {
                (row["dataset"], row["name"]): {k: float(row[k]) for k in COMPARED if row.get(k)}
                for row in csv.DictReader(opened)
            }
    except (OSError, KeyError, ValueError, TypeError, csv.Error) as error:
        told = one_line(repr(error), 100)
        raise ConfigError(f"{file}: not the images of an earlier report ({told})") from error


def differences(
    made: Mapping[str, Any], rows: Sequence[Row], other: Mapping[str, Any], images: ImageValues
) -> list[dict[str, Any]]:
    """One record a dataset that both runs measured on the same files by the same protocol.

    made, rows: of this run. other, images: report.json and images.csv of the earlier one. A record
    has "dataset", "beside" (the earlier predictor), "images" and, by measure, the mean "difference"
    (this run's less the earlier one's), its 95 % interval "low" to "high", and "p".
    """
    found: list[dict[str, Any]] = []
    if made["protocol"] != other["protocol"]:
        return found
    for name, dataset in made["datasets"].items():
        if dataset["files"] != other["datasets"].get(name, {}).get("files"):
            continue
        record = {"dataset": name, "beside": str(other["run"]["predictor"]), "measures": {}}
        for key in COMPARED:
            values = [
                value - before
                for row in rows
                if row.dataset == name and (value := row.values.get(key)) is not None
                if (before := images.get((name, row.name), {}).get(key)) is not None
            ]
            if values:
                of_all = statistic(values)
                told = {"difference": of_all.mean, "low": of_all.low, "high": of_all.high}
                record["measures"][key] = {**told, "p": chance(values)}
                record["images"] = len(values)
        if record["measures"]:
            found.append(record)
    return found


def why_not(made: Mapping[str, Any], other: Mapping[str, Any], images: ImageValues) -> str:
    """A sentence for an earlier report that has no record; the arguments are as above."""
    ours, theirs = made["protocol"], other["protocol"]
    names = ", ".join(other["datasets"]) or "none"
    if ours["name"] != theirs["name"]:
        why = f"its protocol is {theirs['name']}"
    elif ours != theirs:
        why = f"its protocol {theirs['name']} had other rules"
    elif not made["datasets"].keys() & other["datasets"].keys():
        why = f"its datasets are called {names}"
    elif not images:
        why = "there is no images.csv beside its report.json"
    else:
        why = "it measured other images, or other files of theirs"
    return f"{other['run']['predictor']} is not compared image by image: {why}"


def chance(values: ArrayLike) -> float:
    """How often a mean as far from 0 comes about where neither run is better (sign-flip test).

    values: (N,) differences, one an image. Each is then as likely to have the other sign. Five
    images or fewer are never enough for `SURE`.
    """
    of_images = np.asarray(values, np.float64)
    count, observed = of_images.size, abs(of_images.sum()) * (1 - 1e-12)
    if count <= MOST_EXACT:
        turned = np.array(list(product((1.0, -1.0), repeat=count))) @ of_images
        return float((np.abs(turned) >= observed).mean())
    random = np.random.default_rng(SEED)
    drawn = (of_images @ random.choice((1.0, -1.0), size=count) for _ in range(RESAMPLES))
    return (1 + sum(bool(abs(total) >= observed) for total in drawn)) / (1 + RESAMPLES)


def verdict(key: str, told: Mapping[str, float]) -> str:
    """ "better" or "worse" beyond chance, else "~". told: a measure of a record."""
    if told["p"] >= SURE:
        return "~"
    return "better" if (told["difference"] < 0) == (MEASURES[key].better == "lower") else "worse"


def difference_table(records: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Datasets and earlier runs down, measures across; the first row is the head."""
    heads = [f"{MEASURES[key].label} {MEASURES[key].arrow}" for key in COMPARED]
    table = [["dataset", "beside", "images", *heads]]
    for record in records:
        cells = [_cell(key, record["measures"].get(key)) for key in COMPARED]
        table.append([record["dataset"], record["beside"], str(record["images"]), *cells])
    return table


def sentences(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the table says, a line a record."""
    head, *body = difference_table(records)
    return [
        f"{row[0]}, beside {row[1]}, {row[2]} images: "
        + "; ".join(f"{label} {cell}" for label, cell in zip(head[3:], row[3:], strict=True))
        for row in body
    ]


def _cell(key: str, told: Mapping[str, float] | None) -> str:
    """A difference with its interval and what it means."""
    if told is None:
        return "–"
    show = MEASURES[key].show
    sign = "+" if told["difference"] > 0 else ""
    interval = "" if told["low"] is None else f" [{show(told['low'])}, {show(told['high'])}]"
    return f"{sign}{show(told['difference'])}{interval} {verdict(key, told)} (p {told['p']:.2g})"
