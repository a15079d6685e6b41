"""What a backbone is: a picture in; tokens, and finer features for the decoder, out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of sRGB-coded pixels in [0, 1]
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class BackboneOptions:
    """What a network's configuration asks of its backbone.

    dim: channels of a token. wrap: convolutions see across the left-right seam. widths, blocks:
    channels and number of blocks per level, for backbones that can be built in several sizes.
    layer_scale: first value of the factors on residual branches.
    """

    dim: int
    wrap: bool
    widths: tuple[int, ...] = ()
    blocks: tuple[int, ...] = ()
    layer_scale: float = 1e-5


class Backbone(nn.Module, ABC):
    """The base of every backbone; docs/architecture.md says how to add one.

    Class attributes: STEP: sides of a picture must be multiples of it [px]; STRIDE: pixels per
    token and axis, a divisor of STEP; MEAN, STD: per channel, what its pictures are normalised by;
    KEYS: the key map (`model/keys`) of published weights that it and the blocks can start from.
    side_widths: channels of the side features at 8, 4 and 2 times the token grid, or () for none.
    """

    STEP: ClassVar[int] = 14
    STRIDE: ClassVar[int] = 14
    MEAN: ClassVar[tuple[float, float, float]] = IMAGENET_MEAN
    STD: ClassVar[tuple[float, float, float]] = IMAGENET_STD
    KEYS: ClassVar[str] = ""
    side_widths: tuple[int, ...] = ()

    @classmethod
    def rule(cls, options: BackboneOptions) -> str:
        """What is wrong with the options, as a rule they break; "" where nothing is."""
        empty = not options.widths and not options.blocks
        return "" if empty else "stem_widths and stem_blocks must be empty with this backbone"

    def normalise(self, image: Tensor) -> Tensor:
        """(image - MEAN) / STD per channel. image: (B, 3, H, W), sRGB-coded in [0, 1]."""
        # Channel by channel, with plain numbers: a tensor of means would wait for the device.
        numbers = enumerate(zip(self.MEAN, self.STD, strict=True))
        channels = [(image[:, c] - mean) / std for c, (mean, std) in numbers]
        return torch.stack(channels, dim=1)

    @abstractmethod
    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Tokens and side features of a batch.

        image: (B, 3, H, W), normalised; sides multiples of STEP.
        Returns (B, N, dim) tokens, row by row, N = H/STRIDE · W/STRIDE, and the side features
        (B, C, h, w), as `side_widths` says, finest first.
        """

    @staticmethod
    def groups(depth: int) -> Sequence[tuple[str, ...]]:
        """Parameter names by their starts, from the picture to the head; for layer-wise decay.

        depth: number of transformer blocks behind the tokens. Names are those inside a
        `SphereViT`. What is in no group is trained like the decoder, at the full rate. By default
        the tokens with their positions come first, then each transformer block.
        """
        places = ("backbone.stem.", "backbone.positions", "backbone.class_token")
        blocks = [(f"backbone.blocks.{i}.",) for i in range(depth)]
        *before, last = [places, *blocks]
        return [*before, (*last, "backbone.norm.")]

    @classmethod
    def first_weights(cls) -> Path | None:
        """A .safetensors file with pretrained values of this module's parameters, or None.

        Raises ConfigError where it could be had and something is missing.
        """
        return None
