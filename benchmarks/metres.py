"""Print how well cues give metres: `python benchmarks/metres.py [--model FILE] [--data DIR]`.

Rendered worlds of the validation seed, held level and tilted by 15°, 128×256. Each cue is told the
truth: the height over the floor of the exact map, a distance, a length, or 200 points of that map.
Error: the median ratio of metres to the truth, less 1; for exact distance, and for predictions.
Then how much metres change between level and 15° of tilt. Last what `--scale learned` estimates
from level pictures, of as many worlds of each kind and of DIR/rendered_house: |log| of the median
ratio, and beside it what the best constant would be off by (metres per unit of the median picture,
which nobody knows beforehand).
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from levelling import SEED, SIZE, tilted

import panodepth
from panodepth.errors import InputError
from panodepth.geometry.grid import erp_rays
from panodepth.geometry.level.floor import find_floor
from panodepth.geometry.rotation import rotation_to_up
from panodepth.lab.data import open_folder
from panodepth.lab.evaluation.worlds import KINDS, WorldSource
from panodepth.lab.worlds.camera.photograph import draw_camera
from panodepth.lab.worlds.panoramas import make_scene, panorama_grid, render_scenes
from panodepth.lab.worlds.render.primitives import FLIP
from panodepth.lab.worlds.views import moved
from panodepth.predict.metric.cues import Seen, to_metres
from panodepth.predict.metric.floors import UNSURE
from panodepth.predict.options import PredictOptions
from panodepth.predict.predictor import Predictor
from panodepth.types import BoolArray, ByteArray, FloatArray, Panorama


def render(index: int, degrees: float, rng: np.random.Generator) -> tuple[ByteArray, FloatArray]:
    """Picture and distance (0 = sky) of a world, its camera tilted to any side."""
    scene = make_scene(SEED, index, ("indoor", "outdoor")[index % 2])
    up = FLIP @ scene.camera_rotation.T @ [0.0, 1.0, 0.0]
    pose = np.eye(4)
    pose[:3, :3] = rotation_to_up(up.tolist()) @ tilted(degrees, rng.uniform(0, 2 * math.pi))
    batch = render_scenes([moved(scene, pose)], panorama_grid(*SIZE), [draw_camera(SEED, index)])
    image = np.asarray(batch.image[0].permute(1, 2, 0) * 255 + 0.5).clip(0, 255).astype(np.uint8)
    return image, batch.distance[0].numpy()


def cues(
    distance: FloatArray, valid: BoolArray, rng: np.random.Generator, folder: Path
) -> dict[str, PredictOptions]:
    """Each cue, told the truth."""
    rows, columns = np.nonzero(valid)
    weight = np.cos((rows + 0.5) / len(valid) * np.pi - np.pi / 2)
    some = rng.choice(len(rows), 200, p=weight / weight.sum())
    rows, columns = rows[some], columns[some]
    rays = erp_rays(*distance.shape, dtype=np.float64)[rows, columns]
    points = distance[rows, columns][:, None] * rays
    np.savetxt(folder / "points.csv", points, delimiter=",")
    (u, v), (s, t) = ((float(columns[i]) + 0.5, float(rows[i]) + 0.5) for i in (0, 1))
    found = {
        "known_distance": PredictOptions(known_distance=(u, v, float(np.linalg.norm(points[0])))),
        "known_length": PredictOptions(
            known_length=(u, v, s, t, float(np.linalg.norm(points[0] - points[1])))
        ),
        "points": PredictOptions(points=folder / "points.csv"),
    }
    try:
        height = find_floor(np.where(valid, distance, np.float32(50)), valid).height
    except InputError:
        return found
    return {"camera_height": PredictOptions(camera_height=height), **found}


def learned(predictor: Predictor, pictures: Iterator[tuple[ByteArray, FloatArray]]) -> None:
    """Print the errors of `--scale learned`; distance: [m], 0 where nothing is known."""
    errors, scales, spreads = [], [], []
    for image, truth in pictures:
        found = predictor.predict(image, scale="learned", level="none")
        both = found.mask & (truth > 0)
        ratio = float(np.median(found.distance[both] / truth[both]))
        assert found.scale is not None
        assert found.metres_spread is not None
        errors.append(math.log(ratio))
        scales.append(math.log(found.scale / ratio))
        spreads.append(found.metres_spread)
    off = np.abs(errors)
    constant = np.abs(scales - np.median(scales))
    within = np.mean(off < spreads)
    print(f"median {np.median(off):.3f}, p90 {np.quantile(off, 0.9):.3f} of {len(off)}", end="; ")
    print(f"bias {np.median(errors):+.3f}, constant {np.median(constant):.3f}", end="; ")
    print(f"spread {np.median(spreads):.2f}, {within:.0%} within it")


def worlds(kind: str, count: int) -> Iterator[tuple[ByteArray, FloatArray]]:
    """Level pictures and distance (0 = sky) of validation worlds."""
    source = WorldSource(kind, count, SIZE)
    for number in range(count):
        yield picture_of(source[number])


def picture_of(panorama: Panorama) -> tuple[ByteArray, FloatArray]:
    """Its picture, and its distance with 0 where nothing is known."""
    assert panorama.distance is not None
    known = np.isfinite(panorama.distance) & (panorama.distance > 0)
    if panorama.mask is not None:
        known &= panorama.mask
    image = np.asarray(panorama.image * 255 + 0.5).clip(0, 255).astype(np.uint8)
    return image, np.where(known, panorama.distance, np.float32(0))


def by_cues(predictor: Predictor, count: int, one_view: bool) -> None:
    """Print how well each cue that is told the truth gives metres, of `count` worlds.

    one_view: the floor is found in the first answer of the network alone.
    """
    rng = np.random.default_rng(0)
    errors = defaultdict[tuple[str, str], list[float]](list)
    ratios, spreads = defaultdict[int, list[float]](list), defaultdict[int, list[float]](list)
    refused = 0
    with tempfile.TemporaryDirectory() as folder:
        for index in range(count):
            for degrees in (0.0, 15.0):
                image, truth = render(index, degrees, rng)
                valid = truth > 0
                exact = np.where(valid, truth, np.float32(50)) / np.float32(7)
                pixels = np.moveaxis(image, -1, 0) / np.float32(255)
                for name, options in cues(truth, valid, rng, Path(folder)).items():
                    for kind in ("exact", "predicted"):
                        try:
                            if kind == "exact":
                                seen = Seen(exact, valid, pixels)
                                metres = to_metres(exact, valid, seen, options)[0]
                            else:
                                found = predictor.predict(image, options=options, one_view=one_view)
                                metres, sure = found.solid, found.metres_spread
                        except InputError:
                            refused += 1
                            continue
                        ratio = float(np.median(metres[valid] / truth[valid]))
                        errors[name, kind].append(abs(ratio - 1))
                        if (name, kind) == ("camera_height", "predicted"):
                            ratios[index].append(ratio)
                            spreads[index].append(sure or 0.0)
    for (name, kind), found in errors.items():
        middle, high = np.quantile(found, (0.5, 0.9))
        print(f"{name:15}{kind:10} error {middle:.2%} (median), {high:.2%} (p90) of {len(found)}")
    pairs = {index: r for index, r in ratios.items() if len(r) == 2}
    changes = {index: abs(b / a - 1) for index, (a, b) in pairs.items()}
    unsure = {index for index in pairs if max(spreads[index]) > UNSURE}
    print(f"refused: {refused}; by camera height, 15° of tilt changes metres by", end=" ")
    print(f"{np.median(list(changes.values())):.1%} (median), {max(changes.values()):.1%} (most)")
    quiet = [change for index, change in changes.items() if index not in unsure]
    print(
        f"{len(unsure)} of {len(pairs)} with a note that metres are unsure; of the others", end=" "
    )
    print(f"{max(quiet):.1%} at most, {sum(change > 0.03 for change in quiet)} above 3 %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="default")
    parser.add_argument("--count", type=int, default=24, help="worlds, half of them indoor")
    parser.add_argument("--data", type=Path, help="the folder that holds rendered_house/")
    parser.add_argument("--learned", action="store_true", help="only what is learned")
    parser.add_argument("--one-view", action="store_true", help="the floor by one view alone")
    chosen = parser.parse_args()
    predictor = panodepth.load(chosen.model, device="cpu")
    if not chosen.learned:
        by_cues(predictor, chosen.count, chosen.one_view)
    for kind in KINDS:
        print(f"learned, worlds {kind}:", end=" ")
        learned(predictor, worlds(kind, chosen.count))
    if chosen.data is not None:
        flat = open_folder(chosen.data / "rendered_house")
        print("learned, rendered_house:", end=" ")
        learned(predictor, (picture_of(flat[i]) for i in range(len(flat))))


if __name__ == "__main__":
    main()
