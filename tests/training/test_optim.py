"""Schedule, decay groups, moving average, and the optimiser's state as flat tensors."""

import pytest
import torch
from torch import nn

from panodepth.training.config import OptimConfig
from panodepth.training.optim import (
    MovingAverage,
    build_optimizer,
    flat_state,
    learning_rate,
    load_flat_state,
)
from panodepth.training.setup import build_network


def test_trapezoid_rises_stays_and_falls():
    config = OptimConfig(lr=1.0, warmup=10, cooldown=0.2, final_lr=0.1, schedule="trapezoid")
    rates = [learning_rate(s, 100, config) for s in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:81] == [1.0] * 72
    assert rates[90] == pytest.approx(0.55)
    assert rates[99] == pytest.approx(0.1 + 0.9 / 20)
    longer = [learning_rate(s, 200, config) for s in range(80)]
    assert longer == rates[:80], "a run can be extended from before its fall"


def test_cosine_ends_at_the_final_rate():
    config = OptimConfig(lr=1.0, warmup=10, final_lr=0.1, schedule="cosine")
    assert learning_rate(10, 110, config) == 1.0
    assert learning_rate(60, 110, config) == pytest.approx(0.55)
    assert learning_rate(110, 110, config) == pytest.approx(0.1)


def test_norms_biases_gammas_and_positions_do_not_decay(make_config):
    model = build_network(make_config().network)
    optimizer = build_optimizer(model, OptimConfig(weight_decay=0.3))
    names = {id(p): n for n, p in model.named_parameters()}
    decayed, free = ([names[id(p)] for p in g["params"]] for g in optimizer.param_groups)
    assert [g["weight_decay"] for g in optimizer.param_groups] == [0.3, 0.0]
    assert len(decayed) + len(free) == len(names)
    for name in decayed:
        assert not any(w in name for w in ("norm", "gamma", "bias", "position")), name
        assert model.get_parameter(name).ndim >= 2
    assert any("qkv.weight" in n for n in decayed)
    assert any("positions" in n for n in free)
    assert any("conv.weight" in n for n in decayed)


def test_moving_average_follows_its_formula():
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    average = MovingAverage(model, 0.5)
    expected = 0.0
    for step in range(1, 30):
        with torch.no_grad():
            model.weight.fill_(float(step))
        average.update(model)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert average.module.weight.item() == pytest.approx(expected, rel=1e-5)
    assert not average.module.weight.requires_grad


def test_average_without_decay_is_a_copy():
    model = nn.Linear(3, 3)
    average = MovingAverage(model, 0.0)
    with torch.no_grad():
        model.weight.add_(1.0)
    average.update(model)
    assert torch.equal(average.module.weight, model.weight)


def test_flat_state_restores_the_optimiser_exactly():
    def run(steps, flat=None, weights=None):
        torch.manual_seed(0)
        model = nn.Linear(4, 2)
        optimizer = build_optimizer(model, OptimConfig(lr=0.1))
        if flat is not None:
            model.load_state_dict(weights)
            load_flat_state(optimizer, model, flat)
        for step in steps:
            optimizer.zero_grad()
            (model(torch.full((1, 4), float(step))) - 1).square().sum().backward()
            optimizer.step()
        return model, optimizer

    whole, _ = run(range(6))
    half, optimizer = run(range(3))
    resumed, _ = run(range(3, 6), flat_state(optimizer, half), half.state_dict())
    assert torch.equal(whole.weight, resumed.weight)
    assert torch.equal(whole.bias, resumed.bias)
