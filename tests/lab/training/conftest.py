"""A renderer of empty box rooms and the smallest network, so that whole runs take a second."""

from types import SimpleNamespace

import pytest
import torch

from panodepth.geometry.grid import erp_rays
from panodepth.lab.training.config import config_from_dict

NETWORK = {
    "preset": "compact",
    "overrides": {
        "stem_widths": [8, 8, 16],
        "stem_blocks": [1, 1, 1],
        "dim": 16,
        "depth": 4,
        "heads": 2,
        "features": [1, 2, 3, 4],
        "hidden": 16,
        "cross_heads": 2,
        "decoder": [16, 8, 8, 8],
        "head": [4, 4],
    },
}


def render_boxes(seed, indices, height, width, *, kind="mixed", device="cpu", priors=None):
    """Coloured boxes, without a ceiling when outdoor; a function of (seed, index)."""
    rays = erp_rays(height, width, dtype=torch.float32)
    images, distances, skies = [], [], []
    for index in indices:
        g = torch.Generator().manual_seed(1_000_003 * seed + index)
        outdoor = kind == "outdoor" or (kind == "mixed" and index % 3 == 0)
        half = 1.0 + 3.0 * torch.rand(3, generator=g)
        reach, face = (half / rays.abs().clamp_min(1e-6)).min(dim=-1)
        sky = (face == 1) & (rays[..., 1] < 0) if outdoor else torch.zeros(height, width).bool()
        colour = torch.rand(3, 3, generator=g)[face] / reach[..., None].clamp_min(1.0)
        colour = torch.where(sky[..., None], torch.tensor([0.5, 0.7, 1.0]), colour)
        images.append(colour.permute(2, 0, 1))
        distances.append(torch.where(sky, 0.0, reach))
        skies.append(sky)
    sky = torch.stack(skies).to(device)
    return SimpleNamespace(
        image=torch.stack(images).to(device),
        distance=torch.stack(distances).to(device),
        sky=sky,
        valid=~sky,
    )


@pytest.fixture
def renderer():
    return render_boxes


@pytest.fixture
def make_config(tmp_path):
    """A config of a tiny run into tmp_path/run; keyword tables change single values."""

    def make(**tables):
        values = {
            "network": NETWORK,
            "data": {
                "height": 28,
                "width": 56,
                "batch": 4,
                "chunk": 8,
                "reuse": 2,
                "workers": 0,
                "render_batch": 4,
            },
            "optim": {"warmup": 2, "lr": 2e-3, "ema": 0.9},
            "run": {
                "out": str(tmp_path / "run"),
                "steps": 6,
                "device": "cpu",
                "precision": "fp32",
                "log_every": 1,
                "save_every": 100,
                "preview_every": 0,
                "validate_every": 0,
                "validate_count": 0,
                "tensorboard": False,
            },
        }
        for name, table in tables.items():
            values[name] = {**values.get(name, {}), **table}
        return config_from_dict(values)

    return make
