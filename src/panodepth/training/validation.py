"""How good a model is, on rendered panoramas with exact truth and on folders of real ones.

A folder holds NAME.png and NAME_distance.npz (key `distance`, (h, w), NaN = not given, any scale).
Protocol: prediction resized to the reference's size, scaled by median(reference) /
median(prediction) over the given pixels, no cap on distance, AbsRel and δ1 per image over those
pixels (each pixel counts alike), then the mean over images.

    python -m panodepth.training.validation --weights model.safetensors --data FOLDER
"""

from __future__ import annotations

import argparse
import dataclasses
import fnmatch
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from panodepth.errors import InputError, PanodepthError
from panodepth.evaluation.align import median_scale
from panodepth.evaluation.metrics import abs_rel, delta
from panodepth.sphere import resize_erp
from panodepth.training.config import VALIDATION_SEED, DataConfig
from panodepth.training.samples import Renderer, render_stored, scene_renderer
from panodepth.types import BoolArray, FloatArray

GROUPS = {"indoor": "a*", "outdoor": "b*"}
OTHER = "other"

Predict = Callable[[FloatArray], FloatArray]
"""(H, W, 3) float32 sRGB in [0, 1] to distance (h, w) float32 > 0, any size and scale."""

PredictBatch = Callable[[Tensor], tuple[Tensor, Tensor | None]]
"""(B, 3, H, W) to log distance (B, H, W) and sky logit (B, H, W) or None."""


@dataclass(frozen=True)
class Score:
    """One image: abs_rel is a fraction, delta1 the share of pixels within a factor of 1.25."""

    name: str
    group: str
    abs_rel: float
    delta1: float


def score_map(
    prediction: FloatArray, truth: FloatArray, valid: BoolArray, name: str = "", group: str = ""
) -> Score:
    """Measure one (H, W) prediction after median alignment."""
    aligned = prediction * np.float32(median_scale(prediction, truth, valid))
    return Score(name, group, abs_rel(aligned, truth, valid), delta(aligned, truth, valid))


def summarise(scores: Sequence[Score]) -> dict[str, dict[str, float]]:
    """Group -> means over its images and their number."""
    groups: dict[str, dict[str, float]] = {}
    for group in sorted({s.group for s in scores}):
        mine = [s for s in scores if s.group == group]
        groups[group] = {
            "abs_rel": float(np.mean([s.abs_rel for s in mine])),
            "delta1": float(np.mean([s.delta1 for s in mine])),
            "images": len(mine),
        }
    return groups


# ---------------------------------------------------------------- folders


def find_pairs(folder: str | Path) -> list[tuple[Path, Path]]:
    """(NAME.png, NAME_distance.npz) of a folder, by name. Raises InputError when there is none."""
    root = Path(folder)
    suffix = "_distance.npz"
    references = sorted(root.glob(f"*{suffix}"))
    found = [(p.with_name(p.name.removesuffix(suffix) + ".png"), p) for p in references]
    pairs = [pair for pair in found if pair[0].exists()]
    if not pairs:
        raise InputError(f"no NAME.png with NAME_distance.npz in {root}")
    return pairs


def read_pair(image: Path, reference: Path) -> tuple[FloatArray, FloatArray]:
    """Image (H, W, 3) float32 in [0, 1] and reference distance (h, w) float32, NaN = not given."""
    from PIL import Image

    try:
        with Image.open(image) as opened:
            pixels = np.asarray(opened.convert("RGB"), dtype=np.float32) / 255.0
        with np.load(reference, allow_pickle=False) as arrays:
            return pixels, arrays["distance"].astype(np.float32)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"cannot read {image.name} with {reference.name}: {error}") from None


def validate(
    predict: Predict, folder: str | Path, groups: Mapping[str, str] | None = None
) -> list[Score]:
    """Score a predictor on every pair of a folder.

    groups: group name -> pattern of image names ("a*"); images that match none are "other".
    """
    patterns = GROUPS if groups is None else groups
    scores = []
    for image_path, reference_path in find_pairs(folder):
        image, truth = read_pair(image_path, reference_path)
        predicted = torch.from_numpy(predict(image))[None]
        height, width = truth.shape
        resized = resize_erp(predicted, (height, width), antialias=False)[0].numpy()
        valid = np.isfinite(truth) & (truth > 0)
        name = image_path.stem
        group = next((g for g, p in patterns.items() if fnmatch.fnmatch(name, p)), OTHER)
        scores.append(score_map(resized, truth, valid, name, group))
    return scores


def constant(image: FloatArray) -> FloatArray:
    """The prediction that knows nothing: distance 1 everywhere."""
    return np.ones(image.shape[:2], dtype=np.float32)


def model_predictor(model: torch.nn.Module, size: tuple[int, int]) -> Predict:
    """A `Predict` from a SphereViT that runs at `size` (H, W), multiples of 14."""
    device = next(model.parameters()).device

    @torch.no_grad()
    def predict(image: FloatArray) -> FloatArray:
        pixels = torch.from_numpy(image).permute(2, 0, 1)[None].to(device)
        small = resize_erp(pixels, size, antialias=True).clamp(0.0, 1.0)
        log_distance: Tensor = model(small).log_distance
        return log_distance[0].float().exp().cpu().numpy()

    return predict


# ---------------------------------------------------------------- rendered


class RenderedSet:
    """A fixed set of rendered panoramas from the validation seeds, rendered when first needed.

    Half indoor, half outdoor, at the size of training.
    """

    def __init__(self, data: DataConfig, count: int, renderer: Renderer | None = None) -> None:
        self.data = data
        self.count = count
        self.renderer = renderer
        self._images: Tensor | None = None
        self._distance: list[tuple[str, FloatArray]] = []

    def _render(self) -> Tensor:
        renderer = self.renderer or scene_renderer()
        half = max(1, self.count // 2)
        images = []
        for kind in ("indoor", "outdoor"):
            data = dataclasses.replace(self.data, kind=kind)
            for start in range(0, half, data.render_batch):
                indices = range(start, min(start + data.render_batch, half))
                stored = render_stored(renderer, data, indices, seed=VALIDATION_SEED)
                images.append(stored.image.cpu())
                self._distance += [(kind, d.numpy()) for d in stored.distance.cpu()]
        return torch.cat(images)

    @torch.no_grad()
    def score(self, predict: PredictBatch, batch: int) -> dict[str, dict[str, float]]:
        """Mean AbsRel and δ1 by group, and the sky's intersection over union where predicted."""
        if self._images is None:
            self._images = self._render()
        scores: list[Score] = []
        both = either = 0
        for start in range(0, len(self._images), batch):
            images = self._images[start : start + batch].float() / 255.0
            log_distance, logit = predict(images)
            maps = log_distance.exp().cpu().numpy()
            for i, prediction in enumerate(maps):
                group, truth = self._distance[start + i]
                valid = np.isfinite(truth) & (truth > 0)
                if valid.any():
                    scores.append(score_map(prediction, truth, valid, str(start + i), group))
                if logit is not None:
                    said, is_sky = (logit[i] > 0).cpu().numpy(), np.isinf(truth)
                    both += int((said & is_sky).sum())
                    either += int((said | is_sky).sum())
        summary = summarise(scores)
        if either:
            summary["sky"] = {"iou": both / either}
        return summary


# ---------------------------------------------------------------- command line


def table(rows: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """Plain text, one line per (predictor, group)."""
    lines = [f"{'':12s}{'group':10s}{'AbsRel':>8s}{'δ1':>8s}{'images':>8s}"]
    for who, groups in rows.items():
        for group, s in groups.items():
            numbers = f"{s['abs_rel']:8.4f}{s['delta1']:8.4f}{s['images']:8.0f}"
            lines.append(f"{who:12s}{group:10s}{numbers}")
    return "\n".join(lines)


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
        prog="python -m panodepth.training.validation",
        description="Score weights, and a constant, on folders of NAME.png + NAME_distance.npz.",
    )
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, action="append")
    parser.add_argument("--size", type=_size, help="HxW the network runs at; default: its own")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument(
        "--group", type=_group, action="append", help="NAME=PATTERN of image names, repeatable"
    )
    chosen = parser.parse_args(arguments)
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    try:
        from panodepth.model import load_model

        model = load_model(chosen.weights, device=chosen.device, dtype=torch.float32).eval()
        size = chosen.size or tuple(model.config.size)
        predict = model_predictor(model, (int(size[0]), int(size[1])))
        groups = dict(chosen.group) if chosen.group else None
        for folder in chosen.data:
            scores = validate(predict, folder, groups)
            rows = {
                "model": summarise(scores),
                "constant": summarise(validate(constant, folder, groups)),
            }
            print(f"{folder} at {size[0]}x{size[1]}")
            print(table(rows))
            print(json.dumps({"data": str(folder), **rows, "images": [asdict(s) for s in scores]}))
    except PanodepthError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
