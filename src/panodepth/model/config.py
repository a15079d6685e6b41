"""What a SphereViT is made of: one frozen dataclass; the sizes with a name are in presets.toml.

Fields whose comment says "released" keep the behaviour of the published checkpoint; the presets
meant for own training close the seam and sample the sphere where the patches are.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from panodepth.errors import ConfigError, DamageError
from panodepth.model.backbones import BACKBONES, Backbone, BackboneOptions
from panodepth.size import check_steps
from panodepth.strict import build, check_fields, find_named, parse_json

# Beyond any network there is: files and recipes with more are mistaken, and would take all memory.
MOST_DEPTH, MOST_WIDTH, MOST_WEIGHTS = 1024, 1 << 15, 1 << 36
OLD_NAMES = {"stem": "backbone"}  # of fields, in files written before they were renamed


@dataclass(frozen=True)
class ModelConfig:
    """Sizes and behaviour of one SphereViT; saved as JSON inside the checkpoint.

    Raises ConfigError when fields contradict each other.
    """

    name: str = "custom"
    size: tuple[int, int] = (546, 1092)  # working height, width in pixels; multiples of `step`

    # Backbone, and the transformer blocks behind it
    backbone: str = "patch"  # a name in `panodepth.model.backbones`
    stem_widths: tuple[int, ...] = ()  # "conv": channels at 8×, 4× and 2× the token grid
    stem_blocks: tuple[int, ...] = ()  # "conv": residual blocks at each of these
    dim: int = 1024
    depth: int = 24
    heads: int = 16
    features: tuple[int, ...] = (6, 12, 18, 24)  # feature maps are taken after these blocks
    class_token: bool = True
    position_grid: int = 37  # learned positions per axis (rows alone with latitude_positions)
    layer_scale: float = 1e-5  # its value at the start of training

    # Spherical cross-attention and decoder
    hidden: int = 512
    cross_heads: int = 8
    embedding_dim: int = 512  # multiple of 4; the released network has embedding_dim == hidden
    decoder: tuple[int, ...] = (512, 512, 256, 128)  # channels at 1×, 2×, 4×, 8× the token grid
    decoder_units: int = 2  # residual units per level
    head: tuple[int, ...] = (64, 32)  # channels before and after the last 3×3 convolution

    # Behaviour; the defaults are the released network's
    sphere_extent: tuple[float, float] = (6.2832, 3.1416)  # its 2π and π (released embedding only)
    wrap_padding: bool = False  # convolutions and resizes see across the left-right seam
    periodic_embedding: bool = False  # whole multiples of the angles, at patch centres
    azimuth_free_embedding: bool = False  # ... of the latitude alone; place then comes by the bias
    latitude_positions: bool = False  # learned positions by token row only
    great_circle_bias: bool = False  # attention bias by great-circle distance, per head
    sphere_attention: bool = True  # False: no E_sphere; the blocks after the backbone are MLPs
    sky_head: bool = False  # a second output: sky logit
    depths: int = 1  # that a pixel holds; of 2 the likelier is the output, so edges are no averages

    def __post_init__(self) -> None:
        for name, value in check_fields(self, "model config").items():
            object.__setattr__(self, name, value)  # JSON has no tuples
        self._check_values()

    def _check_values(self) -> None:
        find_named("backbone", self.backbone, BACKBONES)
        self.check_size(self.size)
        sizes = [self.dim, self.depth, self.heads, self.position_grid, self.hidden]
        sizes += [self.cross_heads, self.embedding_dim, *self.stem_widths]
        widest = max(*sizes, *self.decoder, *self.head)
        weights = 12 * self.depth * self.dim**2
        blocks = [0, self.decoder_units, *self.stem_blocks]
        rising = [0, *self.features] == sorted({0, *self.features}) and len(self.features) == 4
        periodic = self.periodic_embedding or not self.azimuth_free_embedding
        checks = {
            "sizes and numbers of heads must be positive": all(s > 0 for s in sizes),
            f"depth must be at most {MOST_DEPTH}": self.depth <= MOST_DEPTH,
            f"blocks in a row must be at most {MOST_DEPTH}": max(blocks) <= MOST_DEPTH,
            f"sizes of layers must be at most {MOST_WIDTH:,}": widest <= MOST_WIDTH,
            f"a network has at most {MOST_WEIGHTS:,} weights": weights <= MOST_WEIGHTS,
            "dim must be a multiple of heads": self.dim % max(1, self.heads) == 0,
            "hidden must be a multiple of cross_heads": self.hidden % max(1, self.cross_heads) == 0,
            "features must be four rising block numbers, at most depth": rising
            and self.features[-1] <= self.depth,
            "embedding_dim must be a multiple of 4": self.embedding_dim % 4 == 0,
            "decoder must be four channel counts": len(self.decoder) == 4 and min(self.decoder) > 0,
            "depths must be 1 or 2": self.depths in (1, 2),
            "head must be two channel counts": len(self.head) == 2 and min(self.head) > 0,
            "sphere_extent must be two numbers": len(self.sphere_extent) == 2,
            "azimuth_free_embedding needs periodic_embedding": periodic,
        }
        if rule := self.backbone_class.rule(self.backbone_options):
            checks[rule] = False
        for rule, holds in checks.items():
            if not holds:
                raise ConfigError(f"model config {self.name!r}: {rule}")

    @property
    def backbone_class(self) -> type[Backbone]:
        """The class that `backbone` names."""
        return BACKBONES[self.backbone]

    @property
    def backbone_options(self) -> BackboneOptions:
        """What it is built with."""
        widths, blocks = self.stem_widths, self.stem_blocks
        return BackboneOptions(self.dim, self.wrap_padding, widths, blocks, self.layer_scale)

    @property
    def step(self) -> int:
        """What the sides of a picture must be multiples of [px]."""
        return self.backbone_class.STEP

    @property
    def stride(self) -> int:
        """Pixels per token and axis."""
        return self.backbone_class.STRIDE

    def grid(self, size: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of tokens of a picture of `size` (h, w)."""
        return size[0] // self.stride, size[1] // self.stride

    def check_size(self, size: Sequence[int]) -> tuple[int, int]:
        """`size` (h, w) again. Raises ConfigError if it does not fit; see `check_steps`."""
        return check_steps(size, self.step, self.size, self.name)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelConfig:
        """Read plain JSON or TOML values. Raises ConfigError for an unknown key or a wrong type."""
        if isinstance(values, Mapping):  # `build` says what is wrong with anything else
            values = {OLD_NAMES.get(key, key): value for key, value in values.items()}
        return build(cls, values, "model config")

    @classmethod
    def from_json(cls, text: str) -> ModelConfig:
        """Inverse of `to_json`. Raises ConfigError when `text` is not such a JSON object."""
        try:
            values = parse_json(text)
        except DamageError as error:
            raise ConfigError(f"model config: {error}") from error
        return cls.from_dict(values)

    def to_dict(self) -> dict[str, Any]:
        """Plain values: numbers, strings, booleans and lists."""
        values = dataclasses.asdict(self)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(self.to_dict())


def _presets() -> dict[str, ModelConfig]:
    text = resources.files("panodepth.model").joinpath("presets.toml").read_text("utf-8")
    tables = tomllib.loads(text).items()
    return {name: ModelConfig.from_dict({"name": name, **values}) for name, values in tables}


PRESETS = _presets()


def find_preset(name: str) -> ModelConfig:
    """The preset of this name. Raises ConfigError naming the nearest one."""
    return find_named("model preset", name, PRESETS)
