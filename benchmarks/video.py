"""How still video is: rendered flights, each frame by itself and held to the ones before.

    python benchmarks/video.py [--clips 6] [--frames 30] [--size 192] [--out FILE.json]
    python benchmarks/video.py --write walk.mp4  # one of the flights, to try `panodepth video` on

Worlds of the validation seed, seen by a camera that stands with a noisy sensor, turns by hand, or
walks. Flicker is the mean change of log distance, from frame to frame, beyond what the true
distances do, at pixels whose surface is the same in both frames (the turn taken out); scale is the
standard deviation over a clip of the log of what would make a frame true. AbsRel is of each frame
by its own median, and of the clip by one factor. The path found is off by so much at its end, as a
share of its length, and turned by so many degrees. Printed as JSON.
"""

from __future__ import annotations

import argparse
import json
from itertools import pairwise
from pathlib import Path

import av
import cv2
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
RATE, SHOWN = 30, 3  # frames a second; the world of --write
REACH_M = 2.0  # how far a walk may lead
NOISE = 3.0  # standard deviation of the sensor, of 255
SAME = 0.02  # true log distances that differ by less are of the same surface


def poses(way: str, scene, count: int, rng) -> np.ndarray:
    """(count, 4, 4) of the camera in the world's first frame."""
    out = np.tile(np.eye(4), (count, 1, 1))
    if way == "stands":
        return out
    t = np.arange(count) / RATE  # seconds
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
            0, NOISE, (height, 2 * height, 3)
        )
        images.append(np.clip(np.rint(image), 0, 255).astype(np.uint8))
        distances.append(np.where(one.sky[0], 0, one.distance[0]).astype(np.float32))
    return images, distances, path


def measured(predictor, images, distances, path, steady: bool) -> dict[str, float]:
    """What the file's text says, of one clip."""
    options = VideoOptions(steady=steady, rows=len(images[0]), formats=("mkv",))
    frames = (Frame(n, n / RATE, image) for n, image in enumerate(images))
    held = [now for _, now in steadied(predictor, frames, options)]
    found = [now.prediction for now in held]
    valid = [(truth > 0) & one.mask for one, truth in zip(found, distances, strict=True)]
    seen = list(zip(found, distances, valid, strict=True))
    offs = [float(np.median(np.log(truth[v] / one.distance[v]))) for one, truth, v in seen]
    own = [abs_rel(*each, np.exp(off)) for each, off in zip(seen, offs, strict=True)]
    flicker = []
    for n in range(1, len(found)):
        turn = path[n - 1][:3, :3].T @ path[n][:3, :3]
        before = (found[n - 1].distance, distances[n - 1])
        logs = (np.log(np.maximum(x, 1e-6)).astype(np.float32) for x in before)
        was, true = (rotate_erp(x[None], turn)[0] for x in logs)
        same = valid[n] & (np.abs(true - np.log(np.maximum(distances[n], 1e-6))) < SAME)
        flicker.append(float(np.abs(np.log(found[n].distance[same]) - was[same]).mean()))
    told = {
        "flicker": float(np.mean(flicker)),
        "scale": float(np.std(offs)),
        "abs_rel": float(np.mean(own)),
        "abs_rel_clip": float(np.mean([abs_rel(*each, np.exp(np.median(offs))) for each in seen])),
    }
    return {**told, **off_path(held, path, np.exp(offs[0]))} if steady else told


def abs_rel(one, truth, valid, scale: float) -> float:
    """Of a prediction times a factor."""
    return float(np.mean(np.abs(one.distance[valid] * scale / truth[valid] - 1)))


def off_path(held, path, metres: float) -> dict[str, float]:
    """How far from its true place the camera is at the end, of the way, and its turn [deg]."""
    place = held[0].motion
    for now in held[1:]:
        place = now.motion.after(place)
    true = np.linalg.inv(path[0]) @ path[-1]
    way = float(sum(np.linalg.norm(b[:3, 3] - a[:3, 3]) for a, b in pairwise(path)))
    turn = np.degrees(np.linalg.norm(cv2.Rodrigues(place.turn.T @ true[:3, :3])[0]))
    off = float(np.linalg.norm(place.step * metres - true[:3, 3])) / way if way else 0.0
    return {"path_off": off, "turn_off_deg": float(turn)}


def mean(rows: list[dict[str, float]]) -> dict[str, float]:
    """Of each value over the clips."""
    return {key: round(float(np.mean([row[key] for row in rows])), 5) for key in rows[0]}


def write(file: Path, index: int, way: str, count: int, height: int) -> None:
    """A flight as H.264."""
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", RATE, {"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = 2 * height, height, "yuv420p"
        for image in clip(index, way, count, height)[0]:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--model", default="default")
    given = parser.parse_args()
    if given.write:
        write(given.write, SHOWN, "walks", given.frames, given.size)
        return
    predictor = panodepth.load(given.model)
    told = {}
    for way in WAYS:
        made = [clip(index, way, given.frames, given.size) for index in range(given.clips)]
        told[way] = {
            "alone": mean([measured(predictor, *each, steady=False) for each in made]),
            "steady": mean([measured(predictor, *each, steady=True) for each in made]),
        }
        print(way, json.dumps(told[way]), flush=True)
    text = json.dumps(told, indent=2) + "\n"
    print(text, end="")
    if given.out:
        write_atomic(given.out, text)


if __name__ == "__main__":
    main()
