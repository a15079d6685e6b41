"""Backend × precision × network in one table: `python benchmarks/backends.py --pictures DIR`.

How many times as fast the network alone is as the plain one (float32 weights under bfloat16
autocast, nothing kept: as the released code runs), and its time over that of what torch takes by
itself, medians of rounds in which all take turns; the time; the time to load with what the cache
holds; and the mean relative difference of the distance from torch in float32: mean over the
pictures (DIR, or examples/), and the worst one. `compact` is the bundled network, `large` the
released architecture with random weights at 546×1092, whose differences are theirs, `blocks` that
with 4 of its 24 blocks. Calibration is by rendered worlds. What is not installed is named.
--without NAMES leaves rows out (calibrating `large` takes 22 GB). --cpu: processor time in place
of time, for busy machines; one thread: OMP_NUM_THREADS=1. --write puts the table into its page.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pages
import torch

import panodepth
from panodepth.cli import main as command
from panodepth.errors import PanodepthError
from panodepth.lab.bench.subject import random_network
from panodepth.model import PRESETS, load_model, save_model
from panodepth.predict.models import find_model
from panodepth.predict.options import PredictOptions
from panodepth.predict.predictor import Predictor
from panodepth.predict.request import RawOutput
from panodepth.predict.torch_backend import TorchPredictor
from panodepth.types import FloatArray

Row = tuple[str, str]
PLAIN: Row = ("plain torch", "bfloat16")
EXACT: Row = ("torch", "float32")
CALIBRATED: Row = ("openvino", "int8 calibrated")
ROWS: tuple[Row, ...] = (
    *(PLAIN, EXACT, ("torch", "bfloat16"), ("torch", "int8")),
    *(("onnx", "float32"), ("onnx", "int8")),
    *(("openvino", "float32"), ("openvino", "bfloat16"), ("openvino", "int8"), CALIBRATED),
)
NETWORKS = {"compact": (15, 8), "large": (3, 2)}  # rounds, and pictures for the differences
BLOCKS = replace(PRESETS["large"], depth=4, features=(1, 2, 3, 4))
FILES = {
    ("onnx", "float32"): ("float32.onnx",),
    ("onnx", "int8"): ("int8.onnx", "--int8"),
    CALIBRATED: ("calibrated.xml", "--int8", "--calibrate", "worlds"),
}
HEAD = ("network", "backend", "precision", "× as fast as plain", "time / torch's choice")
HEAD = (*HEAD, "network [ms]", "load [s]", "mean %", "worst %")
PAGE = Path(__file__).parents[1] / "docs" / "openvino.md"
BEGIN = "<!-- table: python benchmarks/backends.py -->"


class PlainPredictor(TorchPredictor):
    """The network as the released code runs: nothing of `model.fast`, bfloat16 by autocast."""

    def run(self, pixels: Sequence[FloatArray]) -> list[RawOutput]:
        """As `TorchPredictor.run`."""
        with torch.autocast("cpu", torch.bfloat16):
            return super().run(pixels)


def loaders(
    model: str, folder: Path, left_out: list[str]
) -> Iterator[tuple[Row, Callable[[], Predictor]]]:
    """What loads each row's predictor; files that it needs are made first."""
    for row in ROWS:
        if any(name in " ".join(row) for name in left_out):
            continue
        if row == PLAIN:
            yield row, lambda: PlainPredictor(load_model(find_model(model)[1]))
        elif row in FILES:
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
    parser.add_argument("--without", default="", help="parts of rows' names, with commas")
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    load = f"{os.getloadavg()[0]:.1f}"
    lines = [f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|"]
    with tempfile.TemporaryDirectory() as name:
        os.environ.setdefault("XDG_CACHE_HOME", name)
        for network in chosen.networks.split(","):
            folder = Path(name, network)
            folder.mkdir()
            model = "default"
            if network != "compact":
                config = BLOCKS if network == "blocks" else PRESETS[network]
                model = str(save_model(random_network(config), folder / "model.safetensors"))
            lines += measure(network, model, folder, chosen)
    clock = "processor time" if chosen.cpu else "time"
    threads = os.environ.get("OMP_NUM_THREADS") or os.cpu_count()
    told = f"{date.today()}, {clock}, {threads} threads, load before {load}:\n\n"
    table = told + "\n".join(lines)
    print(table)
    if chosen.write:
        pages.write_table(PAGE, BEGIN, table)


def measure(network: str, model: str, folder: Path, chosen: argparse.Namespace) -> Iterator[str]:
    """Load all, let them take turns; the lines of the table."""
    rounds, count = NETWORKS.get(network, (3, 2))
    files = sorted(f for f in chosen.pictures.iterdir() if f.suffix in (".jpg", ".png"))[:count]
    found: dict[Row, tuple[Predictor, float]] = {}
    for row, load in loaders(model, folder, chosen.without.split(",") if chosen.without else []):
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
        times_faster = middle.get(PLAIN, math.nan) / middle[row]
        ratios = f"{times_faster:.2f} | {middle[row] / own:.2f}"
        times = f"{ratios} | {middle[row] * 1000:.1f} | {seconds:.2f}"
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
