"""Backend × precision × network in one table: `python benchmarks/backends.py --pictures DIR`.

Time of the network alone over that of what torch takes by itself, medians of rounds in which all
take turns; the time; the time to load with what the cache holds; and the mean relative difference
of the distance from torch in float32: mean over the pictures (DIR, or examples/), and the worst
one. `compact` is the bundled network, `large` the released architecture with random weights at
546×1092, whose differences are theirs. Calibration is by rendered worlds. What is not installed is
named. --without NAME leaves rows out (calibrating `large` takes 22 GB). --cpu: processor time in
place of time, for busy machines; one thread: OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import panodepth
from panodepth.cli import main as command
from panodepth.errors import PanodepthError
from panodepth.lab.bench.subject import random_network
from panodepth.model import PRESETS, save_model
from panodepth.predict.options import PredictOptions
from panodepth.predict.predictor import Predictor

Row = tuple[str, str]
EXACT: Row = ("torch", "float32")
CALIBRATED: Row = ("openvino", "int8 calibrated")
ROWS: tuple[Row, ...] = (
    *(EXACT, ("torch", "bfloat16"), ("torch", "int8")),
    *(("onnx", "float32"), ("onnx", "int8")),
    *(("openvino", "float32"), ("openvino", "bfloat16"), ("openvino", "int8"), CALIBRATED),
)
NETWORKS = {"compact": (15, 8), "large": (3, 2)}  # rounds, and pictures for the differences
FILES = {
    ("onnx", "float32"): ("float32.onnx",),
    ("onnx", "int8"): ("int8.onnx", "--int8"),
    CALIBRATED: ("calibrated.xml", "--int8", "--calibrate", "worlds"),
}
HEAD = ("network", "backend", "precision", "× torch's choice", "network [ms]", "load [s]")


def loaders(
    model: str, folder: Path, left_out: str
) -> Iterator[tuple[Row, Callable[[], Predictor]]]:
    """What loads each row's predictor; files that it needs are made first."""
    for row in ROWS:
        if left_out and left_out in " ".join(row):
            continue
        if row in FILES:
            name, *more = FILES[row]
            if command(["export", str(folder / name), "--model", model, *more]) == 0:
                yield row, lambda file=folder / name: panodepth.load(file)
        else:
            yield (
                row,
                lambda b=row[0], d=row[1]: panodepth.load(model, backend=b, dtype=d, device="cpu"),
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--pictures", type=Path, default=Path(__file__).parents[1] / "examples")
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--without", default="", help="part of a row's name")
    parser.add_argument("--cpu", action="store_true")
    chosen = parser.parse_args()
    lines = [f"| {' | '.join((*HEAD, 'mean %', 'worst %'))} |", "|---" * 8 + "|"]
    for network in chosen.networks.split(","):
        with tempfile.TemporaryDirectory() as name:
            os.environ.setdefault("XDG_CACHE_HOME", name)
            model = "default"
            if network != "compact":
                model = f"{name}/{network}.safetensors"
                save_model(random_network(PRESETS[network]), Path(model))
            lines += measure(network, model, Path(name), chosen)
    print("\n".join(lines))


def measure(network: str, model: str, folder: Path, chosen: argparse.Namespace) -> Iterator[str]:
    """Load all, let them take turns; the lines of the table."""
    rounds, count = NETWORKS.get(network, (3, 2))
    files = sorted(f for f in chosen.pictures.iterdir() if f.suffix in (".jpg", ".png"))[:count]
    found: dict[Row, tuple[Predictor, float]] = {}
    for row, load in loaders(model, folder, chosen.without):
        try:
            load()  # what is converted is kept
            start = time.perf_counter()
            found[row] = load(), time.perf_counter() - start
        except PanodepthError as error:
            print(f"{network} {' '.join(row)}: {error}")
    middle = turns({row: at for row, (at, _) in found.items()}, files[0], rounds, chosen)
    exact = [found[EXACT][0].predict(f, level="none").raw for f in files]
    own = middle[EXACT[0], str(panodepth.load(model).describe()["dtype"])]
    for row, (predictor, seconds) in found.items():
        off = [
            float(np.abs(predictor.predict(f, level="none").raw / e - 1).mean()) * 100
            for f, e in zip(files, exact, strict=True)
        ]
        times = f"{middle[row] / own:.2f} | {middle[row] * 1000:.1f} | {seconds:.2f}"
        errors = f"{np.mean(off):.3f} | {max(off):.3f}"
        yield f"| {network} | {' | '.join(row)} | {times} | {errors} |"


def turns(
    predictors: dict[Row, Predictor], file: Path, rounds: int, chosen: argparse.Namespace
) -> dict[Row, float]:
    """Seconds of each network alone, medians; the first round warms up."""
    clock = time.process_time if chosen.cpu else time.perf_counter
    plain = PredictOptions(level="none")
    requests = {row: at.prepare(file, None, plain).pixels for row, at in predictors.items()}
    times: dict[Row, list[float]] = {row: [] for row in predictors}
    for _ in range(1 + (chosen.rounds or rounds)):
        for row, predictor in predictors.items():
            start = clock()
            predictor.run([requests[row]])
            times[row].append(clock() - start)
    return {row: statistics.median(values[1:]) for row, values in times.items()}


if __name__ == "__main__":
    main()
