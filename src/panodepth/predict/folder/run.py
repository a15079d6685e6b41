"""Predict many files into a folder; a bad file is reported and the rest goes on."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from panodepth.errors import OutputError, PanodepthError, is_out_of_memory
from panodepth.export import output_paths
from panodepth.predict.folder.inputs import InputFile
from panodepth.predict.predictor import BasePredictor, PredictOptions, SkyMode

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
MAX_WORKERS = 4  # readers, and as many writers: more of them rarely find work beside one network


@dataclass(frozen=True)
class RunOptions:
    """How every file of a run is predicted and written; see `BasePredictor.predict`.

    out: output folder. formats: names of `panodepth.export`. mask: one file for all, or a folder of
    namesakes. batch_size: panoramas that go through the network together; None = as many as the
    predictor says (1 on a CPU). workers: threads that
    read, and as many that write, while the network runs; 0 = all in one thread, one after the
    other; None = one less than there are cores, 1 to 4.
    """

    out: Path
    formats: tuple[str, ...]
    mask: Path | None = None
    size: tuple[int, int] | None = None
    allow_any_aspect: bool = False
    camera_height: float | None = None
    sky: SkyMode = "auto"
    batch_size: int | None = None
    workers: int | None = None

    @property
    def predict_options(self) -> PredictOptions:
        """The part that the predictor takes."""
        return PredictOptions(self.size, self.allow_any_aspect, self.camera_height, self.sky)

    @property
    def worker_count(self) -> int:
        """`workers`, or the default for this machine."""
        if self.workers is not None:
            return self.workers
        return min(MAX_WORKERS, max(1, available_cores() - 1))


@dataclass
class FileResult:
    """What became of one input. status: "written", "skipped" or "failed" (then error says why).

    files: written. seconds: per step (read, network, write). facts: size, unit, scale, valid share.
    """

    input: str
    status: str
    files: list[str] = field(default_factory=list)
    error: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


class OutOfSpaceError(OutputError):
    """The disk is full; no other file can be written either."""


def available_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_output_folder(out: Path) -> None:
    """Raise OutputError unless `out` is, or can become, a folder that can be written."""
    nearest = out.absolute()
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        raise OutputError(f"cannot write to {out}: {nearest} is a file, not a folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write to {out}: no permission in {nearest}")


def is_complete(item: InputFile, options: RunOptions) -> bool:
    """True when every file that a run would write for `item` is there."""
    target = options.out / item.target
    paths = output_paths(target.parent, target.name, options.formats)
    return all(path.is_file() for files in paths.values() for path in files)


def predict_files(
    predictor: BasePredictor,
    items: Sequence[InputFile],
    options: RunOptions,
    done: Callable[[FileResult], None],
) -> list[FileResult]:
    """Predict and write every item; `done` hears of each result, in the order of the items.

    Reading, network and writing of different items overlap (`pipeline`). Nothing that is wrong
    with one file stops the others, but a full disk ends the run: what is left is then failed too.
    """
    from panodepth.predict.folder.pipeline import Pipeline

    results: list[FileResult] = []

    def finish(result: FileResult) -> None:
        results.append(result)
        done(result)

    try:
        Pipeline(predictor, options, finish).run(items)
    except OutOfSpaceError as error:
        finished = {result.input for result in results}
        for item in items:
            if str(item.path) not in finished:
                finish(failed(item, error))
    return results


def failed(item: InputFile, error: Exception) -> FileResult:
    """One line that names the file and says what was wrong with it."""
    if os.environ.get("PANODEPTH_DEBUG") == "1":
        raise error
    if isinstance(error, PanodepthError):
        text = str(error)
    elif is_out_of_memory(error):
        text = "not enough memory: use a smaller --size or --batch-size, or a smaller picture"
    elif isinstance(error, OSError):
        text = f"{error.strerror or error}"
    else:
        text = f"unexpected {type(error).__name__}: {error}"
    text = " ".join(text.split())
    if str(item.path) not in text:
        text = f"{item.path}: {text}"
    return FileResult(str(item.path), "failed", error=text)


def is_disk_full(error: BaseException) -> bool:
    """Whether no space was the reason, directly or as a cause."""
    causes = (error, error.__cause__, error.__context__)
    return any(isinstance(e, OSError) and e.errno in DISK_FULL for e in causes)
