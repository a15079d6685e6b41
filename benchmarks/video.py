"""How still video is: rendered flights, each frame by itself and held to the ones before.

    python benchmarks/video.py [--clips 6] [--frames 30] [--size 192] [--out FILE.json]

Worlds of the validation seed, seen by a camera that stands with a noisy sensor, turns by hand, or
walks. Flicker is the mean change of log distance, from frame to frame, beyond what the true
distances do, at pixels whose surface is the same in both frames (the turn taken out); scale is the
standard deviation over a clip of the log of what would make a frame true. AbsRel is of each frame
by its own median, and of the clip by one factor. Printed as JSON.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

import panodepth
from panodepth.atomic import write_atomic
from panodepth.geometry.resampling import rotate_erp
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.panoramas import panorama_grid, render_scenes
from panodepth.lab.worlds.scenes import make_camera, make_scene
from panodepth.lab.worlds.views import free_place, moved
from panodepth.video.options import VideoOptions
from panodepth.video.reading import Frame
from panodepth.video.run import steadied

SEED = 1_000_000  # of validation
WAYS = ("stands", "turns", "walks")
REACH_M = 2.0  # how far a walk may lead
NOISE = 3.0  # standard deviation of the sensor, of 255
SAME = 0.02  # true log distances that differ by less are of the same surface


def poses(way: str, scene, count: int, rng) -> np.ndarray:
    """(count, 4, 4) of the camera in the world's first frame."""
    out = np.tile(np.eye(4), (count, 1, 1))
    if way == "stands":
        return out
    t = np.arange(count) / 30.0  # seconds
    shake = np.radians([6.0, 1.5, 1.5])[:, None] * np.sin(
        2 * np.pi * (np.array([0.4, 0.9, 0.7])[:, None] * t + rng.uniform(0, 1, (3, 1)))
    )
    out[:, :3, :3] = [rotation_from_yaw_pitch_roll(*angles) for angles in shake.T]
    if way == "walks":
        goal = max((free_place(scene, REACH_M, rng) for _ in range(8)), key=np.linalg.norm)
        out[:, :3, 3] = np.linspace(0, 1, count)[:, None] * goal
    return out


def clip(index: int, way: str, count: int, height: int):
    """Frames (count, H, W, 3) uint8 with noise, and their true distances, 0 = sky, and poses."""
    rng = Draws.of(SEED, index, 77)
    scene, camera = make_scene(SEED, index), make_camera(SEED, index, faults=False)
    path = poses(way, scene, count, rng)
    grid = panorama_grid(height, 2 * height)
    images, distances = [], []
    for pose in path:
        one = render_scenes([moved(scene, pose)], grid, [camera])
        image = one.image[0].permute(1, 2, 0).numpy() * 255 + rng.normal(
            0, 3, (height, 2 * height, 3)
        )
        images.append(np.clip(np.rint(image), 0, 255).astype(np.uint8))
        distances.append(np.where(one.sky[0], 0, one.distance[0]).astype(np.float32))
    return images, distances, path


def measured(predictor, images, distances, path, steady: bool) -> dict[str, float]:
    """What the file's text says, of one clip."""
    options = VideoOptions(steady=steady, rows=len(images[0]), formats=("mkv",))
    frames = (Frame(n, n / 30, image) for n, image in enumerate(images))
    found = [held.prediction for _, held in steadied(predictor, frames, options)]
    flicker, errors, offs, weights = [], [], [], []
    for n, (one, truth) in enumerate(zip(found, distances, strict=True)):
        valid = (truth > 0) & one.mask
        ratio = np.log(truth[valid] / one.distance[valid])
        offs.append(float(np.median(ratio)))
        weights.append(valid)
        scaled = one.distance[valid] * np.exp(offs[-1])
        errors.append(float(np.mean(np.abs(scaled / truth[valid] - 1))))
        if n:
            turn = path[n - 1][:3, :3].T @ path[n][:3, :3]
            before = [
                np.log(np.maximum(x, 1e-6)) for x in (found[n - 1].distance, distances[n - 1])
            ]
            was, true = (rotate_erp(x[None].astype(np.float32), turn)[0] for x in before)
            same = valid & (np.abs(true - np.log(np.maximum(truth, 1e-6))) < SAME)
            change = np.log(one.distance[same]) - was[same]
            flicker.append(float(np.abs(change).mean()))
    scale = np.exp(np.median(offs))
    whole = [
        float(np.mean(np.abs(one.distance[w] * scale / truth[w] - 1)))
        for one, truth, w in zip(found, distances, weights, strict=True)
    ]
    return {
        "flicker": float(np.mean(flicker)),
        "scale": float(np.std(offs)),
        "abs_rel": float(np.mean(errors)),
        "abs_rel_clip": float(np.mean(whole)),
    }


def mean(rows: list[dict[str, float]]) -> dict[str, float]:
    """Of each value over the clips."""
    return {key: round(float(np.mean([row[key] for row in rows])), 5) for key in rows[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--model", default="default")
    given = parser.parse_args()
    predictor = panodepth.load(given.model)
    told = {}
    for way in WAYS:
        rows = {True: [], False: []}
        for index in range(given.clips):
            made = clip(index, way, given.frames, given.size)
            for steady in rows:
                rows[steady].append(measured(predictor, *made, steady))
        told[way] = {
            name: {
                key: round(float(np.mean([r[key] for r in rows[steady]])), 5)
                for key in rows[True][0]
            }
            for name, steady in (("alone", False), ("steady", True))
        }
        print(way, json.dumps(told[way]), flush=True)
    text = json.dumps(told, indent=2) + "\n"
    print(text, end="")
    if given.out:
        write_atomic(given.out, text)


if __name__ == "__main__":
    main()
