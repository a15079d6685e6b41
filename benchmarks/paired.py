"""Whether models are better than another beyond noise: `python benchmarks/paired.py ONE OTHER...`.

For each OTHER: its AbsRel beside ONE's on the same rendered validation worlds and, with --data DIR,
on the pictures of DIR/real (indoor a*, outdoor b*) and DIR/rendered_house; and for each set the
mean of log(OTHER / ONE) over its pictures with its standard error. A model's last line is the mean
over the sets, each counted alike: below zero by more than about two of its errors, it is better.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from scorecard import Sample, error, folder, world_samples

import panodepth
from panodepth.predict.predictor import Predictor
from panodepth.types import FloatArray

SIZE = (128, 256)
FOLDERS = {"real, indoor": ("real", "a*"), "real, outdoor": ("real", "b*")}
FOLDERS["flat"] = ("rendered_house", "*")


def sets(data: Path | None, count: int) -> Iterator[tuple[str, Iterable[Sample], str]]:
    """Name, samples and `sky` of each set; count: of the worlds of each kind."""
    if data is not None:
        for name, (part, pattern) in FOLDERS.items():
            yield name, folder(data / part, pattern), "none"
    for kind in ("indoor", "outdoor"):
        yield f"worlds, {kind}", world_samples(kind, count, SIZE), "auto"


def errors(predictors: list[Predictor], samples: Iterable[Sample], sky: str) -> FloatArray:
    """(models, pictures) AbsRel."""
    rows = [
        [
            error(p.predict(s.image, level="none", sky=sky).solid, s.distance, s.valid)
            for p in predictors
        ]
        for s in samples
    ]
    return np.array(rows, np.float32).T


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--worlds", type=int, default=160, help="of each kind")
    parser.add_argument("--data", type=Path, help="folder with real/ and rendered_house/")
    arguments = parser.parse_args()
    if len(arguments.models) < 2:
        parser.error("give the model to compare with, then one or more others")
    predictors = [panodepth.load(model) for model in arguments.models]
    found = {n: errors(predictors, s, v) for n, s, v in sets(arguments.data, arguments.worlds)}
    for number, model in enumerate(arguments.models[1:], 1):
        print(f"{model} against {arguments.models[0]}")
        means, spreads = [], []
        for name, values in found.items():
            one, other = values[0], values[number]
            ratio = np.log(other / one)
            means.append(ratio.mean())
            spreads.append(ratio.std(ddof=1) / len(ratio) ** 0.5)
            print(
                f"  {name}: {len(one)} pictures, AbsRel {one.mean():.4f} and {other.mean():.4f}, "
                f"log ratio {means[-1]:+.3f} ± {spreads[-1]:.3f}"
            )
        whole = np.linalg.norm(spreads) / len(spreads)
        print(f"  all sets: log ratio {np.mean(means):+.4f} ± {whole:.4f}")


if __name__ == "__main__":
    main()
