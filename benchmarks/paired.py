"""Whether one model is better than another beyond noise: `python benchmarks/paired.py ONE OTHER`.

AbsRel of both on the same rendered validation worlds, and the mean of log(OTHER / ONE) over them
with its standard error: below zero by more than about two of it, OTHER is the better one.
"""

from __future__ import annotations

import argparse

import numpy as np
from scorecard import error, world_samples

import panodepth

SIZE = (128, 256)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs=2, metavar="MODEL")
    parser.add_argument("--worlds", type=int, default=160, help="of each kind")
    arguments = parser.parse_args()
    predictors = [panodepth.load(model) for model in arguments.models]
    for kind in ("indoor", "outdoor"):
        rows = [
            [
                error(predictor.predict(s.image, level="none").solid, s.distance, s.valid)
                for predictor in predictors
            ]
            for s in world_samples(kind, arguments.worlds, SIZE)
        ]
        one, other = np.array(rows).T
        ratio = np.log(other / one)
        spread = ratio.std(ddof=1) / len(ratio) ** 0.5
        print(
            f"{kind}: {len(rows)} worlds, AbsRel {one.mean():.4f} and {other.mean():.4f}, "
            f"log ratio {ratio.mean():+.3f} ± {spread:.3f}"
        )


if __name__ == "__main__":
    main()
