"""Nothing in a forward pass waits for the device or brings data to it, from the second image on.

The network runs on the "meta" device, as one that is not the host: a copy from the host, a tensor
made there, and every operation that needs a value on the host shows in the list of operations. Nor
does float64 reach the device: MPS has none.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from panodepth.model import PRESETS, SphereViT, prepare
from panodepth.model.embedding import geometry
from panodepth.model.spherevit import ModelOutput

WAITS = {  # results whose value or shape the host has to know
    "aten::_local_scalar_dense",
    "aten::nonzero",
    "aten::masked_select",
    "aten::equal",
    "aten::is_nonzero",
    "aten::unique2",
}
WIDE = (torch.float64, torch.complex128)


class Watch(TorchDispatchMode):
    """Collects what needs the host, and what is as wide as Apple's devices have no numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.found: list[str] = []
        self.wide: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.count += 1
        name = func.name().split(".")[0]
        tensors = [t for t in tree_leaves((args, kwargs, out)) if isinstance(t, Tensor)]
        if name in WAITS or any(t.device.type == "cpu" for t in tensors):
            self.found.append(func.name())
        if any(t.device.type == "meta" and t.dtype in WIDE for t in tensors):
            self.wide.append(func.name())
        return out


@pytest.fixture
def no_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    """The meta device knows no autocast; none is on in inference."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda *_: False)


def watched(model: Callable[[Tensor], ModelOutput], image: Tensor) -> Watch:
    with torch.inference_mode(), Watch() as watch:
        assert model(image).log_distance.device.type == "meta"
    assert watch.wide == []
    return watch


@pytest.mark.usefixtures("no_autocast")
@pytest.mark.parametrize("preset", ["tiny", "compact", "lite0"])
def test_the_second_image_of_a_size_needs_nothing_of_the_host(preset: str) -> None:
    with torch.device("meta"):
        model = prepare(SphereViT(PRESETS[preset]).half())
    image = torch.empty(2, 3, *model.config.size, device="meta")
    geometry.cache_clear()
    first = watched(model, image)
    assert first.found  # the geometry comes from the host
    second = watched(model, image)
    assert second.found == []
    assert second.count > 100
    memory = model.memory_for(model.config.size)
    third = watched(lambda x: model(x, memory), image)
    assert third.found == []
    other = torch.empty(1, 3, *(2 * model.config.step * n for n in (1, 2)), device="meta")
    assert watched(model, other).found  # another size has its own geometry
    assert watched(model, other).found == []


@pytest.mark.usefixtures("no_autocast")
@pytest.mark.parametrize(
    "bad",
    [
        lambda x: x + torch.arange(2)[:1, None].to(x.device)[0],
        lambda x: x * float(torch.ones(())),
    ],
)
def test_the_watch_sees(bad: Callable[[Tensor], Tensor]) -> None:
    watch = watched(lambda x: ModelOutput(bad(x), None), torch.empty(1, 3, device="meta"))
    assert watch.found


def test_infinity_is_not_hidden_by_the_limits(build: Any, panorama: Tensor) -> None:
    for value in (torch.inf, -torch.inf, torch.nan):
        model = build()
        with torch.no_grad():
            model.head.out.bias.fill_(value)
            assert model(panorama).log_distance.isnan().all()
