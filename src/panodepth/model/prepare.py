"""Make a loaded network as fast as this machine allows; it can then predict and nothing else."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from panodepth.model.attention import MIN_KEYS
from panodepth.model.backbone import Block
from panodepth.model.config import PATCH
from panodepth.model.decoder import ResidualUnit
from panodepth.model.packed import PackedAttention, PackedLinear, packing_works, scaled
from panodepth.model.spherevit import CrossBlock, SphereViT


def prepare(model: SphereViT) -> SphereViT:
    """Change `model` in place for inference and return it, in evaluation mode.

    For bfloat16 weights on a CPU: the factors of residual branches move into the layers before
    them, and linear layers are packed one by one (`packed.py`), so that the memory never holds
    both forms of the network. On other devices and in other precisions the plain modules already
    run the fastest route known, and nothing is changed.
    """
    model.eval()
    if model.prepared or not can_pack(model):
        return model
    rows, cols = (side // PATCH for side in model.config.size)
    with torch.no_grad():
        for unit in [m for m in model.modules() if isinstance(m, ResidualUnit)]:
            unit.absorb_gamma()
        # Named alone: a list of all modules would keep every plain weight alive to the end.
        for block in [m for m in model.modules() if isinstance(m, Block | CrossBlock)]:
            _pack_block(block, rows * cols)
        for index, layer in enumerate(model.projections):
            model.projections[index] = _packed(cast(nn.Linear, layer), rows * cols)
        model.decoder.latents = _packed(cast(nn.Linear, model.decoder.latents), rows * cols)
    model.prepared = True
    model.clear_cache()
    return model


def can_pack(model: SphereViT) -> bool:
    """Whether `prepare` would change anything: bfloat16 on a CPU whose kernels are there."""
    weight = model.backbone.norm.weight
    right = weight.device.type == "cpu" and weight.dtype == torch.bfloat16
    return right and packing_works()


def _packed(layer: nn.Linear, tokens: int, scale: torch.Tensor | None = None) -> PackedLinear:
    if scale is None:
        return PackedLinear(layer.weight, layer.bias, tokens)
    bias = None if layer.bias is None else scaled(layer.bias, scale)
    return PackedLinear(scaled(layer.weight, scale[:, None]), bias, tokens)


def _pack_block(block: Block | CrossBlock, tokens: int) -> None:
    if isinstance(block, Block):
        qkv = cast(nn.Linear, block.qkv)
        if block.bias is None and tokens >= MIN_KEYS:
            block.qkv = PackedAttention(qkv, block.heads, tokens)
        else:
            block.qkv = _packed(qkv, tokens)
        block.out = _packed(cast(nn.Linear, block.out), tokens, block.scale_attention.float())
        block.mlp_out = _packed(cast(nn.Linear, block.mlp_out), tokens, block.scale_mlp.float())
    else:
        if hasattr(block, "q"):  # not without sphere attention
            block.q = _packed(cast(nn.Linear, block.q), tokens)
            block.out = _packed(cast(nn.Linear, block.out), tokens)
        block.mlp_out = _packed(cast(nn.Linear, block.mlp_out), tokens)
    block.mlp_in = _packed(cast(nn.Linear, block.mlp_in), tokens)
