"""Print how well panoramas of one place are aligned: `python benchmarks/align.py [--model FILE]`.

Rendered flats of the validation seed, each seen by level cameras that stand up to 2.5 m apart, at
least 0.7 m, and look anywhere; 512×1024. Each picture but the first is aligned with the first, by
exact distances and by predicted ones. Errors: of the turn; of the place, as a share of the step
between the cameras; of the scale. The unit of the first picture is taken to be known: the median
ratio of its distances to the true ones, solid angle by solid angle, as is that of the others,
against which the scale is held.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

import panodepth
from panodepth.errors import InputError
from panodepth.geometry.grid import solid_angles
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll, rotation_to_up
from panodepth.lab.worlds.camera.photograph import draw_camera
from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.panoramas import make_scene, panorama_grid, render_scenes
from panodepth.lab.worlds.render.primitives import FLIP
from panodepth.lab.worlds.views import free_place, moved
from panodepth.predict.predictor import Predictor
from panodepth.scene.align import Room, Scene, align
from panodepth.scene.poses import Place
from panodepth.scene.registration import turned
from panodepth.types import ByteArray, FloatArray, Prediction

SEED = 1_000_000  # validation worlds
SIZE = (512, 1024)
REACH_M, NEAREST_M = 2.5, 0.7
TRIES = 40  # of places, until one is far enough


def flat(index: int, cameras: int) -> tuple[list[ByteArray], list[FloatArray], list[Place]]:
    """Pictures, distances [m] (0 = sky), and the true places."""
    scene = make_scene(SEED, index, "indoor")
    level = np.eye(4)
    level[:3, :3] = rotation_to_up((FLIP @ scene.camera_rotation.T @ [0.0, 1.0, 0.0]).tolist())
    scene = moved(scene, level)
    rng = Draws.of(SEED, index, 77)
    places = [Place()]
    for _ in range(TRIES):
        step = free_place(scene, REACH_M, rng)
        if len(places) < cameras and np.linalg.norm(step) >= NEAREST_M:
            x, y, z = step.tolist()
            places.append(Place(math.degrees(rng.uniform(-math.pi, math.pi)), (x, y, z)))
    views = []
    for place in places:
        pose = np.eye(4)
        pose[:3, :3] = rotation_from_yaw_pitch_roll(math.radians(place.yaw_deg))
        pose[:3, 3] = place.position
        views.append(moved(scene, pose))
    photographed = [draw_camera(SEED, index)] * len(views)
    batch = render_scenes(views, panorama_grid(*SIZE), photographed)
    images = np.asarray(batch.image.permute(0, 2, 3, 1) * 255 + 0.5).clip(0, 255).astype(np.uint8)
    return list(images), list(batch.distance.numpy()), places


def seen(
    predictor: Predictor | None, image: ByteArray, truth: FloatArray, number: int
) -> tuple[Prediction, float]:
    """A picture with its distances, exact in a unit of its own or predicted; metres per unit."""
    known = truth > 0
    meta = {"name": str(number), "unit": "relative"}
    if predictor is None:
        unit = 2.0 + number
        distance = np.where(known, truth, np.float32(50)) / np.float32(unit)
        return Prediction(distance, known, image, meta), unit
    found = predictor.predict(image, level="none")
    ratio = (truth / found.solid)[known]
    weight = np.broadcast_to(solid_angles(*truth.shape), truth.shape)[known]
    order = np.argsort(ratio)
    middle = np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)
    return replace(found, meta={**found.meta, **meta}), float(ratio[order[middle]])


def errors(found: Room, true: Place, units: tuple[float, float]) -> list[float]:
    """Turn [deg], place as a share of the step, scale; then each in standard errors.

    units: metres per unit of both pictures.
    """
    place = found.place
    assert place is not None
    assert found.scale_spread is not None
    yaw = abs(math.remainder(place.yaw_deg - true.yaw_deg, 360))
    step = np.array(true.position)
    off = float(np.linalg.norm(np.array(place.position) * units[0] - step))
    scale = abs(place.scale * units[0] / units[1] - 1)
    spreads = (found.yaw_spread_deg, found.position_spread * units[0], found.scale_spread)
    ratios = [a / max(b, 1e-9) for a, b in zip((yaw, off, scale), spreads, strict=True)]
    return [yaw, off / float(np.linalg.norm(step)), scale, *ratios]


def from_above(scene: Scene, pictures: list[Prediction], size: int = 480) -> ByteArray:
    """(size, size, 3): all clouds in the common frame without ceilings, forward up; cameras red."""
    points, colours, stands = [], [], []
    for room, picture in zip(scene.rooms, pictures, strict=True):
        if room.place is not None:
            keep = picture.mask & (picture.normals[..., 1] < 0.5)
            turn, position = math.radians(room.place.yaw_deg), np.array(room.place.position)
            points.append(room.place.scale * turned(turn, picture.points[keep]) + position)
            colours.append(picture.image[keep])
            stands.append(position)
    cloud, paint = np.concatenate(points), np.concatenate(colours)
    order = np.argsort(-cloud[:, 1])  # low things first: y points down
    flat, paint = cloud[order][:, [0, 2]], paint[order]
    low, high = np.quantile(flat, (0.005, 0.995), axis=0)
    middle, reach = (low + high) / 2, 0.53 * float((high - low).max())
    sheet = np.full((size, size, 3), 255, np.uint8)
    places = ((flat - middle) / reach * [1, -1] * 0.5 + 0.5) * size
    inside = ((places >= 0) & (places < size)).all(1)
    column, row = places[inside].astype(int).T
    sheet[row, column] = paint[inside]
    for stand in stands:
        u, v = (
            (((stand[[0, 2]] - middle) / reach * [1, -1] * 0.5 + 0.5) * size).astype(int).tolist()
        )
        cv2.circle(sheet, (u, v), 5, (230, 30, 30), -1, cv2.LINE_AA)
    return sheet


def draw(predictor: Predictor, out: Path) -> None:
    """One flat: what two of its cameras see, and the clouds of all three, aligned."""
    images, truths, _ = flat(3, 3)
    both = zip(images, truths, strict=True)
    pictures = [seen(predictor, *shown, number)[0] for number, shown in enumerate(both)]
    above = from_above(align(pictures), pictures)
    shown = [cv2.resize(image, (480, 240), interpolation=cv2.INTER_AREA) for image in images[:2]]
    sheet = np.hstack([np.vstack(shown), above])
    cv2.imwrite(str(out), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="default")
    parser.add_argument("--count", type=int, default=12, help="flats")
    parser.add_argument("--cameras", type=int, default=3, help="in each, at most")
    parser.add_argument("--picture", type=Path, help="write docs/images/align.jpg here instead")
    chosen = parser.parse_args()
    predictor = panodepth.load(chosen.model, device="cpu")
    if chosen.picture is not None:
        draw(predictor, chosen.picture)
        return
    all_errors: dict[str, list[list[float]]] = {"exact": [], "predicted": []}
    lost = dict.fromkeys(all_errors, 0)
    for index in range(chosen.count):
        images, truths, places = flat(index, chosen.cameras)
        for kind, model in (("exact", None), ("predicted", predictor)):
            pairs = [
                seen(model, *both, i) for i, both in enumerate(zip(images, truths, strict=True))
            ]
            for number in range(1, len(places)):
                try:
                    rooms = align([pairs[0][0], pairs[number][0]]).rooms
                except InputError:
                    lost[kind] += 1
                    continue
                units = pairs[0][1], pairs[number][1]
                all_errors[kind].append(errors(rooms[1], places[number], units))
    for kind, rows in all_errors.items():
        print(f"{kind} distance, {len(rows)} pairs, {lost[kind]} more not aligned:")
        for name, column, factor in (
            ("turn [deg]", 0, 1),
            ("place [%]", 1, 100),
            ("scale [%]", 2, 100),
        ):
            values = np.array(rows)[:, column] * factor
            middle, high = np.quantile(values, (0.5, 0.9))
            told = f"{middle:.2f} (median), {high:.2f} (p90), {values.max():.2f} (most)"
            within = np.mean(np.array(rows)[:, 3 + column] < 1)
            print(f"  {name}: {told}; {within:.0%} within one standard error")


if __name__ == "__main__":
    main()
