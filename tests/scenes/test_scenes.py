"""Whole worlds: determinism, exactness between outputs, closed rooms, plausible pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from panodepth.errors import ConfigError
from panodepth.scenes import make_scene, render_batch, textures
from panodepth.sphere import distance_to_normals, erp_rays

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
    rays = erp_rays(H, W)
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
    size = textures.SIZE
    return textures.atlas()[0, :, y : y + size, x : x + size].permute(1, 2, 0)


def test_texture_lookup_returns_the_texel_and_wraps():
    number = textures.GROUPS["picture"].start + 2
    image = texels(number)
    rows, columns = torch.tensor([0, 5, 127]), torch.tensor([0, 64, 3])
    u, v = (columns + 0.5) / textures.SIZE, (rows + 0.5) / textures.SIZE
    index = torch.full((3,), number)
    for shift in (0.0, 3.0, -2.0):
        got = textures.sample(index, u + shift, v + shift, torch.ones(3))
        torch.testing.assert_close(got.T, image[rows, columns], atol=5e-3, rtol=0)
    between = textures.sample(index[:1], torch.zeros(1), v[1:2], torch.ones(1))[:, 0]
    torch.testing.assert_close(between, (image[5, 0] + image[5, -1]) / 2, atol=5e-3, rtol=0)


def test_coarse_mip_levels_tend_to_the_mean():
    generator = torch.Generator().manual_seed(0)
    for group in ("brick", "cloud"):  # somewhere in the middle, and the last row of the atlas
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
