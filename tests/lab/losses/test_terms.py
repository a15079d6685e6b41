"""Loss terms against closed forms, and their behaviour at masks, edges and empty images."""

import math
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from panodepth.geometry.grid import axis_angles, erp_rays, solid_angles
from panodepth.lab.losses import (
    Alignment,
    LossConfig,
    Truth,
    anchor,
    distance_abs_rel,
    distance_l1,
    distance_log_l1,
    local_normals,
    log_alignment,
    log_gradient,
    masked_mean,
    normal_l1,
    pair_alignment,
    pair_log_l1,
    sky_bce,
    smooth_pixels,
    training_loss,
)

from .conftest import H, W, box_room, random_batch


class TestMaskedMean:
    def test_weights_every_pixel_by_its_solid_angle(self):
        weights = solid_angles(H, W, dtype=torch.float32)
        upper = torch.zeros(1, H, W)
        upper[:, : H // 4] = 1.0  # the cap above latitude -45°: (1 - cos 45°) / 2 of the sphere
        mean = masked_mean(upper, torch.ones(1, H, W, dtype=torch.bool), weights)
        assert mean.item() == pytest.approx((1 - math.cos(math.pi / 4)) / 2, abs=1e-5)

    def test_ignores_what_is_outside_the_mask_even_nan(self):
        values = torch.ones(1, H, W, requires_grad=True)
        mask = torch.zeros(1, H, W, dtype=torch.bool)
        mask[:, 3, 5] = True
        broken = torch.where(mask, values, torch.nan)
        mean = masked_mean(broken, mask, solid_angles(H, W, dtype=torch.float32))
        mean.sum().backward()
        assert mean.item() == 1.0
        assert torch.isfinite(values.grad).all()

    def test_is_zero_for_an_empty_mask(self):
        mask = torch.zeros(2, H, W, dtype=torch.bool)
        assert masked_mean(
            torch.ones(2, H, W), mask, solid_angles(H, W, dtype=torch.float32)
        ).tolist() == [0.0, 0.0]


class TestAbsRel:
    def test_by_hand(self):
        """Twice too far is off by 1, half as far by 1/2; e times too far by e - 1, and from there
        on linear in the log: e² times too far costs e more."""
        residual = torch.tensor([[[math.log(2), -math.log(2), 1.0, 2.0, 0.0]]])
        log_true = torch.full_like(residual, 3.0)
        found = distance_abs_rel(log_true + residual, log_true).flatten().tolist()
        e = math.e
        assert found == pytest.approx([1.0, 0.5, e - 1, 2 * e - 1, 0.0], abs=1e-6)

    def test_gradient_is_finite_however_far_off(self):
        residual = torch.tensor([-1e4, -1.0, 0.5, 1.0, 1e4])[None, None].requires_grad_()
        distance_abs_rel(residual, torch.zeros_like(residual)).sum().backward()
        expected = [0.0, -math.exp(-1), math.exp(0.5), math.e, math.e]
        assert residual.grad.flatten().tolist() == pytest.approx(expected, abs=1e-6)


class TestAlignment:
    @settings(max_examples=20, deadline=None)
    @given(offset=st.floats(-5, 5), kind=st.sampled_from(get_args(Alignment)))
    def test_recovers_a_global_scale(self, offset, kind):
        truth = box_room().log()[None]
        valid = torch.ones_like(truth, dtype=torch.bool)
        found = log_alignment(truth - offset, truth, valid, kind)
        assert found.item() == pytest.approx(offset, abs=1e-5)

    def test_kinds_differ_as_defined(self):
        pred = torch.tensor([[[0.0, 1.0, 5.0]]])
        true = torch.tensor([[[4.0, 2.0, 3.0]]])
        valid = torch.ones_like(true, dtype=torch.bool)
        # residuals 4, 1, -2: median 1. medians 3 and 1: difference 2.
        assert log_alignment(pred, true, valid, "log_residual").item() == 1.0
        assert log_alignment(pred, true, valid, "median_ratio").item() == 2.0
        assert log_alignment(pred, true, valid, "soft_median_ratio").item() == 2.0

    def test_looks_at_valid_pixels_alone_and_is_zero_without_any(self):
        pred = torch.zeros(2, 1, 3)
        true = torch.tensor([[[7.0, 9.0, 9.0]], [[9.0, 9.0, 9.0]]])
        valid = torch.tensor([[[True, False, False]], [[False, False, False]]])
        assert log_alignment(pred, true, valid).tolist() == [7.0, 0.0]

    def test_residual_median_does_not_pull_on_the_global_offset(self):
        """Half the residuals lie on each side, so the gradient along a common shift vanishes; with
        two separate medians it does not, which is how the output drifts."""
        g = torch.Generator().manual_seed(0)
        true = torch.randn(1, H, W, generator=g)
        # wrong by much more where the truth is far: the medians' difference is off the middle
        pred = true - torch.where(true > 0.3, 2.0 * true, 0.0)
        pred = pred + 0.1 * torch.randn(true.shape, generator=g)
        valid = torch.ones_like(true, dtype=torch.bool)
        pulls = {}
        for kind in get_args(Alignment):
            shift = torch.zeros((), requires_grad=True)
            moved = pred + shift
            aligned = moved + log_alignment(moved, true, valid, kind)
            distance_log_l1(aligned, true).mean().backward()
            pulls[kind] = abs(shift.grad.item())
        assert pulls["log_residual"] < 0.01
        assert pulls["median_ratio"] > 0.2
        assert pulls["soft_median_ratio"] < 1e-6

    def test_gradient_of_the_soft_median_moves_what_is_off_towards_the_rest(self):
        """The middle third is too near. Aligned by its median, all the rest is too far: the way
        down is the middle farther and the rest nearer. Without that gradient the middle is taken
        for right, and only the rest moves."""
        true = torch.tensor([1.0, 2.0, 4.0]).repeat_interleave(30).reshape(1, 9, 10).log()
        pred = true.clone()
        pred[0, 3:6] -= 0.2
        valid = torch.ones_like(true, dtype=torch.bool)
        moves = {}
        for kind in ("median_ratio", "soft_median_ratio"):
            given_log = pred.clone().requires_grad_()
            aligned = given_log + log_alignment(given_log, true, valid, kind)[:, None, None]
            distance_log_l1(aligned, true).sum().backward()
            moves[kind] = -given_log.grad.reshape(3, 30).mean(1)
        assert moves["median_ratio"].tolist() == pytest.approx([-1, 0, -1], abs=1e-6)
        assert moves["soft_median_ratio"].tolist() == pytest.approx([-1, 2, -1], abs=1e-6)

    def test_soft_median_takes_no_gradient_from_or_to_what_is_not_valid(self):
        log_pred, truth = random_batch()
        nothing = torch.zeros_like(truth.valid[:1])
        valid = torch.cat([nothing, truth.valid[1:]])
        given_log = torch.where(valid, log_pred, torch.nan).requires_grad_()
        log_alignment(given_log, log_pred, valid, "soft_median_ratio").sum().backward()
        assert not given_log.grad[~valid].any()
        assert given_log.grad.sum((1, 2)).tolist() == pytest.approx([0, *[-1] * (len(valid) - 1)])

    def test_loss_does_not_depend_on_the_scale_of_the_output(self):
        log_pred, truth = random_batch()
        config = LossConfig(anchor=0, sky=0, gradient=1.0)
        first = training_loss(log_pred, None, truth, config)[0].item()
        for shift in (-3.0, 2.0):
            other = training_loss(log_pred + shift, None, truth, config)[0].item()
            assert other == pytest.approx(first, rel=1e-4)


class TestDistance:
    def test_log_l1_is_the_absolute_log_ratio(self):
        error = distance_log_l1(torch.tensor([math.log(2.0)]), torch.tensor([math.log(8.0)]))
        assert error.item() == pytest.approx(math.log(4.0))

    def test_l1_is_relative_to_the_median_of_the_truth(self):
        log_true = torch.tensor([[[2.0, 4.0, 6.0]]]).log()
        pred = torch.tensor([[[3.0, 4.0, 9.0]]]).log()
        valid = torch.ones(1, 1, 3, dtype=torch.bool)
        expected = [0.25, 0.0, 0.75]
        got = distance_l1(pred, log_true, valid).flatten().tolist()
        assert got == pytest.approx(expected, abs=1e-6)

    def test_l1_stays_finite_far_away(self):
        log_true = torch.zeros(1, 1, 3)
        pred = torch.tensor([[[90.0, 0.0, -90.0]]], requires_grad=True)
        error = distance_l1(pred, log_true, torch.ones(1, 1, 3, dtype=torch.bool))
        error.sum().backward()
        assert torch.isfinite(error).all()
        assert torch.isfinite(pred.grad).all()


class TestNormals:
    def test_local_normals_are_the_normals_of_the_walls(self):
        """Turned into the panorama's axes they are those of the box's faces, within a pixel."""
        height, width = 128, 256
        room = box_room(height, width)
        local = local_normals(room.log()[None])[0]
        lon, lat = axis_angles(height, width, dtype=torch.float32)
        lat, lon = torch.meshgrid(lat.float(), lon.float(), indexing="ij")
        ray = erp_rays(height, width, dtype=torch.float32)
        down = torch.stack([-lat.sin() * lon.sin(), lat.cos(), -lat.sin() * lon.cos()], -1)
        right = torch.stack([lon.cos(), torch.zeros_like(lon), -lon.sin()], -1)
        forward, below, beside = local[..., None]
        got = below * down + beside * right - forward * ray
        face = (torch.tensor([2.0, 1.5, 3.0]) / ray.abs()).argmin(-1, keepdim=True)
        truth = -torch.zeros_like(ray).scatter(-1, face, ray.gather(-1, face).sign())
        cosine = (got * truth).sum(-1)
        inner = smooth_pixels(room[None], torch.ones(1, height, width).bool(), 0.02)[0]
        inner &= lat.abs() < 1.3
        angle = torch.rad2deg(torch.acos(cosine[inner].clamp(-1, 1)))
        assert inner.float().mean() > 0.6
        assert angle.mean() < 1.5  # half a pixel is 0.7 degrees
        assert angle.quantile(0.99) < 1.5  # where columns converge, too
        assert torch.allclose(local.norm(dim=0), torch.ones(height, width), atol=1e-5)

    def test_right_prediction_of_any_scale_costs_nothing(self):
        room = box_room()[None].log()
        assert normal_l1(room + 1.3, room).max() < 1e-4

    def test_a_sphere_for_a_wall_costs_the_difference_of_their_normals(self):
        """The sphere faces the camera everywhere, (1, 0, 0); the wall only straight ahead."""
        height, width = 256, 512
        room = box_room(height, width)[None].log()
        error = normal_l1(torch.zeros_like(room), room)[0]
        for column in (width // 2, width // 2 + 40):  # on the front wall z = 3, at the horizon
            lon = (column + 1.0) / width * 2 * math.pi - math.pi
            expected = (1 - math.cos(lon)) + math.sin(lon)
            assert error[height // 2, column].item() == pytest.approx(expected, abs=0.02)

    def test_sees_a_pattern_of_single_pixels(self):
        """Every second column further away by 1 %: central differences would miss it."""
        stripes = 0.01 * (torch.arange(W) % 2).float().expand(1, H, W)
        assert normal_l1(stripes, torch.zeros_like(stripes)).mean() > 0.05

    def test_rolls_with_the_panorama(self):
        log_pred, truth = random_batch(5)
        other = truth.distance.log()
        once = normal_l1(log_pred, other).roll(9, -1)
        assert torch.allclose(once, normal_l1(log_pred.roll(9, -1), other.roll(9, -1)), atol=1e-6)


class TestSmoothPixels:
    def test_a_plane_is_smooth_however_oblique(self):
        """The floor up to the horizon: inverse distance is linear, there is no edge."""
        rays = erp_rays(H, W, dtype=torch.float32)
        floor = torch.where(rays[..., 1] > 0.02, 1.6 / rays[..., 1].clamp_min(1e-3), 1.0)
        valid = rays[..., 1] > 0.02
        smooth = smooth_pixels(floor[None], valid[None])[0]
        inner = valid.clone()
        inner[H // 2 : H // 2 + 2] = False  # touches the invalid half
        assert smooth[inner].float().mean() > 0.95
        assert not smooth[~valid].any()

    def test_both_sides_of_a_step_are_left_out(self):
        distance = torch.full((1, H, W), 4.0)
        distance[:, 10:20, 30:40] = 3.0
        smooth = smooth_pixels(distance, torch.ones_like(distance, dtype=torch.bool))[0]
        assert not smooth[15, 29:31].any()
        assert not smooth[15, 39:41].any()
        assert smooth[15, 33:37].all()
        assert smooth[15, 45:60].all()

    def test_the_border_of_the_mask_is_left_out_across_the_seam(self):
        distance = torch.full((1, H, W), 4.0)
        valid = torch.ones(1, H, W, dtype=torch.bool)
        valid[:, 12, 0] = False
        smooth = smooth_pixels(distance, valid)[0]
        assert not smooth[11:14, W - 1].any()
        assert not smooth[11:14, :2].any()
        assert smooth[12, 2:-1].all()

    def test_rolls_with_the_panorama(self):
        _, truth = random_batch(3)
        once = smooth_pixels(truth.distance, truth.valid, 0.5).roll(7, -1)
        other = smooth_pixels(truth.distance.roll(7, -1), truth.valid.roll(7, -1), 0.5)
        assert torch.equal(once, other)


class TestOtherTerms:
    def test_anchor_is_the_squared_offset_of_the_mean(self):
        valid = torch.ones(2, H, W, dtype=torch.bool)
        valid[1] = False
        values = anchor(
            torch.full((2, H, W), 5.0), valid, solid_angles(H, W, dtype=torch.float32), 2.0
        )
        assert values.tolist() == pytest.approx([9.0, 0.0], abs=1e-4)

    def test_sky_counts_known_pixels_alone(self):
        shape = (1, H, W)
        valid, sky = torch.zeros(shape, dtype=torch.bool), torch.zeros(shape, dtype=torch.bool)
        sky[:, : H // 2] = True  # the lower half is unknown
        logit = torch.full(shape, -20.0)
        logit[:, : H // 2] = 0.0
        value = sky_bce(
            logit, Truth(torch.ones(shape), valid, sky), solid_angles(H, W, dtype=torch.float32)
        )
        assert value.item() == pytest.approx(math.log(2), abs=1e-5)

    def test_log_gradient_of_a_step_in_the_residual(self):
        residual = torch.zeros(1, H, W)
        residual[..., W // 2 :] = 1.0
        valid = torch.ones(1, H, W, dtype=torch.bool)
        value = log_gradient(residual, valid, torch.ones(H, 1), scales=1)
        assert value.item() == pytest.approx(2 / W)  # the step and the seam
        assert log_gradient(residual + 5, valid, torch.ones(H, 1), 3) > 0
        assert log_gradient(torch.full_like(residual, 5.0), valid, torch.ones(H, 1)).item() == 0


class TestPair:
    """Two depths for each pixel."""

    @settings(max_examples=20, deadline=None)
    @given(seed=st.integers(0, 1000), logit=st.floats(-4, 4), offset=st.floats(-2, 2))
    def test_two_that_agree_are_one(self, seed, logit, offset):
        log_pred, truth = random_batch(seed)
        pair = torch.stack([log_pred, log_pred, torch.full_like(log_pred, logit)], dim=1)
        offsets = torch.full((len(log_pred),), offset)
        log_true = truth.distance.log()
        error = pair_log_l1(pair, offsets, log_true, 0.05)
        torch.testing.assert_close(
            error, (log_pred + offset - log_true).abs(), atol=1e-5, rtol=1e-5
        )

    def test_a_sure_and_right_one_costs_nothing_wherever_the_other_is(self):
        true = torch.zeros(1, 4, 8)
        for logit, place in ((9.0, 0), (-9.0, 1)):
            both = torch.full((1, 3, 4, 8), 3.0)
            both[:, place], both[:, 2] = 0.0, logit
            assert pair_log_l1(both, torch.zeros(1), true, 0.05).max() < 1e-4

    @settings(max_examples=10, deadline=None)
    @given(seed=st.integers(0, 1000))
    def test_it_does_not_pull_at_the_scale(self, seed):
        """At its own alignment: the gradient of the offset is that of at most one pixel."""
        log_pred, truth = random_batch(seed)
        further = log_pred + torch.rand(log_pred.shape, generator=torch.manual_seed(seed))
        pair = torch.stack([log_pred, further, torch.randn_like(log_pred)], dim=1)
        log_true, zero = truth.distance.log(), torch.zeros(len(log_pred))
        for _ in range(20):  # which depth the truth chose depends on the offset
            zero = pair_alignment(pair, zero, log_true, truth.valid, 0.3)
        offset = zero.clone().requires_grad_()
        error = pair_log_l1(pair, offset, log_true, 0.3)
        (error * truth.valid).sum().backward()
        assert offset.grad.abs().max() <= 0.01 * truth.valid.sum()

    def test_an_average_of_two_surfaces_costs_more_than_either(self):
        """Half of the pixels near, half far, the picture cannot tell: an average fits neither."""
        true = torch.tensor([0.0, 1.0]).expand(1, 4, 2)
        zero = torch.zeros(1)
        average = torch.stack([torch.full((1, 4, 2), 0.5)] * 2 + [torch.zeros(1, 4, 2)], 1)
        split = torch.stack([torch.zeros(1, 4, 2), torch.ones(1, 4, 2), torch.zeros(1, 4, 2)], 1)
        costs = [pair_log_l1(x, zero, true, 0.05).mean().item() for x in (average, split)]
        assert costs[0] == pytest.approx(0.5)
        assert costs[1] == pytest.approx(0.05 * math.log(2), abs=1e-4)
