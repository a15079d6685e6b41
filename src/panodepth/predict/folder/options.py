"""How a run over many pictures goes: every option, once; the command line reads the fields."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from panodepth.errors import ConfigError, one_line, require
from panodepth.export.file_options import FileOptions
from panodepth.export.formats import check_installed, check_metres
from panodepth.export.registry import DEFAULT_FORMATS, WRITERS, parse_formats
from panodepth.options import option
from panodepth.predict.folder.memory import LEAST_GIB, parse_memory
from panodepth.predict.options import SHARP, PredictOptions
from panodepth.size import MOST_DIGITS

MAX_WORKERS = 4  # readers, and as many writers: more of them rarely find work beside one network


_FORMATS = ", ".join(f"{key} ({writer.about})" for key, writer in WRITERS.items())


def parse_batch_size(text: str) -> int | None:
    """A number from 1 on; "auto" as None. Raises ConfigError."""
    if text == "auto":
        return None
    if not text.isdecimal() or len(text) > MOST_DIGITS or int(text) < 1:
        told = one_line(repr(text), 60)
        raise ConfigError(f"--batch-size {told} is neither auto nor a number from 1 on")
    return int(text)


@dataclass(frozen=True, kw_only=True)
class RunOptions(PredictOptions, FileOptions):
    """How every picture of a run is predicted, and where and how the results are written.

    Raises ConfigError for values that cannot be.

    out: output folder.
    formats: names of `panodepth.export`; OutputError for an unknown one.
    mask: one file for all pictures, or a folder with one of the same name for each; None = none.
    rig: a file of `lenses.rig`, whose cameras' pictures become one panorama; None = none.
    batch_size: panoramas that go through the network together; None = as many as the predictor
        says (1 on a CPU).
    workers: threads that read, and as many that write, while the network runs; 0 = all in one
        thread, one after the other; None = one less than there are cores, 1 to 4.
    max_memory: of the process [GiB], by estimate: fewer pictures are read ahead, and those that
        take more alone fail; None = two pictures of 8K are in memory at most.
    """

    out: Path = option(Path("out"), "Folder for the results.", metavar="DIR")
    formats: tuple[str, ...] = option(
        DEFAULT_FORMATS,
        f"What to write; repeat, or separate by commas: {_FORMATS}.",
        flag="--format",
    )
    mask: Path | None = option(
        None, "White = valid; a folder holds one per picture.", metavar="FILE|DIR"
    )
    rig: Path | None = option(
        None,
        "Calibrated cameras; inputs are folders, each with a picture of every camera.",
        metavar="JSON",
        rich_help_panel="Lenses",
    )
    batch_size: int | None = option(
        None,
        "Pictures per pass; auto, the default, goes by GPU memory.",
        metavar="N|auto",
        parser=parse_batch_size,
    )
    workers: int | None = option(
        None, "Threads that read, and as many that write; 0 = none.", min=0
    )
    max_memory: float | None = option(
        None, "Refuse pictures that need more memory, e.g. 4GB.", metavar="GB", parser=parse_memory
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("batch_size", 1), ("workers", 0), ("max_memory", LEAST_GIB)):
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise ConfigError(f"{name} must be at least {least:g}: {value}")
        if self.quality in SHARP:
            require(f"--quality {self.quality}", "", "torch")
        if self.scale == "learned":
            require("--scale learned", "", "torch")
        if self.has_lens:
            from panodepth.predict.lenses.choice import check  # not for --help: loads NumPy

            check(self)
        formats = parse_formats(self.formats)
        if self.confidence or any(key.startswith("confidence-") for key in formats):
            object.__setattr__(self, "confidence", True)
            formats = _with_confidence(formats)
        object.__setattr__(self, "formats", formats)
        check_installed(self.formats)
        if not self.in_metres:
            check_metres(self.formats)
        self.check_writers(self.formats)

    @property
    def worker_count(self) -> int:
        """`workers`, or the default for this machine."""
        if self.workers is not None:
            return self.workers
        return min(MAX_WORKERS, max(1, available_cores() - 1))


def _with_confidence(formats: tuple[str, ...]) -> tuple[str, ...]:
    """The formats, and confidence as each kind of raster among them; as PNG without any."""
    kinds = [f"confidence-{key}" for key in ("npz", "exr", "png") if key in formats]
    if any(key.startswith("confidence-") for key in formats):
        kinds = []
    elif not kinds:
        kinds = ["confidence-png"]
    return (*formats, *kinds)


def available_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
