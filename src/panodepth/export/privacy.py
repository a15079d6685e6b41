"""Files that say nothing of where they come from, and errors that do not say where they go."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from panodepth.errors import ConfigError, InputError, OutputError

if TYPE_CHECKING:
    from panodepth.types import Prediction

# What it takes to read a file: everything else is about the picture, the model and its use.
NEEDED = ("unit", "projection", "lens", "rotation_to_level")


def told(prediction: Prediction, metadata: object) -> Prediction:
    """The prediction itself, or, with `metadata` False, with no more than NEEDED in its meta.

    Raises ConfigError for another value.
    """
    if not isinstance(metadata, bool):
        raise ConfigError(f"metadata must be true or false, not {metadata!r}")
    if metadata:
        return prediction
    needed = {key: prediction.meta[key] for key in NEEDED if key in prediction.meta}
    return replace(prediction, meta=needed)


def told_by_name(prediction: Prediction) -> Prediction:
    """As `told` without metadata, but for the name, by which several are told apart."""
    name = {"name": prediction.meta["name"]} if "name" in prediction.meta else {}
    return replace(prediction, meta={**name, **told(prediction, False).meta})


@contextmanager
def without_folder(folder: str | Path) -> Iterator[None]:
    """Errors of files in a folder name the file alone, for those whom its path tells nothing."""
    try:
        yield
    except (InputError, OutputError) as error:
        text = str(error).replace(f"{folder}{os.sep}", "")
        raise type(error)(text) from error.__cause__
