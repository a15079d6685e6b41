"""What `panodepth curate` does, without the command line: arguments to a run and its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from panodepth.errors import ConfigError
from panodepth.lab.curation.estimate import TransformersEstimator
from panodepth.lab.curation.outpainters.settings import PaintSettings
from panodepth.lab.curation.pipeline import Options, Outcome, Progress, curate, pending_units
from panodepth.lab.curation.quality import Limits
from panodepth.lab.curation.report import write_report
from panodepth.lab.curation.sources import SOURCES, FrameSource, open_frame_source
from panodepth.lab.curation.stages import Orientation, Plan
from panodepth.lab.data import Encoding

FORMS = {"inverse": "inverse", "z": "z_depth", "distance": "distance"}


@dataclass(frozen=True)
class Request:
    """The command's arguments. source: KIND=PATH or PATH; estimate: MODEL or MODEL:FORM."""

    source: str
    out: Path
    size: tuple[int, int] = (512, 1024)
    outpainter: str = "diffuse"
    orientation: str = "level"
    seed: int = 0
    workers: int | None = None
    chunk: int = 64
    count: int | None = None
    stitch: bool = False
    image: str = "jpg"
    distance: str = "npy"
    limits: Sequence[str] = ()
    estimate: str | None = None
    painting: PaintSettings = field(default_factory=PaintSettings)
    engine: str = "local"
    address: str | None = None


@dataclass(frozen=True)
class Prepared:
    """A checked request. pending: samples that are still to do."""

    request: Request
    source: FrameSource
    plan: Plan
    options: Options
    estimator: TransformersEstimator | None
    pending: int

    def run(self, progress: Progress | None = None) -> Outcome:
        """Curate and write the report."""
        out = self.request.out
        done = curate(
            self.source, self.plan, out, self.options, estimator=self.estimator, progress=progress
        )
        write_report(out)
        return done


def prepare(request: Request) -> Prepared:
    """Check a request and open its source. Raises ConfigError when it cannot work."""
    kind, _, path = request.source.partition("=")
    if not path:
        kind, path = "frames", request.source
    elif kind not in SOURCES:
        raise ConfigError(f"--source {request.source}: {kind!r} is none of {', '.join(SOURCES)}")
    source = open_frame_source(kind, path, without_depth=request.estimate is not None)
    plan = Plan(
        size=request.size,
        outpainter=request.outpainter,
        orientation=cast(Orientation, request.orientation),
        limits=Limits.parse(list(request.limits)),
        seed=request.seed,
        stitch=request.stitch,
        painting=request.painting,
    )
    encoding = Encoding(cast(Any, request.image), cast(Any, request.distance))
    options = Options(
        workers=request.workers,
        chunk=request.chunk,
        count=request.count,
        encoding=encoding,
        engine=request.engine,
        address=request.address,
    )
    estimator = None
    if request.estimate is not None:
        model, _, form = request.estimate.rpartition(":")
        if form not in FORMS:
            model, form = request.estimate, "inverse"
        device = request.painting.device
        estimator = TransformersEstimator(model, cast(Any, FORMS[form]), device=device)
    left = pending_units(source, plan, request.out, options)
    return Prepared(request, source, plan, options, estimator, left)
