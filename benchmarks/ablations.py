"""Train every ablation with several seeds, score it, and print one table.

    python benchmarks/ablations.py --cache cache --out runs/ablations --seeds 0,1 \\
        --data real=FOLDER --write docs/ablations.md

Each recipe of recipes/ablations differs from full.toml in one thing. All share one cache of
rendered panoramas; the seed changes the initial weights, the order of the data and the
augmentation. A run that was stopped goes on, a finished one is read from OUT/results. Scored on
rendered panoramas of the validation seed and on folders (pictures a* indoor, b* outdoor) as
`panodepth evaluate --protocol uncapped` does.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pages
import torch

import panodepth
from panodepth.atomic import write_atomic
from panodepth.errors import ConfigError, PanodepthError
from panodepth.lab.evaluation.protocol import PROTOCOLS
from panodepth.lab.evaluation.report.summary import summarise
from panodepth.lab.evaluation.run.datasets import (
    Dataset,
    open_datasets,
    rendered_datasets,
    split_groups,
)
from panodepth.lab.evaluation.run.journal import Row
from panodepth.lab.evaluation.run.predictors import FromImages
from panodepth.lab.evaluation.scoring import score_panoramas
from panodepth.lab.training import train
from panodepth.lab.training.config import TrainConfig, load_config
from panodepth.predict.models import stamp
from panodepth.types import Panorama

RECIPES = Path(__file__).parents[1] / "recipes" / "ablations"
BASE = "full"
GROUPS = ("indoor=a*", "outdoor=b*")
ORDER = (
    *("full", "no_sphere", "no_bias", "no_wrap", "no_normal", "l1", "paper_align"),
    *("adamw", "sunny", "open_rooms", "gradient", "two_depths"),
)
BEGIN = "<!-- table: benchmarks/ablations.py -->"
# Two-sided 95 % quantiles of Student's t for 1 .. 10 degrees of freedom; the last for more.
STUDENT_T = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)

Columns = dict[str, float]
"""Such as "rendered indoor" -> AbsRel."""


@dataclass(frozen=True)
class Plan:
    """What is run. data: name -> folder; rendered: how many panoramas, half of them indoor.

    init: weights that every run starts from, None = random ones.
    """

    out: Path
    recipes: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: tuple[str, ...]
    data: Mapping[str, Path]
    rendered: int
    init: Path | None = None


def title(name: str) -> str:
    """What a recipe is: its first line."""
    first = (RECIPES / f"{name}.toml").read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("#").strip()


class Scorer:
    """Measures models on the same panoramas, rendered once for each size."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._rendered: dict[tuple[int, int], dict[str, list[Panorama]]] = {}

    def score(self, weights: Path, kept: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
        """Data set -> rows of its images; those in `kept` are not measured again."""
        model = panodepth.load(weights, dtype="float32")
        found: dict[str, list[Row]] = {}
        if "rendered" not in kept and self.plan.rendered:
            if model.size not in self._rendered:
                datasets = rendered_datasets(self.plan.rendered, model.size)
                self._rendered[model.size] = {d.name: panoramas(d) for d in datasets}
            found["rendered"] = score_panoramas(self._rendered[model.size], FromImages(model))
        for name, folder in self.plan.data.items():
            if name not in kept:
                opened = open_datasets([f"{name}={folder}"], PROTOCOLS["uncapped"])
                groups = {d.name: panoramas(d) for d in split_groups(opened, GROUPS)}
                found[name] = score_panoramas(groups, FromImages(model), geometry=True)
        return {**kept, **{name: [asdict(row) for row in rows] for name, rows in found.items()}}


def panoramas(dataset: Dataset) -> list[Panorama]:
    """All of them, in memory."""
    return [dataset.source[i] for i in range(len(dataset.source))]


def _identity(config: TrainConfig) -> dict[str, Any]:
    """What makes a run this run: all but where files lie and how the work is spread."""
    values: dict[str, Any] = json.loads(json.dumps(config.to_dict()))
    for table, keys in (("run", ("out", "threads")), ("data", ("cache", "workers"))):
        for key in keys:
            del values[table][key]
    return values


def _named(init: Path | None) -> str | None:
    """Weights by their name and a digest of them; None = random ones."""
    return None if init is None else f"{init.name} {stamp(init)}"


def run_one(plan: Plan, name: str, seed: int, scorer: Scorer) -> dict[str, Any]:
    """`run_config` of the recipe `name`."""
    out = f"run.out={json.dumps(str(plan.out / f'{name}_seed{seed}'))}"
    settings = [*plan.settings, f"run.seed={seed}", out]
    return run_config(plan, name, load_config(RECIPES / f"{name}.toml", settings), scorer)


def run_config(plan: Plan, name: str, config: TrainConfig, scorer: Scorer) -> dict[str, Any]:
    """Train and score one row with one seed, or read what an earlier call found.

    Raises ConfigError when the earlier result belongs to other settings.
    """
    seed = config.run.seed
    file = plan.out / "results" / f"{name}_seed{seed}.json"
    record: dict[str, Any] = {"recipe": name, "seed": seed, "config": _identity(config)}
    record |= {"init": _named(plan.init), "rows": {}, "seconds": 0.0}
    if file.exists():
        earlier = json.loads(file.read_text(encoding="utf-8"))
        if earlier["config"] != record["config"]:
            raise ConfigError(f"{file} is of another state of {name}.toml; use another --out")
        if earlier.get("init", record["init"]) != record["init"]:  # early ones do not say
            raise ConfigError(f"{file} began from other weights; use another --out")
        record |= earlier
    weights = Path(config.run.out) / "model.safetensors"
    wanted = {*plan.data, *(["rendered"] if plan.rendered else [])}
    if not record["seconds"] or not weights.exists():
        begun = time.monotonic()
        if not train(config, init=plan.init).finished:
            raise KeyboardInterrupt
        record["seconds"] = time.monotonic() - begun
    elif wanted <= record["rows"].keys():
        return record
    record["rows"] = scorer.score(weights, record["rows"])
    write_json(file, record)
    return record


def write_json(file: Path, values: Mapping[str, Any]) -> None:
    """Under a temporary name, renamed."""
    write_atomic(file, json.dumps(values, indent=1) + "\n")


def columns(record: Mapping[str, Any], data: Sequence[str]) -> Columns:
    """AbsRel and boundary F1 [%] of each data set and group, and the sky's IoU."""
    found: Columns = {}
    for name in data:
        summaries = summarise([Row(**row) for row in record["rows"][name]])
        found |= {s.dataset: s.measures["abs_rel"].mean for s in summaries}
        for s in summaries:
            for key, label, factor in (("boundary_f1", "F1 %", 100), ("sky_iou", "sky IoU", 1)):
                if key in s.measures:
                    dataset = s.dataset if key == "boundary_f1" else name
                    found[f"{dataset} {label}"] = factor * s.measures[key].mean
    return found


def pooled_spread(rows: Mapping[str, Sequence[float]]) -> tuple[float, int]:
    """Standard deviation between seeds, pooled over the rows, and its degrees of freedom."""
    squares, freedom = 0.0, 0
    for values in rows.values():
        mean = sum(values) / len(values)
        squares += sum((v - mean) ** 2 for v in values)
        freedom += len(values) - 1
    return (math.sqrt(squares / freedom) if freedom else math.nan), freedom


def noise_limit(rows: Mapping[str, Sequence[float]], name: str, base: str = BASE) -> float:
    """The difference from the base row that seeds alone explain: t · s · √(1/n + 1/n_base)."""
    spread, freedom = pooled_spread(rows)
    if not freedom:
        return math.inf
    quantile = STUDENT_T[min(freedom, len(STUDENT_T)) - 1]
    return quantile * spread * math.sqrt(1 / len(rows[name]) + 1 / len(rows[base]))


def cell(
    rows: Mapping[str, Sequence[float]], name: str, higher_is_better: bool, base: str = BASE
) -> str:
    """Mean, range over the seeds, and how it differs from the base row."""
    values = rows[name]
    mean = sum(values) / len(values)
    text = f"{mean:.4f} ({min(values):.4f}–{max(values):.4f})"
    if name == base or base not in rows:
        return text
    difference = mean - sum(rows[base]) / len(rows[base])
    if abs(difference) < noise_limit(rows, name, base):
        return f"{text} ~"
    return f"{text} {'better' if (difference > 0) == higher_is_better else 'worse'}"


def table(
    records: Sequence[Mapping[str, Any]], data: Sequence[str], titles: Mapping[str, str], base: str
) -> list[str]:
    """A line for each recipe, one that says how it was run, and the rule of what is noise.

    titles: recipe -> its first cell. base: the row that others are compared with.
    """
    by_column: dict[str, dict[str, list[float]]] = {}
    for record in records:
        for column, value in columns(record, data).items():
            by_column.setdefault(column, {}).setdefault(record["recipe"], []).append(value)
    names = list(dict.fromkeys(r["recipe"] for r in records))
    lines = [f"| | {' | '.join(by_column)} |", "|---" * (len(by_column) + 1) + "|"]
    for name in names:
        measured = by_column.items()
        cells = [
            cell(rows, name, column.endswith(("IoU", "F1 %")), base) for column, rows in measured
        ]
        lines.append(f"| {titles[name]} | {' | '.join(cells)} |")
    config = records[0]["config"]
    return [
        *lines,
        "",
        f"{len(records)} run{'s' * (len(records) > 1)} of {config['run']['steps']} steps with"
        f" {config['data']['batch']} panoramas of {config['data']['height']}×"
        f"{config['data']['width']}, seeds"
        f" {', '.join(sorted({str(r['seed']) for r in records}))}. AbsRel, lower is better: mean"
        " and range over the seeds; F1 of depth edges, higher is better. `~`: within noise of"
        " the first row, that is, nearer than t · s · √(1/n + 1/n₀), where s is the standard"
        " deviation between seeds pooled over all rows of the column, t its 95 % quantile of"
        " Student's distribution, and n and n₀ the numbers of seeds. Each column shares its"
        " images, so the choice of images is not in it.",
    ]


def markdown(records: Sequence[Mapping[str, Any]], data: Sequence[str]) -> str:
    """The table and the rule by which differences are called noise."""
    titles = {r["recipe"]: f"`{r['recipe']}`: {title(r['recipe'])}" for r in records}
    return "\n".join(table(records, data, titles, BASE))


def named_folder(text: str) -> tuple[str, Path]:
    """ "NAME=DIR", for argparse."""
    name, equals, folder = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=DIR")
    return name, Path(folder)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="rendered panoramas, shared by all runs")
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--recipes", default=",".join(ORDER))
    parser.add_argument(
        "--data", type=named_folder, action="append", default=[], metavar="NAME=DIR"
    )
    parser.add_argument("--rendered", type=int, default=128, help="of the validation seed")
    parser.add_argument("--init", type=Path, help="weights that every run starts from")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE")
    parser.add_argument("--write", type=Path, help="page to put the table into")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing, print the table; returns the exit code."""
    chosen = parse(arguments)
    torch.set_num_threads(chosen.threads)
    settings = [*chosen.settings, f"run.threads={chosen.threads}"]
    if chosen.cache:
        settings.append(f"data.cache={json.dumps(str(chosen.cache))}")
    plan = Plan(
        out=chosen.out,
        recipes=tuple(chosen.recipes.split(",")),
        seeds=tuple(int(s) for s in chosen.seeds.split(",")),
        settings=tuple(settings),
        data=dict(chosen.data),
        rendered=chosen.rendered,
        init=chosen.init,
    )
    scorer, records = Scorer(plan), []
    try:
        for seed in plan.seeds:
            for name in plan.recipes:
                records.append(run_one(plan, name, seed, scorer))
                print(f"{name}, seed {seed}: {records[-1]['seconds'] / 60:.1f} min", flush=True)
        records.sort(key=lambda r: (plan.recipes.index(r["recipe"]), r["seed"]))
        text = markdown(records, [*(["rendered"] if plan.rendered else []), *plan.data])
        print(text)
        if chosen.write:
            pages.write_table(chosen.write, BEGIN, text)
    except PanodepthError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
