"""Files that say nothing of where they come from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from panodepth.errors import ConfigError

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
