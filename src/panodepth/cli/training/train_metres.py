"""`panodepth train-metres`: the network that tells metres, from a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from panodepth.cli.options import Quiet, Settings, run_training


def train_metres(
    recipe: Annotated[Path, Option(metavar="FILE", help="A recipe, e.g. recipes/metres.toml.")],
    settings: Settings = [],  # noqa: B006 - typer reads it, nobody writes it
    quiet: Quiet = False,
) -> None:
    """Train what `predict --scale learned` uses; continues where run.out left off."""
    from panodepth.lab.training.metres.config import MetresRecipe
    from panodepth.lab.training.metres.task import MetresTask
    from panodepth.lab.training.trainer import Trainer

    config = MetresRecipe.load(recipe, settings)
    run_training(Trainer(MetresTask(config), quiet=quiet))
