"""What a prepared network keeps per size: it equals what is made anew, and notices new weights."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor

from panodepth.model import SphereViT, prepare
from panodepth.model.fast import memory
from panodepth.model.fast.network import FastSphereViT

Build = Callable[..., SphereViT]
OWN = {"wrap_padding": True, "periodic_embedding": True, "latitude_positions": True}
FREE = {**OWN, "great_circle_bias": True, "azimuth_free_embedding": True}


@pytest.fixture
def fast(build: Build) -> Callable[..., FastSphereViT]:
    """fast(**fields): a random network that keeps its memory; its layers are plain."""
    return lambda **fields: prepare(build(**fields), fuse=False)


def run(model: SphereViT, image: Tensor) -> Tensor:
    with torch.no_grad():
        return model(image).log_distance


def test_kept_equals_made_anew(
    build: Build, fast: Build, fields: dict[str, Any], panorama: Tensor
) -> None:
    model = fast(**fields)
    first, again = run(model, panorama), run(model, panorama)
    assert len(model.kept) == 1
    assert torch.equal(first, again)
    assert torch.allclose(first, run(build(**fields), panorama), atol=1e-6)
    assert torch.allclose(first, model(panorama).log_distance.detach(), atol=1e-6)


def test_biases_that_are_too_large_are_not_kept(
    fast: Build, panorama: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fast(**FREE)
    kept = run(model, panorama)
    with torch.inference_mode():
        held = model.memory_for((56, 112))
        assert (len(held.biases), len(held.cross_biases)) == (4, 4)
        model.kept.clear()
        monkeypatch.setattr(memory, "BIAS_ELEMENTS", 4 * 2 * 32**2 - 1)
        held = model.memory_for((56, 112))
        assert (len(held.biases), len(held.cross_biases)) == (0, 0)
    assert torch.allclose(run(model, panorama), kept, atol=1e-6)


def test_notices_new_biases(fast: Build, panorama: Tensor) -> None:
    model = fast(periodic_embedding=True, great_circle_bias=True)
    before = run(model, panorama)
    with torch.no_grad():
        model.backbone.blocks[0].bias.weight[:, :3] += 1
    fresh = copy.deepcopy(model)
    assert not torch.allclose(run(model, panorama), before, atol=1e-6)
    assert torch.equal(run(model, panorama), run(fresh, panorama))


def test_is_used(fast: Build, panorama: Tensor) -> None:
    model = fast()
    calls: list[int] = []
    model.cross[0].kv.register_forward_hook(lambda *_: calls.append(1))
    for _ in range(3):
        run(model, panorama)
    assert len(calls) == 1
    run(model, panorama[..., :28, :56])  # another size
    assert len(calls) == 2
    model(panorama)  # gradients on: made anew
    model.train()
    run(model, panorama)
    assert len(calls) == 4


@pytest.mark.parametrize(
    "change", ["in place", "load", "assign", "replace", "data", "cast", "optimiser"]
)
def test_notices_new_weights(
    change: str, build: Build, fast: Build, fields: dict[str, Any], panorama: Tensor
) -> None:
    model, other = fast(**fields), build(**fields)
    with torch.no_grad():
        for block in other.cross:
            block.kv.weight.mul_(-2)
    run(model, panorama)
    if change == "in place":
        with torch.no_grad():
            for block in model.cross:
                block.kv.weight.mul_(-2)
    elif change == "load":
        model.load_state_dict(other.state_dict())
    elif change == "assign":
        model.load_state_dict(copy.deepcopy(other.state_dict()), assign=True)
    elif change == "replace":
        for block in model.cross:
            block.kv.weight = torch.nn.Parameter(-2 * block.kv.weight.detach())
    elif change == "data":
        for block in model.cross:
            block.kv.weight.data = -2 * block.kv.weight.data
    elif change == "cast":
        model, other = model.double(), build(**fields).double()
    else:
        step = torch.optim.SGD([block.kv.weight for block in model.cross], lr=1.0)
        for block in model.cross:
            block.kv.weight.grad = 3 * block.kv.weight.detach().clone()
        step.step()
    expected = run(other, panorama.to(next(other.parameters()).dtype))
    found = run(model, panorama.to(next(model.parameters()).dtype))
    assert torch.allclose(found, expected, atol=1e-5)


def test_autocast_leaves_no_trace(fast: Build, panorama: Tensor) -> None:
    model = fast()
    exact = run(fast(), panorama)
    with torch.autocast("cpu", torch.bfloat16):
        run(model, panorama)
    assert torch.equal(run(model, panorama), exact)


def test_stays_small(fast: Build) -> None:
    model = fast()
    for cols in range(1, 12):
        run(model, torch.rand(1, 3, 28, 14 * cols))
    assert len(model.kept) == memory.SIZES


def test_copies_and_pickles_start_empty(fast: Build, panorama: Tensor) -> None:
    model = fast()
    expected = run(model, panorama)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert len(twin.kept) == 0
        assert torch.equal(run(twin, panorama), expected)


def test_threads(fast: Build, fields: dict[str, Any]) -> None:
    model = fast(**fields)
    images = [torch.rand(1, 3, 28, 14 * (2 + n % 3)) for n in range(12)]
    expected = [run(model, image) for image in images]
    model.kept.clear()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda image: run(model, image), images))
    for a, b in zip(found, expected, strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_what_is_held_gives_the_same(fast: Build, fields: dict[str, Any], panorama: Tensor) -> None:
    model = fast(**fields)
    with torch.inference_mode():
        held = model.memory_for((56, 112))
        assert model.memory_for((56, 112)) is held
        assert torch.equal(model(panorama, held).log_distance, model(panorama).log_distance)
    with torch.no_grad():
        model.backbone.positions += 1  # a change of weights makes another memory
    with torch.inference_mode():
        assert model.memory_for((56, 112)) is not held
