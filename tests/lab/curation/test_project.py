"""A frame on the sphere: against a slow twin, against analytic scenes, and against our renderer."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from panodepth.geometry.grid import erp_rays
from panodepth.geometry.lens import Pinhole, View
from panodepth.geometry.points import distance_to_z_depth
from panodepth.geometry.rotation import rotate_vectors, rotation_from_yaw_pitch_roll
from panodepth.lab.curation.frame import Frame, Matrix, pinhole_from_fov
from panodepth.lab.curation.project import coverage_of, place, view_coordinates
from panodepth.lab.curation.stages import view_facts, view_of
from panodepth.lab.worlds import ViewSpec, render_batch, render_views

SIZE = (128, 256)
VIEW = (120, 160)
TURNS = {
    "front": (0, 0, 0),
    "seam": (180, 0, 0),
    "seam, up and rolled": (170, 35, 20),
    "north pole": (40, 80, 10),
    "south pole": (-70, -90, 0),
    "upside down": (100, 20, 180),
}


def turn(degrees: tuple[float, float, float]) -> Matrix:
    return np.asarray(rotation_from_yaw_pitch_roll(*np.radians(degrees)))


def rays(rotation: Matrix, lens: Pinhole, size: tuple[int, int] = VIEW) -> Matrix:
    """(h, w, 3) unit rays of the view in the panorama's frame."""
    view = View(lens, size, rotation)
    return np.asarray(view.rays(dtype=np.float64))


def plane(ray: Matrix, normal: Matrix, away: float) -> Matrix:
    """Distance along rays to the plane normal . x = away; inf where it is not met."""
    cosine = ray @ normal
    with np.errstate(divide="ignore"):
        return np.where(cosine > 1e-9, away / cosine, np.inf)


@pytest.mark.parametrize("name", TURNS)
@pytest.mark.parametrize("fov", [40.0, 90.0, 140.0])
def test_coordinates_and_coverage_are_those_of_the_slow_twin(name: str, fov: float) -> None:
    lens, rotation = pinhole_from_fov(fov, VIEW), turn(TURNS[name])
    lens = replace(lens, cx=lens.cx + 7, cy=lens.cy - 5)
    frame = Frame("x", np.zeros((*VIEW, 3), np.uint8), None, lens)
    placed = place(frame, rotation, SIZE)
    view = View(frame.lens, VIEW, rotation)
    own = rotate_vectors(rotation.T, erp_rays(*SIZE, dtype=np.float64))
    uv, inside = view.lens.project(own, VIEW)
    u, v = uv[..., 0], uv[..., 1]
    border = np.minimum(np.minimum(np.abs(u), np.abs(u - VIEW[1])), np.abs(v))
    border = np.minimum(border, np.abs(v - VIEW[0]))
    differs = placed.coverage != inside
    assert not (differs & (border > 1e-3)).any()
    assert placed.coverage.any()
    window, pixels, seen, _ = view_coordinates(view, SIZE)
    x, y = pixels[..., 0], pixels[..., 1]
    columns = (np.arange(window[3]) + window[2]) % SIZE[1]
    assert np.abs(x - u[window[0] : window[1], columns])[seen].max() < 2e-3
    assert np.abs(y - v[window[0] : window[1], columns])[seen].max() < 2e-3
    np.testing.assert_array_equal(coverage_of(view, SIZE), placed.coverage)
    facts = json.loads(json.dumps(view_facts(frame, rotation)))
    np.testing.assert_array_equal(coverage_of(view_of(facts), SIZE), placed.coverage)


@pytest.mark.parametrize("name", TURNS)
def test_two_planes_come_out_exactly_and_never_between(name: str) -> None:
    """A slanted near plane in front of a slanted far one, in the frame of the panorama."""
    lens, rotation = pinhole_from_fov(90, VIEW), turn(TURNS[name])
    forward = rotation[:, 2]
    near_normal = forward + 0.8 * rotation[:, 1]
    far_normal = forward - 0.5 * rotation[:, 0]
    right = rotation[:, 0]

    def surface(ray: Matrix) -> Matrix:
        nearer = plane(ray, near_normal, 1.0)
        return np.where(ray @ right > 0.1, plane(ray, far_normal, 5.0), nearer)

    ray = rays(rotation, lens)
    distance = surface(ray).astype(np.float32)
    z_depth = distance_to_z_depth(distance, lens)
    z_depth[~np.isfinite(z_depth)] = np.inf
    frame = Frame("x", np.zeros((*VIEW, 3), np.uint8), z_depth, lens)
    placed = place(frame, rotation, SIZE)
    grid = erp_rays(*SIZE, dtype=np.float64)
    true = surface(grid)
    got = placed.distance
    assert (got[~placed.coverage] == 0).all()
    window = placed.coverage & np.isfinite(true) & np.isfinite(got)
    away = window & (np.abs(grid @ right - 0.1) > 0.06)
    for shift, axis in ((1, 0), (-1, 0), (1, 1), (-1, 1), (2, 1), (-2, 1), (2, 0), (-2, 0)):
        away &= np.roll(placed.coverage & np.isfinite(true), shift, axis)
    error = np.abs(got / true - 1)
    assert np.count_nonzero(away) > 400
    assert error[away].max() < 1e-3
    # At the edge every value is one of the two surfaces', up to the half pixel of "nearest".
    ours = got[window][:, None]
    both = np.stack([plane(grid, near_normal, 1.0), plane(grid, far_normal, 5.0)], -1)[window]
    assert (np.abs(ours / both - 1).min(1) < 0.15).all()
    between = (ours[:, 0] > 1.2 * both[:, 0]) & (ours[:, 0] < 0.8 * both[:, 1])
    assert not between.any()


def test_holes_and_sky_stay_what_they_are() -> None:
    lens = pinhole_from_fov(90, VIEW)
    depth = np.full(VIEW, 2.0, np.float32)
    depth[:40], depth[40:60] = np.inf, 0
    placed = place(Frame("x", np.zeros((*VIEW, 3), np.uint8), depth, lens), np.eye(3), SIZE)
    inside = placed.distance[placed.coverage]
    assert np.isinf(inside).any()
    assert (inside == 0).any()
    finite = inside[np.isfinite(inside) & (inside > 0)]
    assert finite.min() >= 2 * (1 - 1e-6)
    assert finite.max() <= 2 * lens.ray_lengths(VIEW).max() * 1.01


@pytest.mark.parametrize("name", TURNS)
@pytest.mark.parametrize("view", [(120, 160), (480, 640)])
def test_the_picture_is_not_shifted(name: str, view: tuple[int, int]) -> None:
    """A smooth pattern on the sphere, seen by a view and laid back: under 0.05 px in both axes."""
    rotation, lens = turn(TURNS[name]), pinhole_from_fov(80, view)

    def pattern(ray: Matrix) -> Matrix:
        waves = np.sin(ray @ np.array([[9, 3, 5], [-4, 8, 6], [5, -7, 9]]).T * 1.5)
        return 127.5 + 110 * waves

    seen = np.rint(pattern(rays(rotation, lens, view))).astype(np.uint8)
    placed = place(Frame("x", seen, None, lens), rotation, SIZE)
    true = pattern(erp_rays(*SIZE, dtype=np.float64))
    inner = placed.coverage.copy()
    for shift, axis in ((1, 0), (-1, 0), (1, 1), (-1, 1)):
        inner &= np.roll(placed.coverage, shift, axis)
    inner[[0, -1]] = False
    down, right = np.gradient(true, axis=(0, 1))
    difference = (placed.image - true)[inner].ravel()
    slopes = np.stack([right[inner].ravel(), down[inner].ravel()], 1)
    moved = np.linalg.lstsq(slopes, difference, rcond=None)[0]
    assert np.abs(moved).max() < 0.05
    assert np.sqrt(np.mean(difference**2)) < 4


def test_fine_stripes_become_grey_not_moire() -> None:
    """A 1-pixel checkerboard 6 times finer than the panorama is a flat grey there."""
    view = (600, 800)
    board = (np.indices(view).sum(0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, 2)
    frame = Frame("x", board, None, pinhole_from_fov(90, view))
    placed = place(frame, np.eye(3), (64, 128))
    inner = placed.image[28:36, 56:72].astype(float)
    assert np.abs(inner - 127.5).max() < 16


def test_a_wide_and_off_centre_view_far_from_the_pole_keeps_to_its_window() -> None:
    frame = Frame("x", np.full((*VIEW, 3), 9, np.uint8), None, Pinhole(60, 60, 40, 90))
    placed = place(frame, turn((179, 0, 0)), SIZE)
    assert placed.image[placed.coverage].min() == 9
    assert placed.image[~placed.coverage].max() == 0
    assert placed.coverage[:, [0, -1]].any()


@pytest.mark.parametrize("kind", ["indoor", "outdoor"])
def test_a_rendered_view_projected_is_the_panorama_rendered(kind: str) -> None:
    """0.1 % of distance away from edges, 0.05 px of picture; sky stays sky."""
    size = (192, 384)
    angles = [[0.4, 0.1, 0.05], [3.0, -0.4, 0.0]]
    spec = ViewSpec(size=(360, 480), x_fov_rad=np.pi / 2, angles=angles)
    views = render_views(5, [3], spec, kind=kind, camera=False)
    film = render_batch(5, [3], *size, kind=kind, camera=False)
    distance, sky = film.distance[0].numpy(), film.sky[0].numpy()
    grid = erp_rays(*size, dtype=np.float64)
    image = _painted(np.where(sky, np.inf, distance), grid)
    for k in range(len(angles)):
        z_depth = views.z_depth[0, k].numpy().copy()
        z_depth[views.sky[0, k].numpy()] = np.inf
        lens = Pinhole.from_matrix(views.intrinsics.numpy().astype(np.float64))
        pose = views.pose[0, k].numpy().astype(np.float64)
        turned = rays(pose[:3, :3], lens, spec.size)
        away = np.where(np.isinf(z_depth), np.inf, views.distance[0, k].numpy())
        pixels = np.rint(_painted(away, turned)).astype(np.uint8)
        placed = place(Frame("x", pixels, z_depth, lens), pose[:3, :3], size)
        inner = placed.coverage & ~sky
        log = np.where(sky, 10.0, np.log(np.where(sky, 1, distance)))
        for shift, axis in ((1, 0), (-1, 0), (1, 1), (-1, 1), (2, 0), (-2, 0), (2, 1), (-2, 1)):
            inner &= np.roll(placed.coverage, shift, axis)
            # Edges: where the second difference shows that the neighbours are another surface.
            step = np.roll(log, shift, axis) + np.roll(log, -shift, axis) - 2 * log
            inner &= np.abs(step) < 0.01
        inner[:3], inner[-3:] = False, False
        error = np.abs(placed.distance[inner] / distance[inner] - 1)
        assert np.count_nonzero(inner) > 2000
        assert np.quantile(error, 0.99) < 1e-3
        assert np.median(error) < 1e-4
        agreement = np.mean(np.isinf(placed.distance) == sky, where=placed.coverage)
        assert agreement > 0.99
        moved = _shift(placed.image, image, inner)
        assert np.abs(moved).max() < 0.05


def _painted(distance: Matrix, ray: Matrix) -> Matrix:
    """Grey values painted onto the world's surfaces by their place, fainter far away; sky is 128.

    (The renderer's own pictures do not serve: it exposes, filters and mirrors for each one.)
    """
    away = np.where(np.isfinite(distance), distance, 0)[..., None]
    waves = np.sin(ray * away @ np.array([[3.0, 1, 2], [-1, 3, 2], [2, -2, 3]]).T)
    return 128 + 110 * waves * np.where(away > 0, np.exp(-away / 6), 0)


def _shift(found: Matrix, true: Matrix, where: Matrix) -> Matrix:
    """(right, down) shift [px] by least squares."""
    a, b = (x.astype(float).mean(-1) for x in (found, true))
    down, right = np.gradient(b)
    slopes = np.stack([right[where], down[where]], 1)
    return np.asarray(-np.linalg.lstsq(slopes, (a - b)[where], rcond=None)[0])
