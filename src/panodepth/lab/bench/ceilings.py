"""What the machine can do at best: matrix products of a network's own shapes, and memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from panodepth.lab.bench.clock import Effort, best_seconds, timed
from panodepth.model import ModelConfig
from panodepth.model.fast.packed import PackedLinear, packing_works

QUERY_ROWS = 512  # of attention's products at a time, so that no (N, N) matrix is made
REPEATED_S = 0.03  # of a product beside routes: neither the clock nor the launch counts
COPY_BYTES = {"cpu": 2**28, "mps": 2**28, "cuda": 2**30}  # beyond any cache


@dataclass(frozen=True)
class Product:
    """`count` products (rows × inner) (inner × columns) at once."""

    what: str
    count: int
    rows: int
    inner: int
    columns: int

    @property
    def flops(self) -> int:
        """A multiply-add counts as two operations."""
        return 2 * self.count * self.rows * self.inner * self.columns

    @property
    def shape(self) -> str:
        """For people."""
        text = f"{self.rows}×{self.inner}·{self.inner}×{self.columns}"
        return text if self.count == 1 else f"{self.count} of {text}"


@dataclass(frozen=True)
class Ceiling:
    """The best rate among the products of one network in one precision.

    rates: FLOP/s per kind of product. best: the highest of them; product: where it was reached.
    """

    preset: str
    precision: str
    rates: dict[str, float]
    product: Product

    @property
    def shape(self) -> str:
        """Of that product, for people."""
        return self.product.shape

    def raised(self, rate: float) -> Ceiling:
        """This one, or with the rate [FLOP/s] of its product where that is higher."""
        what = self.product.what
        return replace(self, rates={**self.rates, what: max(rate, self.rates[what])})

    def beside(self, device: torch.device) -> tuple[Callable[[], None], int]:
        """A call that repeats the product for about REPEATED_S, and its FLOP.

        Timed in turn with routes it tells what the machine could do at that very time.
        """
        ways = _ways(self.product, device, getattr(torch, self.precision))
        call = min(ways, key=lambda way: min(timed(way, device) for _ in range(3)))
        count = max(1, math.ceil(REPEATED_S * self.best / self.product.flops))

        def repeated() -> None:
            for _ in range(count):
                call()

        return repeated, count * self.product.flops

    @property
    def best(self) -> float:
        """FLOP/s."""
        return max(self.rates.values())


@dataclass(frozen=True)
class Bandwidth:
    """Bytes per second of two passes over `size` bytes of float32, far more than caches hold.

    copy: b = a counts one read and one write; triad: c = a + s·b two reads and one write. What
    the processor reads before it overwrites a line is not counted.
    """

    size: int
    copy: float
    triad: float


def tokens_of(config: ModelConfig) -> int:
    """Tokens of one image at the network's own size."""
    return math.prod(config.grid(config.size)) + int(config.class_token)


def products(config: ModelConfig, batch: int = 1) -> list[Product]:
    """The backbone's products for `batch` images; they are nearly all of a large network's."""
    tokens, dim, heads = tokens_of(config), config.dim, config.heads
    rows, width = batch * tokens, config.dim // config.heads
    block = min(tokens, QUERY_ROWS)
    return [
        Product("qkv", 1, rows, dim, 3 * dim),
        Product("attention out", 1, rows, dim, dim),
        Product("mlp in", 1, rows, dim, 4 * dim),
        Product("mlp out", 1, rows, 4 * dim, dim),
        Product("q kᵀ", batch * heads, block, width, tokens),
        Product("p v", batch * heads, block, tokens, width),
    ]


def measure_ceiling(
    config: ModelConfig,
    precision: str,
    batches: Iterable[int],
    device: torch.device,
    effort: Effort,
) -> Ceiling:
    """The best rate over the network's products, each by the fastest way torch has for it.

    precision: a torch dtype's name. batches: numbers of images whose products are tried.
    """
    dtype = getattr(torch, precision)
    rates: dict[str, float] = {}
    fastest: tuple[float, Product | None] = (0.0, None)
    with torch.inference_mode():
        for product in (p for batch in batches for p in products(config, batch)):
            calls = _ways(product, device, dtype)
            rate = product.flops / min(best_seconds(call, device, effort) for call in calls)
            rates[product.what] = max(rate, rates.get(product.what, 0.0))
            if rate > fastest[0]:
                fastest = rate, product
    assert fastest[1] is not None
    return Ceiling(config.name, precision, rates, fastest[1])


def _ways(
    product: Product, device: torch.device, dtype: torch.dtype
) -> list[Callable[[], torch.Tensor]]:
    a = torch.randn(product.count, product.rows, product.inner, device=device).to(dtype)
    if product.count > 1:
        b = torch.randn(product.count, product.inner, product.columns, device=device).to(dtype)
        out = torch.empty(product.count, product.rows, product.columns, device=device, dtype=dtype)
        return [lambda: torch.bmm(a, b, out=out)]
    weight = torch.randn(product.columns, product.inner, device=device).to(dtype)
    ways: list[Callable[[], torch.Tensor]] = [lambda: F.linear(a[0], weight)]
    if device.type == "cpu" and packing_works(dtype):
        packed = PackedLinear(weight, None, product.rows)
        ways.append(lambda: packed(a))
    return ways


def measure_bandwidth(device: torch.device, effort: Effort) -> Bandwidth:
    """By a copy and a triad of float32 vectors."""
    size = COPY_BYTES[device.type]
    a, b, c = (torch.ones(size // 4, device=device) for _ in range(3))
    copy = best_seconds(lambda: b.copy_(a), device, effort)
    triad = best_seconds(lambda: torch.add(a, b, alpha=0.5, out=c), device, effort)
    return Bandwidth(size, 2 * size / copy, 3 * size / triad)
