"""SphereViT, its configuration, and its checkpoints."""

from panodepth.model.checkpoint import load_model, save_model
from panodepth.model.config import PRESETS, ModelConfig, find_preset
from panodepth.model.distance import scale_invariant_distance
from panodepth.model.fast.prepare import load_prepared, prepare
from panodepth.model.initialisation import InitReport, initialise, start_pretrained
from panodepth.model.spherevit import ModelOutput, SphereViT

__all__ = [
    "PRESETS",
    "InitReport",
    "ModelConfig",
    "ModelOutput",
    "SphereViT",
    "find_preset",
    "initialise",
    "load_model",
    "load_prepared",
    "prepare",
    "save_model",
    "scale_invariant_distance",
    "start_pretrained",
]
