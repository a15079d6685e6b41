"""How a video is predicted and written; nothing heavy, as the command line reads the fields."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from panodepth.errors import ConfigError, OutputError
from panodepth.export.file_options import FileOptions
from panodepth.export.formats import check_installed, check_metres
from panodepth.export.registry import WRITERS
from panodepth.options import option
from panodepth.predict.lenses.options import LensOptions, Numbers
from panodepth.predict.metric.options import MetricOptions
from panodepth.predict.options import PredictOptions
from panodepth.size import Size, to_number

_video = partial(option, rich_help_panel="Video")
# name -> ending of the one file that a clip becomes, and what it is
STREAMS = {
    "mkv": ("_distance.mkv", "lossless distance, 16 bits a pixel"),
    "preview": ("_preview.mp4", "the picture above its map, to look at"),
    "grey": ("_grey.mp4", "8 bits, near = white"),
    "path": ("_path.txt", "where the camera was, as TUM has it"),
}


def parse_seconds(text: str) -> float:
    """12.5, 1:02 or 1:02:03.5 as seconds >= 0. Raises ConfigError."""
    try:
        parts = [to_number(part) for part in text.split(":")]
    except ValueError:
        parts = []
    if not 1 <= len(parts) <= 3 or not all(math.isfinite(part) and part >= 0 for part in parts):
        raise ConfigError(f"{text!r} is no time: write seconds, or 1:02:03.5")
    return sum((part * 60.0**power for power, part in enumerate(reversed(parts))), 0.0)


def _seconds(help: str) -> Any:
    return _video(None, help, metavar="TIME", parser=parse_seconds)


@dataclass(frozen=True, kw_only=True)
class VideoOptions(PredictOptions, FileOptions):
    """How each frame is predicted, how frames are held together, and what is written.

    Raises ConfigError for values that cannot be, OutputError for an unknown format.

    out: output folder.
    formats: names of STREAMS, one file for a clip, and of `panodepth.export`, a file for a frame.
    steady: hold scale and surfaces still from frame to frame; False: each frame by itself.
    rows: results have so many at most, and frames with more are reduced first; not where an option
        counts in pixels of the frame: a lens, a distance or length that is known.
    every: only each so-manieth frame. start, end: of the part that is taken [s].
    rate: frames in a second where a folder of pictures is the clip.
    What gives metres does so for the first frame of each shot, and `steady` carries it on. Frames
    are taken to be level unless `level`, `pitch` or `roll` say otherwise. Results are panoramas.
    """

    out_projection: str = "erp"  # without `option`: the command line does not offer them
    out_fov: float | None = None
    out_size: Size | None = None
    out_view: Numbers | None = None

    level: str = option("none", "Turn tilted frames upright: auto, best (slower) or none.")
    out: Path = option(Path("out"), "Folder for the results.", metavar="DIR")
    formats: tuple[str, ...] = option(
        ("mkv", "preview"),
        "What to write; repeat, or separate by commas: "
        + ", ".join(f"{name} ({about})" for name, (_, about) in STREAMS.items())
        + "; or a folder of files, one a frame, of any format of predict.",
        flag="--format",
    )
    steady: bool = _video(
        True,
        "Hold scale and surfaces still, or predict each frame alone.",
        flag="--steady/--no-steady",
    )
    rows: int = _video(
        512,
        "Most rows of a result; larger frames are reduced.",
        min=64,
    )
    every: int = _video(1, "Use every N-th frame only.", min=1)
    start: float | None = _seconds("Where to begin: seconds, or 1:02:03.")
    end: float | None = _seconds("Where to stop.")
    rate: float = _video(30.0, "Frames per second, for a folder of pictures.")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("out_projection", "out_fov", "out_size", "out_view"):
            if getattr(self, name) != getattr(VideoOptions, name):
                raise ConfigError(f"{name} cannot be had of videos, which become panoramas")
        if self.has_lens:
            from panodepth.predict.lenses.choice import check  # not for --help: loads NumPy

            check(self)
        if self.rows < 64 or self.every < 1:
            raise ConfigError(f"rows must be at least 64, every 1: {self.rows}, {self.every}")
        if not 0 < self.rate <= 1000:
            raise ConfigError(f"rate must lie above 0 and at most at 1000: {self.rate}")
        if self.end is not None and self.end <= (self.start or 0):
            raise ConfigError(f"the end, {self.end:g} s, is not after the start")
        object.__setattr__(self, "formats", known_formats(self.formats))
        if "path" in self.formats and not self.steady:
            raise ConfigError("format path: without --steady nothing says how the camera moved")
        check_installed(self.files)
        if not self.files and (given := [key for key in self.writer_settings if key != "metadata"]):
            streams = ", ".join(self.streams)
            told = f"no file of a frame is written, but {streams} alone"
            raise ConfigError(f"option {given[0]}: {told}")
        self.check_writers(self.files)
        if not self.in_metres:
            check_metres(self.files)

    @property
    def streams(self) -> tuple[str, ...]:
        """The formats that are one file for a clip."""
        return tuple(name for name in self.formats if name in STREAMS)

    @property
    def files(self) -> tuple[str, ...]:
        """The formats that are files for each frame."""
        return tuple(name for name in self.formats if name not in STREAMS)

    @property
    def says_what_took_it(self) -> bool:
        """Whether an option says what the tags of a file may say, and counts before them."""
        names = (field.name for field in fields(LensOptions) if field.name != "pose")
        return any(getattr(self, name) != getattr(LensOptions, name) for name in names)

    @property
    def counts_pixels(self) -> bool:
        """Whether an option says where something is in pixels of the frame."""
        known = (self.known_distance, self.known_length)
        return self.has_lens or any(value is not None for value in known)

    def carried_on(self) -> PredictOptions:
        """Those of a frame whose scale is the one before's."""
        metric = {field.name for field in fields(MetricOptions)}
        names = (field.name for field in fields(PredictOptions) if field.name not in metric)
        return PredictOptions(**{name: getattr(self, name) for name in names})


def known_formats(given: tuple[str, ...]) -> tuple[str, ...]:
    """Names in STREAMS or of the writers, each once. Raises OutputError."""
    from panodepth.strict import suggestion

    names = [name.strip().lower() for entry in given for name in entry.split(",") if name.strip()]
    known = [*STREAMS, *(name for name in WRITERS if name not in STREAMS)]
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None or not names:
        wrong = f"unknown format {unknown!r}; {suggestion(unknown, known)}" if unknown else ""
        raise OutputError(wrong or f"no format named; there are: {', '.join(known)}")
    return tuple(dict.fromkeys(names))
