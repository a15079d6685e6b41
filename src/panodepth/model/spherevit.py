"""SphereViT: image features attend to an embedding of the sphere (DA², arXiv 2509.26618).

Picture → backbone → transformer blocks → spherical cross-attention → decoder → head → log distance.
This is the network and nothing else; `model/fast` makes the same numbers faster. B: pictures of a
batch; H, W: their sides; rows, cols: of the token grid; N = rows · cols.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from panodepth.errors import InputError
from panodepth.model.config import ModelConfig
from panodepth.model.embedding import GreatCircleBias, geometry, spread_positions
from panodepth.model.layers import (
    SLOPE,
    Float32Module,
    Level,
    Lift,
    SphereConv2d,
    attention,
    resize_bilinear,
)
from panodepth.model.start import start_layer

LOG_LIMIT = 8.0  # |o| of the network is clipped to this
LOG_OFFSET = 2.0  # log distance = clip(o) + 2, DA² release
PAIR = 3  # outputs that two depths take: both, and the logit of the first
DOUBLINGS = 3  # the decoder ends at 2³ times the token grid

KeysValues = tuple[Tensor, Tensor]  # of attention, (1, heads, M, head_dim) each


class ModelOutput(NamedTuple):
    """What the network says about each pixel, always float32.

    log_distance: (B, H, W), natural log of the distance along the ray up to one offset per image,
        in [-6, 10].
    sky_logit: (B, H, W), > 0 where sky is likelier than not; None without a sky head.
    pair: (B, 3, H, W), two log distances and the logit of the first, in training a network of two
        `depths`; else None.
    """

    log_distance: Tensor
    sky_logit: Tensor | None
    pair: Tensor | None = None


class SphereMemory(NamedTuple):
    """What depends on the size and the weights, not on the image.

    positions: (1, N, dim), the learned positions brought to this size.
    basis: (rows, rows, cols, KNOTS + 1) of the great-circle bias, or None without it.
    keys_values: per cross-attention block, keys and values (1, heads, M, head_dim) each; M is N, or
        `rows` where all tokens of a row are alike. Empty without sphere_attention.
    biases, cross_biases: (1, heads, N, N or M) per block, made of the basis; empty: made when used.
    """

    positions: Tensor
    basis: Tensor | None
    keys_values: Sequence[KeysValues]
    biases: Sequence[Tensor] = ()
    cross_biases: Sequence[Tensor] = ()


class Block(nn.Module):
    """One pre-norm transformer block with LayerScale, as in DINOv2."""

    attention = staticmethod(attention)
    recompute = True  # its activations may be made again for the backward pass

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
        """x: (B, N, dim); bias: (1, heads, N, N) or None. Returns (B, N, dim)."""
        x = x + self.scale_attention * self.out(self.attend(x, bias))
        hidden = F.gelu(self.mlp_in(self.norm_mlp(x)))
        return cast(Tensor, x + self.scale_mlp * self.mlp_out(hidden))

    def attend(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Self-attention before its output layer; (B, N, dim) in and out, bias as `forward`."""
        qkv = self.qkv(self.norm_attention(x)).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # heads before tokens
        return self.attention(q, k, v, bias)


class Encoder(nn.Module):
    """The backbone's tokens with their positions, through the blocks, to four feature maps."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        dim, grid = config.dim, config.position_grid
        self.stem = config.backbone_class(config.backbone_options)
        self.class_token = nn.Parameter(torch.zeros(1, 1, dim)) if config.class_token else None
        self.leading = int(config.class_token)  # tokens before those of the image
        places = grid if config.latitude_positions else grid * grid
        self.positions = nn.Parameter(torch.zeros(1, self.leading + places, dim))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(dim)

    def grid_positions(self, rows: int, cols: int) -> Tensor:
        """(1, N, dim) learned positions of the image's tokens, brought to this grid."""
        learned = self.positions[:, self.leading :]
        return spread_positions(learned, rows, cols, by_row=self.config.latitude_positions)

    def forward(self, image: Tensor, memory: SphereMemory) -> tuple[list[Tensor], list[Tensor]]:
        """image: (B, 3, H, W), normalised; memory: of its size.

        Returns four maps (B, rows, cols, dim) and the backbone's side features (B, C, h, w).
        """
        tokens, sides = self.stem(image)
        x = tokens + memory.positions
        if self.class_token is not None:
            first = self.class_token + self.positions[:, :1]
            x = torch.cat([first.expand(len(x), -1, -1).to(x.dtype), x], dim=1)
        maps, grid = [], self.config.grid((image.shape[-2], image.shape[-1]))
        for i, block in enumerate(cast(list[Block], list(self.blocks))):
            bias = None
            if block.bias is not None and memory.basis is not None:
                known = memory.biases
                bias = known[i] if known else block.bias(memory.basis, leading=self.leading)
            x = block(x, bias)
            if i + 1 in self.config.features:
                # One LayerNorm for all four maps: the checkpoint has no other.
                maps.append(self.norm(x[:, self.leading :]).unflatten(1, grid))
        return maps, sides


class CrossBlock(nn.Module):
    """Image features ask, the sphere answers: cross-attention and MLP, pre-norm, no LayerScale.

    Keys and values are the same for every image: a token learns its place as far as its features
    know it, by learned positions, or by the great-circle bias of an azimuth-free embedding. With
    positions by latitude, rolling the image by whole tokens rolls the result. Without
    `sphere_attention` (for ablation) the MLP alone stays.
    """

    attention = staticmethod(attention)
    recompute = True

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        hidden, embedding = config.hidden, config.embedding_dim
        self.heads = config.cross_heads
        if config.sphere_attention:
            self.norm_image = nn.LayerNorm(hidden)
            self.norm_sphere = nn.LayerNorm(embedding)
            self.q: nn.Module = nn.Linear(hidden, hidden, bias=False)
            self.kv = nn.Linear(embedding, 2 * hidden, bias=False)
            self.out: nn.Module = nn.Linear(hidden, hidden, bias=False)
        self.norm_mlp = nn.LayerNorm(hidden)
        self.mlp_in: nn.Module = nn.Linear(hidden, 4 * hidden)
        self.mlp_out: nn.Module = nn.Linear(4 * hidden, hidden)
        free = config.azimuth_free_embedding and config.sphere_attention
        self.bias = GreatCircleBias(self.heads) if free and config.great_circle_bias else None

    def keys_values(self, embedding: Tensor) -> KeysValues:
        """embedding: (M, embedding_dim)."""
        both = self.kv(self.norm_sphere(embedding)).unflatten(-1, (2, self.heads, -1))
        keys, values = both.permute(1, 2, 0, 3)[:, None].unbind(0)
        return keys, values

    def forward(self, x: Tensor, sphere: KeysValues | None, bias: Tensor | None) -> Tensor:
        """x: (B, N, hidden); sphere: `keys_values`, None without sphere_attention.

        bias: (1, heads, N, M) or None. Returns (B, N, hidden).
        """
        if sphere is not None:
            x = x + self.out(self.attend(x, sphere, bias))
        return cast(Tensor, x + self.mlp_out(F.gelu(self.mlp_in(self.norm_mlp(x)))))

    def attend(self, x: Tensor, sphere: KeysValues, bias: Tensor | None) -> Tensor:
        """Cross-attention before its output layer; (B, N, hidden) in and out, else as `forward`."""
        q = self.q(self.norm_image(x)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = (t.to(q.dtype).expand(len(x), -1, -1, -1) for t in sphere)  # one for all images
        return self.attention(q, k, v, bias)


class Decoder(nn.Module):
    """Fuses the feature maps, coarse to fine, with the backbone's side features if there are."""

    def __init__(self, config: ModelConfig, side_widths: Sequence[int] = ()) -> None:
        """side_widths: channels of the side features, finest first."""
        super().__init__()
        widths, hidden = config.decoder, config.hidden
        self.latents: nn.Module = nn.Linear(hidden, widths[0])
        self.lifts = nn.ModuleList(Lift(hidden, widths[i], max(1, 2 * i)) for i in range(DOUBLINGS))
        units, wrap = config.decoder_units, config.wrap_padding
        self.levels = nn.ModuleList(
            Level(widths[i], widths[i + 1], units, wrap=wrap) for i in range(DOUBLINGS)
        )
        pairs = zip(side_widths, widths[:0:-1], strict=False)  # finest first
        self.sides = nn.ModuleList(nn.Conv2d(side, width, 1) for side, width in pairs)
        self.norm = nn.LayerNorm(widths[-1])
        self.linear = nn.Linear(widths[-1], widths[-1])
        border = "wrap" if wrap else "reflect"
        self.low = SphereConv2d(widths[-1], config.head[0], 3, border=border)

    def forward(self, maps: list[Tensor], sides: list[Tensor]) -> Tensor:
        """maps: four (B, rows, cols, hidden); sides: the backbone's, at 8×, 4×, 2× the grid, or [].

        Returns (B, head[0], 8·rows, 8·cols).
        """
        x = self.latents(maps[0]).permute(0, 3, 1, 2)
        for i, (level, lift) in enumerate(zip(self.levels, self.lifts, strict=True)):
            x = x + lift(maps[i + 1])
            x = level(x)
            if sides:  # x is now at 2^(i+1) times the grid
                place = len(sides) - 1 - i
                x = x + self.sides[place](sides[place])
        x = self.linear(self.norm(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        return cast(Tensor, self.low(x))


class HeadOutput(NamedTuple):
    """Of the head, before the limits; float32.

    raw: (B, H, W), the log distance o, of two depths the likelier.
    sky: (B, H, W), the sky logit, or None.
    pair: (B, 3, H, W), both o and the logit of the first, or None.
    """

    raw: Tensor
    sky: Tensor | None
    pair: Tensor | None


class Head(Float32Module):
    """The last two convolutions, always in float32: rounding here would tilt flat walls."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.wrap = config.wrap_padding
        border = "wrap" if self.wrap else "reflect"
        self.conv = SphereConv2d(config.head[0], config.head[1], 3, border=border)
        self.depths = config.depths
        outputs = (1 if config.depths == 1 else PAIR) + int(config.sky_head)
        self.out = nn.Conv2d(config.head[1], outputs, 1)

    def forward(self, x: Tensor, size: tuple[int, int]) -> HeadOutput:
        """x: (B, head[0], h, w) of any precision; size: H, W of the image."""
        kind = "cpu" if x.is_meta else x.device.type  # meta tensors, which only count, have none
        with torch.autocast(kind, enabled=False):
            x = x.to(self.out.weight.dtype)
            if self.wrap:
                x = resize_bilinear(x, size, wrap=True)
            else:
                x = F.interpolate(x, size=size, mode="bilinear", align_corners=True)
            x = F.leaky_relu(self.conv(x), SLOPE, inplace=True)
            return self.named(self.out(x))

    def named(self, outputs: Tensor) -> HeadOutput:
        """outputs: (B, C, H, W) of the last layer."""
        if self.depths == 1:
            distance, *sky = outputs.unbind(1)
            return HeadOutput(distance, sky[0] if sky else None, None)
        first, second, logit, *sky = outputs.unbind(1)
        likelier = torch.where(logit > 0, first, second)
        return HeadOutput(likelier, sky[0] if sky else None, outputs[:, :PAIR])


class SphereViT(nn.Module):
    """Panorama in, log distance out. See ModelConfig for what can be chosen."""

    prepared = False  # whether its layers can do nothing but predict; see `model.fast.prepare`
    int8 = False  # whether its linear layers compute in 8 bits

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = Encoder(config)
        dim, hidden = config.dim, config.hidden
        self.projections = nn.ModuleList(nn.Linear(dim, hidden) for _ in config.features)
        self.cross = nn.ModuleList(CrossBlock(config) for _ in config.features)
        self.decoder = Decoder(config, self.backbone.stem.side_widths)
        self.head = Head(config)
        self.parameter_count = sum(p.numel() for p in self.parameters())
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise for training from scratch; a no-op on the meta device."""
        plain = {*self.projections, self.decoder.latents, self.decoder.linear}
        for module in self.modules():
            start_layer(module, residual=module not in plain)
        nn.init.trunc_normal_(self.backbone.positions, std=0.02)
        if self.backbone.class_token is not None:
            nn.init.trunc_normal_(self.backbone.class_token, std=0.02)
        # Near zero, so that training starts from one distance everywhere.
        nn.init.trunc_normal_(self.head.out.weight, std=0.1 * self.config.head[1] ** -0.5)

    def groups(self) -> Sequence[tuple[str, ...]]:
        """Parameter names by their starts, from the picture on; see `Backbone.groups`."""
        return self.backbone.stem.groups(self.config.depth)

    def memory_for(self, size: tuple[int, int]) -> SphereMemory:
        """What `forward` needs beside an image of this size (H, W); the same for all of them."""
        rows, cols = self.config.grid(size)
        like = self.backbone.norm.weight
        embedding, basis = geometry(rows, cols, self.config, like.device)
        blocks = cast(list[CrossBlock], list(self.cross)) if self.config.sphere_attention else []
        pairs = [block.keys_values(embedding.to(like.dtype)) for block in blocks]
        return SphereMemory(self.backbone.grid_positions(rows, cols), basis, pairs)

    def forward(self, image: Tensor, memory: SphereMemory | None = None) -> ModelOutput:
        """image: (B, 3, H, W) sRGB-coded in [0, 1]; H and W multiples of `config.step`.

        memory: `memory_for` this size, None = made now. What is not finite (weights beyond the
        precision's range) becomes NaN and is not hidden by the limits. Raises InputError for any
        other shape.
        """
        raw, sky, pair = self.forward_raw(image, memory)
        raw = raw.float()
        raw = raw + (raw - raw)  # infinite becomes NaN, the rest stays exactly as it is
        if pair is not None:
            limited = pair[:, :2].clamp(-LOG_LIMIT, LOG_LIMIT) + LOG_OFFSET
            pair = torch.cat([limited, pair[:, 2:]], 1)
        kept = pair if self.training else None
        return ModelOutput(raw.clamp(-LOG_LIMIT, LOG_LIMIT) + LOG_OFFSET, sky, kept)

    def forward_raw(self, image: Tensor, memory: SphereMemory | None = None) -> HeadOutput:
        """As `forward`, but with the unclipped o in place of the log distance."""
        step = self.config.step
        if image.ndim != 4 or image.shape[1] != 3 or any(s % step for s in image.shape[-2:]):
            raise InputError(f"not (B, 3, H, W), sides multiples of {step}: {tuple(image.shape)}")
        conditioned, sides = self.conditioned_features(image, memory)
        size = (image.shape[-2], image.shape[-1])
        return cast(HeadOutput, self.head(self.decoder(conditioned, sides), size))

    def normalise(self, image: Tensor) -> Tensor:
        """image: (B, 3, H, W) in [0, 1]; returns it as the backbone wants it, in its precision."""
        return self.backbone.stem.normalise(image).to(self.backbone.norm.weight.dtype)

    def backbone_features(
        self, image: Tensor, memory: SphereMemory | None = None
    ) -> tuple[list[Tensor], list[Tensor], SphereMemory]:
        """Four (B, rows, cols, dim) maps, the backbone's side features, and the sphere's memory."""
        if memory is None:
            memory = self.memory_for((image.shape[-2], image.shape[-1]))
        maps, sides = self.backbone(self.normalise(image), memory)
        return maps, sides, memory

    def conditioned_features(
        self, image: Tensor, memory: SphereMemory | None = None
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Four (B, rows, cols, hidden) maps after cross-attention, and the backbone's sides."""
        maps, sides, memory = self.backbone_features(image, memory)
        out: list[Tensor] = []
        for i, block in enumerate(cast(list[CrossBlock], list(self.cross))):
            bias = None
            if block.bias is not None and memory.basis is not None:
                known = memory.cross_biases
                bias = known[i] if known else block.bias.by_row(memory.basis)
            sphere = memory.keys_values[i] if memory.keys_values else None
            x = block(self.projections[i](maps[i]).flatten(1, 2), sphere, bias)
            out.append(x.unflatten(1, maps[i].shape[1:3]))
        return out, sides
