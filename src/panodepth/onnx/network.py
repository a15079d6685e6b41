"""SphereViT as ONNX nodes, for one image of one size.

What depends on the size and the weights alone (embeddings, keys, values, positions, biases) is made
by the network itself and stored; scales are folded into the weights beside them. tests/deploy holds
the result to the network.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn

from panodepth.errors import ModelError
from panodepth.model import SphereViT
from panodepth.model.backbones.conv import CELL, ConvBackbone, ConvBlock
from panodepth.model.backbones.patch import PatchBackbone
from panodepth.model.embedding import GreatCircleBias, bias_basis, sphere_embedding
from panodepth.model.layers import SLOPE, Level, Lift, ResidualUnit, SphereConv2d
from panodepth.model.spherevit import Block, CrossBlock, Decoder, Head
from panodepth.onnx.graph import Graph

QUERIES_AT_ONCE = 512  # attention of long sequences in parts: its matrix of scores stays small


class NetworkGraph:
    """Adds one SphereViT to a graph. Channels-first maps are (1, C, h, w), tokens (N, C)."""

    def __init__(self, graph: Graph, model: SphereViT, size: tuple[int, int]) -> None:
        """model: float32, on the CPU; size: (h, w) of the image, multiples of 14."""
        self.graph, self.model, self.config = graph, model, model.config
        self.height, self.width = size
        self.rows, self.cols = model.config.grid(size)
        self.wrap = model.config.wrap_padding
        with torch.no_grad():
            self.basis = bias_basis(self.rows, self.cols) if self.config.great_circle_bias else None

    @torch.no_grad()
    def build(self, image: str) -> tuple[str, str | None]:
        """image: (1, 3, h, w) in [0, 1]; returns the raw o and the sky logit, (1, 1, h, w)."""
        maps, sides = self._backbone(self._normalised(image))
        memory = None
        if self.config.sphere_attention:
            memory = sphere_embedding(self.rows, self.cols, self.config)
        conditioned = []
        for features, project, block in zip(
            maps, self.model.projections, self.model.cross, strict=True
        ):
            x = self.graph.linear(features, project)
            conditioned.append(self._cross(cast(CrossBlock, block), x, memory))
        low, size = self._decoder(self.model.decoder, conditioned, sides)
        return self._head(self.model.head, low, size)

    def _normalised(self, image: str) -> str:
        mean, std = (
            torch.tensor(v)[None, :, None, None]
            for v in (self.model.backbone.stem.MEAN, self.model.backbone.stem.STD)
        )
        scaled = self.graph.add("Mul", image, self.graph.constant(1 / std))
        return self.graph.add("Sub", scaled, self.graph.constant(mean / std))

    # Backbone

    def _backbone(self, image: str) -> tuple[list[str], list[tuple[str, tuple[int, int]]]]:
        graph, backbone = self.graph, self.model.backbone
        stem = backbone.stem
        sides: list[tuple[str, tuple[int, int]]] = []
        if isinstance(stem, ConvBackbone):
            x, sides = self._conv_stem(stem, image)
        elif not isinstance(stem, PatchBackbone):
            raise ModelError(f"backbone {self.config.backbone!r} cannot be written as ONNX yet")
        else:
            x = self._conv(stem.patch, image, (self.height, self.width))[0]
        x = self._tokens(x, self.config.dim)
        x = graph.add("Add", x, graph.constant(backbone.grid_positions(self.rows, self.cols)[0]))
        if backbone.class_token is not None:
            first = (backbone.class_token + backbone.positions[:, :1])[0]
            x = graph.concat([graph.constant(first), x], 0)
        maps = []
        count = backbone.leading + self.rows * self.cols
        for number, block in enumerate(cast(list[Block], list(backbone.blocks)), start=1):
            x = self._block(block, x, count)
            if number in self.config.features:
                kept = graph.slice(x, 0, 1, count) if backbone.leading else x
                maps.append(graph.layer_norm(kept, backbone.norm))
        return maps, sides

    def _tokens(self, x: str, width: int) -> str:
        """(1, C, rows, cols) to (N, C)."""
        return self.graph.transpose(self.graph.reshape(x, width, self.rows * self.cols), 1, 0)

    def _plane(self, tokens: str, width: int) -> str:
        """(N, C) to (1, C, rows, cols)."""
        turned = self.graph.transpose(tokens, 1, 0)
        return self.graph.reshape(turned, 1, width, self.rows, self.cols)

    def _conv_stem(
        self, stem: ConvBackbone, image: str
    ) -> tuple[str, list[tuple[str, tuple[int, int]]]]:
        start = (self.height, self.width)
        size = (self.rows * CELL, self.cols * CELL)
        x = self._resized(image, start, size, wrap=stem.wrap)
        x, size = self._conv(stem.entry, x, size)
        sides = []
        for level, down in zip(stem.levels, stem.downs, strict=True):
            for block in cast(Iterator[ConvBlock], iter(cast(nn.Sequential, level))):
                x = self._conv_block(block, x, size)
            sides.append((x, size))
            x, size = self._conv(cast(nn.Conv2d, down), x, size)
        return x, sides

    def _conv_block(self, block: ConvBlock, x: str, size: tuple[int, int]) -> str:
        graph = self.graph
        last = graph.transpose(x, 0, 2, 3, 1)
        inner = graph.transpose(graph.layer_norm(last, block.norm), 0, 3, 1, 2)
        inner = graph.gelu(self._conv(block.conv, inner, size)[0])
        inner = self._conv(block.mix, inner, size, scale=block.gamma)[0]
        return graph.add("Add", x, inner)

    def _block(self, block: Block, x: str, count: int) -> str:
        graph, heads = self.graph, block.heads
        qkv = graph.linear(graph.layer_norm(x, block.norm_attention), block.qkv)
        parts = graph.transpose(graph.reshape(qkv, count, 3, heads, -1), 1, 2, 0, 3)
        q, k, v = (
            graph.reshape(part, heads, count, -1)
            for part in graph.add_many("Split", [parts], 3, axis=0)
        )
        bias = None if block.bias is None else self._pair_bias(block.bias)
        attended = self._attention(q, k, v, (count, self.config.dim // heads), bias)
        out = graph.linear(attended, block.out, block.scale_attention)
        return self._mlp(graph.add("Add", x, out), block.norm_mlp, block, block.scale_mlp)

    def _mlp(
        self, x: str, norm: nn.LayerNorm, block: Block | CrossBlock, scale: Tensor | None
    ) -> str:
        graph = self.graph
        inner = graph.linear(graph.layer_norm(x, norm), block.mlp_in)
        outer = graph.linear(graph.gelu(inner), block.mlp_out, scale)
        return graph.add("Add", x, outer)

    def _attention(self, q: str, k: str, v: str, shape: tuple[int, int], bias: str | None) -> str:
        """q (heads, N, d), k and v (heads, M, d), bias (heads, N, M) or None; returns (N, C).

        shape: (N, d).
        """
        graph, (count, head_dim) = self.graph, shape
        q = graph.add("Mul", q, graph.constant(head_dim**-0.5))
        keys = graph.transpose(k, 0, 2, 1)
        parts = []
        for start in range(0, count, QUERIES_AT_ONCE):
            stop = min(start + QUERIES_AT_ONCE, count)
            whole = count <= QUERIES_AT_ONCE
            scores = graph.add("MatMul", q if whole else graph.slice(q, 1, start, stop), keys)
            if bias is not None:
                part = bias if whole else graph.slice(bias, 1, start, stop)
                scores = graph.add("Add", scores, part)
            parts.append(graph.add("MatMul", graph.add("Softmax", scores, axis=-1), v))
        attended = graph.transpose(graph.concat(parts, 1), 1, 0, 2)
        return graph.reshape(attended, count, -1)

    def _pair_bias(self, module: GreatCircleBias) -> str:
        """(heads, N, N), spread in the graph from one row of columns per pair of rows."""
        graph, leading = self.graph, self.model.backbone.leading
        assert self.basis is not None
        table = module.table(self.basis)  # (heads, query row, key row, columns from query to key)
        column = torch.arange(self.cols)
        turn = (column[None] - column[:, None]) % self.cols
        pairs = graph.add("Gather", graph.constant(table), graph.ints(*turn.flatten()), axis=3)
        heads, rows, cols = len(table), self.rows, self.cols
        bias = graph.transpose(graph.reshape(pairs, heads, rows, rows, cols, cols), 0, 1, 3, 2, 4)
        bias = graph.reshape(bias, heads, rows * cols, rows * cols)
        if leading:
            bias = graph.add("Pad", bias, graph.ints(0, leading, leading, 0, 0, 0))
        return bias

    def _cross(self, block: CrossBlock, x: str, embedding: Tensor | None) -> str:
        graph = self.graph
        if embedding is not None:
            keys, values = (part[0] for part in block.keys_values(embedding))
            bias = None
            if block.bias is not None and self.basis is not None:
                bias = graph.constant(block.bias.by_row(self.basis)[0])
            count, hidden = self.rows * self.cols, self.config.hidden
            q = graph.linear(graph.layer_norm(x, block.norm_image), block.q)
            q = graph.transpose(graph.reshape(q, count, block.heads, -1), 1, 0, 2)
            k, v = graph.constant(keys), graph.constant(values)
            attended = self._attention(q, k, v, (count, hidden // block.heads), bias)
            x = graph.add("Add", x, graph.linear(attended, block.out))
        return self._mlp(x, block.norm_mlp, block, None)

    # Decoder

    def _decoder(
        self, decoder: Decoder, maps: list[str], sides: list[tuple[str, tuple[int, int]]]
    ) -> tuple[str, tuple[int, int]]:
        graph, widths = self.graph, self.config.decoder
        x = self._plane(graph.linear(maps[0], decoder.latents), widths[0])
        size = (self.rows, self.cols)
        for number, (level, lift) in enumerate(zip(decoder.levels, decoder.lifts, strict=True)):
            x = graph.add("Add", x, self._lift(cast(Lift, lift), maps[number + 1]))
            x, size = self._level(cast(Level, level), x, size)
            if sides:
                place = len(sides) - 1 - number
                side, side_size = sides[place]
                mixed = self._conv(cast(nn.Conv2d, decoder.sides[place]), side, side_size)[0]
                x = graph.add("Add", x, mixed)
        last = graph.layer_norm(graph.transpose(x, 0, 2, 3, 1), decoder.norm)
        last = graph.linear(last, decoder.linear)
        return self._conv(decoder.low, graph.transpose(last, 0, 3, 1, 2), size)

    def _lift(self, lift: Lift, tokens: str) -> str:
        graph = self.graph
        plane = self._plane(tokens, self.config.hidden)
        assert lift.bias is not None
        parts = (graph.kernel(lift.weight, channel=1), graph.constant(lift.bias))
        return graph.add("ConvTranspose", plane, *parts, strides=[lift.factor] * 2)

    def _level(self, level: Level, x: str, size: tuple[int, int]) -> tuple[str, tuple[int, int]]:
        graph = self.graph
        for unit in cast(list[ResidualUnit], list(level.units)):
            inner = graph.add("LeakyRelu", x, alpha=SLOPE)
            inner = graph.add("LeakyRelu", self._conv(unit.conv1, inner, size)[0], alpha=SLOPE)
            inner = self._conv(unit.conv2, inner, size, scale=unit.gamma[0])[0]
            x = graph.add("Add", x, inner)
        x = self._conv(level.reduce, x, size)[0]
        double = (2 * size[0], 2 * size[1])
        return self._resized(x, size, double, wrap=level.wrap), double

    def _head(self, head: Head, x: str, size: tuple[int, int]) -> tuple[str, str | None]:
        graph, target = self.graph, (self.height, self.width)
        if head.wrap:
            x = self._resized(x, size, target, wrap=True)
        else:
            x = graph.resize(x, target, "align_corners")
        x = graph.add("LeakyRelu", self._conv(head.conv, x, target)[0], alpha=SLOPE)
        both = self._conv(head.out, x, target)[0]
        if not self.config.sky_head:
            return both, None
        distance, sky = graph.add_many("Split", [both], 2, axis=1)
        return distance, sky

    # Maps

    def _resized(
        self, x: str, size: tuple[int, int], target: tuple[int, int], *, wrap: bool
    ) -> str:
        """As `model.layers.resize_bilinear`."""
        if size == target:
            return x
        if not wrap:
            return self.graph.resize(x, target)
        period = math.gcd(size[1], target[1])
        pad, crop = size[1] // period, target[1] // period
        wide = self.graph.wrap_columns(x, size[1], pad)
        wide = self.graph.resize(wide, (target[0], target[1] + 2 * crop))
        return self.graph.slice(wide, 3, crop, crop + target[1])

    def _conv(
        self, module: nn.Conv2d, x: str, size: tuple[int, int], scale: Tensor | None = None
    ) -> tuple[str, tuple[int, int]]:
        """A plain or a sphere's convolution, times scale (out, 1, 1); returns it and its size."""
        graph, weight, bias = self.graph, module.weight, module.bias
        if scale is not None:
            weight = weight * scale[..., None]
            bias = None if bias is None else bias * scale.flatten()
        rows = cols = module.pad if isinstance(module, SphereConv2d) else 0
        if rows and module.border == "reflect":
            pads = graph.ints(0, 0, rows, cols, 0, 0, rows, cols)
            x, rows, cols = graph.add("Pad", x, pads, mode="reflect"), 0, 0
        elif rows and module.border == "wrap":
            x, cols = graph.wrap_columns(x, size[1], cols), 0
        parts = [graph.kernel(weight)] + ([] if bias is None else [graph.constant(bias)])
        stride = [int(s) for s in module.stride]
        out = graph.add("Conv", x, *parts, strides=stride, pads=[rows, cols, rows, cols])
        return out, (size[0] // stride[0], size[1] // stride[1])
