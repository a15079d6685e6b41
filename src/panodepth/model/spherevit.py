"""SphereViT: image features attend to an embedding of the sphere (DA², arXiv 2509.26618)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from panodepth.errors import InputError, ModelError
from panodepth.model.backbone import Backbone, Block
from panodepth.model.config import ModelConfig
from panodepth.model.decoder import Decoder, Head
from panodepth.model.embedding import GreatCircleBias, bias_basis, sphere_embedding
from panodepth.model.fast.attention import attend
from panodepth.model.fast.memory import MemoryCache
from panodepth.model.fast.packed import add_to, gelu_of

PREPARED = "a network prepared for inference cannot be trained, moved, cast or saved: load it again"
LOG_LIMIT = 8.0  # |o| of the network is clipped to this
LOG_OFFSET = 2.0  # log-distance = clip(o) + 2, DA² release
BIAS_ELEMENTS = (
    2**24
)  # of all great-circle biases together that are kept per size: 32 MB in 16 bits
SCALE_QUANTILE = 0.98  # the distance that becomes 1, DA² release


class ModelOutput(NamedTuple):
    """What the network says about each pixel, always float32.

    log_distance: (B, H, W), natural log of the distance along the ray up to one offset per image,
        in [-6, 10].
    sky_logit: (B, H, W), > 0 where sky is likelier than not; None without a sky head.
    """

    log_distance: Tensor
    sky_logit: Tensor | None


class SphereMemory(NamedTuple):
    """What depends on the size and the weights, not on the image.

    basis: of the great-circle bias (rows, rows, cols, KNOTS + 1), or None.
    biases: of the image's blocks and of the cross-attention blocks, made of the basis (1, heads, N,
        N or M) each; empty where there is none or where they would take too much memory.
    positions: (1, rows·cols, dim), the learned positions brought to this size.
    keys_values: per cross-attention block, keys and values (1, heads, M, head_dim) each; M is the
        number of tokens, or of their rows where all tokens of a row are alike. Empty without
        sphere_attention.
    """

    basis: Tensor | None
    biases: tuple[list[Tensor], list[Tensor]]
    positions: Tensor
    keys_values: list[tuple[Tensor, Tensor]]


class CrossBlock(nn.Module):
    """Image features ask, the sphere answers: cross-attention and MLP, pre-norm, no LayerScale.

    Keys and values are the same for every image, so a token learns its place here only as far as
    its features know it (by learned positions), or by the great-circle bias of an azimuth-free
    embedding. With positions by latitude nothing depends on absolute azimuth: rolling the image by
    whole patches rolls the result.

    Without `sphere_attention` (for ablation) the attention is left out and the MLP stays: nothing
    of the sphere is embedded, at nearly the same cost.
    """

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
        relative = config.great_circle_bias and config.azimuth_free_embedding
        relative = relative and config.sphere_attention
        self.bias = GreatCircleBias(self.heads) if relative else None

    def keys_values(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """embedding: (M, embedding_dim); returns keys and values, (1, heads, M, head_dim) each."""
        both = self.kv(self.norm_sphere(embedding)).unflatten(-1, (2, self.heads, -1))
        keys, values = both.permute(1, 2, 0, 3)[:, None].unbind(0)
        return keys, values

    def forward(
        self, x: Tensor, memory: tuple[Tensor, Tensor] | None, bias: Tensor | None
    ) -> Tensor:
        """x: (B, N, hidden); memory: `keys_values`, None without sphere_attention.

        bias: (1, heads, N, M) or None.
        """
        if memory is not None:
            x = add_to(x, self.out, self._attend(x, *memory, bias))
        return add_to(x, self.mlp_out, gelu_of(self.mlp_in, self.norm_mlp(x)))

    def _attend(self, x: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> Tensor:
        q = self.q(self.norm_image(x)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k = keys.to(q.dtype).expand(len(x), -1, -1, -1)
        v = values.to(q.dtype).expand(len(x), -1, -1, -1)
        return attend(q, k, v, bias)


class SphereViT(nn.Module):
    """Panorama in, log-distance out. See ModelConfig for what can be chosen.

    The only state besides the parameters is a cache of what depends on the image size alone. It is
    used in eval mode without gradients, and notices when weights are loaded, moved, cast or changed
    in place; after writing through `parameter.data`, call `clear_cache`.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = Backbone(config)
        self.projections = nn.ModuleList(
            nn.Linear(config.dim, config.hidden) for _ in config.features
        )
        self.cross = nn.ModuleList(CrossBlock(config) for _ in config.features)
        self.decoder = Decoder(config, self.backbone.stem.side_widths)
        self.head = Head(config)
        self.prepared = False  # `prepare` sets it
        self.int8 = False  # whether linear layers compute in 8 bits; `prepare` sets it
        self.parameter_count = sum(p.numel() for p in self.parameters())
        self._cache = MemoryCache()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise for training from scratch; a no-op on the meta device."""
        plain = {*self.projections, self.decoder.latents, self.decoder.linear}  # not residual
        for module in self.modules():
            if isinstance(module, nn.Linear):
                std = module.in_features**-0.5 if module in plain else 0.02
                nn.init.trunc_normal_(module.weight, std=std)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                fan_in = module.weight[0].numel() if isinstance(module, nn.Conv2d) else 0
                fan_in = fan_in or module.in_channels
                nn.init.trunc_normal_(module.weight, std=fan_in**-0.5)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.trunc_normal_(self.backbone.positions, std=0.02)
        if self.backbone.class_token is not None:
            nn.init.trunc_normal_(self.backbone.class_token, std=0.02)
        nn.init.trunc_normal_(self.head.out.weight, std=0.1 * self.config.head[1] ** -0.5)

    def groups(self) -> Sequence[tuple[str, ...]]:
        """Parameter names by their starts, from the picture on; see `Backbone.groups`."""
        return self.backbone.stem.groups(self.config.depth)

    def clear_cache(self) -> None:
        """Forget the keys and values kept per image size."""
        self._cache.clear()

    def train(self, mode: bool = True) -> SphereViT:
        """As nn.Module.train; leaves nothing stale behind. ModelError for a prepared network."""
        if mode and self.prepared:
            raise ModelError(PREPARED)
        self.clear_cache()
        super().train(mode)
        return self

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        if self.prepared:
            raise ModelError(PREPARED)
        self.clear_cache()
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    def _cross_blocks(self) -> list[CrossBlock]:
        return cast(list[CrossBlock], list(self.cross))

    def _geometry(self, rows: int, cols: int, device: torch.device) -> tuple[Tensor, Tensor | None]:
        """E_sphere and the basis of the great-circle bias, float32; no weights in them."""

        def make() -> tuple[Tensor, Tensor | None]:
            with torch.inference_mode(False), torch.autocast(device.type, enabled=False):
                basis = bias_basis(rows, cols) if self.config.great_circle_bias else None
                embedding = sphere_embedding(rows, cols, self.config).to(device)
                return embedding, None if basis is None else basis.to(device)

        if torch.compiler.is_compiling():
            return make()
        return self._cache.get(("geometry", rows, cols, device), (), make)

    def _memory(self, rows: int, cols: int, like: Tensor) -> SphereMemory:
        embedding, basis = self._geometry(rows, cols, like.device)

        def make() -> SphereMemory:
            sphere = embedding.to(like.dtype)
            blocks = self._cross_blocks() if self.config.sphere_attention else []
            positions = self.backbone.grid_positions(rows, cols)
            biases = self._biases(basis, like.dtype)
            pairs = [block.keys_values(sphere) for block in blocks]
            return SphereMemory(basis, biases, positions, pairs)

        if self.training or torch.is_grad_enabled() or torch.compiler.is_compiling():
            return make()
        device = like.device.type
        autocast = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
        sources = (
            self.backbone.positions,
            *(m.weight for m in self.modules() if isinstance(m, GreatCircleBias)),
            *(
                weight
                for block in self._cross_blocks()
                if self.config.sphere_attention
                for weight in (block.kv.weight, block.norm_sphere.weight, block.norm_sphere.bias)
            ),
        )
        key = ("memory", rows, cols, like.device, like.dtype, autocast)
        return self._cache.get(key, sources, make)

    def _biases(
        self, basis: Tensor | None, dtype: torch.dtype
    ) -> tuple[list[Tensor], list[Tensor]]:
        """As SphereMemory keeps them; empty while training: they are then a part of the graph."""
        config = self.config
        if basis is None or self.training or torch.is_grad_enabled():
            return [], []
        tokens = basis.shape[0] * basis.shape[2]
        if config.depth * config.heads * tokens**2 > BIAS_ELEMENTS:
            return [], []
        leading = self.backbone.leading
        own = [block.bias for block in cast(list[Block], list(self.backbone.blocks))]
        cross = [block.bias for block in self._cross_blocks()]
        return (
            [bias(basis, leading=leading).to(dtype) for bias in own if bias is not None],
            [bias.by_row(basis).to(dtype) for bias in cross if bias is not None],
        )

    def memory_for(self, size: tuple[int, int]) -> SphereMemory:
        """What `forward` keeps for images of this size (H, W), made now where it is not there.

        The same object until weights change: who records the forward pass for replay gives it to
        `forward`, holds it, and records anew when it is another.
        """
        return self._memory(*self.config.grid(size), self.backbone.norm.weight)

    def forward(self, image: Tensor, memory: SphereMemory | None = None) -> ModelOutput:
        """image: (B, 3, H, W) sRGB-coded in [0, 1]; H and W multiples of `config.step`.

        memory: `memory_for` this size, None = looked up. What is not finite (weights beyond the
        precision's range) becomes NaN and is not hidden by the limits. Raises InputError for any
        other shape.
        """
        raw, sky = self.forward_raw(image, memory)
        raw = raw.float()
        raw = raw + (raw - raw)  # infinite becomes NaN, the rest stays exactly as it is
        return ModelOutput(raw.clamp(-LOG_LIMIT, LOG_LIMIT) + LOG_OFFSET, sky)

    def forward_raw(
        self, image: Tensor, memory: SphereMemory | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """As forward, but with the network's unclipped o in place of the log-distance."""
        step = self.config.step
        if image.ndim != 4 or image.shape[1] != 3 or any(s % step for s in image.shape[-2:]):
            raise InputError(
                f"the network takes (B, 3, H, W), sides multiples of {step}, not"
                f" {tuple(image.shape)}"
            )
        conditioned, sides = self.conditioned_features(image, memory)
        low = self.decoder(conditioned, sides)
        raw, sky = self.head(low, (image.shape[-2], image.shape[-1]))
        return raw, sky

    def normalise(self, image: Tensor) -> Tensor:
        """As the backbone wants its pictures, in the weights' precision. image: (B, 3, H, W)."""
        stem = self.backbone.stem
        channels = [
            (image[:, c] - mean) / std
            for c, (mean, std) in enumerate(zip(stem.MEAN, stem.STD, strict=True))
        ]
        return torch.stack(channels, dim=1).to(self.backbone.norm.weight.dtype)

    def backbone_features(
        self, image: Tensor, memory: SphereMemory | None = None
    ) -> tuple[list[Tensor], list[Tensor], SphereMemory]:
        """Four (B, rows, cols, dim) maps, the backbone's side features, and the sphere's memory."""
        x = self.normalise(image)
        rows, cols = self.config.grid((image.shape[-2], image.shape[-1]))
        memory = self._memory(rows, cols, x) if memory is None else memory
        maps, sides = self.backbone(x, memory.basis, memory.positions, memory.biases[0])
        return maps, sides, memory

    def conditioned_features(
        self, image: Tensor, memory: SphereMemory | None = None
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Four (B, rows, cols, hidden) maps after the cross-attention, and the backbone's sides."""
        maps, sides, memory = self.backbone_features(image, memory)
        out: list[Tensor] = []
        spheres: list[tuple[Tensor, Tensor] | None] = [*memory.keys_values]
        spheres = spheres or [None] * len(maps)
        for features, project, block, sphere in zip(
            maps, self.projections, self._cross_blocks(), spheres, strict=True
        ):
            rows, cols = features.shape[1:3]
            bias = None
            if block.bias is not None and memory.basis is not None:
                kept = memory.biases[1]
                bias = kept[len(out)] if kept else block.bias.by_row(memory.basis)
            x = block(project(features).flatten(1, 2), sphere, bias)
            out.append(x.unflatten(1, (rows, cols)))
        return out, sides


def scale_invariant_distance(log_distance: Tensor, valid: Tensor | None = None) -> Tensor:
    """exp(log_distance) divided, per image, by its own 0.98 quantile over the valid pixels.

    log_distance: (B, H, W); valid: (B, H, W) bool or None for all. Returns (B, H, W) float32 > 0.
    Raises InputError when an image has no valid pixel.
    """
    logs = log_distance.float()
    distances = []
    for number, log in enumerate(logs):
        chosen = log.flatten() if valid is None else log[valid[number]]
        if chosen.numel() == 0:
            raise InputError(f"image {number} of the batch has no valid pixel to normalise by")
        distance = log.exp()
        distances.append(distance / _quantile(chosen.exp(), SCALE_QUANTILE))
    return torch.stack(distances)


def _quantile(values: Tensor, q: float) -> Tensor:
    """Linear-interpolated quantile of (n,), for any n (torch.quantile stops at 2^24)."""
    place = q * (values.numel() - 1)
    low = int(place)
    a = values.kthvalue(low + 1).values
    b = values.kthvalue(min(low + 2, values.numel())).values
    return a + (b - a) * (place - low)
