"""Print how long one panorama takes: end to end, and by the fusion of twelve views.

    python benchmarks/fusion.py [--preset compact|large|...] [--device cpu] [--repeats 3]

The same backbone on the same machine with random weights: speed alone. Fusion is timed in its parts
(cutting the views, the network, merging). --repeats 1 leaves the networks' warm-up out too: the
large one takes minutes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from panodepth.model import SphereViT, find_preset
from panodepth.predict.torch_backend import TorchPredictor
from panodepth.types import FloatArray

sys.path.insert(0, str(Path(__file__).parents[1] / "baselines" / "fusion"))

import fusion
from icosahedron import merge_views, view_lens, view_rotations

HEIGHT, WIDTH = 512, 1024
T = TypeVar("T")
VIEW_SIZES = {"compact": 126, "large": 518}  # [px]; 518 is what the backbone was pretrained at


def timed(call: Callable[[], T], repeats: int, *, warm: bool = True) -> tuple[float, T]:
    """The least wall time of `repeats` calls [s], and the last one's result.

    warm: one more call comes before.
    """
    times = []
    for _ in range(repeats + warm):
        started = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - started)
    return min(times[-repeats:]), result


def end_to_end(preset: str, device: str, image: FloatArray, repeats: int) -> float:
    """Seconds for one panorama; prints them."""
    torch.manual_seed(0)
    whole = TorchPredictor(SphereViT(find_preset(preset)).to(device))
    seconds, _ = timed(lambda: whole.predict(image, sky="none"), repeats, warm=repeats > 1)
    size = "×".join(map(str, whole.size))
    print(f"end to end at {size}: {seconds:.3f} s", flush=True)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--preset", default="compact")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--view-size", type=int, default=0, help="pixels a side, multiple of 14")
    chosen = parser.parse_args()
    repeats, preset, device = max(1, chosen.repeats), chosen.preset, chosen.device
    view = chosen.view_size or VIEW_SIZES.get(preset, find_preset(preset).size[0])
    image = np.random.default_rng(0).uniform(size=(HEIGHT, WIDTH, 3)).astype(np.float32)
    print(f"{preset}, {HEIGHT}×{WIDTH}, {device}, {torch.get_num_threads()} threads", flush=True)
    one = end_to_end(preset, device, image, repeats)

    twelve = fusion.Predictor(weights="random", preset=preset, size=view, device=device)
    planes = torch.from_numpy(image).permute(2, 0, 1).contiguous()
    lens, turns = view_lens(view), view_rotations()
    predict = twelve.network.log_distance
    cut, views = timed(lambda: twelve.views(planes), repeats)
    network, logs = timed(lambda: predict(views), repeats, warm=repeats > 1)
    merge, _ = timed(lambda: merge_views(logs, lens, turns, HEIGHT), repeats)
    total = cut + network + merge
    print(f"fusion of 12 views {view}×{view}: {total:.3f} s, {total / one:.1f} times as long")
    print(f"  cut {cut:.3f} s, network {network:.3f} s, merge {merge:.3f} s;", end=" ")
    print(f"the network alone {network / one:.1f} times as long")


if __name__ == "__main__":
    main()
