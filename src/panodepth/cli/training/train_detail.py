"""`panodepth train-detail`: the network that makes distance maps sharp, from a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from panodepth.cli.options import Quiet, Settings, run_training


def train_detail(
    recipe: Annotated[Path, Option(metavar="FILE", help="A recipe, e.g. recipes/detail.toml.")],
    settings: Settings = [],  # noqa: B006 - typer reads it, nobody writes it
    quiet: Quiet = False,
) -> None:
    """Train what `predict --quality balanced` uses; continues where run.out left off."""
    from panodepth.lab.training.detail.config import DetailRecipe
    from panodepth.lab.training.detail.task import DetailTask
    from panodepth.lab.training.trainer import Trainer

    config = DetailRecipe.load(recipe, settings)
    run_training(Trainer(DetailTask(config), quiet=quiet))
