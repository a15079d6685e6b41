"""What loss terms are tried on."""

import torch

from panodepth.geometry.grid import erp_rays
from panodepth.lab.losses import Truth

H, W = 32, 64


def box_room(height: int = H, width: int = W, half: tuple[float, ...] = (2.0, 1.5, 3.0)):
    """Exact distance (H, W) from the centre of a box."""
    rays = erp_rays(height, width, dtype=torch.float64).abs()
    return (torch.tensor(half, dtype=torch.float64) / rays).amin(-1).float()


def random_batch(seed: int = 0, batch: int = 2):
    g = torch.Generator().manual_seed(seed)
    log_pred = torch.randn(batch, H, W, generator=g) + 2
    distance = torch.exp(torch.randn(batch, H, W, generator=g))
    sky = torch.rand(batch, H, W, generator=g) < 0.2
    unknown = torch.rand(batch, H, W, generator=g) < 0.2
    return log_pred, Truth(distance, ~sky & ~unknown, sky)
