"""Print how well tilted pictures are levelled: `python benchmarks/levelling.py [--model FILE]`.

Rendered worlds of the validation seed, each level, tilted by 30°, and by 8° to 35°, to any side;
128×256. For every `level` mode: AbsRel after alignment by the median, and how far the up that was
found is from the true one. --real DIR adds pictures NAME.png that are held level, with
NAME_distance.npz, rotated by 30° to four sides.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

import panodepth
from panodepth.geometry.resampling import rotate_erp
from panodepth.geometry.resizing import resize_erp
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll, rotation_to_up
from panodepth.lab.worlds.camera.photograph import draw_camera
from panodepth.lab.worlds.panoramas import make_scene, panorama_grid, render_scenes
from panodepth.lab.worlds.render.primitives import FLIP
from panodepth.lab.worlds.views import moved
from panodepth.predict.predictor import Predictor
from panodepth.types import ByteArray, FloatArray

SEED = 1_000_000  # validation worlds
SIZE = (128, 256)
MODES = ("none", "auto", "best")


class Sample(NamedTuple):
    """kind: of picture. tilt: "level", "30°" or "8-35°". distance: 0 = not given."""

    kind: str
    tilt: str
    image: ByteArray
    distance: FloatArray
    up: tuple[float, float, float]


def tilted(degrees: float, side_rad: float) -> FloatArray:
    """Camera to level camera: (3, 3)."""
    angle = math.radians(degrees)
    return np.asarray(
        rotation_from_yaw_pitch_roll(0.0, angle * math.cos(side_rad), angle * math.sin(side_rad))
    )


def rendered(count: int) -> Iterator[Sample]:
    rng = np.random.default_rng(0)
    for index in range(count):
        kind = ("indoor", "outdoor")[index % 2]
        scene = make_scene(SEED, index, kind)
        up = FLIP @ scene.camera_rotation.T @ [0.0, 1.0, 0.0]
        turns = {
            "level": np.eye(3),
            "30°": tilted(30, rng.uniform(0, 2 * math.pi)),
            "8-35°": tilted(rng.uniform(8, 35), rng.uniform(0, 2 * math.pi)),
        }
        for name, turn in turns.items():
            pose = np.eye(4)
            pose[:3, :3] = rotation_to_up(up.tolist()) @ turn
            batch = render_scenes(
                [moved(scene, pose)], panorama_grid(*SIZE), [draw_camera(SEED, index)]
            )
            image = np.asarray(batch.image[0].permute(1, 2, 0) * 255 + 0.5).clip(0, 255)
            x, y, z = (turn.T @ [0.0, -1.0, 0.0]).tolist()
            yield Sample(kind, name, image.astype(np.uint8), batch.distance[0].numpy(), (x, y, z))


def real(folder: Path) -> Iterator[Sample]:
    for file in sorted(folder.glob("*.png")):
        image = np.asarray(Image.open(file).convert("RGB"), np.float32)
        truth = np.load(file.with_name(f"{file.stem}_distance.npz"))["distance"].astype(np.float32)
        planes = np.ascontiguousarray(np.moveaxis(image, -1, 0))
        turns = [("level", np.eye(3))]
        turns += [("30°", tilted(30, side * math.pi / 2 + 0.4)) for side in range(4)]
        for name, turn in turns:
            seen = planes if name == "level" else rotate_erp(planes, turn)
            distance = np.nan_to_num(truth)[None]
            if name != "level":
                distance = rotate_erp(distance, turn, mode="nearest")
            x, y, z = (turn.T @ [0.0, -1.0, 0.0]).tolist()
            shown = np.moveaxis(seen, 0, -1).clip(0, 255).astype(np.uint8)
            yield Sample("real", name, shown, distance[0], (x, y, z))


def scores(predictor: Predictor, sample: Sample, mode: str) -> tuple[float, float]:
    """AbsRel, and how far up is off [deg]; NaN where nothing was found."""
    found = predictor.predict(sample.image, sky="none", level=mode)
    known = sample.distance > 0
    said = resize_erp(found.solid, (sample.distance.shape[0], sample.distance.shape[1]))[known]
    truth = sample.distance[known]
    error = np.abs(said * np.median(truth / said) / truth - 1).mean()
    if found.level is None:
        return float(error), math.nan
    cosine = float(np.dot(found.level.direction, sample.up))
    return float(error), math.degrees(math.acos(min(1.0, cosine)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="default")
    parser.add_argument("--count", type=int, default=32, help="worlds, half of them indoor")
    parser.add_argument("--real", type=Path, help="folder of level pictures with distance")
    chosen = parser.parse_args()
    predictor = panodepth.load(chosen.model, device="cpu")
    samples = [*rendered(chosen.count), *(real(chosen.real) if chosen.real else ())]
    for mode in MODES:
        found = [(s.kind, s.tilt, *scores(predictor, s, mode)) for s in samples]
        for kind, tilt in dict.fromkeys((s.kind, s.tilt) for s in samples):
            errors, angles = np.array([f[2:] for f in found if f[:2] == (kind, tilt)]).T
            told = angles[~np.isnan(angles)]
            up = ""
            if told.size:
                middle, high = np.quantile(told, (0.5, 0.9))
                up = f"; up off by {middle:.1f}° (median), {high:.1f}° (p90)"
            print(f"{mode:5} {kind:8}{tilt:>6}: AbsRel {errors.mean():.3f}{up}", flush=True)


if __name__ == "__main__":
    main()
