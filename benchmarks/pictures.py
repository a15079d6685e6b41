"""Make the pictures in docs/images: `python benchmarks/pictures.py [NAME ...]`.

Without a name, all are made.
worlds.jpg: rendered panoramas of a seed that is never trained on, and their distance.
worlds2.jpg: one world of each kind that version 2 adds, and its distance.
overview.jpg, with the bundled model by `--quality best`: per example, the panorama, its distance
map, and its point cloud seen from straight above with the ceiling taken off. How straight the walls
are is seen best there.
sky_border.jpg: part of the courtyard example, its sky as the network says it, and as it is written.
mesh_quality.jpg: the mesh of the indoor example by each `--quality`, seen from beside the camera;
pink is where it has no triangle.
sharp.jpg: a desk and a chair of the indoor example, and their distance by each `--quality`.
behind.jpg: the same view of the best mesh, as it is and with `--behind 12`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

import panodepth
from panodepth.export.colour import colourise
from panodepth.export.meshes.hidden import behind
from panodepth.export.meshes.mesh import build_mesh
from panodepth.export.meshes.surface import Mesh
from panodepth.geometry.resizing import resize_erp
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.lab.worlds import Priors, SceneBatch, render_batch, render_scenes
from panodepth.lab.worlds.camera.photograph import plain_camera
from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.kinds import KINDS, named_scene
from panodepth.lab.worlds.panoramas import panorama_grid
from panodepth.predict.options import QUALITIES
from panodepth.types import Prediction

ROOT = Path(__file__).parents[1]
SEED = 2_000_000  # of the worlds in worlds.jpg
WORLD_HEIGHT = 192
WORLDS2_HEIGHT = 112
WORLDS2_DRAW = 3  # which worlds of those kinds are shown
LINTELS = ((2, 2), (4, 2), (5, 0))  # worlds that show what they should
RECESSES = ((3, 0), (4, 0), (5, 0))
EYE = (-0.05, -0.2, 0.1)  # of mesh_quality.jpg, in the room's relative units: x right, y down
LOOKS, FIELD_DEG = (140.0, -35.0), 80.0  # yaw and pitch [deg], and the view's width
NOTHING = (226, 60, 200)
DESK_PART = (0.43, 0.85), (0.155, 0.575)  # of sharp.jpg: rows, columns, as shares
SKY_PART = (0.12, 0.5), (0.6, 1.5)  # of the height: rows and columns of sky_border.jpg
NEAR = 0.02  # triangles that reach nearer to the eye's plane are left out
WIDTH = 640  # pixels of a panorama in the picture; the top view is a square of half of it


def top_view(prediction: Prediction, size: int) -> np.ndarray:
    """(size, size, 3) uint8: the cloud from above, forward is up, without what faces down."""
    ceiling = prediction.normals[..., 1] > 0.5
    keep = prediction.mask & ~ceiling
    points, colours = prediction.points[keep], prediction.image[keep]
    reach = float(np.quantile(np.abs(points[:, [0, 2]]).max(1), 0.99)) * 1.05
    order = np.argsort(-points[:, 1])  # low things first: y points down
    x, z = points[order, 0], points[order, 2]
    column = ((x / reach + 1) / 2 * size).astype(int)
    row = ((1 - z / reach) / 2 * size).astype(int)
    inside = (column >= 0) & (column < size) & (row >= 0) & (row < size)
    picture = np.full((size, size, 3), 255, np.uint8)
    picture[row[inside], column[inside]] = colours[order][inside]
    centre = size // 2
    cv2.circle(picture, (centre, centre), max(2, size // 80), (230, 30, 30), -1, cv2.LINE_AA)
    return picture


def row(prediction: Prediction) -> np.ndarray:
    """Panorama, distance and top view side by side, (WIDTH / 2, 2.5 WIDTH, 3) uint8."""
    wide = (WIDTH, WIDTH // 2)
    image = cv2.resize(prediction.image, wide, interpolation=cv2.INTER_AREA)
    distance = cv2.resize(
        colourise(prediction.distance, prediction.mask), wide, interpolation=cv2.INTER_AREA
    )
    above = cv2.resize(
        top_view(prediction, WIDTH), (WIDTH // 2, WIDTH // 2), interpolation=cv2.INTER_AREA
    )
    return np.hstack([image, distance, above])


def overview() -> np.ndarray:
    """One row per example file, (n WIDTH / 2, 2.5 WIDTH, 3) uint8."""
    predictor = panodepth.load()
    files = sorted((ROOT / "examples").glob("*.jpg"), reverse=True)
    return np.vstack([row(predictor.predict(file, quality="best")) for file in files])


def seen_mesh(prediction: Prediction, width: int, behind_deg: float = 0) -> np.ndarray:
    """(width / 1.6, width, 3) uint8: its mesh from EYE, the farthest triangles painted first."""
    shown = [(prediction, build_mesh(prediction))]
    if behind_deg and (hidden := behind(prediction, behind_deg)):
        shown.append((hidden, build_mesh(hidden)))
    height, focal = round(width / 1.6), width / 2 / np.tan(np.radians(FIELD_DEG / 2))
    depth, corners, colours = (
        np.concatenate(parts)
        for parts in zip(*(_drawn(*each, width, focal) for each in shown), strict=True)
    )
    picture = np.full((height, width, 3), NOTHING, np.uint8)
    for face in np.argsort(-depth):
        cv2.fillConvexPoly(picture, corners[face], colours[face].tolist(), shift=4)
    return picture


def _drawn(prediction: Prediction, mesh: Mesh, width: int, focal: float) -> tuple:
    """(N,) depth, (N, 3, 2) corners [px / 16] and (N, 3) colours of a mesh's triangles from EYE."""
    height = round(width / 1.6)
    turn = rotation_from_yaw_pitch_roll(*np.radians([*LOOKS, 0.0]))
    points = (mesh.positions - np.array(EYE)) @ turn
    ahead = points[mesh.faces][..., 2].min(1) > NEAR
    faces = mesh.faces[ahead]
    depth = points[faces][..., 2].mean(1)
    pixels = points[:, :2] / np.maximum(points[:, 2:], NEAR) * focal + (width / 2, height / 2)
    uv = mesh.uv[faces].mean(1)
    rows, columns = prediction.image.shape[:2]
    colours = prediction.image[
        np.minimum((uv[:, 1] * rows).astype(int), rows - 1),
        (uv[:, 0] * columns).astype(int) % columns,
    ]
    return depth, np.round(pixels[faces] * 16).clip(-(2**20), 2**20).astype(np.int32), colours


def mesh_quality() -> np.ndarray:
    """By standard, balanced and best, side by side."""
    predictor, file = panodepth.load(), ROOT / "examples" / "interior.jpg"
    found = [predictor.predict(file, quality=quality) for quality in QUALITIES[1:]]
    return np.hstack([seen_mesh(prediction, WIDTH) for prediction in found])


def sharp() -> np.ndarray:
    """Part of the picture, then its distance by standard, balanced and best, side by side."""
    predictor, file = panodepth.load(), ROOT / "examples" / "interior.jpg"
    found = [predictor.predict(file, quality=quality) for quality in QUALITIES[1:]]
    part = tuple(
        slice(*(round(side * share) for share in shares))
        for side, shares in zip(found[0].mask.shape, DESK_PART, strict=True)
    )
    parts = [found[0].image[part], *(colourise(p.distance[part], p.mask[part]) for p in found)]
    return np.hstack(
        [cv2.resize(p, (WIDTH, WIDTH // 2), interpolation=cv2.INTER_AREA) for p in parts]
    )


def behind_edges() -> np.ndarray:
    """The best mesh, and with what near things hide, side by side."""
    found = panodepth.load().predict(ROOT / "examples" / "interior.jpg", quality="best")
    return np.hstack([seen_mesh(found, WIDTH * 5 // 4, reach) for reach in (0, 12)])


def sky_border() -> np.ndarray:
    """Picture, the sky that the network says, and the predicted one, (h, 3 w, 3) uint8."""
    predictor, file = panodepth.load(), ROOT / "examples" / "courtyard.jpg"
    found = predictor.predict(file, level="none")
    planes = np.moveaxis(found.image / np.float32(255), -1, 0)
    (output,) = predictor.run([resize_erp(planes, predictor.size)])
    assert output.sky_logit is not None
    said = resize_erp(output.sky_logit, found.sky.shape, antialias=False) > 0
    rows, columns = (slice(*(round(len(found.image) * share) for share in s)) for s in SKY_PART)
    parts = []
    for sky in (np.zeros_like(said), said, found.sky):
        tinted = found.image * np.float32(0.3) + np.float32(0.7) * np.array(NOTHING, np.float32)
        shown = np.where(sky[..., None], tinted, found.image)[rows, columns].astype(np.uint8)
        scale = WIDTH / shown.shape[1]
        parts.append(cv2.resize(shown, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    return np.hstack(parts)


def worlds() -> np.ndarray:
    """Four indoor and four outdoor worlds: pictures in the upper rows, distances below them."""
    rows = []
    for kind in ("indoor", "outdoor"):
        batch = render_batch(SEED, range(4), WORLD_HEIGHT, 2 * WORLD_HEIGHT, kind=kind)
        rows.append(rows_of(batch, 4))
    return np.vstack(rows)


def worlds2() -> np.ndarray:
    """Three rows of six kinds, each row of pictures above one of their distances."""
    kinds, priors = [*KINDS, "street", "square"], Priors(version=2, perch=0.0, canopy=0.0)
    scenes = [named_scene(k, Draws.of(SEED, WORLDS2_DRAW, i), priors) for i, k in enumerate(kinds)]
    cameras = [plain_camera(SEED, i) for i in range(len(kinds))]
    batch = render_scenes(scenes, panorama_grid(WORLDS2_HEIGHT, 2 * WORLDS2_HEIGHT), cameras)
    return rows_of(batch, 6)


def priors() -> np.ndarray:
    """Three rooms with lintels and beams, three streets with recesses, above their distances."""
    rooms = Priors(version=2, headers=1.0, lowered=0.0, partitions=0.0)
    streets = Priors(version=2, recesses=1.0, sky=0.0)
    scenes = [named_scene("room", Draws.of(SEED, *i), rooms) for i in LINTELS]
    scenes += [named_scene("street", Draws.of(SEED, *i), streets) for i in RECESSES]
    cameras = [plain_camera(SEED, i) for i in range(len(scenes))]
    grid = panorama_grid(WORLDS2_HEIGHT, 2 * WORLDS2_HEIGHT)
    return rows_of(render_scenes(scenes, grid, cameras), 6)


def rows_of(batch: SceneBatch, columns: int) -> np.ndarray:
    """Pictures side by side, and below each row the row of their distances."""
    images = list((batch.image.permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8))
    maps = zip(batch.distance.numpy(), batch.valid.numpy(), strict=True)
    coloured = [colourise(d, v) for d, v in maps]
    starts = range(0, len(images), columns)
    return np.vstack([np.hstack(s[i : i + columns]) for i in starts for s in (images, coloured)])


def main() -> None:
    makers = {
        "overview": overview,
        "worlds": worlds,
        "worlds2": worlds2,
        "priors": priors,
        "mesh_quality": mesh_quality,
        "sharp": sharp,
        "behind": behind_edges,
        "sky_border": sky_border,
    }
    for name in sys.argv[1:] or makers:
        sheet = makers[name]()
        out = ROOT / "docs" / "images" / f"{name}.jpg"
        cv2.imwrite(
            str(out), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88]
        )
        print(f"{out.relative_to(ROOT)}: {sheet.shape[1]}x{sheet.shape[0]}")


if __name__ == "__main__":
    main()
