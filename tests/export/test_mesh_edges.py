"""Meshes are cut along depth edges: on a box in a room, whose outline is a closed formula."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from panodepth.export.meshes.mesh import build_mesh
from panodepth.export.meshes.simplify import welded
from panodepth.types import Prediction

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import cuts

WIDTH = 512


def _prediction(distance: np.ndarray) -> Prediction:
    image = np.zeros((*distance.shape, 3), np.uint8)
    return Prediction(distance.astype(np.float32), np.ones(distance.shape, bool), image)


@pytest.mark.parametrize(
    ("make", "columns", "most", "share"),
    [
        (cuts.distances, 1100, 0.25, 0.5),
        (cuts.distances, 128, 0.5, 0.3),  # every fourth pixel: the map is finer than the mesh
        (cuts.as_a_network, 1100, 1.0, 0.5),
    ],
    ids=["exact", "coarse mesh", "blurred"],
)
def test_a_cut_follows_the_edge(make: Callable, columns: int, most: float, share: float) -> None:
    distance = make(WIDTH // 2, WIDTH)
    plain, along = (
        cuts.made(distance, follow_edges=follow, max_columns=columns) for follow in (False, True)
    )
    before, after = (cuts.deviation(mesh, WIDTH) for mesh in (plain, along))
    assert after < most
    assert after < share * before
    # Seen from the camera next to nothing is missing: near and far surface end on the same rays.
    assert cuts.unseen(along, WIDTH) < 0.05 * cuts.unseen(plain, WIDTH)


def test_surfaces_go_on_as_planes_to_the_edge() -> None:
    mesh = cuts.made(cuts.as_a_network(WIDTH // 2, WIDTH), follow_edges=True)
    house = mesh.positions @ cuts.TURN.T
    inside = (house > cuts.BOX[0] - 0.05).all(axis=1) & (house < cuts.BOX[1] + 0.05).all(axis=1)
    gap = np.abs(house[:, None] - cuts.ROOM).min(axis=(1, 2))
    assert inside.sum() > 2000
    off = gap[~inside]
    assert np.quantile(off, 0.99) < 0.05  # a blurred edge has 5 % of all pixels between them


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), shift=st.integers(0, 31), blocks=st.sampled_from([1, 2, 4]))
def test_two_distances_are_cut_without_a_gap(seed: int, shift: int, blocks: int) -> None:
    """However near and far pixels lie, no triangle spans both, and every ray meets one surface."""
    rng = np.random.default_rng(seed)
    near = rng.random((16 // blocks, 32 // blocks)) < rng.random()
    near = np.roll(near.repeat(blocks, axis=0).repeat(blocks, axis=1), shift, axis=1)
    near[[0, -1]] = False  # the poles' triangles are not cut
    mesh = build_mesh(_prediction(np.where(near, 1.0, 2.0)))
    lengths = np.linalg.norm(mesh.positions, axis=1)
    assert np.minimum(np.abs(lengths - 1), np.abs(lengths - 2)).max() < 1e-5
    assert np.ptp(lengths[mesh.faces], axis=1).max() < 1e-5
    assert abs(cuts.unseen(mesh, 32)) < 1e-2
    points, faces = welded(mesh)
    solid = trimesh.Trimesh(points, faces, process=False)
    assert solid.is_winding_consistent
    assert ((solid.face_normals * solid.triangles_center).sum(axis=1) < 1e-6).all()


def test_a_heading_moves_the_cuts_along() -> None:
    distance = cuts.as_a_network(64, 128)
    still, turned = (build_mesh(_prediction(np.roll(distance, by, axis=1))) for by in (0, 70))
    assert len(still.faces) == len(turned.faces)
    areas = [trimesh.Trimesh(m.positions, m.faces, process=False).area for m in (still, turned)]
    assert areas[0] == pytest.approx(areas[1], rel=1e-4)


def test_a_floor_seen_far_off_is_no_edge(rays: Callable) -> None:
    down = np.maximum(rays(128, 256)[..., 1], np.sin(np.deg2rad(1)))
    floor = _prediction(np.minimum(1.6 / down, 60))
    plain, along = (build_mesh(floor, follow_edges=follow) for follow in (False, True))
    assert np.array_equal(plain.positions, along.positions)
    assert np.array_equal(plain.faces, along.faces)
