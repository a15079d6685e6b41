"""Patches as tokens: the backbone of DINOv2 and of the released DA² network."""

from __future__ import annotations

from torch import Tensor, nn

from panodepth.model.backbones.base import Backbone, BackboneOptions

PATCH = 14  # pixels per token and axis (DINOv2)


class PatchBackbone(Backbone):
    """One 14×14 convolution with stride 14; everything else is left to the transformer."""

    STEP = STRIDE = PATCH
    KEYS = "dinov2"

    def __init__(self, options: BackboneOptions) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, options.dim, PATCH, stride=PATCH)

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """image: (B, 3, H, W); returns tokens (B, N, dim), row by row, and no side features."""
        return self.patch(image).flatten(2).transpose(1, 2), []
