"""Make a network as fast as this machine allows, with the numbers of its plain twin."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from panodepth.errors import ConfigError
from panodepth.model.backbones.conv import ConvBlock
from panodepth.model.checkpoint import load_model
from panodepth.model.config import ModelConfig
from panodepth.model.fast.blocks import BandedHead, Fuse, fold_unit, fuse_block, fused
from panodepth.model.fast.int8 import Int8Linear, int8_works
from panodepth.model.fast.memory import KeptMemory
from panodepth.model.fast.network import FastSphereViT
from panodepth.model.fast.packed import PackedLinear, packing_works
from panodepth.model.layers import ResidualUnit
from panodepth.model.spherevit import Block, CrossBlock, SphereViT


def prepare(model: SphereViT, *, int8: bool = False, fuse: bool = True) -> FastSphereViT:
    """Change `model` in place for inference and return it, in evaluation mode.

    On a CPU with bfloat16 or float32 weights, or with `int8`: the factors of residual branches move
    into the layers before them, and linear layers become fused ones (`packed.py`, `int8.py`), one
    by one, so that the memory never holds both forms of the network. On other devices and in other
    precisions, and without `fuse` (to compile it), layers stay plain.
    Raises ConfigError where int8 is asked for and cannot run.
    """
    weight = model.backbone.norm.weight
    fusing = choose_fusing(model.config, weight.device, weight.dtype, int8=int8) if fuse else None
    if fusing is not None and not model.prepared:
        # Named alone: a list of all modules would keep every plain weight alive to the end.
        for block in [m for m in model.modules() if isinstance(m, Block | CrossBlock)]:
            with torch.no_grad():
                fuse_block(block, fusing)
    return _finished(model, fusing, int8=int8)


def load_prepared(
    path: str | os.PathLike[str],
    *,
    config: ModelConfig | Mapping[str, Any] | str | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    int8: bool = False,
    fuse: bool = True,
) -> FastSphereViT:
    """`load_model` and `prepare` in one, block by block: the plain form is never held as a whole.

    Takes and raises what the two do.
    """
    fusing: Fuse | None = None

    def finish(model: SphereViT, part: nn.Module) -> None:
        nonlocal fusing
        if fuse and fusing is None:
            fusing = choose_fusing(model.config, torch.device(device), dtype, int8=int8)
        if fusing is not None and isinstance(part, Block | CrossBlock):
            with torch.no_grad():
                fuse_block(part, fusing)

    model = load_model(path, config=config, device=device, dtype=dtype, finish=finish)
    return _finished(model, fusing, int8=int8)


def choose_fusing(
    config: ModelConfig, device: torch.device, dtype: torch.dtype, *, int8: bool
) -> Fuse | None:
    """What makes fused layers of plain ones here, None where plain ones are best."""
    on_cpu = device.type == "cpu"
    if int8:
        if not (on_cpu and int8_works()):
            raise ConfigError(
                "int8 needs a CPU and a torch that multiplies 8-bit integers: use --dtype auto"
            )
        return Int8Linear
    if on_cpu and packing_works(dtype):
        tokens = math.prod(config.grid(config.size))
        return lambda weight, bias: PackedLinear(weight, bias, tokens)
    return None


def _finished(model: SphereViT, fusing: Fuse | None, *, int8: bool) -> FastSphereViT:
    """All but the blocks; the network can then only predict, where layers are fused."""
    if fusing is not None and not model.prepared:
        with torch.no_grad():
            # 8 bits leave convolutions as they are, those of 1×1 too.
            folding = ResidualUnit if int8 else ResidualUnit | ConvBlock
            for unit in [m for m in model.modules() if isinstance(m, folding)]:
                fold_unit(unit, fusing)
            for index, layer in enumerate(model.projections):
                model.projections[index] = fused(layer, fusing)
            model.decoder.latents = fused(model.decoder.latents, fusing)
        model.prepared, model.int8 = True, int8
    # Convolutional backbones work in this layout: weights in it need no reordering at every call.
    model.backbone.stem.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    # The same parts under the same names; only what `forward` does with them is another.
    model.head.__class__ = BandedHead
    model.__class__ = FastSphereViT
    assert isinstance(model, FastSphereViT)
    model.kept = KeptMemory()
    return model.eval()
