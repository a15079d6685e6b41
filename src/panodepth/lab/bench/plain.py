"""The yardstick: the network run the plain way, as the released code does. Do not make it faster.

Weights in float32, bfloat16 by autocast, torch's own attention, every block's output normalised,
positions, sphere embedding, keys and values computed anew for every image.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from panodepth.model import ModelOutput, SphereViT
from panodepth.model.embedding import bias_basis, sphere_embedding
from panodepth.model.spherevit import LOG_LIMIT, LOG_OFFSET, Head


def plain_forward(model: SphereViT, image: Tensor) -> ModelOutput:
    """What `model(image)` returns, the plain way. model: not prepared; image: (B, 3, H, W)."""
    rows, cols = model.config.grid((image.shape[-2], image.shape[-1]))
    config = model.config
    basis = bias_basis(rows, cols).to(image.device) if config.great_circle_bias else None
    maps, sides = _backbone(model, model.normalise(image), rows, cols, basis)
    sphere = sphere_embedding(rows, cols, config).to(maps[0])
    conditioned = []
    for features, project, block in zip(maps, model.projections, model.cross, strict=True):
        x = _cross(cast(Any, block), project(features), sphere, basis)
        conditioned.append(x.reshape(len(x), rows, cols, -1))
    low = model.decoder(conditioned, sides)
    raw, sky = Head.forward(model.head, low, (image.shape[-2], image.shape[-1]))
    return ModelOutput(raw.float().clamp(-LOG_LIMIT, LOG_LIMIT) + LOG_OFFSET, sky)


def _backbone(
    model: SphereViT, image: Tensor, rows: int, cols: int, basis: Tensor | None
) -> tuple[list[Tensor], list[Tensor]]:
    backbone = model.backbone
    tokens, sides = backbone.stem(image)
    x = tokens + backbone.grid_positions(rows, cols)
    if backbone.class_token is not None:
        first = backbone.class_token + backbone.positions[:, :1]
        x = torch.cat([first.expand(len(x), -1, -1).to(x.dtype), x], dim=1)
    outputs = []
    for block in cast(Any, backbone.blocks):
        q, k, v = block.qkv(block.norm_attention(x)).chunk(3, -1)
        q, k, v = (t.unflatten(-1, (block.heads, -1)).transpose(1, 2) for t in (q, k, v))
        mask = None
        if block.bias is not None and basis is not None:
            mask = block.bias(basis, leading=backbone.leading).to(q.dtype)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + block.scale_attention * block.out(attended.transpose(1, 2).flatten(2))
        x = x + block.scale_mlp * block.mlp_out(F.gelu(block.mlp_in(block.norm_mlp(x))))
        outputs.append(backbone.norm(x))
    kept = [outputs[number - 1][:, backbone.leading :] for number in model.config.features]
    return [features.reshape(len(x), rows, cols, -1) for features in kept], sides


def _cross(block: Any, x: Tensor, sphere: Tensor, basis: Tensor | None) -> Tensor:
    x = x.flatten(1, 2)
    if hasattr(block, "q"):
        q = block.q(block.norm_image(x)).unflatten(-1, (block.heads, -1)).transpose(1, 2)
        k, v = (t.to(q.dtype).expand(len(x), -1, -1, -1) for t in block.keys_values(sphere))
        mask = None
        if block.bias is not None and basis is not None:
            mask = block.bias.by_row(basis).to(q.dtype)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + block.out(attended.transpose(1, 2).flatten(2))
    out: Tensor = x + block.mlp_out(F.gelu(block.mlp_in(block.norm_mlp(x))))
    return out
