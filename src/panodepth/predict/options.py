"""How one panorama is predicted: every option, once.

`predict` and `predict_batch` take the fields of `PredictOptions` as keywords, a run over many files
inherits them, and `panodepth predict` makes a command-line option of each. So a new option is one
field here and its use in one stage of `predictor`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from panodepth.errors import ConfigError
from panodepth.options import option
from panodepth.predict.lenses.options import LensOptions
from panodepth.size import Size, parse_size

SKY_MODES = ("auto", "none")


@dataclass(frozen=True, kw_only=True)
class PredictOptions(LensOptions):
    """Options of one prediction. Raises ConfigError for values that cannot be.

    size: (height, width) the network runs at, multiples of its step; None = the model's own.
    allow_any_aspect: take an image that is not 2:1 for a full sphere all the same, stretched.
    camera_height: from the floor to the camera [m], > 0; distances are then metres. None = relative
        distances.
    sky: "auto" clears sky from the mask, "none" takes every pixel for a surface.
    """

    size: Size | None = option(
        None, "Network size; else the model's own.", metavar="HxW", parser=parse_size
    )
    allow_any_aspect: bool = option(False, "Take a picture that is not 2:1 for 360°.")
    camera_height: float | None = option(
        None, "Scale to metres by the floor below.", metavar="METRES", min=0.01
    )
    sky: str = option("auto", "auto masks the sky out, none does not.")

    def __post_init__(self) -> None:
        if self.sky not in SKY_MODES:
            raise ConfigError(f"unknown --sky {self.sky!r}: use {' or '.join(SKY_MODES)}")
        height = self.camera_height
        if height is not None and not (math.isfinite(height) and height > 0):
            raise ConfigError(f"camera height must be a positive number of metres: {height}")

    @property
    def has_lens(self) -> bool:
        """Whether any option says how the picture was taken or is to be seen."""
        return any(getattr(self, f.name) != f.default for f in fields(LensOptions))
