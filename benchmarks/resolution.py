"""Print what a network's working size alone costs: `python benchmarks/resolution.py`.

The true log distance of rendered worlds of the validation seed (256×512) is brought to each size
and back, bilinearly over what is not sky, and scored like a prediction: mean AbsRel of the images.
"""

from __future__ import annotations

import argparse

import torch
import torch.nn.functional as F

from panodepth.lab.worlds import render_batch

SEED = 1_000_000  # validation worlds
HEIGHT = 256
SIZES = (84, 126, 182, 252)


def floor(distance: torch.Tensor, sky: torch.Tensor, height: int) -> float:
    """AbsRel of (B, H, W) distance that was stored at `height` rows; sky (B, H, W) is left out."""
    weight = (~sky).float()[:, None]
    log = torch.where(sky, 1.0, distance).log()[:, None] * weight
    down = {"size": (height, 2 * height), "mode": "bilinear", "antialias": True}
    small = F.interpolate(log, **down) / F.interpolate(weight, **down).clamp_min(1e-6)
    back = F.interpolate(small, log.shape[-2:], mode="bilinear").exp()[:, 0]
    error = torch.where(sky, 0.0, (back - distance).abs() / distance.clamp_min(1e-6))
    return float((error.sum((1, 2)) / (~sky).sum((1, 2))).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=24, help="worlds of each kind")
    chosen = parser.parse_args()
    for kind in ("indoor", "outdoor"):
        scene = render_batch(SEED, range(chosen.count), HEIGHT, 2 * HEIGHT, kind=kind)
        for height in SIZES:
            value = floor(scene.distance, scene.sky, height)
            print(f"{kind:8} {height}x{2 * height}: AbsRel {value:.4f}")


if __name__ == "__main__":
    main()
