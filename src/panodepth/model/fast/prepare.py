"""Make a network as fast as this machine allows; it can then predict and nothing else."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from panodepth.errors import ConfigError
from panodepth.model.backbone import Block
from panodepth.model.checkpoint import load_model
from panodepth.model.config import ModelConfig
from panodepth.model.decoder import ResidualUnit
from panodepth.model.fast.int8 import Int8Linear, int8_works
from panodepth.model.fast.packed import FusedLinear, PackedLinear, packing_works, scaled
from panodepth.model.spherevit import CrossBlock, SphereViT

# weight (out, in), bias (out,) or None, tokens of a typical input -> the layer
Fuse = Callable[[Tensor, Tensor | None, int], FusedLinear]


def prepare(model: SphereViT, *, int8: bool = False) -> SphereViT:
    """Change `model` in place for inference and return it, in evaluation mode.

    On a CPU with bfloat16 weights, or with `int8`: the factors of residual branches move into the
    layers before them, and linear layers become fused ones (`packed.py`, `int8.py`), one by one,
    so that the memory never holds both forms of the network. On other devices and in other
    precisions the plain modules already run the fastest route known, and nothing is changed.
    Raises ConfigError where int8 is asked for and cannot run.
    """
    weight = model.backbone.norm.weight
    fuse = choose_fusing(weight.device, weight.dtype, int8=int8)
    if fuse is not None and not model.prepared:
        tokens = _tokens(model.config)
        with torch.no_grad():
            # Named alone: a list of all modules would keep every plain weight alive to the end.
            for block in [m for m in model.modules() if isinstance(m, Block | CrossBlock)]:
                _fuse_block(block, tokens, fuse)
        _fuse_rest(model, tokens, fuse)
        model.int8 = int8
    return model.eval()


def load_prepared(
    path: str | os.PathLike[str],
    *,
    config: ModelConfig | Mapping[str, Any] | str | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    int8: bool = False,
) -> SphereViT:
    """`load_model` and `prepare` in one, block by block: the plain form is never held as a whole.

    Takes and raises what the two do.
    """
    fuse = choose_fusing(torch.device(device), dtype, int8=int8)
    if fuse is None:
        return load_model(path, config=config, device=device, dtype=dtype)

    def finish(model: SphereViT, part: nn.Module) -> None:
        if isinstance(part, Block | CrossBlock):
            _fuse_block(part, _tokens(model.config), fuse)

    model = load_model(path, config=config, device=device, dtype=dtype, finish=finish)
    _fuse_rest(model, _tokens(model.config), fuse)
    model.int8 = int8
    return model


def choose_fusing(device: torch.device, dtype: torch.dtype, *, int8: bool) -> Fuse | None:
    """What makes fused layers of plain ones here, None where plain ones are best."""
    on_cpu = device.type == "cpu"
    if int8:
        if not (on_cpu and int8_works()):
            raise ConfigError(
                "int8 needs a CPU and a torch that multiplies 8-bit integers: use --dtype auto"
            )
        return lambda weight, bias, tokens: Int8Linear(weight, bias)
    if on_cpu and dtype == torch.bfloat16 and packing_works():
        return PackedLinear
    return None


def _tokens(config: ModelConfig) -> int:
    return math.prod(config.grid(config.size))


def _fused(layer: nn.Module, tokens: int, fuse: Fuse, scale: Tensor | None = None) -> FusedLinear:
    """scale: (out,), what the layer's result is multiplied by, or None."""
    plain = cast(nn.Linear, layer)
    weight, bias = plain.weight, None if plain.bias is None else plain.bias.detach()
    if scale is None:
        return fuse(weight, bias, tokens)
    return fuse(
        scaled(weight, scale[:, None]), None if bias is None else scaled(bias, scale), tokens
    )


def _fuse_block(block: Block | CrossBlock, tokens: int, fuse: Fuse) -> None:
    with torch.no_grad():
        if isinstance(block, Block):
            block.qkv = _fused(block.qkv, tokens, fuse)
            block.out = _fused(block.out, tokens, fuse, block.scale_attention.float())
            block.mlp_out = _fused(block.mlp_out, tokens, fuse, block.scale_mlp.float())
        else:
            if hasattr(block, "q"):  # not without sphere attention
                block.q = _fused(block.q, tokens, fuse)
                block.out = _fused(block.out, tokens, fuse)
            block.mlp_out = _fused(block.mlp_out, tokens, fuse)
        block.mlp_in = _fused(block.mlp_in, tokens, fuse)


def _fuse_rest(model: SphereViT, tokens: int, fuse: Fuse) -> None:
    """All but the blocks; the network can then only predict."""
    with torch.no_grad():
        for unit in [m for m in model.modules() if isinstance(m, ResidualUnit)]:
            unit.absorb_gamma()
        for index, layer in enumerate(model.projections):
            model.projections[index] = _fused(layer, tokens, fuse)
        model.decoder.latents = _fused(model.decoder.latents, tokens, fuse)
    model.prepared = True
    model.clear_cache()
