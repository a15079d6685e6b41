"""What a network's working size is worth: `python benchmarks/sizes.py --data DIR`.

DIR holds real/ and rendered_house/, as for scorecard.py; without it worlds of the validation seed
alone are measured, pictures of 256x512. once: at that size alone, without what is taken from the
network's own (predict/larger.py), which is all where that is larger. AbsRel, boundary F1 at 384x768
(worlds: 256x512) and sky IoU are scorecard.py's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scorecard import Sample, error, folder, sharpness, tolerant_f1, world_samples

import panodepth
from panodepth.geometry.resizing import resize_erp
from panodepth.predict.predictor import Predictor
from panodepth.size import Size
from panodepth.types import FloatArray

SIZES = (98, 112, 126, 154, 182, 252, 378)
WORLD_SIZE = (256, 512)


class Once:
    """A predictor that believes whatever size it is given."""

    def __init__(self, predictor: Predictor, size: Size) -> None:
        self.predictor, self.own, self.size = predictor, predictor.own_size, size

    def __enter__(self) -> None:
        self.predictor.own_size = self.size

    def __exit__(self, *_: object) -> None:
        self.predictor.own_size = self.own


def measured(predictor: Predictor, sets: dict[str, list[Sample]], size: Size) -> list[str]:
    """A cell for each set: AbsRel / F1."""

    def predict(image: FloatArray) -> FloatArray:
        return predictor.predict(image, size=size, sky="none", level="none").distance

    cells = []
    for name, samples in sets.items():
        errors = [error(predict(s.image), s.distance, s.valid) for s in samples]
        f1 = [
            tolerant_f1(resize_erp(predict(s.image), s.distance.shape), s.distance, s.valid)
            if name.startswith("worlds")
            else sharpness(s, predict)
            for s in samples
        ]
        cells.append(f"{np.mean(errors):.4f} / {np.mean(f1):.3f}")
    return cells


def sky_iou(predictor: Predictor, samples: list[Sample], size: Size) -> float:
    """Over all pixels of pictures whose sky is what is not valid."""
    both = either = 0
    for sample in samples:
        said = predictor.predict(sample.image, size=size, level="none").sky
        both += int((said & ~sample.valid).sum())
        either += int((said | ~sample.valid).sum())
    return both / max(either, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--worlds", type=int, default=16, help="of each kind")
    parser.add_argument("--model", default="default")
    parser.add_argument("--heights", type=int, nargs="+", default=SIZES)
    chosen = parser.parse_args()
    predictor = panodepth.load(chosen.model)
    sets: dict[str, list[Sample]] = {}
    if chosen.data is not None:
        for name, place, pattern in (
            ("real indoor", "real", "a*"),
            ("real outdoor", "real", "b*"),
            ("flat", "rendered_house", "*"),
        ):
            sets[name] = list(folder(chosen.data / place, pattern))
    for kind in ("indoor", "outdoor"):
        sets[f"worlds {kind}"] = list(world_samples(kind, chosen.worlds, WORLD_SIZE))
    print("| size | " + " | ".join(sets) + " | sky IoU |")
    print("|" + "---|" * (len(sets) + 2))
    for height in chosen.heights:
        size = (height, 2 * height)
        for once in (False, True) if size != predictor.own_size else (False,):
            with Once(predictor, size if once else predictor.own_size):
                cells = measured(predictor, sets, size)
                cells.append(f"{sky_iou(predictor, sets['worlds outdoor'], size):.4f}")
            name = f"{height}×{2 * height}" + (", once" if once else "")
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
