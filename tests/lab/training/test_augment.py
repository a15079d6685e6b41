"""Augmentations keep image and truth together and respect the sphere."""

import math

import pytest
import torch

from panodepth.geometry.grid import erp_rays
from panodepth.geometry.points import distance_to_normals
from panodepth.lab.losses import Truth
from panodepth.lab.training.config import AugmentConfig
from panodepth.lab.training.feed.augment import augment, roll_and_flip, shrink, tilt
from panodepth.lab.training.feed.dice import LUMA, SRGB_POWER, Dice
from panodepth.lab.training.feed.samples import Batch, Stored

OFF = AugmentConfig(
    roll=False,
    flip=0.0,
    tilt=0.0,
    brightness=0.0,
    gamma=0.0,
    contrast=0.0,
    saturation=0.0,
    white_balance=0.0,
    channel_mix=0.0,
    noise=0.0,
    blur=0.0,
    nadir=0.0,
)
H, W = 32, 64


@pytest.fixture
def batch(renderer):
    made = renderer(0, range(6), H, W)
    distance = torch.where(made.valid, made.distance, torch.inf)
    return Stored((made.image * 255).byte(), distance).decode()


def dice(seed=0, count=6):
    return Dice(seed, count, torch.device("cpu"))


def changed(config, batch, seed=3):
    return augment(batch, config, seed)


def replace(**values):
    import dataclasses

    return dataclasses.replace(OFF, **values)


def test_everything_off_changes_nothing(batch):
    out = changed(OFF, batch)
    assert torch.allclose(out.image, batch.image.clamp_min(1e-4), atol=1e-5)
    for a, b in zip(out.truth, batch.truth, strict=True):
        assert torch.equal(a, b)


def test_same_seed_same_batch_other_seed_other(batch):
    config = AugmentConfig(tilt=0.5, blur=0.5, nadir=0.5)
    one, two, three = (changed(config, batch, s) for s in (7, 7, 8))
    assert torch.equal(one.image, two.image)
    assert all(torch.equal(a, b) for a, b in zip(one.truth, two.truth, strict=True))
    assert not torch.equal(one.image, three.image)


def test_input_is_left_alone(batch):
    before = [batch.image.clone(), *(x.clone() for x in batch.truth)]
    changed(AugmentConfig(tilt=1.0, blur=1.0, nadir=1.0), batch)
    for a, b in zip(before, [batch.image, *batch.truth], strict=True):
        assert torch.equal(a, b)


def test_roll_and_flip_move_image_and_truth_together(batch):
    """The columns themselves carry their number, in the image and in the distance."""
    columns = torch.arange(W, dtype=torch.float32).expand(6, H, W)
    marked = Batch(
        (columns / W)[:, None].expand(6, 3, H, W).clone(),
        Truth(columns + 1, columns > 5, columns <= 5),
    )
    out = roll_and_flip(marked, replace(roll=True, flip=0.5), dice())
    assert torch.equal(out.image[:, 0] * W + 1, out.truth.distance)
    assert torch.equal(out.truth.valid, out.truth.distance > 6)
    step = (out.truth.distance[:, 0, 1] - out.truth.distance[:, 0, 0]).remainder(W)
    assert set(step.tolist()) == {1.0, W - 1.0}, "some mirrored, some not, all cyclic"
    assert len(set(out.truth.distance[:, 0, 0].tolist())) > 3


def test_colour_leaves_the_truth_alone(batch):
    config = replace(brightness=0.5, gamma=0.2, saturation=0.5, noise=0.05, blur=1.0, nadir=1.0)
    out = changed(config, batch)
    assert all(torch.equal(a, b) for a, b in zip(out.truth, batch.truth, strict=True))
    assert (out.image - batch.image).abs().mean() > 0.02
    assert out.image.min() >= 0
    assert out.image.max() <= 1


def test_saturation_and_balance_do_not_colour_grey():
    grey = torch.full((4, 3, H, W), 0.5)
    truth = Truth(torch.ones(4, H, W), torch.ones(4, H, W).bool(), torch.zeros(4, H, W).bool())
    out = changed(replace(saturation=0.8, channel_mix=0.2), Batch(grey, truth)).image
    assert torch.allclose(out, grey, atol=1e-4)


def test_nadir_covers_whole_rows_at_the_bottom_alone(batch):
    out = changed(replace(nadir=1.0), batch).image
    difference = (out - batch.image.clamp_min(1e-4)).abs().amax(dim=(1, 3)) > 1e-3
    assert not difference[:, : H // 2].any()
    assert difference[:, -1].float().mean() > 0.5
    assert torch.allclose(out[:, :, -1, :1].expand(6, 3, W), out[:, :, -1], atol=1e-5)


def test_blur_is_closed_over_the_seam():
    image = torch.zeros(1, 3, H, W)
    image[..., 10, 0] = 1.0
    truth = Truth(torch.ones(1, H, W), torch.ones(1, H, W).bool(), torch.zeros(1, H, W).bool())
    out = changed(replace(blur=1.0), Batch(image, truth)).image
    assert out[0, 0, 10, W - 1].item() == pytest.approx(out[0, 0, 10, 1].item(), abs=1e-4)
    assert out[0, 0, 10, 1] > 0.03


def test_tilt_rotates_the_world_and_keeps_walls_flat():
    """A box room seen by a leaning camera: distance fits the rotated box within 1 %."""
    half = torch.tensor([2.0, 1.5, 3.0])
    rays = erp_rays(64, 128, dtype=torch.float32)
    room = (half / rays.abs()).amin(-1)
    truth = Truth(room[None], torch.ones(1, 64, 128).bool(), torch.zeros(1, 64, 128).bool())
    inputs = Batch(rays.permute(2, 0, 1)[None] * 0.5 + 0.5, truth)
    out = tilt(inputs, replace(tilt=1.0, tilt_deg=10.0), dice(1, 1))
    # the image encodes the ray each pixel saw, so it tells where the distance should come from
    seen = out.image[0].permute(1, 2, 0) * 2 - 1
    seen = seen / seen.norm(dim=-1, keepdim=True)
    expected = (half / seen.abs()).amin(-1)
    error = (out.truth.distance[0] / expected - 1).abs()
    assert error.mean() < 0.01
    up = (seen * rays).sum(-1)
    assert math.degrees(torch.acos(up.min().clamp(-1, 1)).item()) > 1.0, "nothing was tilted"
    normals = distance_to_normals(out.truth.distance[0])
    face = (half / seen.abs()).argmin(-1)
    for axis in range(3):
        inner = normals[face == axis]
        spread = (inner * inner.median(0).values.sign()).abs().median(0).values
        assert spread.norm() > 0.98


def test_tilt_keeps_the_sky_apart(batch):
    out = tilt(batch, replace(tilt=1.0), dice(2))
    assert not (out.truth.valid & out.truth.sky).any()
    assert torch.isfinite(out.truth.distance).all()
    share = out.truth.sky.float().mean() / batch.truth.sky.float().mean()
    assert 0.8 < share.item() < 1.2


def test_exposure_stays_within_its_stops_and_leaves_the_truth(batch):
    out = changed(replace(exposure=1.0, exposure_stops=2.0), batch)
    lit = (batch.image > 0.2) & (out.image < 0.999)
    stops = SRGB_POWER * torch.log2(out.image / batch.image.clamp_min(1e-6))
    assert (stops[lit].abs() <= 2.0 + 1e-3).all()
    per_image = torch.stack([stops[i][lit[i]].median() for i in range(6) if lit[i].any()])
    assert per_image.std() > 0.1, "every picture has its own exposure"
    assert torch.equal(out.truth.distance, batch.truth.distance)


def test_a_dark_sky_changes_the_sky_and_its_edge_alone(batch):
    sky = torch.zeros(6, H, W, dtype=torch.bool)
    sky[:, :10] = True
    image = torch.full_like(batch.image, 0.6)
    under = Batch(image, batch.truth._replace(sky=sky))
    out = changed(replace(dark_sky=1.0), under)
    assert torch.allclose(out.image[:, :, 12:], image[:, :, 12:], atol=1e-5)
    above = out.image[:, :, :8].mean(dim=(1, 2, 3))
    assert (above < 0.55).sum() >= 3, "most skies are darker"
    assert above.std() > 0.02


def test_gray_has_no_colour_and_keeps_luma(batch):
    out = changed(replace(gray=1.0), batch).image
    assert torch.allclose(out[:, 0], out[:, 2], atol=1e-5)
    luma = torch.einsum("c,bchw->bhw", torch.tensor(LUMA), batch.image)
    assert torch.allclose(out[:, 1], luma.clamp_min(1e-4), atol=1e-4)


def test_jpeg_comes_close_but_not_exactly(batch):
    out = changed(replace(jpeg=1.0), batch).image
    difference = (out - batch.image).abs().mean()
    assert 1e-4 < difference < 0.1


def test_faults_leave_the_draws_of_the_others_as_they_were(batch):
    grey = Batch(batch.image[:, 1:2].expand(-1, 3, -1, -1).contiguous(), batch.truth)
    plain = changed(replace(noise=0.02, blur=0.5, nadir=0.5), grey)
    also = changed(replace(noise=0.02, blur=0.5, nadir=0.5, gray=1.0), grey)
    assert torch.allclose(plain.image, also.image, atol=1e-5)


def box_room(height):
    """A room 4 x 3 x 2 m around its centre, as a batch of one."""
    rays = erp_rays(height, 2 * height, dtype=torch.float32)
    distance = (torch.tensor([2.0, 1.5, 1.0]) / rays.abs()).amin(-1)[None]
    valid = torch.ones_like(distance, dtype=torch.bool)
    return Batch(torch.rand(1, 3, height, 2 * height), Truth(distance, valid, ~valid))


def test_a_shrunk_room_keeps_its_walls():
    small, truth = shrink(box_room(96), (32,), 0), box_room(32).truth.distance
    assert small.image.shape == (1, 3, 32, 64)
    assert small.truth.valid.all()
    relative = (small.truth.distance / truth - 1).abs()
    assert relative.median() < 1e-3
    assert relative.max() < 0.05  # in corners, where two walls meet in a pixel


def test_each_seed_draws_one_of_the_heights(batch):
    assert {shrink(batch, (8, 16, 32), s).image.shape[-2] for s in range(30)} == {8, 16, 32}
    assert shrink(batch, (), 5) is batch


def test_shrinking_keeps_the_sky_apart(batch):
    truth = shrink(batch, (16,), 0).truth
    assert truth.sky.any()
    assert not (truth.sky & truth.valid).any()
    assert truth.distance[truth.valid].min() >= batch.truth.distance[batch.truth.valid].min() - 1e-6
