"""SphereViT, its configuration, and its checkpoints; first weights: `model.initialisation`."""

from panodepth.model.checkpoint import load_model, save_model
from panodepth.model.config import PRESETS, ModelConfig, find_preset
from panodepth.model.distance import scale_invariant_distance
from panodepth.model.fast.prepare import load_prepared, prepare
from panodepth.model.spherevit import ModelOutput, SphereViT

__all__ = [
    "PRESETS",
    "ModelConfig",
    "ModelOutput",
    "SphereViT",
    "find_preset",
    "load_model",
    "load_prepared",
    "prepare",
    "save_model",
    "scale_invariant_distance",
]
