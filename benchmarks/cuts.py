"""Print how far a mesh's cuts lie from the true depth edge: `python benchmarks/cuts.py`.

A box hangs in a room, both turned against the grid; its outline and every distance are closed
formulas. The mesh is made of the exact map, and of one that is computed at a quarter of the size
and enlarged, as a network's is. Pixels are those of the panorama.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.spatial import ConvexHull, cKDTree

from panodepth.export.meshes.mesh import build_mesh
from panodepth.export.meshes.simplify import welded
from panodepth.export.meshes.surface import Mesh
from panodepth.geometry.grid import erp_rays
from panodepth.geometry.resizing import resize_erp
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.types import Prediction

ROOM = np.array([[-2.0, -1.1, -3.0], [2.5, 1.6, 4.0]])  # lowest and highest corner, house frame [m]
BOX = np.array([[-0.75, -0.5, 1.3], [0.6, 0.7, 2.0]])
TURN = np.asarray(rotation_from_yaw_pitch_roll(0.3, -0.15, 0.28))  # [rad]
BLUR = 4  # how much smaller a network's map is


def distances(height: int, width: int) -> np.ndarray:
    """(H, W) float32 distance of the box and the room around it."""
    rays = np.asarray(erp_rays(height, width, dtype=np.float64)) @ TURN.T
    with np.errstate(divide="ignore", invalid="ignore"):
        walls = np.where(rays > 0, ROOM[1] / rays, ROOM[0] / rays).min(axis=-1)
        sides = BOX[:, None, None] / rays
    enters, leaves = sides.min(axis=0).max(axis=-1), sides.max(axis=0).min(axis=-1)
    hit = (enters < leaves) & (enters > 0)
    return np.where(hit, enters, walls).astype(np.float32)


def as_a_network(height: int, width: int) -> np.ndarray:
    """(H, W) float32, a coarse map of the same, enlarged."""
    coarse = np.log(distances(height // BLUR, width // BLUR))
    return np.exp(np.asarray(resize_erp(coarse, (height, width))))


def pixels(points: np.ndarray, width: int) -> np.ndarray:
    """(N, 2) u and v of (N, 3) points in a panorama."""
    x, y, z = points.T
    lat = np.arctan2(y, np.hypot(x, z))
    return (
        np.stack([np.arctan2(x, z) / (2 * np.pi) + 0.5, lat / (2 * np.pi) + 0.25], axis=1) * width
    )


def outline(width: int) -> np.ndarray:
    """(N, 2) points of the box's outline as the camera sees it."""
    corners = np.array([[x, y, z] for x in BOX[:, 0] for y in BOX[:, 1] for z in BOX[:, 2]])
    hull = corners[ConvexHull(corners[:, :2] / corners[:, 2:]).vertices]
    hull /= hull[:, 2:]
    share = np.linspace(0, 1, 2000)[:, None]
    sides = zip(hull, np.roll(hull, -1, axis=0), strict=True)
    edge = np.concatenate([a + (b - a) * share for a, b in sides])
    return pixels(edge @ TURN, width)


def deviation(mesh: Mesh, width: int) -> float:
    """How far the mesh's borders are from the outline, on average [px]."""
    points, faces = welded(mesh)
    sides = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1).astype(np.int64)
    key, count = np.unique(sides[:, 0] * len(points) + sides[:, 1], return_counts=True)
    a, b = np.divmod(key[count == 1], len(points))
    share = np.linspace(0, 1, 5)[:, None, None]
    border = (points[a] * (1 - share) + points[b] * share).reshape(-1, 3)
    return float(cKDTree(outline(width)).query(pixels(border, width))[0].mean())


def unseen(mesh: Mesh, width: int) -> float:
    """Pixels of the picture, above and below the outermost rows apart, that no triangle shows."""
    a, b = (mesh.uv[mesh.faces[:, i]] - mesh.uv[mesh.faces[:, 0]] for i in (1, 2))
    shown = np.abs((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum(dtype=np.float64)) / 2
    fans = 1 - mesh.stride / width  # half a row to each pole is a triangle, not a rectangle
    return float((fans - shown) * width * width / 2)


def made(distance: np.ndarray, *, follow_edges: bool, max_columns: int = 1100) -> Mesh:
    """The whole mesh of a map."""
    mask, image = np.ones(distance.shape, bool), np.zeros((*distance.shape, 3), np.uint8)
    prediction = Prediction(distance, mask, image)
    return build_mesh(prediction, follow_edges=follow_edges, max_columns=max_columns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=1024)
    width = parser.parse_args().width
    print("| map | cut | from the true edge, mean [px] | of the picture in no triangle [px] |")
    print("|---|---|---|---|")
    for name, make in (("exact", distances), ("enlarged", as_a_network)):
        for follow, cut in ((False, "between pixels"), (True, "along edges")):
            mesh = made(make(width // 2, width), follow_edges=follow)
            off, gone = deviation(mesh, width), unseen(mesh, width)
            print(f"| {name} | {cut} | {off:.2f} | {gone:.0f} |")


if __name__ == "__main__":
    main()
