"""The table of the offline benchmark, with one command: nothing to download, nothing to prepare.

    python benchmarks/rendered/table.py                      # the rows of the README
    python benchmarks/rendered/table.py --rows all           # and the ablations: trains six more
    python benchmarks/rendered/table.py --rows mine --predictor mine.py
    python benchmarks/rendered/table.py --write              # into README.md and this folder's

Renders the test set into OUT/test_set (or reads it there) and compares it with summary.json; trains
the rows that need training, each within the budget of docs/ablations.md and only once; measures
every row with `panodepth evaluate --protocol uncapped`; prints the table. Whatever is there already
is not made again, so a stopped command goes on.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import rendered_set

sys.path.insert(0, str(Path(__file__).parents[1]))
import pages

from panodepth.errors import ConfigError, PanodepthError

ROOT = Path(__file__).parents[2]
BASELINES, RECIPES = ROOT / "baselines", ROOT / "recipes" / "ablations"
FRONT_PAGE, OWN_PAGE = ROOT / "README.md", Path(__file__).with_name("README.md")
BEGIN = "<!-- table: benchmarks/rendered/table.py -->"
PROTOCOL = "uncapped"
INTERRUPTED = 130  # exit code, as of panodepth
GROUPS = ("", "indoor", "outdoor")  # of all images; names of the test set begin with their kind
COLUMNS = {  # measure -> the groups it is shown for
    "abs_rel": GROUPS,
    "delta1": ("",),
    "normal": ("",),
    "boundary_f1": ("",),
}


@dataclass(frozen=True)
class Row:
    """label: in the table. predictor: of `panodepth evaluate`, and its --option texts; {weights} in
    either stands for the trained file. train: makes that file in a folder; None: nothing to train.
    """

    label: str
    predictor: str
    options: tuple[str, ...] = ()
    train: Callable[[Path], bool] | None = None


def train_recipe(name: str) -> Callable[[Path], bool]:
    """Trains recipes/ablations/NAME.toml with its own seed; as benchmarks/ablations.py does."""

    def run(folder: Path) -> bool:
        from panodepth.lab.training import train
        from panodepth.lab.training.config import load_config

        settings = [f"run.out={json.dumps(str(folder))}", "run.tensorboard=false"]
        return train(load_config(RECIPES / f"{name}.toml", settings)).finished

    return run


def train_views(folder: Path) -> bool:
    """Trains the perspective model of the fusion baseline."""
    sys.path.insert(0, str(BASELINES / "fusion"))
    import train

    code = train.main(["--out", str(folder)])
    if code not in (0, INTERRUPTED):
        raise PanodepthError(f"{folder}: the perspective model could not be trained")
    return bool(code == 0)


def ablation(name: str, label: str) -> Row:
    """A row of docs/ablations.md, its first seed."""
    return Row(f"`ablations/{name}.toml`: {label}", "{weights}", train=train_recipe(name))


ROWS = {
    "constant": Row("`baselines/constant.py`", str(BASELINES / "constant.py")),
    "box": Row("`baselines/box.py`", str(BASELINES / "box.py")),
    "fusion": Row(
        "`baselines/fusion`: twelve views, same budget as the next row",
        str(BASELINES / "fusion" / "fusion.py"),
        ("weights={weights}",),
        train_views,
    ),
    "full": ablation("full", "end to end, 4,000 samples"),
    "no_sphere": ablation("no_sphere", "without the spherical embedding"),
    "no_bias": ablation("no_bias", "without the great-circle bias"),
    "no_wrap": ablation("no_wrap", "open at the seam"),
    "no_normal": ablation("no_normal", "without the normal loss"),
    "l1": ablation("l1", "L1 on distance"),
    "adamw": ablation("adamw", "AdamW in place of Muon"),
    "default": Row("`default`, the bundled model", "default"),
}
README_ROWS = ("constant", "box", "fusion", "full", "default")


def prepare_set(folder: Path, device: str = "cpu") -> None:
    """Render what is not there, and compare with summary.json. Raises ConfigError."""
    fingerprint = rendered_set.Fingerprint()
    total = sum(rendered_set.COUNTS.values())
    done = folder / ".whole"
    if done.exists():
        panoramas = rendered_set.read_files(folder, rendered_set.COUNTS)
        for _ in fingerprint.watched(panoramas, total):
            pass
    else:
        print(f"rendering {total} panoramas into {folder} ...", file=sys.stderr, flush=True)
        made = rendered_set.made(rendered_set.COUNTS, device)
        rendered_set.write_files(fingerprint.watched(made, total), folder)
        done.touch()
    right, text = rendered_set.compare(fingerprint.summary())
    if not right:
        raise ConfigError(f"{folder}: {text}")
    print(text, file=sys.stderr)


def measure(name: str, row: Row, out: Path, workers: int) -> Path:
    """Train if needed, evaluate, and return the report's folder. Raises PanodepthError."""
    from panodepth.cli import main as panodepth

    weights = out / "trained" / name / "model.safetensors"
    if row.train is not None and not (weights.with_name(".done")).exists():
        print(f"training {name} ...", file=sys.stderr)
        if not row.train(weights.parent):  # as Ctrl-C asks it to
            raise KeyboardInterrupt
        weights.with_name(".done").touch()
    report = out / "reports" / name
    arguments = ["evaluate", "--data", f"rendered={out / 'test_set'}", "--protocol", PROTOCOL]
    arguments += ["--predictor", row.predictor.format(weights=weights)]
    for option in row.options:
        arguments += ["--option", option.format(weights=weights)]
    arguments += ["--workers", str(workers), "--out", str(report)]
    with contextlib.redirect_stdout(sys.stderr):  # standard output is the table alone
        code = panodepth(arguments)
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    if code:
        raise PanodepthError(f"{name}: panodepth evaluate failed with exit code {code}")
    return report


def read_values(report: Path) -> list[dict[str, str]]:
    """The lines of a report's images.csv."""
    with (report / "images.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def markdown(reports: Mapping[str, tuple[Row, Path]]) -> str:
    """The table: one line a row, means over images; AbsRel with its 95 % bootstrap interval."""
    from panodepth.lab.evaluation.report.catalogue import MEASURES
    from panodepth.lab.evaluation.report.summary import statistic

    shown = [(MEASURES[key], group) for key, groups in COLUMNS.items() for group in groups]
    heads = [f"{m.label}{group and ', ' + group} {m.arrow}" for m, group in shown]
    lines = [f"| predictor | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for row, report in reports.values():
        values, cells = read_values(report), []
        for m, group in shown:
            found = [float(v[m.key]) for v in values if v["name"].startswith(group) and v[m.key]]
            if not found:
                cells.append("–")
                continue
            s = statistic(found)
            text = m.show(s.mean)
            if m.key == "abs_rel" and s.low is not None:
                text += f" [{m.show(s.low)}, {m.show(s.high)}]"
            cells.append(text)
        lines.append(f"| {row.label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def chosen_rows(texts: str, predictor: str, options: Sequence[str]) -> dict[str, Row]:
    """The rows by name; an unknown one is the --predictor. Raises ConfigError."""
    names = list(ROWS) if texts == "all" else texts.split(",")
    rows = {name: ROWS[name] for name in names if name in ROWS}
    unknown = [name for name in names if name not in ROWS]
    if predictor and not unknown:
        unknown = ["mine"]
    if unknown and (len(unknown) > 1 or not predictor):
        raise ConfigError(f"no row {unknown[0]!r}; there are {', '.join(ROWS)}")
    return rows | {name: Row(f"`{predictor}`", predictor, tuple(options)) for name in unknown}


def main(arguments: Sequence[str] | None = None) -> int:
    """Make what is missing and print the table; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark"))
    parser.add_argument("--rows", default=",".join(README_ROWS), help=", ".join(ROWS) + "; or all")
    parser.add_argument("--predictor", default="", help="one more row, as of panodepth evaluate")
    parser.add_argument("--option", action="append", default=[], help="for it: KEY=VALUE")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="that renders the test set")
    parser.add_argument("--write", action="store_true", help="the table into the two pages")
    chosen = parser.parse_args(arguments)
    try:
        rows = chosen_rows(chosen.rows, chosen.predictor, chosen.option)
        prepare_set(chosen.out / "test_set", chosen.device)
        reports = {}
        for number, (name, row) in enumerate(rows.items(), 1):
            print(f"row {number} of {len(rows)}: {name}", file=sys.stderr, flush=True)
            reports[name] = row, measure(name, row, chosen.out, chosen.workers)
        text = markdown(reports)
        print(text)
        if chosen.write:
            pages.write_table(OWN_PAGE, BEGIN, text)
            front = {name: reports[name] for name in README_ROWS if name in reports}
            pages.write_table(FRONT_PAGE, BEGIN, markdown(front))
    except PanodepthError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on", file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
