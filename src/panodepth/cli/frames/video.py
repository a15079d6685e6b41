"""`panodepth video`: 360° video in, distances that hold still out."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Exit, Option

from panodepth.cli.options import (
    DONE,
    SOME_FAILED,
    AsJson,
    Device,
    Dtype,
    Model,
    Quiet,
    with_fields,
)
from panodepth.errors import InputError, OutputError, one_line, print_note, printable, require
from panodepth.export.formats import relative_note
from panodepth.progress import progress
from panodepth.streams import print_document
from panodepth.version import __version__
from panodepth.video.options import VideoOptions

if TYPE_CHECKING:
    from panodepth.predict.predictor import Predictor
    from panodepth.video.run import ClipResult


@with_fields
def video(
    inputs: Annotated[
        list[str], Argument(metavar="VIDEO...", help="360° videos, or folders of frames in order.")
    ],
    options: VideoOptions,
    model: Model = "default",
    device: Device = "auto",
    dtype: Dtype = "auto",
    skip_existing: Annotated[
        bool, Option("--skip-existing", help="Skip clips whose results are all there.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Predict every frame of 360° videos, steady over time, and write them as videos.

    A shot has one scale, and what does not move stays still; the camera may turn and walk.
    """
    require("video", "video", "av")
    from panodepth.predict.metric.files import check_measured
    from panodepth.predict.trial import described, load_chosen
    from panodepth.video.places import check_free, find_clips, is_complete

    started = time.perf_counter()
    clips = find_clips(inputs)
    check_free(clips, options)
    check_measured(options)
    waiting = [c for c in clips if not (skip_existing and is_complete(c, options))]
    summary: dict[str, Any] = {"version": __version__, "skipped": len(clips) - len(waiting)}
    results: list[ClipResult] = []
    errors: list[str] = []
    if waiting:
        where = {"device": device, "dtype": dtype, "backend": "auto"}
        predictor = load_chosen(model, size=options.size, compile=False, **where)
        summary |= described(predictor)
        told = "" if options.in_metres else relative_note(options.files)
        if told and not (quiet or as_json):
            print_note(told)
        for clip in waiting:
            try:
                results.append(_one(predictor, clip, options, as_json=as_json, quiet=quiet))
            except (InputError, OutputError) as error:
                errors.append(one_line(error))
                print(f"error: {printable(errors[-1])}", file=sys.stderr)
    code = SOME_FAILED if errors else DONE
    frames, seconds = sum(r.frames for r in results), time.perf_counter() - started
    if as_json:
        ended = {"frames": frames, "seconds": seconds, "errors": errors, "exit_code": code}
        print_document({**summary, **ended, "results": [asdict(result) for result in results]})
    elif not quiet:
        skipped = f", {summary['skipped']} skipped" if summary["skipped"] else ""
        speed = f", {frames / seconds:.1f} frames/s" if frames else ""
        print(f"{len(results)} of {len(waiting)} clips{skipped}: {_counted(frames)}{speed}")
    raise Exit(code)


def _one(
    predictor: Predictor, clip: Path, options: VideoOptions, *, as_json: bool, quiet: bool
) -> ClipResult:
    """Predict one clip, and tell how far it is and what became of it."""
    from panodepth.video.reading import open_clip
    from panodepth.video.run import predict_clip

    with (
        open_clip(clip, options) as opened,
        progress(opened.count, "frame", silent=quiet, as_json=as_json) as bar,
    ):
        result = predict_clip(predictor, opened, options, lambda: bar.update(1))
    if not (quiet or as_json):
        for note in result.notes:
            print_note(note)
        shots = f", {result.shots} shots" if result.shots > 1 else ""
        files = ", ".join(result.files)
        print(printable(f"{clip} -> {files} ({_counted(result.frames)}{shots})"), flush=True)
        if result.flicker is not None:
            print(
                f"flicker {result.flicker:.2%}: of what is still, from frame to frame", flush=True
            )
    return result


def _counted(frames: int) -> str:
    return f"{frames} frame{'s' * (frames != 1)}"
