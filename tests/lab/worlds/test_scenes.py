"""Whole worlds: determinism, exactness between outputs, closed rooms, plausible pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from panodepth.errors import ConfigError
from panodepth.geometry.grid import erp_rays
from panodepth.geometry.points import distance_to_normals
from panodepth.lab.worlds import Priors, make_scene, render_batch, render_scenes
from panodepth.lab.worlds.camera.photograph import plain_camera
from panodepth.lab.worlds.looks import patterns, textures
from panodepth.lab.worlds.looks.materials import grey
from panodepth.lab.worlds.looks.sky import haze
from panodepth.lab.worlds.panoramas import panorama_grid
from panodepth.lab.worlds.parts.place import WALL
from panodepth.lab.worlds.render.primitives import Light, Scene, Sky, Solid
from panodepth.lab.worlds.render.shapes import BOX

H, W = 56, 112


@pytest.fixture(scope="module")
def batch():
    return render_batch(3, range(10), H, W)


def test_shapes_ranges_and_kinds(batch):
    assert batch.image.shape == (10, 3, H, W)
    assert 0 <= float(batch.image.min()) <= float(batch.image.max()) <= 1
    assert batch.distance.shape == batch.sky.shape == batch.label.shape == (10, H, W)
    assert torch.equal(batch.valid, batch.distance > 0)
    assert float(batch.distance[batch.valid].min()) > 0.05
    assert float(batch.distance.max()) < 800
    assert 0 < int(batch.indoor.sum()) < 10


def test_the_same_numbers_give_the_same_panorama_alone_and_in_a_batch(batch):
    again = render_batch(3, range(10), H, W)
    assert torch.equal(again.image, batch.image)
    assert torch.equal(again.distance, batch.distance)
    alone = render_batch(3, [7], H, W)
    torch.testing.assert_close(alone.distance[0], batch.distance[7], rtol=1e-4, atol=1e-4)
    assert float((alone.image[0] - batch.image[7]).abs().mean()) < 1e-3
    other = render_batch(4, [7], H, W)
    assert not torch.allclose(other.distance[0], batch.distance[7])


def test_normals_are_unit_and_face_the_camera(batch):
    rays = erp_rays(H, W, dtype=torch.float32)
    length = batch.normals.norm(dim=-1)
    torch.testing.assert_close(length[batch.valid], torch.ones_like(length[batch.valid]))
    assert float(length[batch.sky].sum()) == 0
    assert float((batch.normals * rays).sum(-1)[batch.valid].max()) <= 0


def test_normals_agree_with_those_of_the_distance_map(batch):
    derived = distance_to_normals(torch.where(batch.valid, batch.distance, 1.0))
    cosine = (derived * batch.normals).sum(-1)[batch.valid]
    assert float(cosine.median()) > np.cos(np.radians(0.5))


def test_rooms_are_closed_and_open_places_have_sky():
    inside = render_batch(5, range(12), H, W, kind="indoor")
    assert float(inside.sky.float().mean()) == 0
    outside = render_batch(5, range(12), H, W, kind="outdoor")
    share = outside.sky.float().mean((1, 2))
    assert float((share > 0.01).float().mean()) > 0.8  # some cameras stand in arcades
    assert float(share.max()) < 0.6
    assert float(outside.sky[:, H * 3 // 4 :].float().mean()) < 0.01


def test_pictures_are_neither_black_nor_burnt_out():
    seen = render_batch(6, range(24), H, W)
    level = seen.image.mean((1, 2, 3))
    assert float(level.min()) > 0.08
    assert float(level.max()) < 0.97
    assert float(seen.image.flatten(1).std(1).median()) > 0.1


def test_the_camera_keeps_clear_of_things():
    clear = [
        s.clearance(s.camera) for s in (make_scene(8, i) for i in range(60)) if s.camera[1] > 0
    ]
    assert min(clear) > 0.05


def test_an_unknown_kind_is_refused():
    with pytest.raises(ConfigError, match="indoor"):
        make_scene(0, 0, "underwater")


def texels(number):
    """(SIZE, SIZE, 3) finest level of a texture, cut out of the atlas."""
    y = number // textures.ACROSS * textures.TALL + 1
    x = number % textures.ACROSS * textures.STRIP + 1
    size = patterns.SIZE
    return textures.atlas()[0, :, y : y + size, x : x + size].permute(1, 2, 0)


def test_texture_lookup_returns_the_texel_and_wraps():
    number = textures.GROUPS["picture"].start + 2
    image = texels(number)
    rows, columns = torch.tensor([0, 5, 127]), torch.tensor([0, 64, 3])
    u, v = (columns + 0.5) / patterns.SIZE, (rows + 0.5) / patterns.SIZE
    index = torch.full((3,), number)
    for shift in (0.0, 3.0, -2.0):
        got = textures.sample(index, u + shift, v + shift, torch.ones(3))
        torch.testing.assert_close(got.T, image[rows, columns], atol=5e-3, rtol=0)
    between = textures.sample(index[:1], torch.zeros(1), v[1:2], torch.ones(1))[:, 0]
    torch.testing.assert_close(between, (image[5, 0] + image[5, -1]) / 2, atol=5e-3, rtol=0)


def test_coarse_mip_levels_tend_to_the_mean():
    generator = torch.Generator().manual_seed(0)
    for group in (
        "brick",
        "cloud",
        "wood",
    ):  # somewhere in the middle, and the last row of the atlas
        number = textures.GROUPS[group].stop - 1
        u, v = torch.rand(2, 500, generator=generator)
        for footprint in (8.0, 1e6):
            got = textures.sample(torch.full((500,), number), u, v, torch.full((500,), footprint))
            mean = texels(number).mean((0, 1))
            torch.testing.assert_close(got.mean(1), mean, atol=0.03, rtol=0)


def test_groups_cover_the_atlas_without_gaps():
    taken = sorted(i for group in textures.GROUPS.values() for i in group)
    assert taken == list(range(len(taken)))
    rows = textures.atlas().shape[2] // textures.TALL
    assert (rows - 1) * textures.ACROSS < len(taken) <= rows * textures.ACROSS
    for number in taken:
        assert float(texels(number).std()) > 0


def test_cells_are_nearest_points_on_the_torus():
    rng, again = (np.random.default_rng(5) for _ in range(2))
    near, number, gap = patterns.cells(rng, 30)
    n = 5
    place = (again.random((n, n, 2)) + np.stack(np.meshgrid(range(n), range(n)), -1)) / n
    flat = place.reshape(-1, 2)
    at = np.stack([patterns.X, patterns.Y], -1)[::9, ::9]
    away = np.abs(at[..., None, :] - flat)
    far = np.sort(np.hypot(*np.moveaxis(np.minimum(away, 1 - away), -1, 0)), -1)
    np.testing.assert_allclose(near[::9, ::9], far[..., 0])
    np.testing.assert_allclose(gap[::9, ::9], far[..., 1] - far[..., 0])
    assert number.max() < n * n


def test_the_middle_of_a_mirror_image_is_what_stands_opposite():
    """A polished floor before a bright wall is brighter than a dull one, most at a slant."""
    pictures = []
    for gloss in (0.0, 1.0):
        scene = Scene(indoor=True, camera=np.array([0.0, 1.5, 0.0]))
        scene.add(Solid(BOX, (6, 0.1, 6)), (0, -0.1, 0), 0.0, grey(0.1, gloss=gloss))
        scene.add(Solid(BOX, (6, 0.1, 6)), (0, 3.1, 0), 0.0, grey(0.1))
        for x, z, bright in ((6, 0, 0), (-6, 0, 0), (0, 6, 5.0), (0, -6, 0)):
            half = (0.1, 2, 6) if x else (6, 2, 0.1)
            scene.add(Solid(BOX, half), (x, 1.5, z), 0.0, grey(1, emission=bright))
        grid = panorama_grid(64, 128)
        pictures.append(render_scenes([scene], grid, [plain_camera(0, 0)]).image[0].mean(0))
    gain = pictures[1] - pictures[0]
    floor = gain[36:60]
    ahead, back = floor[:, 60:68].mean(1), torch.cat([floor[:, :4], floor[:, -4:]], 1).mean(1)
    assert float(ahead[2]) > 0.05
    assert float(ahead[2]) > 2 * float(back[2].abs())
    assert float(ahead[2]) > float(ahead[-1])


def test_haze_takes_63_percent_at_its_distance():
    scene = Scene(indoor=False, sky=Sky(horizon=(0.5, 0.93, 1.0), power=2.0, haze_m=60.0))
    clear = Scene(indoor=False)
    radiance, distance = torch.zeros(3, 2, 3), torch.tensor([[0.0, 60.0, 1e6]]).expand(2, 3)
    seen = haze([scene, clear], radiance, distance)
    share = torch.tensor([0.0, 1 - np.exp(-1), 1.0], dtype=torch.float32)
    torch.testing.assert_close(seen[0, 0], share * 1.0)
    torch.testing.assert_close(seen[1, 0], share * 2 * 0.93)
    assert not bool(seen[:, 1].any())


def test_shadows_lie_where_the_lamp_is_hidden():
    scene = Scene(indoor=True, camera=np.array([0.0, 1.2, -2.0]), ambient=(0.02, 0.02, 0.02))
    for centre, half in (((0, -0.1, 0), (5, 0.1, 5)), ((0, 3.1, 0), (5, 0.1, 5))):
        scene.add(Solid(BOX, half), centre, 0.0, grey(0.7))
    scene.add(Solid(BOX, (0.5, 0.02, 0.5)), (0, 1.2, 2.0), 0.0, grey(0.7))
    scene.lights.append(Light((0.0, 2.6, 2.0), (3.0, 3.0, 3.0)))
    grid = panorama_grid(96, 192)
    seen = render_scenes([scene], grid, [plain_camera(0, 0)])
    lit = seen.image[0].mean(0)
    points = seen.distance[0, ..., None] * grid.direction.permute(1, 2, 0)
    floor = (points[..., 1] - 1.2).abs() < 0.01
    aside = torch.hypot(points[..., 0], points[..., 2] - 4.0)
    # The plate is 1 m wide, 1.4 m below the lamp; its shadow on the floor is 1.86 m wide.
    assert float(lit[floor & (aside < 0.6)].mean()) < 0.5 * float(
        lit[floor & (aside > 1.6) & (aside < 2.2)].mean()
    )


def test_priors_say_how_often_rooms_open_and_the_sun_is_out():
    def sunny(overcast):
        worlds = [make_scene(4, i, "outdoor", Priors(overcast=overcast)) for i in range(40)]
        return sum(any(light.sun for light in w.lights) for w in worlds)

    assert (sunny(0.0), sunny(1.0)) == (40, 0)
    assert 8 <= sunny(Priors().overcast) <= 26  # 16 expected

    def walls(openings):
        rooms = [make_scene(4, i, "indoor", Priors(openings=openings)) for i in range(30)]
        return sum(label == WALL for room in rooms for *_, label in room.rows)

    assert walls(0.0) < walls(0.5) < walls(1.0)  # other rooms, behind the openings
