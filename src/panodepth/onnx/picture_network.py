"""A network with its picture and its scale inside, as the module that is exported."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from panodepth.geometry.resizing import resize_erp, with_whole
from panodepth.model import SphereViT
from panodepth.model.distance import SCALE_QUANTILE

Layout = Literal["float", "uint8"]
SURE_LOGIT = 8.0  # as in `predict.larger`
QUERIES_AT_ONCE = 512  # rows of attention's score matrix that exist at a time


class PictureNetwork(nn.Module):
    """One picture of one size in; scale-invariant distance, and sky logit if there is one, out."""

    def __init__(self, network: SphereViT, size: tuple[int, int], layout: Layout) -> None:
        """network: float32, on the CPU, in eval mode; size: (h, w) of the picture."""
        super().__init__()
        self.network, self.layout = network, layout
        self.pixels = size[0] * size[1]
        self.memory = network.memory_for(size)
        own = network.config.size
        self.own = own if network.config.wrap_padding and size[0] > own[0] else None
        self.own_memory = None if self.own is None else network.memory_for(self.own)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """image: (1, 3, h, w) float32 in [0, 1], or (1, h, w, 3) uint8, sRGB-coded RGB.

        Returns (distance,) or (distance, sky_logit), (1, h, w) float32 each; the 0.98 quantile of
        the distance over all pixels with sky_logit <= 0 (all pixels where there is none) is 1.
        """
        if self.layout == "uint8":
            image = image.permute(0, 3, 1, 2).float() * (1 / 255)
        log_distance, sky_logit = self._seen(image)
        distance = log_distance.exp()
        if sky_logit is None:
            return (distance / top_quantile(distance.flatten(), self.pixels),)
        surface = sky_logit <= 0
        total = surface.sum()
        only_sky = total == 0  # then every pixel counts
        # Zeros sort behind all distances, so the largest `total` values are those of surfaces.
        counted = torch.where(surface | only_sky, distance, 0.0).flatten()
        total = torch.where(only_sky, self.pixels, total)
        return distance / top_quantile(counted, self.pixels, total), sky_logit

    def _seen(self, image: Tensor) -> tuple[Tensor, Tensor | None]:
        """Log distance and sky logit (1, h, w) of a picture (1, 3, h, w).

        At more pixels than the network's own it looks twice, as `predict --size` does.
        """
        large = self.network(image, self.memory)
        if self.own is None:
            return large.log_distance, large.sky_logit
        small = self.network(resize_erp(image, self.own).clip(0, 1), self.own_memory)
        log_distance = with_whole(large.log_distance, small.log_distance)
        if large.sky_logit is None or small.sky_logit is None:
            return log_distance, None
        skies = (x.clip(-SURE_LOGIT, SURE_LOGIT) for x in (large.sky_logit, small.sky_logit))
        return log_distance, with_whole(*skies)


def top_quantile(values: Tensor, count: int, total: Tensor | None = None) -> Tensor:
    """() linear-interpolated SCALE_QUANTILE of the `total` largest of (count,) values >= 0.

    total: () int64 in [1, count], None = count. Only the largest 2 % are sorted (TopK).
    """
    needed = min(count, math.ceil((1 - SCALE_QUANTILE) * (count - 1)) + 2)
    top = values.topk(needed).values
    last = (torch.tensor(count) if total is None else total) - 1
    # TopK sorts falling, the quantile counts rising: place p from below is `last` - p from above.
    place = last.float() * SCALE_QUANTILE
    low = place.floor()
    below = last - low.long()
    above = (below - 1).clamp(min=0)
    a, b = top.index_select(0, torch.stack([below, above])).unbind()
    return a + (b - a) * (place - low)


class ForExport(TorchFunctionMode):
    """Inside this context shapes are plain numbers, and attention goes by blocks of queries.

    Without it the exporter would record how each shape was computed, and write attention as one
    product of all queries with all keys: 0.6 GB of scores for 546×1092 pixels in `large`.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is F.scaled_dot_product_attention:
            return attention_in_parts(*args, **(kwargs or {}))
        result = func(*args, **(kwargs or {}))
        if func == Tensor.shape.__get__:  # type: ignore[attr-defined]
            return torch.Size(int(side) for side in result)
        return int(result) if func is Tensor.__len__ else result


def attention_in_parts(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None = None) -> Tensor:
    """softmax(q kᵀ / √d + mask) v.

    q: (B, heads, N, d); k, v: (B, heads, M, d); attn_mask: (1 or B, heads, N, M) or None.
    Returns (B, heads, N, d).
    """
    count, width = q.shape[-2], q.shape[-1]
    q, keys = q * width**-0.5, k.transpose(-1, -2)
    parts = []
    for start in range(0, count, QUERIES_AT_ONCE):
        rows = min(QUERIES_AT_ONCE, count - start)
        # Of a short sequence everything is one part: no slice is written.
        scores = (q if rows == count else q.narrow(-2, start, rows)) @ keys
        if attn_mask is not None:
            scores = scores + (attn_mask if rows == count else attn_mask.narrow(-2, start, rows))
        parts.append(scores.softmax(-1) @ v)
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-2)
