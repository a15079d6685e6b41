"""A whole run: chunks in one process, in many, or on a Ray cluster, always resumable.

A worker writes its chunk's shard and record itself, so the bytes are the same on any number of
workers, and a run that was stopped goes on with the chunks that have no record.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from panodepth.atomic import write_atomic
from panodepth.errors import ConfigError, OutputError
from panodepth.jobs import Workers, run_jobs
from panodepth.jobs.lock import only_run
from panodepth.lab.curation.chunks import PARTS, ChunkJob, read_record
from panodepth.lab.curation.estimate import DepthEstimator
from panodepth.lab.curation.sources import FrameSource
from panodepth.lab.curation.stages import Plan
from panodepth.lab.data import Encoding
from panodepth.lab.data.source import read_json
from panodepth.strict import Count, Index, check_fields, first_difference

RUN_FILE = "curation.json"
FORMAT = "panodepth curation 1"

Progress = Callable[[bool], object]  # called after each unit: was it kept?


@dataclass(frozen=True)
class Options:
    """How a run is carried out: all but `workers` decides bytes.

    count: so many frames from `first` on; None = all.
    """

    workers: Workers = field(default_factory=Workers)
    chunk: Count = 64
    first: Index = 0
    count: int | None = None
    encoding: Encoding = field(default_factory=Encoding)

    def __post_init__(self) -> None:
        check_fields(self, "the options of a run")


@dataclass(frozen=True)
class Outcome:
    """Over all chunks in the folder, of this run and earlier ones.

    reasons: reason -> how many. examples: reason -> the first frame's name and what was found.
    """

    kept: int
    reasons: dict[str, int]
    new_chunks: int
    examples: dict[str, str] = field(default_factory=dict, compare=False)


def curate(
    source: FrameSource,
    plan: Plan,
    out: str | Path,
    options: Options | None = None,
    estimator: DepthEstimator | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Curate a source into shards in `out`; chunks that are already there are kept.

    Frames that an earlier run could not read are tried again. Raises ConfigError when `out` was
    begun with other settings or another run is in it, OutputError when it cannot be written or is
    removed meanwhile, SourceGoneError when the frames' disk is gone; what is complete stays and
    the next run goes on.
    """
    options = options or Options()
    folder = Path(out)
    if options.workers.engine == "ray":
        folder = folder.resolve()  # workers on other machines have other working folders
    units = _units(source, plan, options)
    job = ChunkJob(source, plan, folder, units, options.chunk, options.encoding, estimator)
    job.make_tools()  # unknown names fail here, before any process starts

    def on_result(_: int, kept: bool) -> None:
        _check_there(folder)
        if progress is not None:
            progress(kept)

    with only_run(folder, "curate"):
        _claim(job, options)
        pending = job.pending()
        try:
            run_jobs(job, pending, on_result, options.workers)
        except OutputError:
            _check_there(folder)
            raise
        if lost := sum(job.recorded(number) is None for number in range(job.count)):
            raise OutputError(
                f"{folder}: {lost} of {job.count} chunks were removed during the run; the same "
                "command makes them again"
            )
        return outcome(job.out, len(pending))


def _check_there(folder: Path) -> None:
    """Raise OutputError when a run's folder is gone."""
    if not (folder / RUN_FILE).exists():
        raise OutputError(f"{folder}: was removed while curation wrote into it")


def pending_units(source: FrameSource, plan: Plan, out: str | Path, options: Options) -> int:
    """How many frames (or places) a run would still work on, for a progress bar."""
    job = ChunkJob(source, plan, Path(out), _units(source, plan, options), options.chunk)
    return sum(len(job.units_of(number)) for number in job.pending())


def outcome(out: Path, new_chunks: int = 0) -> Outcome:
    """What the records in a folder say."""
    kept, reasons, examples = 0, dict[str, int](), dict[str, str]()
    for record in records(out):
        for row in record["units"]:
            if "key" in row:
                kept += 1
            else:
                reason, detail = row["reason"], row.get("detail")
                reasons[reason] = reasons.get(reason, 0) + 1
                if detail:
                    examples.setdefault(reason, f"{row['name']}: {detail}")
    return Outcome(kept, dict(sorted(reasons.items())), new_chunks, examples)


def records(out: Path) -> Iterator[dict[str, Any]]:
    """The chunks' records in order, read one at a time. Raises InputError."""
    for path in sorted((out / PARTS).glob("[!.]*.json")):
        yield read_record(path)


def _units(source: FrameSource, plan: Plan, options: Options) -> list[tuple[int, ...]]:
    stop = len(source) if options.count is None else options.first + options.count
    indices = range(options.first, min(stop, len(source)))
    if not indices:
        raise ConfigError(f"{source.name} has {len(source)} frames; none from {options.first} on")
    if not plan.stitch:
        return [(index,) for index in indices]
    groups: dict[str, list[int]] = {}
    for index in indices:
        name, group = source.label(index)
        groups.setdefault(group or name, []).append(index)
    return [tuple(group) for group in groups.values()]


def _claim(job: ChunkJob, options: Options) -> None:
    """Write down the run's settings, or compare them with those that the folder was begun with."""
    settings = {
        "format": FORMAT,
        "source": job.source.name,
        "frames": [list(job.source.label(i)) for i in (0, len(job.source) - 1)],
        "count": len(job.units),
        "first": options.first,
        "chunk": job.chunk,
        "image": job.encoding.image,
        "distance": job.encoding.distance,
        "quality": job.encoding.quality,
        "estimator": None if job.estimator is None else job.estimator.name,
        "estimated": getattr(job.estimator, "form", None),
        "plan": job.plan.describe(),
    }
    path = job.out / RUN_FILE
    text = json.dumps(settings, indent=1, sort_keys=True) + "\n"
    if not path.is_file():
        if job.out.is_dir() and any(job.out.glob("*.tar")):
            raise ConfigError(f"{job.out}: holds shards of something else; choose an empty folder")
        write_atomic(path, text)
        return
    found = read_json(path, '{"chunk": 64}')
    for key, wanted in json.loads(text).items():
        if found.get(key) != wanted:
            where, before, now = first_difference(key, found.get(key), wanted)
            raise ConfigError(
                f"{job.out}: begun with {where} {json.dumps(before)}, not {json.dumps(now)}; use "
                "the same settings to go on, or another folder"
            )
