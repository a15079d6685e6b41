"""Print how well `confidence` ranks errors: `python benchmarks/confidence.py [--data DIR]`.

The pixels of each picture are left out, the least confident first, and the AbsRel of what remains
is integrated over the share that was left out, as a share of the AbsRel of all: the area under the
sparsification curve. 1 is a random order, less is better; the order by the true error is the
least. Pixels count by their solid angle. Rendered worlds of the validation seed, and of --data
pictures NAME.png with NAME_distance.npz.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

import panodepth
from panodepth.geometry.grid import solid_angles
from panodepth.geometry.resizing import resize_erp
from panodepth.lab.worlds.panoramas import render_batch
from panodepth.types import ByteArray, FloatArray

SEED = 1_000_000  # validation worlds
SIZE = (256, 512)


def rendered(count: int) -> Iterator[tuple[str, ByteArray, FloatArray]]:
    for index in range(count):
        kind = ("indoor", "outdoor")[index % 2]
        batch = render_batch(SEED, [index], *SIZE, kind=kind)
        image = np.asarray(batch.image[0].permute(1, 2, 0) * 255 + 0.5).clip(0, 255)
        yield f"rendered {kind}", image.astype(np.uint8), batch.distance[0].numpy()


def measured(folder: Path) -> Iterator[tuple[str, ByteArray, FloatArray]]:
    for file in sorted(folder.glob("*.png")):
        image = np.asarray(Image.open(file).convert("RGB"))
        truth = np.load(file.with_name(f"{file.stem}_distance.npz"))["distance"]
        yield folder.name, image, np.nan_to_num(truth, posinf=0).astype(np.float32)


def area(
    error: npt.NDArray[np.floating], weight: npt.NDArray[np.floating], doubt: FloatArray
) -> float:
    """Under the curve of what remains after the most doubtful are left out; all (N,)."""
    order = np.argsort(doubt, kind="stable")
    mass = np.cumsum(weight[order], dtype=np.float64)
    mean = np.cumsum((error * weight)[order], dtype=np.float64) / mass
    return float(np.trapezoid(mean, mass / mass[-1]) / mean[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="default")
    parser.add_argument("--count", type=int, default=32, help="worlds, half of them indoor")
    parser.add_argument("--data", type=Path, help="folder of pictures with distance")
    chosen = parser.parse_args()
    predictor = panodepth.load(chosen.model, device="cpu")
    rng = np.random.default_rng(0)
    areas = defaultdict[str, list[list[float]]](list)
    samples = [*rendered(chosen.count), *(measured(chosen.data) if chosen.data else ())]
    for kind, image, truth in samples:
        found = predictor.predict(image, level="none", sky="none", confidence=True)
        assert found.confidence is not None
        known = truth > 0
        size = (truth.shape[0], truth.shape[1])
        said, sure = (resize_erp(x, size)[known] for x in (found.solid, found.confidence))
        error = np.abs(said * np.median(truth[known] / said) / truth[known] - 1)
        weight = np.broadcast_to(solid_angles(*truth.shape), truth.shape)[known]
        orders = (-sure, said, -said, rng.random(len(said)), error)
        areas[kind].append([area(error, weight, order) for order in orders])
    orders_told = ("confidence", "farthest first", "nearest first", "random", "true error")
    for kind, all_areas in areas.items():
        means = zip(orders_told, np.mean(all_areas, axis=0), strict=True)
        told = ", ".join(f"{name} {value:.3f}" for name, value in means)
        print(f"{kind} ({len(all_areas)} pictures): {told}")


if __name__ == "__main__":
    main()
