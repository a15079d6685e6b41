"""Print how long one panorama takes: end to end, and by the fusion of twelve views.

    python benchmarks/fusion.py [--preset compact|large|...] [--device cpu] [--repeats 3]

The same backbone on the same machine with random weights: speed alone. Fusion's parts (cutting the
views, the network, merging) are timed apart.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from panodepth.inference.predictor import Predictor
from panodepth.model import SphereViT, find_preset

sys.path.insert(0, str(Path(__file__).parents[1] / "baselines" / "fusion"))

import fusion
from icosahedron import view_intrinsics, view_rotations
from merging import merge_views

HEIGHT, WIDTH = 512, 1024
VIEW_SIZES = {"compact": 126, "large": 518}  # [px]; 518 is what the backbone was pretrained at


def timed(call: Callable[[], object], repeats: int) -> float:
    """The least wall time of `repeats` calls after one that warms up [s]."""
    call()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--preset", default="compact")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--view-size", type=int, default=0, help="pixels a side, multiple of 14")
    chosen = parser.parse_args()
    view = chosen.view_size or VIEW_SIZES.get(chosen.preset, find_preset(chosen.preset).size[0])
    image = np.random.default_rng(0).uniform(size=(HEIGHT, WIDTH, 3)).astype(np.float32)

    torch.manual_seed(0)
    model = SphereViT(find_preset(chosen.preset)).to(chosen.device)
    whole = Predictor(model)
    one = timed(lambda: whole.predict(image, sky="none"), chosen.repeats)
    size = "×".join(map(str, whole.size))
    print(f"{chosen.preset}, {HEIGHT}×{WIDTH}, {chosen.device}, {torch.get_num_threads()} threads")
    print(f"end to end at {size}:          {one:8.3f} s")

    options = {"weights": "random", "preset": chosen.preset, "size": view}
    twelve = fusion.Predictor(**options, device=chosen.device)
    all_of_it = timed(lambda: twelve.predict(image), chosen.repeats)
    planes = torch.from_numpy(image).permute(2, 0, 1).contiguous()
    cut = twelve.views(planes)
    logs = twelve.network.log_distance(cut)
    lens, turns = view_intrinsics(view), view_rotations()
    parts = {
        "cut": timed(lambda: twelve.views(planes), chosen.repeats),
        "network": timed(lambda: twelve.network.log_distance(cut), chosen.repeats),
        "merge": timed(lambda: merge_views(logs, lens, turns, HEIGHT), chosen.repeats),
    }
    shown = ", ".join(f"{name} {seconds:.3f}" for name, seconds in parts.items())
    times = all_of_it / one
    print(f"fusion of 12 views {view}×{view}: {all_of_it:8.3f} s ({shown}), {times:.1f} times")


if __name__ == "__main__":
    main()
