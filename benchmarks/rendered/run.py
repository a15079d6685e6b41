"""Score weights on the rendered test set, with the sky, or make and check the set itself.

    python benchmarks/rendered/run.py                       # score the bundled model
    python benchmarks/rendered/run.py --weights A --weights B
    python benchmarks/rendered/run.py --check               # are these the worlds of summary.json?
    python benchmarks/rendered/run.py --render DIR          # NAME.png, NAME_distance.npz; checked
    python benchmarks/rendered/run.py --write               # after the scene code has changed

The set is 300 indoor and 200 outdoor worlds of a seed that is never trained on, 256×512. A network
runs at its own size; its distance and sky are resized to the truth's, aligned by the ratio of
medians, and scored without a cap: AbsRel and δ1 per image, their mean with a 95 % bootstrap
interval over images, the sky's intersection over union over all pixels, beside what a constant
prediction scores. Any predictor with all measures, and the table of the pages: table.py.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import rendered_set
import torch

from panodepth.errors import ConfigError, PanodepthError
from panodepth.geometry import resize_erp
from panodepth.lab.training.config import TEST_SEED
from panodepth.lab.training.rendered import RenderedPanorama, score_panorama
from panodepth.lab.training.scores import Score, summarise, table
from panodepth.lab.training.validation import BUNDLED, run_network
from panodepth.model import SphereViT, load_model
from panodepth.types import FloatArray


def predict(model: SphereViT, panorama: RenderedPanorama) -> tuple[FloatArray, FloatArray | None]:
    """Distance and sky logit (or None) at the panorama's size."""
    image = panorama.image.permute(1, 2, 0).float().div(255.0).contiguous().numpy()
    height, width = panorama.distance.shape
    size = (model.config.size[0], model.config.size[1])
    distance, logit = (
        None if x is None else resize_erp(x[None], (height, width), antialias=False)[0].numpy()
        for x in run_network(model, image, size)
    )
    assert distance is not None
    return distance, logit


def evaluate(
    panoramas: Iterable[RenderedPanorama], models: Mapping[str, SphereViT]
) -> dict[str, list[Score]]:
    """Model name -> the score of every panorama; "constant" is there too."""
    scores: dict[str, list[Score]] = {name: [] for name in (*models, "constant")}
    for panorama in panoramas:
        flat = np.ones_like(panorama.distance)
        outputs = {name: predict(model, panorama) for name, model in models.items()}
        for name, (distance, logit) in {**outputs, "constant": (flat, None)}.items():
            score = score_panorama(distance, logit, panorama)
            if score is not None:
                scores[name].append(score)
    return scores


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, action="append", help="default: the bundled model")
    parser.add_argument("--check", action="store_true", help="compare with summary.json, no model")
    parser.add_argument("--write", action="store_true", help="write summary.json, no model")
    parser.add_argument(
        "--render", type=Path, metavar="DIR", help="write the set as files, and check"
    )
    parser.add_argument("--device", default="cpu", help="of the renderer and the network")
    parser.add_argument("--first", type=int, help="only this many of each kind, for a quick look")
    parser.add_argument("--threads", type=int, default=0)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 1 when the worlds are others than the kept ones, or on an error."""
    chosen = parse(arguments)
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    counts = {k: min(n, chosen.first or n) for k, n in rendered_set.COUNTS.items()}
    try:
        return _run(chosen, counts)
    except PanodepthError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(chosen: argparse.Namespace, counts: Mapping[str, int]) -> int:
    fingerprint = rendered_set.Fingerprint()
    made = rendered_set.made(counts, chosen.device)
    panoramas = fingerprint.watched(made, sum(counts.values()))
    if chosen.render:
        rendered_set.write_files(panoramas, chosen.render)
    elif chosen.write or chosen.check:
        for _ in panoramas:
            pass
    else:
        _score(chosen, counts, panoramas)
    found = fingerprint.summary()
    if chosen.write:
        if counts != rendered_set.COUNTS:
            raise ConfigError("--write needs the whole set, without --first")
        rendered_set.write_summary(found)
        return 0
    right, text = rendered_set.compare(found)
    print(text)
    return 0 if right else 1


def _score(
    chosen: argparse.Namespace, counts: Mapping[str, int], panoramas: Iterable[RenderedPanorama]
) -> None:
    """Print what the weights score, for people and as JSON. Raises PanodepthError."""
    files = chosen.weights or [BUNDLED]
    models = {f.stem if f.stem != "model" else f.parent.name: f for f in files}
    if len(models) < len(files):
        raise ConfigError("weights files need different names")
    loaded = {name: load_model(file, device=chosen.device) for name, file in models.items()}
    scores = evaluate(panoramas, loaded)
    rows = {name: summarise(found, intervals=True) for name, found in scores.items()}
    print(table(rows))
    about = {"seed": TEST_SEED, "size": rendered_set.SIZE, "counts": counts}
    print(json.dumps({**about, **rows}))


if __name__ == "__main__":
    sys.exit(main())
