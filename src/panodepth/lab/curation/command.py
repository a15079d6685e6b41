"""What `panodepth curate` does, without the command line: texts to a run and its report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from panodepth.errors import ConfigError
from panodepth.lab.curation.estimate import TransformersEstimator
from panodepth.lab.curation.pipeline import Options, Outcome, Progress, curate, make_job
from panodepth.lab.curation.report import write_report
from panodepth.lab.curation.sources import SOURCES, FrameSource, open_frame_source
from panodepth.lab.curation.stages import Plan

FORMS = {"inverse": "inverse", "z": "z_depth", "distance": "distance"}


@dataclass(frozen=True)
class Run:
    """A checked run. pending: frames (or places) that are still to do."""

    source: FrameSource
    plan: Plan
    out: Path
    options: Options
    estimator: TransformersEstimator | None
    pending: int

    def __call__(self, progress: Progress | None = None) -> Outcome:
        """Curate and write the report."""
        outcome = curate(
            self.source,
            self.plan,
            self.out,
            self.options,
            estimator=self.estimator,
            progress=progress,
        )
        write_report(self.out)
        return outcome


def prepare(
    source: str, plan: Plan, out: Path, options: Options, estimate: str | None = None
) -> Run:
    """Open the source of a run. Raises ConfigError when the run cannot work.

    source: KIND=PATH, or PATH for frames of your own. estimate: MODEL or MODEL:FORM.
    """
    kind, equals, path = source.partition("=")
    if not equals:
        kind, path = "frames", source
    elif kind not in SOURCES:
        raise ConfigError(f"--source {source}: {kind!r} is none of {', '.join(SOURCES)}")
    frames = open_frame_source(kind, path, without_depth=estimate is not None)
    estimator = None
    if estimate is not None:
        model, _, form = estimate.rpartition(":")
        if form not in FORMS:
            model, form = estimate, "inverse"
        device = plan.painting.device
        estimator = TransformersEstimator(model, cast(Any, FORMS[form]), device=device)
    job = make_job(frames, plan, out, options, estimator)
    pending = sum(len(job.units_of(number)) for number in job.pending())
    return Run(frames, plan, out, options, estimator, pending)
