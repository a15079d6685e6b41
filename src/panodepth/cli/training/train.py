"""`panodepth train`: a training run from a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from panodepth.cli.options import Quiet, Settings, run_training
from panodepth.strict import toml_text


def train(
    recipe: Annotated[Path, Option(metavar="FILE", help="A recipe, e.g. recipes/compact.toml.")],
    data: Annotated[
        list[str],
        Option(metavar="[KIND=]DIR", help="Your panoramas, in place of [[sources]]; repeat."),
    ] = [],  # noqa: B006 - typer reads it, nobody writes it
    held_out: Annotated[
        list[str],
        Option(metavar="[KIND=]DIR", help="Panoramas to measure on during the run; repeat."),
    ] = [],  # noqa: B006 - typer reads it, nobody writes it
    settings: Settings = [],  # noqa: B006 - typer reads it, nobody writes it
    init: Annotated[
        str | None,
        Option(
            metavar="MODEL", help="Start from: default, released, a hub id, a folder or a file."
        ),
    ] = None,
    cache: Annotated[Path | None, Option(help="Folder that keeps rendered panoramas.")] = None,
    quiet: Quiet = False,
) -> None:
    """Train from a recipe; continues where run.out left off. Many GPUs: accelerate launch."""
    from panodepth.lab.training.config import load_config
    from panodepth.lab.training.distance.task import DistanceTask
    from panodepth.lab.training.trainer import Trainer

    for key, folders in (("sources", data), ("held_out", held_out)):
        if folders:
            settings = [f"{key}=[{', '.join(map(_table, folders))}]", *settings]
    start = None
    if init is not None:
        from panodepth.predict.models import find_model

        start = find_model(init)[1]
    if cache is not None:
        settings = [*settings, f"data.cache={toml_text(str(cache))}"]
    run_training(Trainer(DistanceTask(load_config(recipe, settings), init=start), quiet=quiet))


def _table(text: str) -> str:
    """A table of a recipe. text: [KIND=]DIR."""
    from panodepth.lab.data.registry import SOURCES, kind_of
    from panodepth.lab.data.source import named_path
    from panodepth.strict import find_named

    kind, path = named_path(text)
    if kind is not None:
        find_named("kind of --data", kind, SOURCES)
    return f'{{kind="{kind or kind_of(path)}", path={toml_text(str(Path(path)))}}}'
