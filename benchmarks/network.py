"""Time the fast route against the plain reference path, in turn: `python benchmarks/network.py`.

Plain: float32 weights under bfloat16 autocast with torch's attention. Fast: bfloat16 weights,
prepared. Random weights; --preset large takes about 4 GB and, on two cores, a few minutes.
"""

from __future__ import annotations

import argparse
import copy
import time

import torch

from panodepth.bench import network_flops, plain_forward
from panodepth.model import PRESETS, SphereViT, prepare


def timed(run) -> float:  # type: ignore[no-untyped-def]
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def best_rate(dim: int, tokens: int) -> float:
    """FLOP/s of bfloat16 products, the best over the network's linear shapes."""
    best = 0.0
    for inner, outer in ((dim, 3 * dim), (dim, dim), (dim, 4 * dim), (4 * dim, dim)):
        a, b = torch.randn(tokens, inner).bfloat16(), torch.randn(outer, inner).bfloat16()
        seconds = min(timed(lambda a=a, b=b: torch.nn.functional.linear(a, b)) for _ in range(5))
        best = max(best, 2 * tokens * inner * outer / seconds)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="large", choices=PRESETS)
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    config = PRESETS[arguments.preset]
    network = SphereViT(config).eval()
    fast = prepare(copy.deepcopy(network).bfloat16())
    image = torch.rand(1, 3, *config.size)
    flops = network_flops(config)

    def plain() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            plain_forward(network, image)

    times: dict[str, list[float]] = {"plain": [], "fast": []}
    with torch.inference_mode():
        rate = best_rate(config.dim, config.size[0] * config.size[1] // 196)
        for _ in range(arguments.repetitions):
            times["plain"].append(timed(plain))
            times["fast"].append(timed(lambda: fast(image)))
    best = {name: min(seconds) for name, seconds in times.items()}
    threads = torch.get_num_threads()
    print(f"{arguments.preset} {config.size}, {threads} threads, {flops / 1e9:.1f} GFLOP")
    print(
        f"matmul floor  {flops / rate:8.3f} s  {rate / 1e9:7.0f} GFLOP/s  packed: {fast.prepared}"
    )
    for name, seconds in best.items():
        speed, floors = flops / seconds / 1e9, seconds * rate / flops
        print(f"{name:12}  {seconds:8.3f} s  {speed:7.0f} GFLOP/s  {floors:.2f} floors")
    print(f"fast is {best['plain'] / best['fast']:.2f} times as fast")


if __name__ == "__main__":
    main()
