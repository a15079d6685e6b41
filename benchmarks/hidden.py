"""What a mesh shows from beside the camera: `python benchmarks/hidden.py [--worlds 24]`.

Rendered validation worlds (rooms, or `--kind outdoor`), seen from where the camera was and again
from up to `--step` metres beside it. Meshes of the first view (of the true distances, so that
nothing but what is hidden is missing) are looked at from the second place: which share of the
directions shows nothing, and how far off the guessed surfaces are, distance and colour, where they
alone are seen.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from panodepth.export.meshes.hidden import front_and_behind
from panodepth.export.meshes.mesh import MeshOptions
from panodepth.export.meshes.surface import Mesh
from panodepth.lab.evaluation.protocol import VALIDATION_SEED
from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.panoramas import panorama_grid, render_scenes
from panodepth.lab.worlds.scenes import make_camera, make_scene
from panodepth.lab.worlds.views import free_place, moved
from panodepth.progress import progress
from panodepth.types import Prediction

HEIGHT = 512  # of the first view [px]; a mesh's vertices are as close
CELL = 4  # pixels of it to a direction that is looked at: no gap between vertices
REACHES = (4.0, 8.0, 12.0, 16.0)  # [deg]


def seen(mesh: Mesh, image: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(h, w) distance from a place, inf = nothing there, and (h, w, 3) colours, of a whole mesh."""
    corners = mesh.positions[mesh.faces]
    shares = np.array([[1, 1, 1], [4, 1, 1], [1, 4, 1], [1, 1, 4]], float)
    shares /= shares.sum(axis=1, keepdims=True)
    points = np.einsum("sc,fcx->fsx", shares, corners).reshape(-1, 3) - place
    uv = np.einsum("sc,fcx->fsx", shares, mesh.uv[mesh.faces]).reshape(-1, 2)
    height, width = HEIGHT // CELL, 2 * HEIGHT // CELL
    length = np.linalg.norm(points, axis=1)
    x, y, z = points.T
    column = ((np.arctan2(x, z) / (2 * np.pi) + 0.5) * width).astype(int) % width
    row = ((np.arcsin((y / length).clip(-1, 1)) / np.pi + 0.5) * height).astype(int)
    cell = row.clip(0, height - 1) * width + column
    order = np.lexsort((-length, cell))  # the nearest is written last
    distance = np.full(height * width, np.inf)
    colours = np.zeros((height * width, 3))
    rows, columns = image.shape[:2]
    shown = image[
        (uv[:, 1] * rows).astype(int).clip(0, rows - 1), (uv[:, 0] * columns).astype(int) % columns
    ]
    distance[cell[order]], colours[cell[order]] = length[order], shown[order]
    return distance.reshape(height, width), colours.reshape(height, width, 3)


def picture(batch: object) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(H, W, 3) uint8, (H, W) distance and mask of the one world of a batch."""
    image = (batch.image[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    return image, batch.distance[0].numpy(), ~batch.sky[0].numpy()


def measured(index: int, kind: str, step: float) -> list[list[float]]:
    """For each reach, sums over the solid angle that has a surface in truth: where nothing is seen,
    where a guess alone is seen; there |distance / truth - 1|, whether it is within 25 %, and the
    colours' difference; and all.
    """
    scene, camera = (
        make_scene(VALIDATION_SEED, index, kind),
        make_camera(VALIDATION_SEED, index, faults=False),
    )
    place = free_place(scene, step, Draws.of(VALIDATION_SEED, index, 77))
    pose = np.eye(4)
    pose[:3, 3] = place
    grids = [panorama_grid(h, 2 * h) for h in (HEIGHT, HEIGHT // CELL)]
    image, distance, mask = picture(render_scenes([scene], grids[0], [camera]))
    true_image, truth, there = picture(render_scenes([moved(scene, pose)], grids[1], [camera]))
    area = np.cos(((np.arange(len(truth)) + 0.5) / len(truth) - 0.5) * np.pi)[:, None] * there
    prediction = Prediction(distance.astype(np.float32), mask, image, {"unit": "m"})
    rows, options = [], MeshOptions(faces="all", max_columns=2 * HEIGHT)
    for reach in (0.0, *REACHES):
        mesh, hidden = front_and_behind(prediction, Path("mesh"), options, reach)
        front, _ = seen(mesh, image, place)
        nothing = ~np.isfinite(front)
        if hidden is None:
            rows.append([(area * nothing).sum(), 0.0, 0.0, 0.0, 0.0, area.sum()])
            continue
        back, colours = seen(hidden[1], hidden[0].image, place)
        alone = area * (nothing & np.isfinite(back))
        ratio = np.where(alone > 0, back, 1) / np.where(alone > 0, truth, 1)
        off, near = np.abs(ratio - 1), np.maximum(ratio, 1 / ratio) < 1.25
        apart = np.abs(colours - true_image).mean(axis=-1) / 255
        left = area * (nothing & ~np.isfinite(back))
        parts = (left, alone, alone * off, alone * near, alone * apart, area)
        rows.append([float(part.sum()) for part in parts])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--worlds", type=int, default=24)
    parser.add_argument("--step", type=float, default=0.3, help="to the side, at most [m]")
    parser.add_argument("--kind", default="indoor", choices=("indoor", "outdoor"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = []
    with progress(given.worlds, "world") as bar:
        for index in range(given.worlds):
            found.append(measured(index, given.kind, given.step))
            bar.update()
    sums = np.array(found).sum(axis=0)
    print("| `--behind` | no surface | only guessed | AbsRel | δ1 | colour off by |")
    print("|---|---|---|---|---|---|")
    for reach, (left, alone, off, near, apart, area) in zip((0.0, *REACHES), sums, strict=True):
        rest = "– | – | – | –"
        if reach:
            cells = (100 * alone / area, 100 * off / alone, 100 * near / alone, 100 * apart / alone)
            rest = "{:.2f} % | {:.1f} % | {:.0f} % | {:.1f} %".format(*cells)
        print(f"| {reach:g} | {100 * left / area:.2f} % | {rest} |")


if __name__ == "__main__":
    main()
