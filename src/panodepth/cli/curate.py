"""`panodepth curate`: perspective RGB-D into panoramic training shards."""

from __future__ import annotations

import sys
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from typer import Exit

from panodepth.cli.options import DONE, SOME_FAILED, AsJson, Quiet, fail_if_begun, with_fields
from panodepth.errors import one_line, printable
from panodepth.jobs import Workers
from panodepth.lab.curation.outpainters.settings import PaintSettings
from panodepth.options import option
from panodepth.progress import progress
from panodepth.size import Size, parse_size
from panodepth.streams import print_document

if TYPE_CHECKING:
    from panodepth.lab.curation.pipeline import Outcome

UNREADABLE = "unreadable"  # a reason of `panodepth.lab.curation.frame`, whose import is slow


@dataclass(frozen=True, kw_only=True)
class Panoramas:
    """What is made of which frames."""

    source: str = option(
        MISSING, "Frames, e.g. vkitti2=DIR; DIR alone: your own.", metavar="KIND=DIR"
    )
    out: Path = option(MISSING, "Folder for shards and report.", metavar="DIR")
    size: Size = option("512x1024", "Size of the panoramas.", metavar="HxW", parser=parse_size)
    outpainter: str = option("diffuse", "diffuse, none; flux, flux2-klein: docs/outpainting.md.")
    orientation: str = option("level", "Where a frame lies on the sphere: level, front or random.")
    seed: int = option(0, "Seed of everything that is random.", min=0)
    chunk: int = option(64, "Frames in a shard.", min=1)
    count: int | None = option(None, "Use only this many frames.", min=1)
    stitch: bool = option(False, "Merge the views of a place into one panorama.")
    image: str = option("jpg", "How pictures are stored: jpg or png.")
    distance: str = option(
        "npy", "How distances are stored: npy (float16), or png: smaller, coarser."
    )
    limit: tuple[str, ...] = option(
        (), "Change a limit of a quality gate; repeat.", metavar="NAME=VALUE"
    )
    estimate: str | None = option(
        None, "Depth by a transformers model where a frame has none.", metavar="MODEL[:FORM]"
    )


@with_fields
def curate(
    wanted: Panoramas,
    painting: PaintSettings,
    workers: Workers,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Turn perspective RGB-D into panoramic training shards; continues where it left off.

    Frames that could not be read are tried again by the same command.
    """
    from panodepth.lab.curation.estimate import parse_estimator
    from panodepth.lab.curation.pipeline import Options, pending_units
    from panodepth.lab.curation.pipeline import curate as run
    from panodepth.lab.curation.quality import Limits
    from panodepth.lab.curation.report import write_report
    from panodepth.lab.curation.sources import parse_source
    from panodepth.lab.curation.stages import Plan
    from panodepth.lab.data import Encoding

    plan = Plan(
        size=wanted.size,
        outpainter=wanted.outpainter,
        orientation=cast(Any, wanted.orientation),
        limits=Limits.parse(list(wanted.limit)),
        seed=wanted.seed,
        stitch=wanted.stitch,
        painting=painting,
    )
    encoding = Encoding(cast(Any, wanted.image), cast(Any, wanted.distance))
    options = Options(workers, wanted.chunk, 0, wanted.count, encoding)
    frames = parse_source(wanted.source, without_depth=wanted.estimate is not None)
    estimator = None
    if wanted.estimate is not None:
        estimator = parse_estimator(wanted.estimate, painting.device)
    pending = pending_units(frames, plan, wanted.out, options)
    with progress(pending, "frame", silent=quiet, as_json=as_json) as bar, fail_if_begun() as begun:

        def advance(_: bool) -> None:
            begun.add()
            bar.update(1)

        done = run(frames, plan, wanted.out, options, estimator, advance)
    write_report(wanted.out)
    raise Exit(_report(done, wanted.out, as_json=as_json, quiet=quiet))


def _report(done: Outcome, out: Path, *, as_json: bool, quiet: bool) -> int:
    """Print what the folder holds now; return the exit code."""
    unread = done.reasons.get(UNREADABLE, 0)
    code = DONE if done.kept and not unread else SOME_FAILED
    if as_json:
        counts = {"kept": done.kept, "rejected": done.reasons, "exit_code": code}
        print_document({**counts, "out": str(out)})
    elif not quiet:
        rejected = ", ".join(f"{count} {reason}" for reason, count in done.reasons.items())
        print(f"{done.kept} panoramas in {out}; rejected: {rejected or 'none'}")
        for reason, example in done.examples.items():
            print(f"  {reason}, the first: {printable(one_line(example, 200))}")
        print(f"report: {out / 'report.html'}")
    if unread:
        example = printable(one_line(done.examples.get(UNREADABLE, ""), 300))
        frames = f"{unread} frame{'s' * (unread != 1)} cannot be read, the first: {example}"
        print(f"error: {frames}; the same command tries them again", file=sys.stderr)
    return code
