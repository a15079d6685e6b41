"""Every backend in one run: `python benchmarks/backends.py [--large] [--pictures DIR]`.

Backend and precision, time of the network alone (median of rounds in which all take turns), that
time against torch's own choice, time to load with what the cache holds, and the mean relative
difference of the distance from torch in float32: mean over pictures, and the worst one. Pictures:
DIR, or examples/. --large: the released architecture with random weights at 546x1092 instead of the
bundled network; its differences are those of random weights. What is not installed is named.
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
import torch

import panodepth
from panodepth.cli import main as command
from panodepth.errors import PanodepthError
from panodepth.model import PRESETS, SphereViT, save_model
from panodepth.predict.options import PredictOptions
from panodepth.predict.predictor import Predictor

EXACT = ("torch", "float32")
ROWS = (EXACT, ("torch", "bfloat16"), ("torch", "int8"), ("onnx", "float32"), ("onnx", "int8")) + (
    ("openvino", "float32"),
    ("openvino", "bfloat16"),
    ("openvino", "int8"),
)


def loaders(
    model: str, folder: Path, *, large: bool
) -> Iterator[tuple[tuple[str, str], Callable[[], Predictor]]]:
    """What loads each row's predictor; files that it needs are made first."""
    for backend, dtype in ROWS:
        if backend == "onnx":
            if large and dtype == "int8":
                continue  # needs twice the time of all else together
            file = folder / f"{dtype}.onnx"
            line = ["export", str(file), "--model", model]
            if command([*line, *(["--int8"] if dtype == "int8" else [])]):
                continue
            yield (backend, dtype), lambda file=file: panodepth.load(file)
        else:
            yield (
                (backend, dtype),
                lambda b=backend, d=dtype: panodepth.load(model, backend=b, dtype=d, device="cpu"),
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--pictures", type=Path, default=Path(__file__).parents[1] / "examples")
    parser.add_argument("--rounds", type=int, default=15)
    chosen = parser.parse_args()
    files = sorted(f for f in chosen.pictures.iterdir() if f.suffix in (".jpg", ".png"))[:8]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ.setdefault("XDG_CACHE_HOME", name)
        model = "default"
        if chosen.large:
            torch.manual_seed(0)
            model = str(folder / "large.safetensors")
            save_model(SphereViT(PRESETS["large"]), Path(model), {}, dtype=torch.float16)
        measure(model, folder, files, chosen)


def measure(model: str, folder: Path, files: list[Path], chosen: argparse.Namespace) -> None:
    """Load all, let them take turns, print the table."""
    found: dict[tuple[str, str], tuple[Predictor, float]] = {}
    for row, load in loaders(model, folder, large=chosen.large):
        try:
            load()  # what is converted is kept
            start = time.perf_counter()
            found[row] = load(), time.perf_counter() - start
        except PanodepthError as error:
            print(f"{row[0]} {row[1]}: {error}")
    requests = {
        row: predictor.prepare(files[0], None, PredictOptions(level="none")).pixels
        for row, (predictor, _) in found.items()
    }
    times: dict[tuple[str, str], list[float]] = {row: [] for row in found}
    for _ in range(chosen.rounds + 2):
        for row, (predictor, _) in found.items():
            start = time.perf_counter()
            predictor.run([requests[row]])
            times[row].append(time.perf_counter() - start)
    middle = {row: statistics.median(values[2:]) for row, values in times.items()}
    exact = [found[EXACT][0].predict(f, level="none").raw for f in files]
    print("| backend | precision | network [ms] | × torch's choice | load [s] | mean % | worst % |")
    print("|---|---|---|---|---|---|---|")
    own = middle[EXACT[0], str(panodepth.load(model).describe()["dtype"])]
    for row, (predictor, seconds) in found.items():
        off = [
            float(np.abs(predictor.predict(f, level="none").raw / e - 1).mean()) * 100
            for f, e in zip(files, exact, strict=True)
        ]
        print(
            f"| {row[0]} | {row[1]} | {middle[row] * 1000:.1f} | {middle[row] / own:.2f} | "
            f"{seconds:.2f} | {np.mean(off):.3f} | {max(off):.3f} |"
        )


if __name__ == "__main__":
    main()
