"""Exact softmax attention by three routes: torch's fused kernel, blocks of query rows, or at once.

On CPUs in bfloat16 the fused kernel leaves the matrix units half idle; products of a few hundred
query rows with all keys, a softmax in place and a second product give the same numbers in about
half the time (docs/performance.md), and with few keys and a bias so do two products without blocks.
Everywhere else, and for gradients, the fused kernel is taken.
"""

from __future__ import annotations

import torch
from torch import Tensor

from panodepth.model.layers import attention

BLOCK_ROWS = 256  # query rows at a time at most; 256 to 512 measured best for 3,043 tokens
BLOCK_ELEMENTS = 2**20  # of the scores of one block and thread: 2 MB, about a core's cache
MIN_KEYS = 512  # with fewer the fused kernel is as fast


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    """softmax(q kᵀ / √d + bias) v, heads side by side.

    q: (B, heads, N, d); k, v: (B, heads, M, d); bias: (1 or B, heads, N, M) or None.
    Returns (B, N, heads·d). Differentiable; the route is chosen by `prefers_products`.
    """
    if not prefers_products(q, k, v, bias):
        return attention(q, k, v, bias)
    return blocked(q, k, v) if bias is None else at_once(q, k, v, bias)


def prefers_products(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> bool:
    """Whether plain products are the faster route: bfloat16 on a CPU, no gradients.

    With many keys, and with few where there is a bias. q: (B, heads, N, d). k, v: (B, heads, M, d).
    bias: (1 or B, heads, N, M) or None.
    """
    fast = q.device.type == "cpu" and q.dtype == torch.bfloat16
    if not fast or (k.shape[-2] < MIN_KEYS) == (bias is None):
        return False
    given = (q, k, v) if bias is None else (q, k, v, bias)
    return not (torch.is_grad_enabled() and any(t.requires_grad for t in given))


def at_once(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """softmax(q kᵀ / √d + bias) v with all scores in memory; no gradients.

    q: (B, heads, N, d). k, v: (B, heads, M, d). bias: (1, heads, N, M). Returns (B, N, heads·d).
    """
    batch, heads, tokens, width = q.shape
    start = bias.to(q.dtype).expand(batch, -1, -1, -1).flatten(0, 1)
    q, k, v = (t.flatten(0, 1).contiguous() for t in (q, k, v))
    scores = torch.baddbmm(start, q, k.transpose(-1, -2), alpha=width**-0.5)
    out = torch.bmm(torch.softmax(scores, -1, out=scores), v)
    return out.view(batch, heads, tokens, width).transpose(1, 2).flatten(2)


def blocked(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q kᵀ / √d) v by blocks of query rows; no gradients.

    q: (B, heads, N, d); k, v: (B, heads, M, d). Returns (B, N, heads·d). Only one block of scores
    exists at a time, for as many heads as there are threads. Each head's rows are made contiguous
    first: a product would copy them anew for every block.
    """
    batch, heads, tokens, width = q.shape
    count = k.shape[-2]
    pieces = -(-tokens // BLOCK_ROWS)
    rows = -(-tokens // pieces)  # blocks of even height
    threads = torch.get_num_threads()
    group = min(batch * heads, threads * max(1, BLOCK_ELEMENTS // (rows * count)))
    q = (q * width**-0.5).reshape(-1, tokens, width).contiguous()
    k, v = (t.reshape(-1, count, width).contiguous() for t in (k, v))
    out = torch.empty_like(q)
    scratch = q.new_empty(group * rows * count)
    for first in range(0, batch * heads, group):
        here = slice(first, min(first + group, batch * heads))
        keys, values = k[here].transpose(-1, -2), v[here]
        for top in range(0, tokens, rows):
            block = q[here, top : top + rows]
            shape = (block.shape[0], block.shape[1], count)
            scores = scratch[: shape[0] * shape[1] * count].view(shape)
            torch.bmm(block, keys, out=scores)
            torch.softmax(scores, -1, out=scores)
            torch.bmm(scores, values, out=out[here, top : top + rows])
    return out.view(batch, heads, tokens, width).transpose(1, 2).flatten(2)
