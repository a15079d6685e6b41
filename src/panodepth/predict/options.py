"""How one panorama is predicted: every option, once.

`predict` and `predict_batch` take the fields of `PredictOptions` as keywords, a run over many files
inherits them, and `panodepth predict` makes a command-line option of each. So a new option is one
field here and its use in one stage of `predictor`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from panodepth.errors import ConfigError
from panodepth.options import option
from panodepth.predict.extras.options import ExtraOptions, check_nadir, check_sky
from panodepth.predict.lenses.options import LensOptions
from panodepth.predict.metric.options import MetricOptions, check_metric
from panodepth.size import Size, parse_size
from panodepth.strict import settle

if TYPE_CHECKING:
    from panodepth.geometry.level.up import Up

SKY_MODES = ("auto", "none")
LEVEL_PASSES = {"none": 0, "auto": 1, "best": 3}  # further runs of the network at most
QUALITIES = ("fast", "standard", "balanced", "best")
LOOKS = {"fast": 1, "standard": 3, "balanced": 4, "best": 6}  # see `Request.looks`
SHARP = QUALITIES[2:]  # let the picture say where edges are


@dataclass(frozen=True, kw_only=True)
class PredictOptions(LensOptions, MetricOptions, ExtraOptions):
    """Options of one prediction. Raises ConfigError for values that cannot be.

    size: (height, width) the network runs at, multiples of its step; None = the model's own.
    allow_any_aspect: take an image that is not 2:1 for a full sphere all the same, stretched.
    level: what a tilted picture is turned by before it is predicted; results are as the picture is.
        "auto": what the first prediction's floor and walls say, where they are sure of more than
        about 6°, with one further run of the network; "best": up to three; "none".
    pitch, roll: of the camera [deg], in place of what `level` finds: pitch > 0 looks up, roll > 0
        dips the right side. One of them leaves the other 0.
    quality: "fast" enlarges what the network returns and makes steps of its edges; "standard" the
        mean of three looks at the picture (models in the released format see it once), "balanced"
        of four, sharpened by the picture, "best" of six, with the edges of eight larger tiles, too.
    watch: called with the share, up to 1, of what follows the network that is done; an error in it
        stops the prediction. For "balanced" and "best".
    sky: "auto" clears sky from the mask, "none" takes every pixel for a surface; or a mask file of
        the picture's aspect, white = sky, that wins over what the network says.
    """

    size: Size | None = option(
        None, "Network size; default: the model's own.", metavar="HxW", parser=parse_size
    )
    allow_any_aspect: bool = option(False, "Treat a picture that is not 2:1 as 360°.")
    level: str = option("auto", "Turn tilted pictures upright: auto, best (slower) or none.")
    pitch: float | None = option(
        None, "Tilt of the camera; > 0 looks up.", metavar="DEG", min=-90, max=90
    )
    roll: float | None = option(
        None, "Tilt of the camera; > 0 dips its right side.", metavar="DEG", min=-180, max=180
    )
    quality: str = option(
        "standard",
        "fast = 1 run of the network, standard = 3; balanced = 4, edges where the picture has "
        "them; best = 14, for meshes and clouds.",
    )
    sky: str = option(
        "auto",
        "auto masks the sky out, none does not; or a mask of your own: white = sky.",
        metavar="MODE|FILE",
    )
    watch: Callable[[float], None] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        settle(self)
        if self.sky not in SKY_MODES:
            check_sky(self)
        check_quality(self.quality)
        if self.level not in LEVEL_PASSES:
            raise ConfigError(f"unknown --level {self.level!r}: use {', '.join(LEVEL_PASSES)}")
        for name, value, most in (("pitch", self.pitch, 90), ("roll", self.roll, 180)):
            if value is not None and not -most <= value <= most:
                raise ConfigError(f"{name} must lie from -{most}° to {most}°: {value}")
        if self.in_metres or self.scale:
            check_metric(self)
        if self.nadir != "none":
            check_nadir(self)

    @property
    def has_lens(self) -> bool:
        """Whether any option says how the picture was taken or is to be seen."""
        return any(getattr(self, f.name) != f.default for f in fields(LensOptions))

    @property
    def in_metres(self) -> bool:
        """Whether anything was given that distances can be scaled by."""
        return any(getattr(self, f.name) not in (None, "none") for f in fields(MetricOptions))

    @property
    def up(self) -> Up | None:
        """What pitch and roll say, None without them."""
        if self.pitch is None and self.roll is None:
            return None
        from panodepth.geometry.level.up import Up  # NumPy with it, which --help does without

        pitch, roll = math.radians(self.pitch or 0.0), math.radians(self.roll or 0.0)
        # The camera's rotation, transposed, on straight up: R = R_x(pitch) R_z(roll).
        cos_pitch = math.cos(pitch)
        return Up((-cos_pitch * math.sin(roll), -cos_pitch * math.cos(roll), math.sin(pitch)))


def check_quality(quality: str) -> None:
    """Raise ConfigError for one that is not known."""
    if quality not in QUALITIES:
        raise ConfigError(f"unknown --quality {quality!r}: use {', '.join(QUALITIES)}")
