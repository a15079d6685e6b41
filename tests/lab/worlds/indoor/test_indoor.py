"""Indoor worlds: plans that hold together, furniture that stands apart, rooms that are closed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.indoor import fixtures, furniture, structures
from panodepth.lab.worlds.indoor.ceilings import ceiling, ceiling_height, floor
from panodepth.lab.worlds.indoor.interior import Gap, Interior
from panodepth.lab.worlds.indoor.layout import furnish
from panodepth.lab.worlds.indoor.pieces import THEMES, WALL_PIECES
from panodepth.lab.worlds.indoor.plans import Room, Side, outline
from panodepth.lab.worlds.indoor.rooms import indoor_scene
from panodepth.lab.worlds.indoor.walls import wall
from panodepth.lab.worlds.looks.materials import Material
from panodepth.lab.worlds.parts.footprints import Footprint
from panodepth.lab.worlds.parts.place import CEILING, FURNITURE, Place
from panodepth.lab.worlds.render.primitives import Scene, pack
from panodepth.lab.worlds.render.raycast import cast, panorama_rays
from panodepth.lab.worlds.render.solids import signed_area

seeds = st.integers(0, 2**31 - 1)


def plan(seed: int) -> Room:
    rng = Draws.of(seed)
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
    for side in room.sides:
        for along in (-0.9, 0.0, 0.9):
            x, _, z = side.at(along * side.half, 0.02)
            assert room.contains([(x, z)])
            x, _, z = side.at(along * side.half, -0.02)
            assert not room.contains([(x, z)])


@settings(max_examples=25, deadline=None)
@given(seeds, st.sampled_from(["flat", "slope", "gable", "attic", "vault", "dome"]))
def test_every_ray_in_a_shell_hits_its_own_outline_or_ceiling(seed, roof):
    rng = Draws.of(seed)
    room = plan(seed)
    if roof in ("vault", "dome"):
        (x0, x1), (z0, z1) = room.x, room.z
        room = Room(np.array([(x0, z0), (x1, z0), (x1, z1), (x0, z1)]), 2.6)
    room = Room(room.corners, room.height, roof, 0.0 if roof == "flat" else 0.9)
    scene = Scene(indoor=True, camera=room.centre + [0.0, 1.5, 0.0])
    here = Interior(scene, rng, room)
    floor(here, Material())
    ceiling(here, Material())
    for side in room.sides:
        wall(here, side, room.height + room.rise, Material())
    distance, label, ray = hits(scene)
    assert bool(torch.isfinite(distance).all())
    point = (ray * distance[:, None]).double().numpy() * [1, -1, 1] + scene.camera
    for p in point[rng.integers(0, len(point), 60)]:
        inward = p * 0.999 + scene.camera * 0.001
        assert room.contains([(inward[0], inward[2])])
    up = (label == CEILING).numpy()
    truth = np.array([ceiling_height(room, p[0], p[2]) for p in point[up]])
    np.testing.assert_allclose(point[up, 1], truth, atol=0.02)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_footprints_stay_in_the_room_and_apart(seed):
    here = Interior(Scene(indoor=True), Draws.of(seed), plan(seed))
    furnish(here, 1.0)
    taken = here.ground.taken
    for i, one in enumerate(taken):
        x, z, _ = one.circle
        small = Footprint([(0.9 * cx + 0.1 * x, 0.9 * cz + 0.1 * z) for cx, cz in one.corners])
        assert here.room.contains(small.corners)
        assert not any(small.overlaps(other) for other in taken[i + 1 :])


PIECES = {
    "kitchen": (lambda p: fixtures.kitchen(p, 1.2, 2.5), 1.24, 0.36, 2.4),
    "fridge": (fixtures.fridge, 0.36, 0.38, 2.5),
    "bath": (fixtures.bath, 0.9, 0.42, 2.1),
    "basin": (fixtures.basin, 0.6, 0.3, 2.3),
    "toilet": (fixtures.toilet, 0.32, 0.38, 1.0),
    "shower": (fixtures.shower, 0.48, 0.48, 2.1),
    "fireplace": (fixtures.fireplace, 0.92, 0.32, 2.0),
    "desk": (lambda p: furniture.desk(p, 0.7), 0.95, 1.3, 1.6),
    "bunk": (furniture.bunk, 1.06, 0.52, 1.8),
    "piano": (fixtures.piano, 0.78, 0.85, 1.3),
    "cubes": (lambda p: furniture.cubes(p, 0.6), 0.72, 0.3, 2.2),
    "bed": (lambda p: furniture.bed(p, 0.9, True), 1.55, 1.15, 1.8),
    "spiral": (lambda p: structures.spiral(p, 0.8, 2.6), 0.85, 0.85, 3.6),
    "stairs": (lambda p: structures.stairs(p, 0.5, 10), 0.55, 1.5, 2.9),
}


@pytest.mark.parametrize("name", PIECES)
def test_pieces_keep_within_their_footprint_and_stand_on_the_floor(name):
    build, half, depth, tall = PIECES[name]
    for seed in range(5):
        scene = Scene(indoor=True)
        build(Place(scene, Draws.of(seed), np.zeros(3)))
        _, centre, size, turned, _ = scene.stacked()
        reach = (np.abs(turned) @ size[..., None])[..., 0]
        low, high = (centre - reach).min(0), (centre + reach).max(0)
        assert max(-low[0], high[0]) <= half
        assert max(-low[2], high[2]) <= depth
        assert -0.15 < low[1] < 0.02
        assert 0.3 < high[1] <= tall


def test_an_arched_gap_is_open_below_and_closed_in_its_corners():
    side = Side(np.array([0.0, 0.0, -2.0]), 0.0, 3.0)
    scene = Scene(indoor=True, camera=np.array([0.0, 1.5, 0.0]))
    here = Interior(scene, Draws.of(0), plan(0))
    wall(here, side, 2.8, Material(), Gap(0.0, 0.8, 2.2, 0.0, 0.7))

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
    rooms = [indoor_scene(Draws.of(5, i)) for i in range(40)]
    again = [indoor_scene(Draws.of(5, i)) for i in range(40)]
    for a, b in zip(rooms, again, strict=True):
        assert len(a) == len(b)
        np.testing.assert_array_equal(a.camera, b.camera)
    assert min(s.clearance(s.camera) for s in rooms) > 0.09
    heights = [s.camera[1] for s in rooms]
    assert 0.25 < min(heights) < max(heights) <= 3.0
    assert all(1 <= len(s.lights) <= 3 for s in rooms)


def test_rooms_are_closed_furnished_and_varied():
    scenes = [indoor_scene(Draws.of(6, i)) for i in range(60)]
    share, middle = [], []
    for scene in scenes:
        distance, label, _ = hits(scene, 14)
        assert bool(torch.isfinite(distance).all())
        share.append(float((label == FURNITURE).float().mean()))
        middle.append(float(distance.median()))
    assert 0.08 < np.mean(share) < 0.3
    assert 1.4 < np.median(middle) < 2.6
    kinds = {solid.kind for scene in scenes for solid, *_ in scene.rows}
    assert len(kinds) >= 5  # boxes, balls, tubes, prisms, arches


def test_piece_weights_are_shares_and_themes_name_pieces():
    assert all(0 < kind.share < 0.3 for kind in WALL_PIECES.values())
    assert sum(share for share, _, _ in THEMES.values()) == pytest.approx(1.0)
    assert all(set(kinds) <= set(WALL_PIECES) for _, _, kinds in THEMES.values())
