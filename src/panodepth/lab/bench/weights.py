"""A checkpoint and a picture to measure with: the bundled model's weights, or random ones."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from panodepth.errors import ModelError
from panodepth.model import ModelConfig, SphereViT, load_model, save_model
from panodepth.predict.models import bundled_weights

BRANCH_SCALE = 0.2  # of each residual branch: all of them matter, and the sum stays of order one
LOG_SPREAD = 0.5  # standard deviation of the log-distance, about a room's
TRIAL_STEPS = (8, 16)  # size at which the spread is set, in steps of the backbone


def checkpoint_for(config: ModelConfig, folder: Path) -> tuple[Path, str]:
    """A float32 checkpoint of this network, and what is in it: "bundled" or "random" weights."""
    try:
        bundled = bundled_weights()
        if load_model(bundled).config == config:
            return bundled, "bundled"
    except ModelError:  # not shipped
        pass
    return save_model(random_network(config), folder / f"{config.name}.safetensors"), "random"


def random_network(config: ModelConfig) -> SphereViT:
    """A network whose every part shows in its result, so that a difference in one is seen.

    As made for training, LayerScale would hide the blocks, and small weights make every attention
    uniform. Here linear layers keep the variance, branches count by BRANCH_SCALE, and the result
    is scaled to LOG_SPREAD.
    """
    torch.manual_seed(0)
    network = SphereViT(config).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith(("scale_attention", "scale_mlp", "gamma")):
                parameter.fill_(BRANCH_SCALE)
        for module in network.modules():
            if isinstance(module, nn.Linear):
                module.weight *= module.in_features**-0.5 / module.weight.std()
        size = (TRIAL_STEPS[0] * config.step, TRIAL_STEPS[1] * config.step)
        spread = network.forward_raw(sample_picture(size))[0].std()
        network.head.out.weight *= LOG_SPREAD / spread.clamp(min=1e-6)
    return network


def sample_picture(size: tuple[int, int], batch: int = 1) -> Tensor:
    """(batch, 3, h, w) in [0, 1]: the same soft blobs of colour and a little noise, `batch` times.

    size: (h, w).
    """
    generator = torch.Generator().manual_seed(0)
    blobs = torch.rand(1, 3, 9, 18, generator=generator)
    soft = F.interpolate(blobs, size=size, mode="bicubic")
    noise = 0.05 * torch.randn(1, 3, *size, generator=generator)
    return (soft + noise).clamp(0, 1).expand(batch, -1, -1, -1).contiguous()
