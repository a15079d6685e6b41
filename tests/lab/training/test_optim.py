"""Schedule, decay groups, moving average, and the optimiser's state as flat tensors."""

import pytest
import torch
from torch import nn

from panodepth.lab.training.config import OptimConfig
from panodepth.lab.training.distance.network import build_network
from panodepth.lab.training.optimisation.optim import (
    MovingAverage,
    build_optimizer,
    flat_state,
    learning_rate,
    load_flat_state,
    set_learning_rate,
)


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


def test_learning_rate_falls_with_the_distance_from_the_head(make_config):
    model = build_network(make_config().network)  # 4 blocks
    config = OptimConfig(lr=1.0, backbone_lr=0.5, layer_decay=0.1)
    optimizer = build_optimizer(model, config, model.groups())
    set_learning_rate(optimizer, 2.0)
    names = {id(p): n for n, p in model.named_parameters()}
    rates = {names[id(p)]: g["lr"] for g in optimizer.param_groups for p in g["params"]}
    assert set(rates) == set(names.values())
    for name, rate in rates.items():
        if not name.startswith("backbone."):
            assert rate == 2.0, name
    expected = {0: 1e-3, 1: 1e-2, 2: 1e-1, 3: 1.0}
    for block, rate in expected.items():
        assert rates[f"backbone.blocks.{block}.qkv.weight"] == pytest.approx(rate)
        assert rates[f"backbone.blocks.{block}.norm_mlp.bias"] == pytest.approx(rate)
    assert rates["backbone.positions"] == pytest.approx(1e-4)
    assert rates["backbone.norm.weight"] == pytest.approx(1.0)
    assert any(n.startswith("backbone.stem") and r == pytest.approx(1e-4) for n, r in rates.items())


def test_without_layer_decay_there_are_the_two_groups(make_config):
    model = build_network(make_config().network)
    assert len(build_optimizer(model, OptimConfig(), model.groups()).param_groups) == 2


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
    held = average.tensors()["weight"]
    expected = 0.0
    for step in range(1, 30):
        with torch.no_grad():
            model.weight.fill_(float(step))
        average.update()
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert held.item() == pytest.approx(expected, rel=1e-5)
    assert not held.requires_grad


def test_average_without_decay_is_the_model_itself():
    """No second copy of the weights is held."""
    model = nn.Linear(3, 3)
    average = MovingAverage(model, 0.0)
    with torch.no_grad():
        model.weight.add_(1.0)
    average.update()
    for name, parameter in model.named_parameters():
        assert average.tensors()[name].data_ptr() == parameter.data_ptr()
        assert torch.equal(average.tensors()[name], parameter)


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
