"""Everything a default model is judged by: `python benchmarks/scorecard.py --data DIR`.

DIR holds real/ (indoor pictures a*, outdoor b*) and rendered_house/, each NAME.png with
NAME_distance.npz; without --data only rendered validation worlds are measured. No test seed is
touched here (benchmarks/rendered/run.py does that, once a model is chosen).

AbsRel: median-aligned, no cap, mean over pictures, as in the model card; "by ratio": aligned by the
median of the ratio of truth and prediction, in place of the ratio of their medians. boundary F1:
depth contours within 2 px of the true ones, on the flat at 384x768. pitch: AbsRel of the indoor
pictures turned downwards by that angle, divided by the level one. roll, mirror: mean |log change|
of the indoor pictures when the input is rolled by part of a patch, or mirrored, and the output put
back. zenith, nadir: median |log step| from the outermost row of the network's output to the next,
in percent.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from flatness import wall_angle_deg

import panodepth
from panodepth.geometry.grid import solid_angles
from panodepth.geometry.resampling import rotate_erp
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.lab.data import open_folder
from panodepth.lab.evaluation.measures.align import median_scale
from panodepth.lab.evaluation.measures.metrics import abs_rel
from panodepth.lab.evaluation.protocol import VALIDATION_SEED
from panodepth.lab.worlds import Priors, SceneBatch, render_batch
from panodepth.predict.options import QUALITIES, PredictOptions
from panodepth.predict.predictor import Predictor
from panodepth.types import BoolArray, FloatArray

EDGE_RATIOS = tuple(float(r) for r in np.linspace(1.05, 1.25, 5))
TOLERANCE = 2  # [px]
EDGE_SIZE = (384, 768)
PITCHES_DEG = (20, 30)
ROLLS = (0.25, 0.5)  # of a patch
DEFAULT = PredictOptions().quality


class Sample(NamedTuple):
    """name; image: (H, W, 3) in [0, 1]; distance, valid: (h, w)."""

    name: str
    image: FloatArray
    distance: FloatArray
    valid: BoolArray


Distance = Callable[[FloatArray], FloatArray]
"""(H, W, 3) to the predicted distance (H, W)."""


def folder(path: Path, pattern: str) -> Iterator[Sample]:
    """The samples of a folder whose name fits the pattern."""
    source = open_folder(path)
    for number, pair in enumerate(source.pairs):
        if not (path / pair.image).is_file() or not Path(pair.name).match(pattern):
            continue
        panorama = source[number]
        assert panorama.distance is not None
        assert panorama.mask is not None
        yield Sample(pair.name, panorama.image, panorama.distance, panorama.mask)


def resized(distance: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Bilinear and closed over the seam, without smoothing."""
    from panodepth.geometry.resizing import resize_erp

    return resize_erp(distance, shape, antialias=False)


def error(
    prediction: FloatArray, truth: FloatArray, valid: BoolArray, *, by_ratio: bool = False
) -> float:
    """AbsRel after median alignment; by_ratio: by the median of the ratio."""
    prediction = resized(prediction, truth.shape)
    scale = median_scale(prediction, truth, valid)
    if by_ratio:
        scale = float(np.median(truth[valid] / prediction[valid]))
    return abs_rel(prediction * np.float32(scale), truth, valid)


def contours(distance: FloatArray, valid: BoolArray, ratio: float) -> BoolArray:
    """Pixels whose right or lower neighbour is `ratio` times as near or far."""
    log = np.log(np.where(valid, distance, 1))
    limit = math.log(ratio)
    right = (np.abs(np.roll(log, -1, 1) - log) > limit) & valid & np.roll(valid, -1, 1)
    below = np.zeros_like(valid)
    below[:-1] = (np.abs(log[1:] - log[:-1]) > limit) & valid[1:] & valid[:-1]
    return right | below


def tolerant_f1(prediction: FloatArray, truth: FloatArray, valid: BoolArray) -> float:
    """F1 of contours that may be TOLERANCE pixels off, mean over EDGE_RATIOS weighted by them."""
    total = 0.0
    for ratio in EDGE_RATIOS:
        said, true = (contours(d, valid, ratio) for d in (prediction, truth))
        wide_said, wide_true = (widened(x) for x in (said, true))
        precision = (said & wide_true).sum() / max(said.sum(), 1)
        recall = (true & wide_said).sum() / max(true.sum(), 1)
        total += ratio * 2 * precision * recall / max(precision + recall, 1e-9)
    return float(total / sum(EDGE_RATIOS))


def widened(mask: BoolArray) -> BoolArray:
    """What lies within TOLERANCE pixels of the mask, across the seam too."""
    wide = np.pad(mask.astype(np.uint8), ((0, 0), (TOLERANCE, TOLERANCE)), "wrap")
    kernel = np.ones((2 * TOLERANCE + 1,) * 2, np.uint8)
    return np.asarray(cv2.dilate(wide, kernel)[:, TOLERANCE:-TOLERANCE] > 0)


def pitched(sample: Sample, pitch_deg: float) -> Sample:
    """The same place through a camera that looks down by that angle; distance by nearest pixel."""
    turn = rotation_from_yaw_pitch_roll(0.0, math.radians(pitch_deg), 0.0)
    image = torch.from_numpy(sample.image).permute(2, 0, 1)
    turned = rotate_erp(image, turn).permute(1, 2, 0).numpy()
    known = torch.from_numpy(np.where(sample.valid, sample.distance, 0))[None]
    distance = rotate_erp(known, turn, mode="nearest")[0].numpy()
    return Sample(sample.name, turned.clip(0, 1).astype(np.float32), distance, distance > 0)


def change(one: FloatArray, other: FloatArray) -> float:
    """Mean |log ratio|, solid angles counted alike."""
    weight = solid_angles(*one.shape)
    difference = np.abs(np.log(one) - np.log(other))
    return float((difference * weight).sum() / (weight.sum() * one.shape[1]))


def pole_step(distance: FloatArray, row: int, neighbour: int) -> float:
    """Median |log step| between two rows."""
    return float(np.median(np.abs(np.log(distance[row]) - np.log(distance[neighbour]))))


def rotated_rows(
    samples: Sequence[Sample], predict: Distance, size: tuple[int, int]
) -> dict[str, float]:
    """pitch, roll and mirror of the module's head; size: of the network."""
    level = [error(predict(s.image), s.distance, s.valid) for s in samples]
    out = {}
    for pitch in PITCHES_DEG:
        turned = [pitched(s, pitch) for s in samples]
        errors = [error(predict(s.image), s.distance, s.valid) for s in turned]
        out[f"pitch {pitch} deg, x level"] = float(np.mean(errors) / np.mean(level))
    rolls, mirrors = [], []
    for sample in samples:
        plain = predict(sample.image)
        width = sample.image.shape[1]
        for share in ROLLS:
            columns = round(share * width / (size[1] / 14))
            rolled = predict(np.roll(sample.image, columns, 1))
            rolls.append(change(np.roll(rolled, -columns, 1), plain))
        mirrors.append(change(predict(sample.image[:, ::-1])[:, ::-1], plain))
    out["sub-patch roll %"] = 100 * float(np.mean(rolls))
    out["mirror %"] = 100 * float(np.mean(mirrors))
    return out


def worlds(kind: str, count: int, size: tuple[int, int], version: int = 1) -> Iterator[SceneBatch]:
    """Validation worlds of one kind and version, eight at a time."""
    for start in range(0, count, 8):
        numbers = range(start, min(start + 8, count))
        yield render_batch(
            VALIDATION_SEED, numbers, *size, kind=kind, priors=Priors(version=version)
        )


def world_samples(kind: str, count: int, size: tuple[int, int]) -> Iterator[Sample]:
    """Those of `worlds` that are not all sky; what is not valid is sky."""
    for batch in worlds(kind, count, size):
        images = batch.image.permute(0, 2, 3, 1).numpy()
        for k, sky in enumerate(batch.sky.numpy()):
            if not sky.all():
                yield Sample(kind, images[k], batch.distance[k].numpy(), ~sky)


def world_rows(
    predictor: Predictor, count: int, version: int = 1, quality: str = DEFAULT
) -> dict[str, float]:
    """AbsRel, sky and walls on rendered validation worlds at the network's own size or 128x256."""
    out: dict[str, float] = {}
    both = either = 0
    for kind in ("indoor", "outdoor"):
        errors, by_ratio, walls = [], [], []
        for batch in worlds(kind, count, (128, 256), version):
            for k, image in enumerate(batch.image.permute(0, 2, 3, 1).numpy()):
                prediction = predictor.predict(image, level="none", quality=quality)
                truth, sky = batch.distance[k].numpy(), batch.sky[k].numpy()
                if (~sky).any():
                    errors.append(error(prediction.solid, truth, ~sky))
                    by_ratio.append(error(prediction.solid, truth, ~sky, by_ratio=True))
                both += int((sky & prediction.sky).sum())
                either += int((sky | prediction.sky).sum())
                if kind == "indoor":
                    walls.append(
                        wall_angle_deg(prediction.normals, batch.normals[k], batch.label[k])
                    )
        out[f"worlds {kind}"] = float(np.mean(errors))
        out[f"worlds {kind}, by ratio"] = float(np.mean(by_ratio))
        if walls:
            out["walls deg, median room"] = float(np.nanmedian(walls))
    out["sky IoU, worlds"] = both / max(either, 1)
    return out


def measure(
    model: str, data: Path | None, count: int, version: int = 1, quality: str = DEFAULT
) -> dict[str, float]:
    """Measure name -> value, in the order of the table."""
    predictor = panodepth.load(model)
    size = predictor.size

    def predict(image: FloatArray) -> FloatArray:
        options = PredictOptions(sky="none", level="none", quality=quality)
        return predictor.predict(np.ascontiguousarray(image), options=options).distance

    out: dict[str, float] = {}
    if data is not None:
        groups = {
            "real indoor": ("real", "a*"),
            "real outdoor": ("real", "b*"),
            "flat": ("rendered_house", "*"),
        }
        sets = {name: list(folder(data / place, p)) for name, (place, p) in groups.items()}
        steps: dict[str, list[float]] = {"zenith %": [], "nadir %": []}
        for name, samples in sets.items():
            predictions = [predict(s.image) for s in samples]
            for end, by_ratio in (("", False), (", by ratio", True)):
                errors = [
                    error(p, s.distance, s.valid, by_ratio=by_ratio)
                    for p, s in zip(predictions, samples, strict=True)
                ]
                out[name + end] = float(np.mean(errors))
            small = [
                predict(cv2.resize(s.image, size[::-1], interpolation=cv2.INTER_AREA))
                for s in samples
            ]
            steps["zenith %"] += [pole_step(p, 0, 1) for p in small]
            steps["nadir %"] += [pole_step(p, -1, -2) for p in small]
        out["boundary F1, 2 px"] = float(np.mean([sharpness(s, predict) for s in sets["flat"]]))
        out |= rotated_rows(sets["real indoor"], predict, size)
        out |= {name: 100 * float(np.median(values)) for name, values in steps.items()}
    out |= world_rows(predictor, count, version, quality)
    return out | {"network ms, one look": network_ms(predictor)}


def sharpness(sample: Sample, predict: Distance) -> float:
    """`tolerant_f1` at EDGE_SIZE of a picture given at that size."""
    image = cv2.resize(sample.image, EDGE_SIZE[::-1], interpolation=cv2.INTER_AREA)
    truth = cv2.resize(sample.distance, EDGE_SIZE[::-1], interpolation=cv2.INTER_NEAREST)
    valid = np.isfinite(truth) & (truth > 0)
    return tolerant_f1(predict(image), truth, valid)


def network_ms(predictor: Predictor, repeats: int = 15) -> float:
    """Median time of the network alone on one blank picture."""
    pixels = [np.full((3, *predictor.size), 0.5, np.float32)]
    times = []
    for _ in range(repeats + 3):
        start = time.perf_counter()
        predictor.run(pixels)
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times[3:]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", action="append", help="default: the bundled model; repeatable")
    parser.add_argument("--data", type=Path, help="a folder with real/ and rendered_house/")
    parser.add_argument("--worlds", type=int, default=40, help="of each kind")
    parser.add_argument("--worlds-version", type=int, default=1, choices=(1, 2))
    parser.add_argument("--quality", default=DEFAULT, choices=QUALITIES)
    arguments = parser.parse_args()
    columns = {
        m: measure(m, arguments.data, arguments.worlds, arguments.worlds_version, arguments.quality)
        for m in arguments.model or ["default"]
    }
    names = list(next(iter(columns.values())))
    print(f"{'':26s}" + "".join(f"{m[-22:]:>24s}" for m in columns))
    for name in names:
        print(f"{name:26s}" + "".join(f"{rows[name]:24.4f}" for rows in columns.values()))
    print(json.dumps(columns))


if __name__ == "__main__":
    main()
