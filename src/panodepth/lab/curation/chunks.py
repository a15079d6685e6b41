"""One chunk of a run: some frames through all stages into one shard, with a record of every frame.

A chunk is the unit of work, of resuming and of repeating: its shard and its record depend on the
source, the plan and its number alone. The record is written last; a chunk without one was not done.
"""

from __future__ import annotations

import base64
import json
import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from panodepth.errors import OutputError, PanodepthError
from panodepth.export.colour import colourise
from panodepth.lab.curation.estimate import DepthEstimator
from panodepth.lab.curation.frame import Frame, Rejected
from panodepth.lab.curation.outpaint import make_outpainter
from panodepth.lab.curation.quality import is_duplicate
from panodepth.lab.curation.sources import FrameSource
from panodepth.lab.curation.stages import Curated, Plan, Tools, curate_views
from panodepth.lab.data import Encoding, ShardLimits, ShardWriter
from panodepth.lab.data.shard_writer import clean_key
from panodepth.types import ByteArray

PARTS = "parts"
SHOWN = 3  # thumbnails of kept frames, and of rejected ones, that a record keeps
THUMB = 192  # pixels wide


@dataclass(frozen=True)
class Job:
    """What all processes of a run share; can be sent to another process.

    units: frames that become one sample, by number: one each, or the views of a place. chunk:
    units per chunk. run: tells this run from earlier ones on the same folder; decides no bytes.
    prefix: of the shards.
    """

    source: FrameSource
    plan: Plan
    out: Path
    units: Sequence[tuple[int, ...]]
    chunk: int = 64
    encoding: Encoding = field(default_factory=Encoding)
    estimator: DepthEstimator | None = None
    run: str = ""

    @property
    def prefix(self) -> str:
        return clean_key(self.source.name).strip("_-") or "frames"

    @property
    def chunks(self) -> int:
        return -(-len(self.units) // self.chunk)

    def name(self, number: int) -> str:
        """Of a chunk: the prefix of its shard and the stem of its record."""
        return f"{self.prefix}-{number:06d}"

    def record(self, number: int) -> Path:
        return self.out / PARTS / f"{self.name(number)}.json"

    def marker(self, number: int) -> Path:
        """Holds the unit that is being worked on, to name it when the process dies."""
        return self.out / PARTS / f".{self.name(number)}.now"

    def deaths(self, number: int) -> Path:
        """Holds how often the process died on which unit."""
        return self.out / PARTS / f".{self.name(number)}.deaths"


def make_tools(job: Job) -> Tools:
    return Tools(make_outpainter(job.plan.outpainter, job.plan.painting), job.estimator)


def do_chunk(job: Job, number: int, tools: Tools, tell: Callable[[bool], None]) -> None:
    """Work through chunk `number`; tell(kept) after each unit. Raises OutputError.

    When a process of this run died on it, the unit that it was on is blamed first.
    """
    start = number * job.chunk
    deaths = count_deaths(job, number)
    for pattern in (f".{job.name(number)}-*.tmp", f"{PARTS}/.{job.name(number)}.*.tmp"):
        for left in job.out.glob(pattern):  # by a process that was killed
            left.unlink(missing_ok=True)
    rows: list[dict[str, Any]] = []
    digests: list[int] = []
    shown = {True: 0, False: 0}
    limits = ShardLimits(max_bytes=1 << 40, max_samples=job.chunk)
    with ShardWriter(job.out, job.name(number), encoding=job.encoding, limits=limits) as writer:
        for unit in range(start, min(start + job.chunk, len(job.units))):
            write_whole(job.marker(number), f"{unit} {job.run}".encode())
            frame, result = _curate(job, unit, tools, deaths.get(unit, 0))
            if isinstance(result, Curated):
                if is_duplicate(result.digest, digests, job.plan.limits):
                    result = Rejected("duplicate", "the same picture as one before it")
                else:
                    digests.append(result.digest)
            row = _row(job, unit, result)
            if isinstance(result, Curated):
                row["key"] = f"{unit:08d}_{clean_key(row['name'])}"[:80]
                writer.add(result.panorama, row["key"])
            kept = isinstance(result, Curated)
            if frame is not None and shown[kept] < SHOWN:
                row["thumb"] = _thumbnail(frame, result)
                shown[kept] += 1
            rows.append(row)
            tell(kept)
    record = {"chunk": number, "units": rows}
    write_whole(job.record(number), (json.dumps(record) + "\n").encode())
    for path in (job.marker(number), job.deaths(number)):
        path.unlink(missing_ok=True)


def _curate(
    job: Job, unit: int, tools: Tools, deaths: int
) -> tuple[Frame | None, Curated | Rejected]:
    """The first frame, when it can be read, and what became of the unit."""
    if deaths >= 2:
        return None, Rejected("crashed", "the process died on it twice")
    frame: Frame | None = None
    for attempt in (1, 2):
        try:
            frames = []
            for index in job.units[unit]:
                read = job.source[index]
                if isinstance(read, Rejected):
                    return None, read
                frames.append(read)
                frame = frames[0]
            return frame, curate_views(frames, job.plan, tools)
        except PanodepthError:
            raise  # not the frame's fault
        except Exception as error:  # one frame must not stop a long run
            if attempt == 2:
                reason = " ".join(str(error).split())
                return frame, Rejected("crashed", f"{type(error).__name__}: {reason}")
    raise AssertionError("unreachable")


def _row(job: Job, unit: int, result: Curated | Rejected) -> dict[str, Any]:
    name, group = job.source.label(job.units[unit][0])
    row: dict[str, Any] = {"unit": unit, "name": group if job.plan.stitch and group else name}
    if isinstance(result, Rejected):
        return {**row, "reason": result.reason, "detail": result.detail}
    measured = {key: float(f"{value:.5g}") for key, value in result.measured.items()}
    return {**row, "measured": measured, "digest": f"{result.digest:016x}"}


def _thumbnail(frame: Frame, result: Curated | Rejected) -> str:
    """A JPEG in base64: the panorama over its distance, or the rejected frame beside its depth."""
    if isinstance(result, Curated):
        panorama = result.panorama
        assert panorama.distance is not None
        image = np.rint(panorama.image * 255).astype(np.uint8)
        pair = [image, colourise(panorama.distance, panorama.mask)]
        small = [_shrunk(picture, THUMB) for picture in pair]
        sheet = np.concatenate(small)
    else:
        pictures = [frame.image]
        if frame.depth is not None:
            pictures.append(colourise(frame.depth))
        sheet = np.concatenate([_shrunk(picture, THUMB // 2) for picture in pictures], axis=1)
    done, encoded = cv2.imencode(".jpg", sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    return base64.b64encode(encoded.tobytes()).decode() if done else ""


def _shrunk(picture: ByteArray, width: int) -> ByteArray:
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def read_deaths(job: Job, number: int) -> dict[int, int]:
    """Unit -> how often the process died on it."""
    try:
        said = json.loads(job.deaths(number).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return {}
    return {int(unit): int(count) for unit, count in said.items()}


def count_deaths(job: Job, number: int) -> dict[int, int]:
    """`read_deaths`, with the one counted that a marker of this run tells of.

    A marker of another run says that the whole run was stopped, which is no unit's fault.
    """
    deaths = read_deaths(job, number)
    try:
        unit, _, run = job.marker(number).read_text(encoding="ascii").partition(" ")
        if run != job.run:
            return deaths
        deaths[int(unit)] = deaths.get(int(unit), 0) + 1
    except (OSError, ValueError):
        return deaths
    write_whole(job.deaths(number), json.dumps(deaths).encode())
    job.marker(number).unlink(missing_ok=True)
    return deaths


def write_whole(path: Path, content: bytes) -> None:
    """A file under a temporary name, renamed. Raises OutputError."""
    temporary = path.with_name(f".{path.name.lstrip('.')}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)
