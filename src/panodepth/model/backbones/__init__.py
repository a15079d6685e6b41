"""Backbones by the name that `ModelConfig.backbone` has; a new one is a file and a line here."""

from __future__ import annotations

from panodepth.model.backbones.base import Backbone, BackboneOptions
from panodepth.model.backbones.conv import ConvBackbone
from panodepth.model.backbones.lite import Lite0, Lite2
from panodepth.model.backbones.patch import PatchBackbone

BACKBONES: dict[str, type[Backbone]] = {
    "patch": PatchBackbone,
    "conv": ConvBackbone,
    "lite0": Lite0,
    "lite2": Lite2,
}

__all__ = ["BACKBONES", "Backbone", "BackboneOptions"]
