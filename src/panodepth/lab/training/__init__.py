"""Training: `train("recipes/compact.toml")` from Python, `panodepth train` from the command line.

It needs torch, accelerate and NumPy; nothing of the command line, of meshes or of OpenEXR.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from panodepth.lab.evaluation.worlds import Renderer
    from panodepth.lab.training.config import TrainConfig
    from panodepth.lab.training.trainer import TrainResult


def train(
    recipe: str | Path | TrainConfig,
    settings: Sequence[str] = (),
    *,
    init: str | Path | None = None,
    renderer: Renderer | None = None,
) -> TrainResult:
    """Train from a recipe, resuming from `run.out` when it holds a checkpoint.

    settings: such as "optim.lr=5e-4", applied on top of a recipe's file. init: a model file to
    start from, with a fresh optimiser; not used on resuming. renderer: a function like
    `panodepth.lab.worlds.render_batch` (the default). Raises PanodepthError subclasses.
    """
    from panodepth.lab.training.config import TrainConfig, load_config
    from panodepth.lab.training.distance.task import DistanceTask
    from panodepth.lab.training.trainer import Trainer

    config = recipe if isinstance(recipe, TrainConfig) else load_config(recipe, settings)
    start = None if init is None else Path(init)
    return Trainer(DistanceTask(config, renderer=renderer, init=start)).run()
