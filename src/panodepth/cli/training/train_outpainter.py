"""`panodepth train-outpainter`: the LoRA of a learned out-painter, from a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from panodepth.cli.options import Quiet, Settings, run_training


def train_outpainter(
    recipe: Annotated[Path, Option(metavar="FILE", help="A recipe, e.g. recipes/outpainter.toml.")],
    settings: Settings = [],  # noqa: B006 - typer reads it, nobody writes it
    quiet: Quiet = False,
) -> None:
    """Teach an out-painting model panoramas (LoRA); goes on where run.out left off.

    The result, run.out/lora.safetensors, is for `panodepth curate --outpainter NAME --lora FILE`.
    """
    from panodepth.lab.training.outpainter.config import OutpainterConfig
    from panodepth.lab.training.outpainter.task import OutpainterTask
    from panodepth.lab.training.trainer import Trainer

    config = OutpainterConfig.load(recipe, settings)
    run_training(Trainer(OutpainterTask(config), quiet=quiet))
