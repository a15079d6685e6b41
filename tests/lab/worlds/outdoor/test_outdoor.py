"""Outdoor worlds kind by kind: they build, render, keep their distances, and nothing floats."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.outdoor import places as outdoor
from panodepth.lab.worlds.outdoor import street_things, vehicles
from panodepth.lab.worlds.outdoor.buildings import Mass, gateway, house
from panodepth.lab.worlds.outdoor.ground import ground_look, terrain
from panodepth.lab.worlds.outdoor.places import CLEARANCE, KINDS, outdoor_scene
from panodepth.lab.worlds.outdoor.site import EYE_ROOM, Site
from panodepth.lab.worlds.parts.place import (
    BUILDING,
    FITTING,
    FURNITURE,
    GROUND,
    PERSON,
    PLANT,
    VEHICLE,
)
from panodepth.lab.worlds.render.primitives import Scene, pack
from panodepth.lab.worlds.render.raycast import cast, panorama_rays

H, W = 42, 84
SEEDS = 5
LABELS = {FURNITURE, FITTING, BUILDING, GROUND, PLANT, VEHICLE, PERSON}

# Middle values over SEEDS worlds: median distance [m], sky share of the picture, share nearer 2 m.
RANGES = {
    "street": ((1.5, 5.0), (0.02, 0.45), (0.0, 0.7)),
    "alley": ((1.0, 3.5), (0.0, 0.2), (0.2, 0.9)),
    "avenue": ((1.3, 6.0), (0.1, 0.5), (0.0, 0.7)),
    "square": ((1.3, 6.0), (0.05, 0.45), (0.0, 0.7)),
    "courtyard": ((1.3, 5.0), (0.0, 0.35), (0.0, 0.7)),
    "car_park": ((1.2, 5.0), (0.0, 0.5), (0.0, 0.7)),
    "playground": ((1.3, 5.0), (0.15, 0.5), (0.0, 0.7)),
    "garden": ((1.0, 5.0), (0.1, 0.5), (0.0, 0.7)),
    "park": ((1.2, 5.0), (0.1, 0.5), (0.0, 0.7)),
    "forest": ((1.2, 5.0), (0.0, 0.4), (0.0, 0.7)),
    "country": ((1.0, 5.0), (0.25, 0.55), (0.0, 0.9)),
}


def worlds(kind: str, count: int = SEEDS) -> list[Scene]:
    return [outdoor_scene(Draws.of(41, i), kind) for i in range(count)]


def extents(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """(N,) lowest and highest y of every primitive's box, world frame, metres."""
    p = pack([scene])
    centre = -p.centre[0, :, 1].numpy() + scene.camera[1]  # the camera's y axis points down
    reach = p.extent[0, :, :, 1].abs().sum(1).numpy()
    return centre - reach, centre + reach


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_world_is_sound(kind):
    scenes = worlds(kind)
    rays = panorama_rays(H, W)
    packed = pack(scenes)
    hits = cast(packed, rays)
    distance = hits.distance.flatten(1)
    hit = torch.isfinite(distance)
    assert not torch.isnan(distance).any()
    assert float(distance[hit].min()) > 0.9 * CLEARANCE
    label = torch.gather(packed.label, 1, hits.index.flatten(1))
    assert set(label[hit].unique().tolist()) <= LABELS
    assert all(bool((row[ok] == GROUND).any()) for row, ok in zip(label, hit, strict=True))
    for scene in scenes:
        assert scene.clearance(scene.camera) > CLEARANCE
        assert scene.camera_rotation @ scene.camera_rotation.T == pytest.approx(np.eye(3), abs=1e-9)

    middle = [float(d[ok].median()) for d, ok in zip(distance, hit, strict=True)]
    sky = 1 - hit.float().mean(1).numpy()
    near = [float((d[ok] < 2).float().mean()) for d, ok in zip(distance, hit, strict=True)]
    for values, (low, high) in zip((middle, sky, near), RANGES[kind], strict=True):
        assert low <= np.median(values) <= high


def test_a_world_is_a_function_of_its_seed_alone():
    one, two = (outdoor_scene(Draws.of(3, 5)) for _ in range(2))
    assert np.array_equal(one.camera, two.camera)
    a, b = pack([one]), pack([two])
    for name in a.__dataclass_fields__:
        assert torch.equal(getattr(a, name), getattr(b, name)), name
    other = outdoor_scene(Draws.of(3, 6))
    assert len(other) != len(one) or not np.array_equal(other.camera, one.camera)


def test_shares_add_up_and_streets_lead():
    shares = {k: s for k, (s, _) in KINDS.items()}
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["street"] + shares["alley"] + shares["avenue"] >= 0.5
    assert set(RANGES) == set(KINDS)


def test_worlds_stay_small_and_the_camera_low():
    scenes = [outdoor_scene(Draws.of(9, i)) for i in range(30)]
    sizes = [len(s) for s in scenes]
    assert np.median(sizes) < 550
    assert max(sizes) < 1400
    flat = [s.camera[1] for s in scenes]
    assert 0.3 < np.median(flat) < 2.0
    assert 0.4 < np.mean([not s.lights for s in scenes]) < 0.9  # overcast leads


def test_the_camera_tries_other_heights_and_gives_up_inside_a_solid():
    site = Site(Scene(indoor=False), Draws.of(0))
    site.stand(0, 0)
    site.spot(0, 0).box((0, 0, 0), (5, 5, 5), site.rng.painted())
    assert not outdoor.place_camera(site)


@pytest.mark.parametrize("name", list(street_things.THINGS))
def test_things_stand_on_the_ground_inside_their_footprint(name):
    thing = street_things.THINGS[name]
    half_x, half_z = thing.half_x, thing.half_z
    for seed in range(4):
        site = Site(Scene(indoor=False, camera=np.zeros(3)), Draws.of(seed))
        thing.build(site.spot(0, 0))
        low, high = extents(site.scene)
        assert low.min() < 0.1  # something touches the ground
        assert high.max() > 0.1
        foot = low < 0.3  # crowns, awnings and lamps may reach further
        centre = pack([site.scene]).centre[0].numpy()[foot]
        assert np.abs(centre[:, 0]).max() < half_x + 0.35
        assert np.abs(centre[:, 2]).max() < half_z + 0.35


@pytest.mark.parametrize("build", [vehicles.car, vehicles.bus, vehicles.scooter, vehicles.bicycle])
def test_vehicles_stand_on_their_wheels(build):
    for seed in range(6):
        site = Site(Scene(indoor=False, camera=np.zeros(3)), Draws.of(seed))
        build(site.spot(1.0, -2.0, 0.7))
        low, high = extents(site.scene)
        assert -0.01 < low.min() < 0.02
        assert 0.8 < high.max() < 3.6


def test_terrain_is_where_the_site_says_it_is():
    site = Site(Scene(indoor=False, camera=np.zeros(3)), Draws.of(2))
    terrain(site, ground_look(site.rng, "grass"), 0.5, 10.0)
    assert site.ground(0.0, 0.0) == pytest.approx(0.0, abs=1e-6)
    heights = []
    for x, z in ((3.0, 1.0), (-7.0, 4.0), (60.0, -30.0)):
        site.scene.camera = np.array([x, site.ground(x, z) + 2.0, z])
        nadir = cast(pack([site.scene]), panorama_rays(140, 280)).distance.amin()
        assert 1.2 < float(nadir) <= 2.01
        heights.append(site.ground(x, z))
    assert np.ptp(heights) > 0.1


def test_one_can_walk_through_a_gateway_and_not_through_a_house():
    site = Site(Scene(indoor=False), Draws.of(1))
    gateway(site.spot(0, 0), 4.0, 7.0)
    for z in (-3.0, -1.0, 0.0, 1.0):
        assert site.scene.clearance(np.array([0.0, 1.2, z])) > 0.25
    site = Site(Scene(indoor=False), Draws.of(1))
    house(site.spot(0, 0), Mass(4.0, 8.0, 3))
    assert site.scene.clearance(np.array([0.0, 4.5, -4.0])) == 0.0
    assert site.scene.clearance(np.array([0.0, 1.5, 6.0])) > 2.0


def test_ground_is_given_away_once_and_never_under_the_camera():
    site = Site(Scene(indoor=False), Draws.of(0))
    site.stand(2.0, 3.0)
    assert not site.claim(2.0 + EYE_ROOM, 3.0, (0.2, 0.2))
    assert site.claim(4.0, 3.0, (0.5, 0.5))
    assert not site.claim(4.6, 3.3, (0.5, 0.5), 0.5)
    assert site.claim(6.0, 3.0, (0.5, 0.5))
    assert not vehicles.park(site, 4.0, 3.0, 0.3)


def free_heights(loggia, ground, out):
    """Heights [m] with 0.2 m of air around (0, y, −out) in a house of three storeys."""
    site = Site(Scene(indoor=False), Draws.of(7))
    house(site.spot(0, 0), Mass(4.0, 8.0, 3, ground=ground, loggia=loggia))
    heights = np.arange(0.3, 3 * 2.7, 0.1)
    return [y for y in heights if site.scene.clearance(np.array([0.0, y, -out])) > 0.2]


@pytest.mark.parametrize("ground", ["front", "recess"])
def test_loggias_are_open_above_the_ground_floor_and_end_at_a_wall(ground):
    plain, open_ = (free_heights(loggia, ground, 0.75) for loggia in (0.0, 1.5))
    assert max(plain, default=0.0) < 3.7  # under the upper floors at most
    assert sum(y > 3.7 for y in open_) > 20
    assert not [y for y in free_heights(1.5, ground, 3.0) if y > 2.7]


def test_recesses_are_drawn_where_they_are_asked_for_alone():
    usual, none, many = (
        [outdoor_scene(Draws.of(8, i), "street", recesses=share) for i in range(6)]
        for share in (0.0, 0.0, 1.0)
    )
    assert [len(s) for s in usual] == [len(s) for s in none]
    assert all(len(a) != len(b) for a, b in zip(usual, many, strict=True))
