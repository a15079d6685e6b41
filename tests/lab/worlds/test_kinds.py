"""Version 2: what its own kinds of worlds promise, and that version 1 stays as it is beside it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from panodepth.errors import ConfigError
from panodepth.geometry.grid import erp_rays
from panodepth.lab.worlds import Priors, make_scene, render_batch, render_scenes
from panodepth.lab.worlds.camera.photograph import plain_camera
from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.halls.hall import Plan, build_shell
from panodepth.lab.worlds.kinds import KINDS, named_scene
from panodepth.lab.worlds.land.places import KINDS as LANDS
from panodepth.lab.worlds.looks.materials import grey
from panodepth.lab.worlds.looks.weather import HARD, hard_sky
from panodepth.lab.worlds.panoramas import panorama_grid
from panodepth.lab.worlds.render.primitives import Scene, Solid, pack
from panodepth.lab.worlds.render.shapes import BOX
from panodepth.lab.worlds.scenes import make_camera

H, W = 28, 56
NEW = Priors(version=2, new=1.0)


def same(one, other):
    a, b = pack([one]), pack([other])
    return a.centre.shape == b.centre.shape and torch.equal(a.centre, b.centre)


@pytest.fixture(scope="module", params=KINDS)
def seen(request):
    """Three worlds of a kind with their pictures."""
    scenes = [named_scene(request.param, Draws.of(7, i), NEW) for i in range(3)]
    cameras = [plain_camera(7, i) for i in range(3)]
    return request.param, scenes, render_scenes(scenes, panorama_grid(H, W), cameras)


def test_every_kind_has_a_finite_truth_and_a_clear_camera(seen):
    name, scenes, batch = seen
    assert torch.equal(batch.valid, batch.distance > 0)
    assert bool(torch.isfinite(batch.distance).all())
    assert float(batch.distance[batch.valid].min()) > 0.1
    assert float(batch.distance.max()) < 7000
    assert all(s.clearance(s.camera) > 0.14 for s in scenes)
    share = batch.sky.float().mean((1, 2))
    assert (float(share.max()) == 0) == (name not in LANDS)
    assert float(batch.sky[:, H * 3 // 4 :].float().mean()) < 0.02


def test_every_kind_is_the_same_for_the_same_numbers(seen):
    name, scenes, _ = seen
    again = [named_scene(name, Draws.of(7, i), NEW) for i in range(3)]
    assert all(same(a, b) for a, b in zip(scenes, again, strict=True))
    assert not same(scenes[0], scenes[1])


def test_version_2_is_half_version_1():
    second = Priors(version=2)
    kept = [same(make_scene(3, i, priors=second), make_scene(3, i)) for i in range(40)]
    assert 10 < sum(kept) < 30
    assert all(
        same(make_scene(3, i, priors=Priors(version=2, new=0.0)), make_scene(3, i))
        for i in range(6)
    )


def test_the_world_under_the_camera_is_near_in_rooms_and_wide_in_halls():
    near = render_batch(9, range(48), H, W, kind="indoor", priors=Priors(version=2, new=1, near=1))
    wide = render_batch(
        9, range(48), H, W, kind="indoor", priors=Priors(version=2, new=1, near=0, halls=1)
    )
    below = [b.distance[:, -3:].mean((1, 2)).median() for b in (near, wide)]
    assert float(below[0]) < 1.0 < 1.2 < float(below[1])
    middle = [b.distance[:, H // 2].median(1).values.median() for b in (near, wide)]
    assert float(middle[1]) > 2 * float(middle[0])


def test_distances_far_out_spread_wider_than_those_of_version_1():
    def spread(priors):
        made = render_batch(9, range(24), H, W, kind="outdoor", priors=priors)
        logs = [torch.log(d[v]) for d, v in zip(made.distance, made.valid, strict=True)]
        return float(torch.stack([x.std() for x in logs]).median())

    assert spread(NEW) > spread(Priors())


@pytest.mark.parametrize("kind", HARD)
def test_hard_skies_leave_the_truth_alone(kind):
    plain, changed = (named_scene("plaza", Draws.of(1, 0), NEW) for _ in range(2))
    hard_sky(changed, Draws.of(1, 1), kind)
    grid, camera = panorama_grid(H, W), [plain_camera(1, 0)]
    one, other = (render_scenes([s], grid, camera) for s in (plain, changed))
    assert torch.equal(one.distance, other.distance)
    assert not torch.allclose(one.image, other.image, atol=0.02)
    assert bool(torch.isfinite(other.image).all())


def test_dim_pictures_are_darker_and_only_in_version_2():
    dim = Priors(version=2, dim=1.0)
    targets = np.array([[make_camera(2, i, p).target for p in (Priors(), dim)] for i in range(30)])
    assert (targets[:, 1] <= targets[:, 0]).all()
    assert targets[:, 1].mean() < 0.6 * targets[:, 0].mean()
    assert make_camera(2, 0, Priors(version=2, dim=0.0)) == make_camera(2, 0)


def test_an_empty_hall_is_the_box_it_is_planned_as():
    half, tall, eye = np.array([15.0, 10.0]), 5.0, np.array([4.0, 1.6, -3.0])
    scene = Scene(indoor=True, camera=eye)
    build_shell(scene, Draws.of(0), Plan((15.0, 10.0), tall))
    seen = render_scenes([scene], panorama_grid(H, W), [plain_camera(0, 0)]).distance[0].numpy()
    rays = erp_rays(H, W) * [1, -1, 1]  # y up
    ends = np.where(rays > 0, [half[0], tall, half[1]], [-half[0], 0.0, -half[1]]) - eye
    np.testing.assert_allclose(seen, (ends / rays).min(-1), rtol=1e-4)


def test_a_mirror_shows_what_is_opposite():
    levels = []
    for gloss in (0.0, 15.0):
        scene = Scene(indoor=True, camera=np.array([0.0, 1.5, 0.0]))
        for z, look in ((4.0, grey(0.03, gloss=gloss)), (-4.0, grey(1.0, emission=3.0))):
            scene.add(Solid(BOX, (4, 2, 0.1)), (0, 1.5, z), 0.0, look)
        scene.add(Solid(BOX, (4, 0.1, 4)), (0, -0.5, 0), 0.0, grey(0.3))
        batch = render_scenes([scene], panorama_grid(64, 128), [plain_camera(0, 0)])
        levels.append(float(batch.image[0, :, 30:34, 60:68].mean()))
    assert levels[1] > levels[0] + 0.3


@pytest.mark.parametrize("kind", ["plaza", "country"])
def test_what_the_camera_stands_on_outdoors_is_near_and_a_roof_hides_the_sky(kind):
    def made(**more):
        own = Priors(version=2, new=1.0, **{"perch": 0.0, "canopy": 0.0, **more})
        scenes = [named_scene(kind, Draws.of(4, i), own) for i in range(8)]
        return render_scenes(scenes, panorama_grid(H, W), [plain_camera(4, 0)] * 8)

    plain, perched, covered = made(), made(perch=1.0), made(canopy=1.0)
    assert float(perched.distance[:, -1].mean()) < 0.8 * float(plain.distance[:, -1].mean())
    assert float(plain.sky[:, 0].float().mean()) > 0.8
    assert not bool(covered.sky[:, 0].any())


def test_another_version_is_refused():
    with pytest.raises(ConfigError, match="version"):
        make_scene(0, 0, priors=Priors(version=3))
