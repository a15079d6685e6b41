"""Simplified meshes: closed, true to the distance, with the picture in its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from panodepth.errors import ConfigError
from panodepth.export.meshes import simplify, texture
from panodepth.export.meshes.mesh import MeshOptions, build_mesh, made_mesh
from panodepth.export.meshes.simplify import TOLERANCE, Grid, deviation, welded
from panodepth.export.meshes.surface import Mesh
from panodepth.types import Prediction

HERE = Path("room.glb")


def _lon_lat(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y, z = points.T
    return np.arctan2(x, z) / (2 * np.pi) + 0.5, np.arctan2(y, np.hypot(x, z)) / np.pi + 0.5


def _check(mesh: Mesh, *, closed: bool) -> None:
    points, faces = welded(mesh)
    solid = trimesh.Trimesh(points, faces, process=False)
    assert solid.is_winding_consistent
    if closed:
        assert solid.is_watertight
        assert solid.euler_number == 2
        assert solid.volume < 0  # seen from within
    u, v = _lon_lat(mesh.positions.astype(np.float64))
    assert mesh.uv[:, 1] == pytest.approx(v, abs=1e-5)
    poles = np.isclose(v, 0, atol=1e-6) | np.isclose(v, 1, atol=1e-6)
    off = (mesh.uv[:, 0] - u)[~poles]
    assert off == pytest.approx(np.rint(off), abs=1e-5)
    assert np.ptp(mesh.uv[mesh.faces][..., 0], axis=1).max() <= 0.5
    assert mesh.uv[:, 0].min() >= 0


@pytest.mark.parametrize("faces", ["auto", 20000])
def test_a_room_stays_closed_and_in_its_bounds(
    make_room: Callable, room_corners: tuple[np.ndarray, np.ndarray], faces: int | str
) -> None:
    room = make_room(256, 512, masked=False)
    mesh = made_mesh(room, HERE, MeshOptions(faces=faces))
    _check(mesh, closed=True)
    assert len(mesh.faces) < 40_000 if faces == "auto" else len(mesh.faces) <= int(faces)
    low, high = mesh.positions.min(axis=0), mesh.positions.max(axis=0)
    assert (low >= room_corners[0] - 1e-3).all()
    assert (high <= room_corners[1] + 1e-3).all()
    if faces == "auto":
        assert low == pytest.approx(room_corners[0], abs=1e-3)
        assert high == pytest.approx(room_corners[1], abs=1e-3)
        grid = Grid(room.distance, room.mask, 0.06)
        assert deviation(mesh.positions.astype(np.float64), mesh.faces, grid) <= TOLERANCE


def test_the_picture_is_in_its_place_inside_triangles_too(make_room: Callable) -> None:
    mesh = made_mesh(make_room(256, 512, masked=False), HERE, MeshOptions())
    share = np.random.default_rng(0).dirichlet((1, 1, 1), len(mesh.faces))[..., None]
    at = (mesh.positions[mesh.faces] * share).sum(axis=1)
    u, v = ((mesh.uv[mesh.faces] * share).sum(axis=1)).T
    lon, lat = (u - 0.5) * 2 * np.pi, (v - 0.5) * np.pi
    shown = np.stack([np.cos(lat) * np.sin(lon), np.sin(lat), np.cos(lat) * np.cos(lon)], axis=-1)
    off = np.linalg.norm(shown - at / np.linalg.norm(at, axis=1)[:, None], axis=1)
    wide = torch.backends.cpu.get_cpu_capability() == "AVX512"
    assert off.max() < (3 if wide else 3.2) * texture.TOLERANCE  # others simplify otherwise
    assert np.quantile(off, 0.99) < texture.TOLERANCE


def test_borders_that_hold_more_are_not_tried_again(
    make_room: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = make_room(64, 128)
    holes = np.indices(room.mask.shape).sum(axis=0) % 4 > 0
    tried = []
    collapsed = simplify._collapsed
    monkeypatch.setattr(simplify, "_collapsed", lambda *a: tried.append(a[2]) or collapsed(*a))
    made = made_mesh(replace(room, mask=room.mask & holes), HERE, MeshOptions(faces=100))
    assert len(made.faces) > 100
    assert tried == [100]


def test_depth_edges_and_holes_stay_where_they_are(make_room: Callable) -> None:
    near = np.zeros((64, 128), bool)
    near[20:40, 40:80] = True
    room = make_room(64, 128)
    distance = np.where(near, np.float32(0.8), room.distance)
    box = Prediction(distance, room.mask, room.image, {"unit": "m"})
    whole, few = build_mesh(box), made_mesh(box, HERE, MeshOptions(faces=2500))
    _check(few, closed=False)
    assert len(few.faces) <= 2500 < len(whole.faces)
    borders = []
    for mesh in (whole, few):
        points, faces = welded(mesh)
        edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        kinds, count = np.unique(edges, axis=0, return_counts=True)
        rim = points[np.unique(kinds[count == 1])]
        borders.append({tuple(p) for p in np.round(rim, 4).tolist()})
    assert borders[0] == borders[1]


def test_deviation_is_measured_along_the_normal() -> None:
    distance = np.full((64, 128), 2.0, np.float32)
    ball = Prediction(distance, np.ones((64, 128), bool), np.zeros((64, 128, 3), np.uint8))
    points, faces = welded(build_mesh(ball))
    grid = Grid(ball.distance, ball.mask, 0.06)
    assert deviation(points, faces, grid) < 1e-3
    assert deviation(points * 1.01, faces, grid) == pytest.approx(0.01, abs=1e-3)


def test_all_faces_and_wrong_numbers(room: Prediction) -> None:
    every = made_mesh(room, HERE, MeshOptions(faces="all"))
    assert len(every.faces) == len(build_mesh(room).faces)
    for faces in (99, -1, "many", True):
        with pytest.raises(ConfigError, match="faces must be auto, all or a number from 100 on"):
            MeshOptions(faces=faces)


def test_a_room_of_any_unit_has_the_same_faces(make_room: Callable) -> None:
    room = make_room(16, 32)
    expected = made_mesh(room, HERE, MeshOptions())
    tiny = replace(room, distance=room.distance * np.float32(1e-16))
    found = made_mesh(tiny, HERE, MeshOptions())
    assert abs(len(found.faces) - len(expected.faces)) < 0.2 * len(expected.faces)
