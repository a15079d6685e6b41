"""How good a model is, on rendered panoramas with exact truth and on folders of real ones.

A folder holds NAME.png and NAME_distance.{npz,exr,png} as `panodepth.lab.data.open_folder` reads
them (any scale; NaN, 0 and sky are not counted).
Protocol: prediction resized to the reference's size, scaled by median(reference) /
median(prediction) over the given pixels, no cap on distance, AbsRel and δ1 per image over those
pixels (each pixel counts alike), then the mean over images, with a 95 % bootstrap interval over
the images in brackets.

    python -m panodepth.lab.training.validation --weights model.safetensors --data FOLDER
    python -m panodepth.lab.training.validation --weights default --rendered 200
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from panodepth.errors import InputError, PanodepthError
from panodepth.geometry import resize_erp
from panodepth.lab.training.config import TEST_SEED, VALIDATION_SEED, DataConfig
from panodepth.lab.training.rendered import RenderedSet
from panodepth.lab.training.scores import Score, Summary, score_map, summarise, table
from panodepth.types import FloatArray

if TYPE_CHECKING:
    from panodepth.lab.data import PanoramaSource

GROUPS = {"indoor": "a*", "outdoor": "b*"}
OTHER = "other"
BUNDLED = Path(__file__).parents[2] / "weights" / "default.safetensors"

Predict = Callable[[FloatArray], FloatArray]
"""(H, W, 3) float32 sRGB in [0, 1] to distance (h, w) float32 > 0, any size and scale."""


# ---------------------------------------------------------------- folders


def open_pairs(folder: str | Path) -> tuple[PanoramaSource, list[int]]:
    """A folder's panoramas, and the numbers of those that have both a picture and a distance.

    Raises PanodepthError when there is none.
    """
    from panodepth.lab.data import open_folder

    root = Path(folder)
    source = open_folder(root)
    whole = [
        number
        for number, pair in enumerate(source.pairs)
        if (root / pair.image).is_file() and (root / pair.distance).is_file()
    ]
    if not whole:
        raise InputError(f"no NAME.png with NAME_distance.npz in {root}")
    return source, whole


def validate(
    predict: Predict, folder: str | Path, groups: Mapping[str, str] | None = None
) -> list[Score]:
    """Score a predictor on every pair of a folder.

    groups: group name -> pattern of image names ("a*"); images that match none are "other".
    Raises InputError naming the file when one cannot be used.
    """
    patterns = GROUPS if groups is None else groups
    scores = []
    source, whole = open_pairs(folder)
    for number in whole:
        panorama = source[number]
        truth, valid, name = panorama.distance, panorama.mask, panorama.meta["name"]
        assert truth is not None
        assert valid is not None
        predicted = torch.from_numpy(predict(panorama.image))[None]
        height, width = truth.shape
        resized = resize_erp(predicted, (height, width), antialias=False)[0].numpy()
        group = next((g for g, p in patterns.items() if fnmatch.fnmatch(name, p)), OTHER)
        scores.append(score_map(resized, truth, valid, name, group))
    return scores


def constant(image: FloatArray) -> FloatArray:
    """The prediction that knows nothing: distance 1 everywhere."""
    return np.ones(image.shape[:2], dtype=np.float32)


def constant_batch(images: Tensor) -> tuple[Tensor, None]:
    """`constant` for (B, 3, H, W): log distance 0, and no sky output."""
    return torch.zeros_like(images[:, 0]), None


@torch.no_grad()
def run_network(
    model: torch.nn.Module, image: FloatArray, size: tuple[int, int]
) -> tuple[Tensor, Tensor | None]:
    """A SphereViT at `size` (H, W) on one picture (h, w, 3) in [0, 1].

    Returns distance and sky logit (or None), (H, W) float32 on the CPU.
    """
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None]
    small = resize_erp(pixels, size, antialias=True).clamp(0.0, 1.0)
    output = model(small.to(next(model.parameters()).device))
    logit = output.sky_logit
    distance = output.log_distance[0].float().exp().cpu()
    return distance, None if logit is None else logit[0].float().cpu()


def model_predictor(model: torch.nn.Module, size: tuple[int, int]) -> Predict:
    """A `Predict` from a SphereViT that runs at `size` (H, W)."""

    def predict(image: FloatArray) -> FloatArray:
        return run_network(model, image, size)[0].numpy()

    return predict


# ---------------------------------------------------------------- command line


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.lower().partition("x")
    return int(height), int(width)


def _group(text: str) -> tuple[str, str]:
    name, equals, pattern = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=PATTERN")
    return name, pattern


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table and one line of JSON; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m panodepth.lab.training.validation",
        description="Score weights, and a constant, on folders of NAME.png + NAME_distance.npz.",
    )
    parser.add_argument(
        "--weights", type=Path, required=True, help='model file, or "default": the bundled one'
    )
    parser.add_argument("--data", type=Path, action="append", default=[], help="a folder of pairs")
    parser.add_argument("--rendered", type=int, default=0, help="number of rendered panoramas")
    parser.add_argument(
        "--seed", type=int, default=VALIDATION_SEED, help=f"theirs; {TEST_SEED} is the test seed"
    )
    parser.add_argument("--size", type=_size, help="HxW the network runs at; default: its own")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument(
        "--group", type=_group, action="append", help="NAME=PATTERN of image names, repeatable"
    )
    chosen = parser.parse_args(arguments)
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    if not chosen.data and not chosen.rendered:
        parser.error("give --data FOLDER or --rendered COUNT")
    try:
        _report(chosen)
    except PanodepthError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _report(chosen: argparse.Namespace) -> None:
    from panodepth.model import load_model

    weights = BUNDLED if str(chosen.weights) == "default" else chosen.weights
    model = load_model(weights, device=chosen.device, dtype=torch.float32).eval()
    height, width = chosen.size or model.config.size
    predict = model_predictor(model, (height, width))
    groups = dict(chosen.group) if chosen.group else None

    def show(title: str, rows: dict[str, Summary], **more: object) -> None:
        print(f"{title} at {height}x{width}")
        print(table(rows))
        print(json.dumps({"data": title, "size": [height, width], **rows, **more}))

    for folder in chosen.data:
        scores = validate(predict, folder, groups)
        flat = validate(constant, folder, groups)
        rows = {
            "model": summarise(scores, intervals=True),
            "constant": summarise(flat, intervals=True),
        }
        show(str(folder), rows, images=[asdict(s) for s in scores])
    if chosen.rendered:
        data = DataConfig(height=height, width=width)
        made = RenderedSet(data, chosen.rendered, seed=chosen.seed)

        def predict_batch(image: Tensor) -> tuple[Tensor, Tensor | None]:
            output = model(image.to(next(model.parameters()).device))
            return output.log_distance, output.sky_logit

        rows = {
            "model": made.score(predict_batch, 4, intervals=True),
            "constant": made.score(constant_batch, 4, intervals=True),
        }
        show(f"rendered, seed {chosen.seed}", rows)


if __name__ == "__main__":
    sys.exit(main())
