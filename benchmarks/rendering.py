"""Rendered panoramas per second here: `python benchmarks/rendering.py [--processes 2]`.

Version 1 in three ways: one process, `--processes` of them with one thread each (how training
renders on CPUs), and the GPU where there is one. Then both versions in turn on one thread, by CPU
time. Worlds are built on the CPU in every case, and that is counted.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch

from panodepth.lab.worlds import Priors, render_batch
from panodepth.lab.worlds.priors import STATES

SIZES = ((128, 256), (256, 512))
BATCH = {"cpu": 16, "cuda": 64}
SEED = 1_000_000


def render(job: tuple[int, int, int, str, int]) -> float:
    """Seconds for `count` panoramas from `first` on, after a first batch that is not counted."""
    height, count, first, device, threads = job
    torch.set_num_threads(threads)
    batch = BATCH[device]
    render_batch(SEED, range(batch if device == "cuda" else 2), height, 2 * height, device=device)
    started = time.perf_counter()
    for start in range(first, first + count, batch):
        render_batch(SEED, range(start, start + batch), height, 2 * height, device=device)
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def on_processes(height: int, count: int, processes: int) -> float:
    """Panoramas per second of several processes that render side by side."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        jobs = [(height, count, k * count, "cpu", 1) for k in range(processes)]
        return processes * count / max(pool.map(render, jobs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=64, help="panoramas per measurement")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    count = max(16, options.count // 16 * 16)
    print(f"{os.cpu_count()} cores, torch {torch.__version__}, load {os.getloadavg()[0]:.1f}")
    for height, width in SIZES:
        threads = os.cpu_count() or 1
        rate = count / render((height, count, 0, "cpu", threads))
        print(f"{height}x{width}  1 process, {threads} threads: {rate:7.1f} panoramas/s")
        rate = on_processes(height, count, options.processes)
        print(f"{height}x{width}  {options.processes} processes, 1 thread each: {rate:7.1f}")
        if torch.cuda.is_available():
            print(f"{height}x{width}  {torch.cuda.get_device_name()}: {on_gpu(height, count):7.1f}")
    for version, rate in versions(SIZES[0][0], count).items():
        print(f"128x256  version {version}, 1 thread, in turn: {rate:7.1f} panoramas/CPU-s")


def on_gpu(height: int, count: int) -> float:
    """Panoramas per second on the first CUDA device."""
    count = max(256, count)
    return count / render((height, count, 0, "cuda", torch.get_num_threads()))


def versions(height: int, count: int) -> dict[int, float]:
    """Panoramas per CPU-second of each version, batches of one and the other in turn."""
    torch.set_num_threads(1)
    spent = dict.fromkeys(STATES, 0.0)
    for start in range(0, count, BATCH["cpu"]):
        for version in STATES:
            began = time.process_time()
            numbers = range(start, start + BATCH["cpu"])
            render_batch(SEED, numbers, height, 2 * height, priors=Priors(version=version))
            spent[version] += time.process_time() - began
    return {version: count / seconds for version, seconds in spent.items()}


if __name__ == "__main__":
    main()
