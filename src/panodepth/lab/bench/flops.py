"""How much arithmetic one panorama is; a multiply-add counts as two operations."""

from __future__ import annotations

from functools import cache

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from panodepth.model import ModelConfig, SphereViT
from panodepth.size import Size


@cache
def network_flops(config: ModelConfig, size: Size | None = None) -> int:
    """Floating-point operations in matrix products and convolutions for one image.

    size: (h, w), multiples of the config's step; None = the config's own. Keys and values of the
    sphere and tables of the great-circle bias are counted as if made for this image.
    """
    # Meta tensors have shapes and no values: the network runs, nothing is computed. The counter
    # knows attention as two products, not as the fused kernel of a CPU.
    attention_as_products = sdpa_kernel(SDPBackend.MATH)
    with torch.device("meta"), torch.no_grad(), attention_as_products:
        network = SphereViT(config).eval()
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, 3, *(size or config.size)))
    return int(counter.get_total_flops())
