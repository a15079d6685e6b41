"""Indoor worlds: plans that hold together, furniture that stands apart, rooms that are closed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from panodepth.lab.worlds.indoor import fixtures, furnishings, furniture, structures
from panodepth.lab.worlds.indoor.ceilings import ceiling, ceiling_height, floor
from panodepth.lab.worlds.indoor.furniture import CEILING, FURNITURE, Place
from panodepth.lab.worlds.indoor.layout import WALL_PIECES, furnish
from panodepth.lab.worlds.indoor.plans import Ground, Room, Side, oriented, outline, overlap
from panodepth.lab.worlds.indoor.rooms import indoor_scene
from panodepth.lab.worlds.indoor.walls import Gap, wall
from panodepth.lab.worlds.render.primitives import Material, Scene, pack
from panodepth.lab.worlds.render.raycast import cast, panorama_rays
from panodepth.lab.worlds.render.solids import signed_area

seeds = st.integers(0, 2**31 - 1)


def plan(seed: int) -> Room:
    rng = np.random.default_rng(seed)
    w, d = rng.uniform(1.3, 5.0, 2)
    return Room(outline(rng, w, d), 2.6)


def hits(scene: Scene, height: int = 28):
    rays = panorama_rays(height, 2 * height)
    packed = pack([scene])
    found = cast(packed, rays)
    label = packed.label[0][found.index[0]]
    return found.distance[0].flatten(), label.flatten(), rays.direction.reshape(-1, 3)


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_outlines_are_simple_and_their_sides_face_inward(seed):
    room = plan(seed)
    assert room.area > 2
    assert sum(signed_area(p) for p in room.parts) == pytest.approx(room.area)
    assert room.contains([(room.centre[0], room.centre[2])], 0.2)
    for side in room.sides():
        for along in (-0.9, 0.0, 0.9):
            x, _, z = side.at(along * side.half, 0.02)
            assert room.contains([(x, z)])
            x, _, z = side.at(along * side.half, -0.02)
            assert not room.contains([(x, z)])


@settings(max_examples=25, deadline=None)
@given(seeds, st.sampled_from(["flat", "slope", "gable", "attic", "vault", "dome"]))
def test_every_ray_in_a_shell_hits_its_own_outline_or_ceiling(seed, roof):
    rng = np.random.default_rng(seed)
    room = plan(seed)
    if roof in ("vault", "dome"):
        room = Room.rectangle(room.x, room.z, 2.6)
    room = Room(room.corners, room.height, roof, 0.0 if roof == "flat" else 0.9)
    scene = Scene(indoor=True, camera=room.centre + [0.0, 1.5, 0.0])
    floor(scene, room, Material())
    ceiling(scene, room, Material())
    for side in room.sides():
        wall(scene, side, room.height + room.rise, Material())
    distance, label, ray = hits(scene)
    assert bool(torch.isfinite(distance).all())
    point = (ray * distance[:, None]).double().numpy() * [1, -1, 1] + scene.camera
    for p in point[rng.integers(0, len(point), 60)]:
        inward = p * 0.999 + scene.camera * 0.001
        assert room.contains([(inward[0], inward[2])])
    up = (label == CEILING).numpy()
    truth = np.array([ceiling_height(room, p[0], p[2]) for p in point[up]])
    np.testing.assert_allclose(point[up, 1], truth, atol=0.02)


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_overlap_of_rectangles_agrees_with_points(seed):
    rng = np.random.default_rng(seed)
    boxes = []
    for _ in range(2):
        at = (float(rng.normal()), float(rng.normal()))
        boxes.append((at, float(rng.uniform(0, 6)), *rng.uniform(0.1, 1.0, 2)))
    one, other = (oriented(*b) for b in boxes)

    def inside(p, box):
        (x, z), yaw, a, b = box
        dx, dz = p[:, 0] - x, p[:, 1] - z
        u, v = np.cos(yaw) * dx - np.sin(yaw) * dz, np.sin(yaw) * dx + np.cos(yaw) * dz
        return (np.abs(u) <= a) & (np.abs(v) <= b)

    p = rng.uniform(-4, 4, (60000, 2))
    shared = (inside(p, boxes[0]) & inside(p, boxes[1])).any()
    if shared:
        assert overlap(one, other)
    if not overlap(one, other, 0.0):
        assert not shared
    assert overlap(one, one)
    assert overlap(one, other, 20.0)
    assert overlap(one, other) == overlap(other, one)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_footprints_stay_in_the_room_and_apart(seed):
    rng = np.random.default_rng(seed)
    room, ground = plan(seed), Ground()
    furnish(Scene(indoor=True), rng, room, 1.0, ground)
    for i, (_, _, _, one) in enumerate(ground.taken):
        small = [(0.9 * x + 0.1 * cx, 0.9 * z + 0.1 * cz) for (x, z), (cx, cz) in _with_middle(one)]
        assert room.contains(small)
        assert not any(overlap(small, other) for _, _, _, other in ground.taken[i + 1 :])


def _with_middle(polygon):
    middle = tuple(np.mean(np.asarray(polygon), 0))
    return [(p, middle) for p in polygon]


PIECES = {
    "kitchen": (lambda p: fixtures.kitchen(p, 1.2, 2.5), 1.24, 0.36, 2.4),
    "fridge": (fixtures.fridge, 0.36, 0.38, 2.5),
    "bath": (fixtures.bath, 0.9, 0.42, 2.1),
    "basin": (fixtures.basin, 0.6, 0.3, 2.3),
    "toilet": (fixtures.toilet, 0.32, 0.38, 1.0),
    "shower": (fixtures.shower, 0.48, 0.48, 2.1),
    "fireplace": (fixtures.fireplace, 0.92, 0.32, 2.0),
    "desk": (lambda p: furnishings.desk(p, 0.7), 0.95, 1.3, 1.6),
    "bunk": (furnishings.bunk, 1.06, 0.52, 1.8),
    "piano": (furnishings.piano, 0.78, 0.85, 1.3),
    "cubes": (lambda p: furnishings.cubes(p, 0.6), 0.72, 0.3, 2.2),
    "bed": (lambda p: furniture.bed(p, 0.9, True), 1.55, 1.15, 1.8),
    "spiral": (lambda p: structures.spiral(p, 0.8, 2.6), 0.85, 0.85, 3.6),
    "stairs": (lambda p: structures.stairs(p, 0.5, 10), 0.55, 1.5, 2.9),
}


@pytest.mark.parametrize("name", PIECES)
def test_pieces_keep_within_their_footprint_and_stand_on_the_floor(name):
    build, half, depth, tall = PIECES[name]
    for seed in range(5):
        scene = Scene(indoor=True)
        build(Place(scene, np.random.default_rng(seed), np.zeros(3)))
        low, high = np.full(3, np.inf), np.full(3, -np.inf)
        for centre, size, turned, *_ in scene._rows:
            reach = np.abs(turned) @ np.asarray(size)
            low, high = np.minimum(low, centre - reach), np.maximum(high, centre + reach)
        assert max(-low[0], high[0]) <= half
        assert max(-low[2], high[2]) <= depth
        assert -0.15 < low[1] < 0.02
        assert 0.3 < high[1] <= tall


def test_an_arched_gap_is_open_below_and_closed_in_its_corners():
    side = Side(np.array([0.0, 0.0, -2.0]), 0.0, 3.0)
    scene = Scene(indoor=True, camera=np.array([0.0, 1.5, 0.0]))
    wall(scene, side, 2.8, Material(), Gap(0.0, 0.8, 2.2, 0.0, 0.7))

    def blocked(x: float, y: float) -> bool:
        scene.camera = np.array([x, y, 0.0])
        rays = panorama_rays(29, 58)
        backward = rays.direction.reshape(-1, 3)[:, 2].argmin()  # straight at the wall
        distance = cast(pack([scene]), rays).distance.flatten()[backward]
        return bool(torch.isfinite(distance))

    assert not blocked(0.0, 1.0)
    assert not blocked(0.0, 2.15)
    assert blocked(0.72, 2.1)
    assert blocked(0.0, 2.4)
    assert blocked(1.5, 1.0)


def test_worlds_repeat_and_the_camera_stands_free_and_inside():
    rooms = [indoor_scene(np.random.default_rng([5, i])) for i in range(40)]
    again = [indoor_scene(np.random.default_rng([5, i])) for i in range(40)]
    for a, b in zip(rooms, again, strict=True):
        assert len(a) == len(b)
        np.testing.assert_array_equal(a.camera, b.camera)
    assert min(s.clearance(s.camera) for s in rooms) > 0.09
    heights = [s.camera[1] for s in rooms]
    assert 0.25 < min(heights) < max(heights) <= 3.0
    assert all(1 <= len(s.lights) <= 3 for s in rooms)


def test_rooms_are_closed_furnished_and_varied():
    scenes = [indoor_scene(np.random.default_rng([6, i])) for i in range(60)]
    share, middle = [], []
    for scene in scenes:
        distance, label, _ = hits(scene, 14)
        assert bool(torch.isfinite(distance).all())
        share.append(float((label == FURNITURE).float().mean()))
        middle.append(float(distance.median()))
    assert 0.08 < np.mean(share) < 0.3
    assert 1.4 < np.median(middle) < 2.6
    kinds = {row[3] for scene in scenes for row in scene._rows}
    assert len(kinds) >= 5  # boxes, balls, tubes, prisms, arches


def test_piece_weights_are_shares():
    assert all(0 < v < 0.3 for v in WALL_PIECES.values())
