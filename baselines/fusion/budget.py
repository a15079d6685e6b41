"""One budget for two networks: what the perspective and the end-to-end model are trained with.

The same worlds, number of steps, images a world, times each is seen, pixels a step, optimiser,
schedule, average and precision. A step has `worlds` new worlds; end to end each gives one panorama
of size × 2 size, in perspective two square views of 90°: the same number of pixels and tokens. The
default is the budget of every row of docs/ablations.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from panodepth.training.config import AugmentConfig, OptimConfig, TrainConfig, load_config

RECIPE = Path(__file__).parents[2] / "recipes" / "ablations" / "full.toml"
VIEWS = 2  # of each world: together as many pixels as its panorama
OPTIM = OptimConfig(kind="muon", lr=2e-3, warmup=40, schedule="trapezoid", cooldown=0.4, ema=0.98)
# Views are mirrored and recoloured as panoramas are; what turns a sphere, or lies at its poles or
# its seam, has no counterpart.
VIEW_AUGMENT = AugmentConfig(roll=False, tilt=0.0, blur=0.0, nadir=0.0)


@dataclass(frozen=True)
class Budget:
    """steps, each of `worlds` new worlds, whose images are seen `reuse` times in all.

    size: pixels a side of a view, and rows of a panorama. seed: of the scenes and of the weights'
    first values. device: renders and trains.
    """

    steps: int = 250
    preset: str = "compact"
    size: int = 84
    worlds: int = 8
    reuse: int = 2
    seed: int = 0
    device: str = "cpu"
    save_every: int = 100


def end_to_end_config(budget: Budget, out: Path) -> TrainConfig:
    """The recipe of the ablations' first row within the budget. Raises ConfigError."""
    values = {
        "network.preset": budget.preset,
        "data.height": budget.size,
        "data.width": 2 * budget.size,
        "data.batch": budget.worlds * budget.reuse,
        "data.reuse": budget.reuse,
        "data.chunk": 32 * budget.worlds,
        "data.workers": 0,
        "data.render_device": budget.device,
        "data.seed": budget.seed,
        "run.seed": budget.seed,
        "run.steps": budget.steps,
        "run.device": budget.device,
        "run.out": str(out),
        "run.save_every": budget.save_every,
        "run.tensorboard": False,
        "run.preview_every": 0,
        "run.validate_every": 0,
        "run.validate_count": 0,
    }
    for key in ("kind", "lr", "warmup", "schedule", "cooldown", "ema"):
        values[f"optim.{key}"] = getattr(OPTIM, key)
    return load_config(RECIPE, [f"{key}={json.dumps(value)}" for key, value in values.items()])
