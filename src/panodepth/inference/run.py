"""Predict many files into a folder; a bad file is reported and the rest goes on."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from panodepth.errors import OutputError, PanodepthError
from panodepth.export import output_paths
from panodepth.images import ImageData, read_image
from panodepth.inference.inputs import InputFile, find_mask
from panodepth.inference.stages import BasePredictor, SkyMode
from panodepth.types import Prediction

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class RunOptions:
    """How every file of a run is predicted and written; see `Predictor.predict`.

    out: output folder. formats: names of `panodepth.export`. mask: one file for all, or a folder of
    namesakes. batch_size: panoramas that go through the network together.
    """

    out: Path
    formats: tuple[str, ...]
    mask: Path | None = None
    size: tuple[int, int] | None = None
    allow_any_aspect: bool = False
    camera_height: float | None = None
    sky: SkyMode = "auto"
    batch_size: int = 1


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
    """Predict and write every item; `done` hears of each result as soon as it is there.

    Nothing that is wrong with one file stops the others, but a full disk ends the run: what is
    left is then failed too.
    """
    results: list[FileResult] = []

    def finish(result: FileResult) -> None:
        results.append(result)
        done(result)

    for start in range(0, len(items), options.batch_size):
        batch = items[start : start + options.batch_size]
        try:
            _predict_batch(predictor, batch, options, finish)
        except OutOfSpaceError as error:
            finished = {result.input for result in results}
            for item in items:
                if str(item.path) not in finished:
                    finish(_failed(item, error))
            break
    return results


class OutOfSpaceError(OutputError):
    """The disk is full; no other file can be written either."""


@dataclass
class _Job:
    """One file on its way through a batch."""

    item: InputFile
    data: ImageData
    mask: Path | None
    seconds: dict[str, float]


def _predict_batch(
    predictor: BasePredictor,
    batch: Sequence[InputFile],
    options: RunOptions,
    finish: Callable[[FileResult], None],
) -> None:
    jobs = []
    for item in batch:
        started = time.perf_counter()
        try:
            data, mask = read_image(item.path), find_mask(options.mask, item)
        except Exception as error:
            finish(_failed(item, error))
            continue
        jobs.append(_Job(item, data, mask, {"read": time.perf_counter() - started}))
    for job, prediction in _predicted(predictor, jobs, options):
        if isinstance(prediction, Exception):
            finish(_failed(job.item, prediction))
        else:
            finish(_written(job, prediction, options))


def _predicted(
    predictor: BasePredictor, jobs: list[_Job], options: RunOptions
) -> list[tuple[_Job, Prediction | Exception]]:
    """Predict jobs together; when that fails, one by one, so that only the bad ones fail."""
    if not jobs:
        return []
    started = time.perf_counter()
    try:
        predictions = predictor.predict_batch(
            [job.data for job in jobs],
            [job.mask for job in jobs],
            size=options.size,
            allow_any_aspect=options.allow_any_aspect,
            camera_height=options.camera_height,
            sky=options.sky,
        )
    except Exception as error:
        if len(jobs) == 1:
            return [(jobs[0], error)]
        return [pair for job in jobs for pair in _predicted(predictor, [job], options)]
    for job in jobs:
        job.seconds["network"] = (time.perf_counter() - started) / len(jobs)
    return list(zip(jobs, predictions, strict=True))


def _written(job: _Job, prediction: Prediction, options: RunOptions) -> FileResult:
    target = options.out / job.item.target
    prediction = replace(prediction, meta={**prediction.meta, "name": target.name})
    started = time.perf_counter()
    try:
        files = prediction.save(f"{target.parent}{os.sep}", formats=options.formats)
    except Exception as error:
        if _is_disk_full(error):
            raise OutOfSpaceError(f"no space left on the disk of {options.out}") from error
        return _failed(job.item, error)
    job.seconds["write"] = time.perf_counter() - started
    height, width = prediction.distance.shape
    facts = {
        "width": width,
        "height": height,
        "unit": prediction.meta["unit"],
        "scale": prediction.meta["scale"],
        "valid_share": float(prediction.mask.mean()),
    }
    names = [str(file) for file in files]
    return FileResult(str(job.item.path), "written", names, None, job.seconds, facts)


def _failed(item: InputFile, error: Exception) -> FileResult:
    """One line that names the file and says what was wrong with it."""
    if os.environ.get("PANODEPTH_DEBUG") == "1":
        raise error
    if isinstance(error, PanodepthError):
        text = str(error)
    elif isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        text = "not enough memory: use a smaller --size or --batch-size, or a smaller picture"
    elif isinstance(error, OSError):
        text = f"{error.strerror or error}"
    else:
        text = f"unexpected {type(error).__name__}: {error}"
    text = " ".join(text.split())
    if str(item.path) not in text:
        text = f"{item.path}: {text}"
    return FileResult(str(item.path), "failed", error=text)


def _is_disk_full(error: BaseException) -> bool:
    causes = (error, error.__cause__, error.__context__)
    return any(isinstance(e, OSError) and e.errno in DISK_FULL for e in causes)
