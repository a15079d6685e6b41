"""Convex solids, arches and height fields against float64 twins that know nothing of the caster."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.drawn import drawn

from panodepth.errors import ConfigError
from panodepth.geometry.grid import erp_rays
from panodepth.lab.worlds.looks.materials import Material
from panodepth.lab.worlds.render import solids
from panodepth.lab.worlds.render.heightfield import HeightField, graded_axis
from panodepth.lab.worlds.render.primitives import Scene, Solid, pack, yaw_matrix
from panodepth.lab.worlds.render.raycast import cast, from_tiles, panorama_rays, tile_size
from panodepth.lab.worlds.render.shapes import BOX
from panodepth.lab.worlds.render.surfaces import surface_table, surfaces

H, W = 28, 56
HALF = np.array([0.8, 0.6, 1.1])

# name: (solid, is the local point [m] (..., 3) inside it?)
SQUARE = np.array([(-0.7, -0.5), (0.6, -0.9), (0.9, 0.3), (0.1, 1.0), (-0.8, 0.4)])


def _in_polygon(p, polygon):
    if solids.signed_area(polygon) < 0:
        polygon = polygon[::-1]
    inside = np.ones(p.shape[:-1], bool)
    for a, b in zip(polygon, np.roll(polygon, -1, 0), strict=True):
        inside &= (b[0] - a[0]) * (p[..., 2] - a[1]) - (b[1] - a[1]) * (p[..., 0] - a[0]) >= 0
    return inside


def _octagon():
    turn = np.arange(8) * np.pi / 4 + 0.2  # no side along the box
    return np.stack([np.cos(turn), 0.7 * np.sin(turn)], 1)


def _box(p, half=HALF):
    return (np.abs(p) <= half).all(-1)


def _roof(ridge):
    def inside(p):
        up = (p[..., 1] + HALF[1]) / (2 * HALF[1])
        wide = HALF[0] * (1 - up * (1 - ridge))
        return _box(p) & (np.abs(p[..., 2]) <= HALF[2] * (1 - up)) & (np.abs(p[..., 0]) <= wide)

    return inside


def _tapered(p):
    share = 1 - 0.6 * (p[..., 1] + HALF[1]) / (2 * HALF[1])
    return _box(p) & (np.abs(p[..., [0, 2]]) <= HALF[[0, 2]] * share[..., None]).all(-1)


def _hollow(a, b, c):
    def inside(p):
        q = (p[..., 0] / a) ** 2 + ((p[..., 1] + HALF[1]) / b) ** 2 + (p[..., 2] / c) ** 2
        return _box(p) & (q >= 1)

    return inside


CASES = {
    "prism": (
        solids.prism(SQUARE, -0.4, 0.9),
        lambda p: _in_polygon(p, SQUARE) & (p[..., 1] >= -0.4) & (p[..., 1] <= 0.9),
    ),
    "octagon": (
        solids.prism(_octagon()[::-1], -0.5, 0.5),
        lambda p: _in_polygon(p, _octagon()) & (np.abs(p[..., 1]) <= 0.5),
    ),
    "wedge": (solids.wedge(HALF), lambda p: _box(p) & (p[..., 1] / HALF[1] <= p[..., 2] / HALF[2])),
    "gable": (solids.gable(HALF), _roof(1.0)),
    "hip": (solids.roof(HALF, 0.4), _roof(0.4)),
    "pyramid": (solids.roof(HALF, 0.0), _roof(0.0)),
    "tapered": (solids.tapered(HALF, 0.4), _tapered),
    "cone": (
        solids.cone(0.7, 1.3),
        lambda p: (
            (p[..., 1] >= 0)
            & (np.hypot(p[..., 0], p[..., 2]) <= 0.7 * (1 - np.clip(p[..., 1], 0, None) / 1.3))
        ),
    ),
    "arch": (solids.arch(HALF, (0.6, 0.9)), _hollow(0.6, 0.9, np.inf)),
    "dome": (solids.dome(HALF, (0.6, 0.9, 0.8)), _hollow(0.6, 0.9, 0.8)),
}


def look(packed, rays, pixel_rad):
    """What scene 0 shows: point, normal (R, 3) and the rest of `Surface` for its R tiled rays."""
    hits = cast(packed, rays)
    distance, place = (x[:1].flatten(1) for x in (hits.distance, hits.index))
    directions = rays.direction.reshape(-1, 3).T.contiguous()
    seen = surfaces(surface_table(packed), distance, place, directions, pixel_rad)
    return replace(seen, point=seen.point.permute(1, 2, 0), normal=seen.normal.permute(1, 2, 0))


def distance_map(scene: Scene, height: int = H, width: int = W) -> np.ndarray:
    hits = cast(pack([scene]), panorama_rays(height, width))
    tile = tile_size(height, width)
    return from_tiles(hits.distance, (height, width), tile)[0].numpy()


def placed(solid: Solid, seed: int) -> tuple[Scene, np.ndarray, np.ndarray]:
    """A scene with the solid tilted somewhere ahead or around, and its (origin, rotation)."""
    rng = np.random.default_rng(seed)
    turned = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    turned *= np.linalg.det(turned)
    origin = rng.normal(0, 1, 3)
    origin *= rng.uniform(0.3, 4.0) / np.linalg.norm(origin)
    scene = Scene(indoor=False, camera=np.zeros(3))
    scene.add(solid, origin, turned)
    return scene, origin, turned


def first_boundary(inside, origin, turned, rays):
    """First change of inside/outside along each ray by dense marching, refined by bisection."""
    steps = np.linspace(1e-3, 7.0, 2400)

    def local(t):
        world = rays[:, None] * np.atleast_2d(t)[..., None] * [1.0, -1.0, 1.0]
        return (world - origin) @ turned

    states = inside(local(np.broadcast_to(steps, (len(rays), len(steps)))))
    changed = states[:, 1:] != states[:, :-1]
    found, k = changed.any(1), changed.argmax(1)
    low, high = steps[k], steps[k + 1]
    start = states[np.arange(len(rays)), k]
    for _ in range(40):
        middle = (low + high) / 2
        same = inside(local(middle[:, None]))[:, 0] == start
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return np.where(found, low, np.inf)


@pytest.mark.parametrize("name", CASES)
@drawn(6, seed=(0, 2**31 - 1))
def test_solids_agree_with_marching_through_their_inside(name, seed):
    solid, inside = CASES[name]
    scene, origin, turned = placed(solid, seed)
    rays = erp_rays(14, 28, dtype=torch.float64).reshape(-1, 3).numpy()
    slow = first_boundary(inside, origin, turned, rays)
    fast = distance_map(scene, 14, 28).reshape(-1)
    different = ~np.isclose(fast, slow, rtol=1e-4, atol=2e-4)
    assert different.mean() < 0.012  # rays along an edge, or through less than a marching step


@pytest.mark.parametrize("name", CASES)
def test_normals_point_out_of_the_solid_and_textures_stay_finite(name):
    solid, inside = CASES[name]
    for seed in range(4):
        scene, origin, turned = placed(solid, seed)
        rays = panorama_rays(H, W)
        packed = pack([scene])
        seen = look(packed, rays, 2 * np.pi / W)
        hit = seen.hit[0]
        assert bool(torch.isfinite(seen.albedo[0]).all())
        point = (seen.point[0][hit].double().numpy() * [1, -1, 1] - origin) @ turned
        normal = (seen.normal[0][hit].double().numpy() * [1, -1, 1]) @ turned
        step = 2e-3
        front, behind = inside(point + step * normal), inside(point - step * normal)
        camera_inside = bool(inside((-origin @ turned)[None])[0])
        # The normal faces the camera: it leads out of the solid unless the camera is inside it.
        right = (front == camera_inside) & (behind != camera_inside)
        assert right.mean() > 0.97  # the rest lies within a step of an edge


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_clearance_never_promises_more_room_than_there_is(name, seed):
    solid, _ = CASES[name]
    scene, _, _ = placed(solid, seed)
    nearest = float(distance_map(scene, 28, 56).min())
    assert scene.clearance(np.zeros(3)) <= nearest + 1e-4


def test_clearance_sees_into_arches_and_over_slopes():
    scene = Scene(indoor=False)
    scene.add(solids.arch((2.0, 1.5, 0.5), (1.5, 2.0)), (0.0, 1.5, 0.0))
    assert 0.4 < scene.clearance(np.array([0.0, 0.5, 0.0])) < 1.6
    scene = Scene(indoor=False)
    scene.add(solids.wedge((1.0, 1.0, 1.0)))
    assert scene.clearance(np.array([0.0, 0.8, -0.8])) == pytest.approx(1.6 / np.sqrt(2))


def hills(seed: int = 3, count: int = 7) -> HeightField:
    axis = graded_axis(30.0, count, 1.5)
    rng = np.random.default_rng(seed)
    height = rng.normal(0, 1.0, (len(axis), len(axis))) - 2.0
    return HeightField(axis, axis, height)


def terrain(field: HeightField) -> Scene:
    scene = Scene(indoor=False, camera=np.array([0.2, float(field.at(0.2, 0.3)) + 1.6, 0.3]))
    field.add_to(scene, Material())
    return scene


@drawn(4, seed=(0, 2**31 - 1))
def test_height_field_agrees_with_marching(seed):
    field = hills(seed)
    scene = terrain(field)
    rays = erp_rays(14, 28, dtype=torch.float64).reshape(-1, 3).numpy() * [1, -1, 1]
    steps = np.linspace(1e-3, 60.0, 3001)
    p = scene.camera + rays[:, None] * steps[:, None]
    within = (np.abs(p[..., [0, 2]]) <= 30).all(-1)
    above = p[..., 1] > field.at(p[..., 0], p[..., 2])
    crossed = (above[:, 1:] != above[:, :-1]) & within[:, 1:] & within[:, :-1]
    slow = np.where(crossed.any(1), steps[crossed.argmax(1)] + 0.01, np.inf)
    fast = distance_map(scene, 14, 28).reshape(-1)
    different = ~np.isclose(fast, slow, rtol=1e-4, atol=0.011)  # half a step
    assert different.mean() < 0.015


def test_no_ray_slips_between_cells():
    field = HeightField(graded_axis(200.0, 8, 1.5), graded_axis(200.0, 8, 1.5), np.zeros((17, 17)))
    scene = Scene(indoor=False, camera=np.array([0.0, 1.6, 0.0]))  # over a corner of four cells
    field.add_to(scene, Material())
    got = distance_map(scene, 112, 224)
    rays = erp_rays(112, 224, dtype=torch.float64).numpy()
    truth = 1.6 / np.maximum(rays[..., 1], 1e-9)
    inside = truth < 190
    np.testing.assert_allclose(got[inside], truth[inside], rtol=2e-5)


def test_terrain_clearance_and_lookup():
    field = hills(5)
    scene = terrain(field)
    nearest = float(distance_map(scene).min())
    assert 0.1 < scene.clearance(scene.camera) <= nearest + 1e-4
    i, j = 3, 5
    assert field.at(field.x[i], field.z[j]) == pytest.approx(field.height[j, i])
    middle = field.at((field.x[i] + field.x[i + 1]) / 2, (field.z[j] + field.z[j + 1]) / 2)
    assert middle == pytest.approx(field.height[j : j + 2, i : i + 2].mean())
    with pytest.raises(ConfigError, match="increase"):
        HeightField(field.x[::-1].copy(), field.z, field.height)
    with pytest.raises(ConfigError, match="fit"):
        HeightField(field.x[1:], field.z, field.height)


def test_terrain_normals_are_those_of_the_surface():
    field = hills(9)
    scene = terrain(field)
    rays = panorama_rays(H, W)
    packed = pack([scene])
    seen = look(packed, rays, 2 * np.pi / W)
    hit = seen.hit[0]
    point = seen.point[0][hit].double().numpy() * [1, -1, 1] + scene.camera
    step = 1e-4
    east = field.at(point[:, 0] + step, point[:, 2]) - field.at(point[:, 0] - step, point[:, 2])
    north = field.at(point[:, 0], point[:, 2] + step) - field.at(point[:, 0], point[:, 2] - step)
    truth = np.stack([-east, np.full_like(east, 2 * step), -north], 1)
    truth /= np.linalg.norm(truth, axis=1, keepdims=True)
    cosine = np.abs((truth * (seen.normal[0][hit].double().numpy() * [1, -1, 1])).sum(1))
    assert np.quantile(cosine, 0.02) > 0.999  # the rest lies on an edge between cells


def test_many_scenes_at_once_give_the_same_as_one_and_hidden_things_do_not_matter():
    scenes = [placed(solid, seed)[0] for seed, (solid, _) in enumerate(CASES.values())]
    rays = panorama_rays(H, W)
    together = cast(pack(scenes), rays).distance
    for k, scene in enumerate(scenes):
        torch.testing.assert_close(together[k], cast(pack([scene]), rays).distance[0])
    scene = Scene(indoor=True, camera=np.zeros(3))
    for axis in range(3):
        for side in (-1.0, 1.0):
            centre, size = np.zeros(3), np.full(3, 2.1)
            centre[axis], size[axis] = side * 2.1, 0.1
            scene.add(Solid(BOX, size), centre)
    before = distance_map(scene)
    for solid, _ in CASES.values():
        scene.add(solid, (5.0, 0.3, 4.0), yaw_matrix(0.3))
    np.testing.assert_array_equal(distance_map(scene), before)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31 - 1), st.integers(4, 11))
def test_convex_parts_tile_the_polygon(seed, corners):
    rng = np.random.default_rng(seed)
    turn = (np.arange(corners) + rng.uniform(0.1, 0.9, corners)) * 2 * np.pi / corners
    polygon = np.stack([np.cos(turn), np.sin(turn)], 1) * rng.uniform(0.3, 2.0, (corners, 1))
    parts = solids.convex_parts(polygon if seed % 2 else polygon[::-1])
    assert sum(solids.signed_area(p) for p in parts) == pytest.approx(solids.signed_area(polygon))
    for part in parts:
        a, b = np.roll(part, 1, 0), np.roll(part, -1, 0)
        turns = (part - a)[:, 0] * (b - part)[:, 1] - (part - a)[:, 1] * (b - part)[:, 0]
        assert (turns > -1e-8).all()


def test_an_l_shape_is_two_parts_and_a_bow_tie_is_refused():
    shape = [(0, 0), (4, 0), (4, 2), (2, 2), (2, 5), (0, 5)]
    assert len(solids.convex_parts(shape)) == 2
    with pytest.raises(ConfigError, match="crosses"):
        solids.convex_parts([(0, 0), (2, 2), (2, 0), (0, 2)])
    turn = np.arange(9) * 2 * np.pi / 9 + 0.1
    with pytest.raises(ConfigError, match="8"):
        solids.prism(np.stack([np.cos(turn), np.sin(turn)], 1), 0.0, 1.0)
