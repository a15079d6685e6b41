"""The spherical memory of a network, kept per size while the weights stay."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import NamedTuple, cast

import torch
from torch import Tensor

from panodepth.model.spherevit import Block, CrossBlock, SphereMemory, SphereViT

SIZES = 4  # that are kept
BIAS_ELEMENTS = 2**24  # of the biases of all blocks that are kept per size: 32 MB in 16 bits


class _Entry(NamedTuple):
    memory: SphereMemory
    sources: tuple[Tensor, ...]  # held, so that no new weight can take an old one's address
    state: tuple[tuple[int, int, int], ...]


class KeptMemory:
    """Thread-safe; keeps the sizes last used, and makes one anew when its weights changed.

    A change is: another tensor, other storage, or an in-place operation autograd can see (as
    optimisers and load_state_dict do). Writing through `parameter.data` is not seen: `clear` then.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[tuple[int, int], _Entry] = OrderedDict()

    def get(self, model: SphereViT, size: tuple[int, int]) -> SphereMemory:
        """The model's `memory_for` the size (H, W), with the biases of its blocks."""
        sources = tuple(model.parameters())
        state = tuple((id(t), t.data_ptr(), _version(t)) for t in sources)
        with self._lock:
            entry = self._entries.get(size)
            if entry is not None and entry.state == state:
                self._entries.move_to_end(size)
                return entry.memory
        with torch.autocast(model.backbone.positions.device.type, enabled=False):
            memory = _with_biases(model, SphereViT.memory_for(model, size))
        with self._lock:
            self._entries[size] = _Entry(memory, sources, state)
            self._entries.move_to_end(size)
            while len(self._entries) > SIZES:
                self._entries.popitem(last=False)
        return memory

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def __reduce__(self) -> tuple[type[KeptMemory], tuple[()]]:
        return KeptMemory, ()  # copies and pickles of a model start empty


def _version(tensor: Tensor) -> int:
    """How often it was changed in place."""
    return 0 if tensor.is_inference() else tensor._version


def _with_biases(model: SphereViT, memory: SphereMemory) -> SphereMemory:
    """The memory with all biases made, in the weights' precision, unless they are too large."""
    config, basis = model.config, memory.basis
    if basis is None:
        return memory
    tokens = basis.shape[0] * basis.shape[2]
    if config.depth * config.heads * tokens**2 > BIAS_ELEMENTS:
        return memory
    leading, dtype = model.backbone.leading, memory.positions.dtype
    own = (block.bias for block in cast(list[Block], list(model.backbone.blocks)))
    cross = (block.bias for block in cast(list[CrossBlock], list(model.cross)))
    return memory._replace(
        biases=[b(basis, leading=leading).to(dtype) for b in own if b is not None],
        cross_biases=[b.by_row(basis).to(dtype) for b in cross if b is not None],
    )
