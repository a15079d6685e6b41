"""The sum of all terms: by hand, and finite whatever is masked."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from panodepth.lab.losses import LossConfig, Truth, training_loss

from .conftest import box_room, random_batch


class TestByHand:
    """Four rows: solid angles in the proportion s = sin 22.5°, c = cos 22.5°, c, s."""

    S, C = math.sin(math.pi / 8), math.cos(math.pi / 8)

    def truth(self, rows, valid_rows):
        distance = torch.tensor(rows)[None, :, None].expand(1, 4, 8).clone()
        valid = torch.tensor(valid_rows)[None, :, None].expand(1, 4, 8).clone()
        return Truth(distance, valid, torch.zeros_like(valid))

    def test_solid_angles_weigh_the_rows(self):
        """Prediction right in rows 1 to 3, e times too far in row 0: offset 0, mean log L1 =
        s / (2 s + 2 c)."""
        truth = self.truth([1.0, 2.0, 3.0, 4.0], [True] * 4)
        pred = truth.distance.log()
        pred[:, 0] += 1.0
        config = LossConfig(normal=0, anchor=0, sky=0)
        loss = training_loss(pred, None, truth, config)[0].item()
        assert loss == pytest.approx(self.S / (2 * self.S + 2 * self.C), rel=1e-5)

    def test_partial_masks_leave_the_rest_out_of_sum_weight_and_median(self):
        """Rows 0 and 1 are given; row 1 is e² too far. The median of the residuals (0 and -2, 8
        each, the lower) is -2: row 0 costs 2 s / (s + c), row 1 nothing."""
        truth = self.truth([1.0, 2.0, 99.0, 77.0], [True, True, False, False])
        pred = truth.distance.log()
        pred[:, 1] += 2.0
        pred[:, 2:] = 55.0
        config = LossConfig(normal=0, anchor=0, sky=0)
        loss = training_loss(pred, None, truth, config)[0].item()
        assert loss == pytest.approx(2.0 * self.S / (self.S + self.C), rel=1e-5)

    def test_the_papers_l1_aligned_by_two_medians(self):
        """Truth 1, 2, 2, 4 by rows (median 2), prediction 3, 3, 3, 9 (median 3): both over their
        medians 0.5, 1, 1, 2 and 1, 1, 1, 3, so rows 0 and 3 are off by 0.5 and 1."""
        truth = self.truth([1.0, 2.0, 2.0, 4.0], [True] * 4)
        pred = torch.tensor([3.0, 3.0, 3.0, 9.0]).log()[None, :, None].expand(1, 4, 8)
        config = LossConfig(normal=0, anchor=0, sky=0, distance_kind="l1", alignment="median_ratio")
        loss = training_loss(pred, None, truth, config)[0].item()
        assert loss == pytest.approx(1.5 * self.S / (2 * self.S + 2 * self.C), rel=1e-5)

    def test_what_benchmarks_measure(self):
        """Truth 1, 2, 2, 4 by rows, prediction 3, 3, 3, 9: over their medians 0.5, 1, 1, 2 and
        1, 1, 1, 3, so rows 0 and 3 are off by 1 and 1/2 of what is true."""
        truth = self.truth([1.0, 2.0, 2.0, 4.0], [True] * 4)
        pred = torch.tensor([3.0, 3.0, 3.0, 9.0]).log()[None, :, None].expand(1, 4, 8)
        config = LossConfig(
            normal=0, anchor=0, sky=0, distance_kind="abs_rel", alignment="soft_median_ratio"
        )
        loss = training_loss(pred, None, truth, config)[0].item()
        assert loss == pytest.approx(1.5 * self.S / (2 * self.S + 2 * self.C), rel=1e-5)


EVERYTHING = LossConfig(gradient=0.5)
AS_MEASURED = LossConfig(gradient=0.5, distance_kind="abs_rel", alignment="soft_median_ratio")


class TestTrainingLoss:
    @pytest.mark.parametrize("kind", ["log_l1", "l1", "abs_rel"])
    def test_perfect_prediction_costs_nothing_but_the_sky(self, kind):
        room = box_room()[None]
        valid = torch.ones_like(room, dtype=torch.bool)
        truth = Truth(room, valid, ~valid)
        config = LossConfig(distance_kind=kind, anchor=0.0, gradient=1.0)
        total, terms = training_loss((0.1 * room).log(), None, truth, config)
        assert set(terms) == {"distance", "normal", "gradient"}
        assert total.item() < 1e-4

    @settings(max_examples=15, deadline=None)
    @given(
        seed=st.integers(0, 10_000),
        empty=st.booleans(),
        config=st.sampled_from([EVERYTHING, AS_MEASURED]),
    )
    def test_finite_with_finite_gradients_for_any_mask(self, seed, empty, config):
        log_pred, truth = random_batch(seed)
        if empty:
            truth = truth._replace(
                valid=torch.zeros_like(truth.valid), distance=torch.zeros_like(truth.distance)
            )
        log_pred.requires_grad_()
        logit = torch.zeros_like(log_pred, requires_grad=True)
        total, terms = training_loss(log_pred, logit, truth, config)
        total.backward()
        assert torch.isfinite(total)
        assert torch.isfinite(log_pred.grad).all()
        if empty:
            assert not log_pred.grad.any()
            assert all(v == 0 for k, v in terms.items() if k != "sky")

    def test_weights_add_up(self):
        log_pred, truth = random_batch(1)
        logit = torch.randn(log_pred.shape, generator=torch.Generator().manual_seed(0))
        total, terms = training_loss(log_pred, logit, truth, EVERYTHING)
        expected = sum(getattr(EVERYTHING, name) * value.item() for name, value in terms.items())
        assert set(terms) == {"distance", "normal", "anchor", "sky", "gradient"}
        assert total.item() == pytest.approx(expected, rel=1e-5)

    def test_invalid_and_sky_distances_do_not_matter(self):
        log_pred, truth = random_batch(2)
        other = truth._replace(distance=torch.where(truth.valid, truth.distance, 1e9))
        logit = torch.zeros_like(log_pred)
        first, _ = training_loss(log_pred, logit, truth, EVERYTHING)
        second, _ = training_loss(log_pred, logit, other, EVERYTHING)
        assert first.item() == second.item()

    def test_rolling_prediction_and_truth_changes_nothing(self):
        log_pred, truth = random_batch(4)
        logit = torch.zeros_like(log_pred)
        rolled = Truth(*(x.roll(11, -1) for x in truth))
        first, _ = training_loss(log_pred, logit, truth, EVERYTHING)
        second, _ = training_loss(log_pred.roll(11, -1), logit, rolled, EVERYTHING)
        assert first.item() == pytest.approx(second.item(), rel=1e-5)

    def test_descending_it_finds_the_room(self):
        """Plain gradient descent on the map itself recovers the shape."""
        room = box_room(16, 32)[None]
        valid = torch.ones_like(room, dtype=torch.bool)
        log_pred = torch.full_like(room, 4.0).requires_grad_()
        config = LossConfig(sky=0.0)
        optimizer = torch.optim.Adam([log_pred], lr=0.05)
        for step in range(60):
            for group in optimizer.param_groups:
                group["lr"] = 0.05 * (1 - step / 60)
            optimizer.zero_grad()
            training_loss(log_pred, None, Truth(room, valid, ~valid), config)[0].backward()
            optimizer.step()
        error = log_pred.detach() - room.log()
        assert (error - error.median()).abs().mean() < 0.02


def test_a_pole_floor_gives_the_outermost_rows_a_say():
    log = torch.zeros(1, 16, 32)
    log[:, 0] = 1.0
    truth = Truth(torch.ones(1, 16, 32), *torch.ones(2, 1, 16, 32, dtype=torch.bool).unbind())
    losses = [
        training_loss(log, None, truth, LossConfig(normal=0.0, anchor=0.0, pole_floor=floor))[0]
        for floor in (0.0, 0.5)
    ]
    weights = torch.cos((torch.arange(16) + 0.5) / 16 * math.pi - math.pi / 2)
    assert float(losses[0]) == pytest.approx(float(weights[0] / weights.sum()), rel=0.05)
    floored = weights.clamp_min(0.5 * float(weights.max()))
    assert float(losses[1]) == pytest.approx(float(floored[0] / floored.sum()), rel=0.05)
