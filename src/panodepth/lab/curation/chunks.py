"""One chunk of a run: some frames through all stages into one shard, with a record of every frame.

A chunk is the item of the job runner and the step of resuming: its shard and its record depend on
the source, the plan and the chunk's number alone. The record is written last; a chunk without a
record is not done.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from panodepth.atomic import write_atomic
from panodepth.errors import InputError, PanodepthError, one_line
from panodepth.export.colour import colourise
from panodepth.export.jpeg import jpeg
from panodepth.jobs import limited_threads
from panodepth.lab.curation.estimate import DepthEstimator
from panodepth.lab.curation.frame import UNREADABLE, Frame, RejectedError
from panodepth.lab.curation.memory import keep_freed_memory
from panodepth.lab.curation.outpaint import make_outpainter
from panodepth.lab.curation.outpainters.settings import PAINTERS
from panodepth.lab.curation.quality import is_duplicate
from panodepth.lab.curation.sources import FrameSource
from panodepth.lab.curation.stages import Curated, Plan, Tools, curate_views
from panodepth.lab.data import Encoding, ShardLimits, ShardWriter
from panodepth.lab.data.shard_writer import clean_key
from panodepth.strict import parse_json
from panodepth.types import ByteArray

Result = Curated | RejectedError  # of one unit
PARTS = "parts"  # folder of the records
MAX_DEATHS = 2  # of workers on one unit, before it is rejected
SHOWN = 3  # thumbnails of kept frames, and of rejected ones, that a record keeps
THUMB = 192  # pixels wide


@dataclass(frozen=True)
class ChunkJob:
    """A run as a job of `panodepth.jobs`: its items are chunk numbers, it yields kept or not.

    units: the frames, by number, that become one sample: one frame, or the views of one place.
    chunk: units per chunk.
    """

    source: FrameSource
    plan: Plan
    out: Path
    units: Sequence[tuple[int, ...]]
    chunk: int = 64
    encoding: Encoding = field(default_factory=Encoding)
    estimator: DepthEstimator | None = None

    threads = 1

    @property
    def prefers_gpu(self) -> bool:
        """Whether a worker holds a model."""
        return self.plan.outpainter in PAINTERS or self.estimator is not None

    @property
    def count(self) -> int:
        """How many chunks there are."""
        return -(-len(self.units) // self.chunk)

    def pending(self) -> list[int]:
        """Numbers of the chunks without a record, or with a frame that could not be read.

        Raises InputError for a damaged record.
        """
        return [n for n in range(self.count) if self.recorded(n) is None or self.unread(n)]

    def recorded(self, number: int) -> list[dict[str, Any]] | None:
        """The rows of a chunk's record, None where there is none. Raises InputError."""
        path = self.record(number)
        return read_record(path)["units"] if path.is_file() else None

    def unread(self, number: int) -> list[int]:
        """Numbers of the units of a chunk that an earlier run could not read."""
        rows = self.recorded(number) or ()
        return [row["unit"] for row in rows if row.get("reason") == UNREADABLE]

    def units_of(self, number: int) -> range:
        """Numbers of the units in a chunk."""
        start = number * self.chunk
        return range(start, min(start + self.chunk, len(self.units)))

    def name(self, number: int) -> str:
        """A chunk's name: its shard is called NAME-000000.tar and its record NAME.json."""
        prefix = clean_key(self.source.name).strip("_-") or "frames"
        return f"{prefix}-{number:06d}"

    def record(self, number: int) -> Path:
        return self.out / PARTS / f"{self.name(number)}.json"

    def make_tools(self) -> Tools:
        """Raises ConfigError for an unknown out-painter, ModelError for weights not to be had."""
        return Tools(make_outpainter(self.plan.outpainter, self.plan.painting), self.estimator)

    @contextmanager
    def open(self) -> Iterator[Tools]:
        keep_freed_memory()
        with limited_threads(opencv=1):
            yield self.make_tools()

    def work(self, tools: Tools, number: int, deaths: Sequence[int]) -> Iterator[bool]:
        """Write a chunk's shard and record; yields whether each unit was kept.

        A unit on which workers died twice is rejected as "crashed". A chunk that has a record stays
        as it is unless one of its unreadable frames can be read now. Raises OutputError, and
        SourceGoneError, then without a record.
        """
        known = self.recorded(number)
        if known is not None and not deaths and not self._readable_now(number):
            yield from ("key" in row for row in known)
            return
        self.record(number).unlink(missing_ok=True)  # it must not stand beside another shard
        name = self.name(number)
        for pattern in (f".{name}-*.tmp", f"{PARTS}/.{name}.*.tmp"):
            for left in self.out.glob(pattern):  # by a process that was killed
                left.unlink(missing_ok=True)
        rows: list[dict[str, Any]] = []
        digests: list[int] = []
        shown = {True: 0, False: 0}
        limits = ShardLimits(max_bytes=1 << 40, max_samples=self.chunk)
        with ShardWriter(self.out, name, encoding=self.encoding, limits=limits) as writer:
            for position, unit in enumerate(self.units_of(number)):
                frame, result = self._curate(unit, tools, deaths.count(position))
                if isinstance(result, Curated):
                    if is_duplicate(result.digest, digests, self.plan.limits):
                        result = RejectedError("duplicate", "the same picture as one before it")
                    else:
                        digests.append(result.digest)
                row = self._row(unit, result)
                if isinstance(result, Curated):
                    row["key"] = f"{unit:08d}_{clean_key(row['name'])}"[:80]
                    writer.add(result.panorama, row["key"])
                kept = isinstance(result, Curated)
                if frame is not None and shown[kept] < SHOWN:
                    row["thumb"] = _thumbnail(frame, result)
                    shown[kept] += 1
                rows.append(row)
                yield kept
        write_atomic(self.record(number), json.dumps({"chunk": number, "units": rows}) + "\n")

    def _readable_now(self, number: int) -> bool:
        """Whether a unit that an earlier run could not read can be read."""
        for unit in self.unread(number):
            try:
                for index in self.units[unit]:
                    self.source[index]
            except RejectedError as error:
                if error.reason == UNREADABLE:
                    continue
            return True
        return False

    def _curate(self, unit: int, tools: Tools, deaths: int) -> tuple[Frame | None, Result]:
        """The unit's first frame, if it can be read, and what became of the unit."""
        if deaths >= MAX_DEATHS:
            return None, RejectedError("crashed", "the process died on it twice")
        frames: list[Frame] = []
        result = RejectedError("crashed")
        for _ in range(2):  # what failed by chance may work again
            frames.clear()
            try:
                frames.extend(self.source[index] for index in self.units[unit])
                return frames[0], curate_views(frames, self.plan, tools)
            except RejectedError as error:
                result = error
                break
            except PanodepthError:
                raise  # not the frame's fault
            except Exception as error:  # one frame must not stop a long run
                result = RejectedError("crashed", f"{type(error).__name__}: {one_line(error)}")
        return frames[0] if len(frames) == len(self.units[unit]) else None, result

    def _row(self, unit: int, result: Result) -> dict[str, Any]:
        name, group = self.source.label(self.units[unit][0])
        row: dict[str, Any] = {"unit": unit, "name": group if self.plan.stitch and group else name}
        if isinstance(result, RejectedError):
            return {**row, "reason": result.reason, "detail": result.detail}
        return {**row, "measured": result.measured, "digest": f"{result.digest:016x}"}


def read_record(path: Path) -> dict[str, Any]:
    """The content of a chunk's record. Raises InputError."""
    try:
        content: dict[str, Any] = parse_json(path.read_bytes())
        if not all({"unit", "name"} <= set(row) for row in content["units"]):
            raise ValueError("a row without unit or name")
    except (OSError, ValueError, KeyError, TypeError) as error:
        told = one_line(error, 200)
        raise InputError(f"{path}: damaged record ({told}); delete it and run again") from error
    return content


def _thumbnail(frame: Frame, result: Result) -> str:
    """A JPEG in base64: the panorama over its distance, or a rejected frame beside its z-depth."""
    if isinstance(result, Curated):
        panorama = result.panorama
        assert panorama.distance is not None
        image = np.rint(panorama.image * 255).astype(np.uint8)
        pair = [image, colourise(panorama.distance, panorama.mask)]
        sheet = np.concatenate([_shrunk(picture, THUMB) for picture in pair])
    else:
        pictures = [frame.image]
        if frame.z_depth is not None:
            pictures.append(colourise(frame.z_depth))
        sheet = np.concatenate([_shrunk(picture, THUMB // 2) for picture in pictures], axis=1)
    return base64.b64encode(jpeg(sheet, quality=80)).decode()


def _shrunk(picture: ByteArray, width: int) -> ByteArray:
    """A picture (h, w, 3) reduced to `width` columns."""
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)
