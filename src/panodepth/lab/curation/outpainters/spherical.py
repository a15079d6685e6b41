"""Where on the sphere a token is, as extra input channels of the transformer (DA², section 3.2).

The paper concatenates azimuth and polar angle to the image features. Channels that are concatenated
before a linear layer are a second linear layer added to it, which is what this module is: zero at
first, so that nothing changes until it is trained. Sine and cosine of both angles are given instead
of the angles, so that there is no step at the seam.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

CHANNELS = 4


class SphericalChannels(nn.Module):
    """Adds a linear function of a token's place to what `x_embedder` makes of the token.

    Before a call of the transformer `places` is set to (n, CHANNELS), one row per image token. (A
    forward hook gets the token's features alone, so the places cannot be passed along.)
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width, CHANNELS))
        self.places: Tensor | None = None

    def add(self, module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        """The forward hook of `x_embedder`; output: (B, n, width)."""
        assert self.places is not None
        # The features may be in lower precision than the weights: the sum is in theirs.
        places = self.places.to(self.weight.device, self.weight.dtype)
        return output + (places @ self.weight.T).to(output.dtype)


def attach(transformer: Any) -> SphericalChannels:
    """Give a diffusers FLUX transformer the extra channels, as its submodule `spherical`."""
    width = int(transformer.config.num_attention_heads * transformer.config.attention_head_dim)
    channels = SphericalChannels(width).to(next(transformer.parameters()).device)
    transformer.spherical = channels
    transformer.x_embedder.register_forward_hook(channels.add)
    return channels


def token_places(rows: int, columns: int, wrap: int) -> Tensor:
    """(rows * (columns + 2 wrap), 4): sine and cosine of a strip's longitudes and latitudes.

    Latitude is positive downwards, longitude 0 is the panorama's middle, as everywhere here.
    """
    lat = ((torch.arange(rows) + 0.5) / rows - 0.5) * math.pi
    # The strip runs over the seam at both ends; sine and cosine do not mind.
    lon = ((torch.arange(-wrap, columns + wrap) + 0.5) / columns - 0.5) * (2 * math.pi)
    down, across = torch.meshgrid(lat, lon, indexing="ij")
    return torch.stack((across.sin(), across.cos(), down.sin(), down.cos()), -1).flatten(0, 1)
