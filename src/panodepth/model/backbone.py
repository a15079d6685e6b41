"""The image side: tokens out of pixels, transformer blocks, four feature maps.

The transformer is the pre-norm ViT of DINOv2: LayerNorm, self-attention and MLP with LayerScale.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from panodepth.model.config import ModelConfig
from panodepth.model.embedding import GreatCircleBias
from panodepth.model.fast.attention import attend
from panodepth.model.fast.packed import add_to, gelu_of


class Block(nn.Module):
    """One pre-norm transformer block with LayerScale."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        dim = config.dim
        self.heads = config.heads
        self.norm_attention = nn.LayerNorm(dim)
        self.qkv: nn.Module = nn.Linear(dim, 3 * dim)
        self.out: nn.Module = nn.Linear(dim, dim)
        self.scale_attention = nn.Parameter(torch.full((dim,), config.layer_scale))
        self.norm_mlp = nn.LayerNorm(dim)
        self.mlp_in: nn.Module = nn.Linear(dim, 4 * dim)
        self.mlp_out: nn.Module = nn.Linear(4 * dim, dim)
        self.scale_mlp = nn.Parameter(torch.full((dim,), config.layer_scale))
        self.bias = GreatCircleBias(config.heads) if config.great_circle_bias else None

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """x: (B, N, dim); bias: (1, heads, N, N) added to the attention's logits, or None."""
        x = add_to(x, self.out, self._attend(self.norm_attention(x), bias), self.scale_attention)
        hidden = gelu_of(self.mlp_in, self.norm_mlp(x))
        return add_to(x, self.mlp_out, hidden, self.scale_mlp)

    def _attend(self, x: Tensor, bias: Tensor | None) -> Tensor:
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        return attend(q, k, v, bias)


class Backbone(nn.Module):
    """Stem, positions, blocks, and the same final LayerNorm on each of four feature maps."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        dim, grid = config.dim, config.position_grid
        self.stem = config.backbone_class(config.backbone_options)
        self.class_token = nn.Parameter(torch.zeros(1, 1, dim)) if config.class_token else None
        places = grid if config.latitude_positions else grid * grid
        self.positions = nn.Parameter(torch.zeros(1, self.leading + places, dim))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(dim)

    @property
    def leading(self) -> int:
        """How many tokens stand before those of the image."""
        return int(self.config.class_token)

    def grid_positions(self, rows: int, cols: int) -> Tensor:
        """(1, rows·cols, dim) learned positions of the image's tokens."""
        grid, dim = self.config.position_grid, self.config.dim
        learned = self.positions[:, self.leading :].float()
        if self.config.latitude_positions:
            by_row = F.interpolate(learned.transpose(1, 2), size=rows, mode="linear")
            placed = by_row.transpose(1, 2)[:, :, None].expand(1, rows, cols, dim)
        else:
            square = learned.reshape(1, grid, grid, dim).permute(0, 3, 1, 2)
            placed = F.interpolate(square, size=(rows, cols), mode="bicubic").permute(0, 2, 3, 1)
        return placed.reshape(1, rows * cols, dim).to(self.positions.dtype)

    def forward(
        self,
        image: Tensor,
        basis: Tensor | None,
        positions: Tensor | None = None,
        biases: Sequence[Tensor] = (),
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Four feature maps and the backbone's side features.

        image: (B, 3, H, W), normalised. basis: of the great-circle bias
        (`bias_basis`), None without it. positions: `grid_positions`, biases: of all blocks, where
        they are known already.
        Returns four (B, rows, cols, dim) and a list of (B, C, h, w) (empty for patches).
        """
        rows, cols = self.config.grid((image.shape[-2], image.shape[-1]))
        tokens, sides = self.stem(image)
        x = tokens + (self.grid_positions(rows, cols) if positions is None else positions)
        if self.class_token is not None:
            first = self.class_token + self.positions[:, :1]
            x = torch.cat([first.expand(len(x), -1, -1).to(x.dtype), x], dim=1)
        maps = []
        for number, block in enumerate(cast(list[Block], list(self.blocks)), start=1):
            bias = None
            if block.bias is not None and basis is not None:
                known = biases[number - 1] if biases else None
                bias = block.bias(basis, leading=self.leading) if known is None else known
            x = block(x, bias)
            if number in self.config.features:
                kept = self.norm(x[:, self.leading :])
                maps.append(kept.unflatten(1, (rows, cols)))
        return maps, sides
