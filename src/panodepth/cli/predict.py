"""`panodepth predict`: 360° pictures in, distance and 3D out."""

from __future__ import annotations

import glob
import os
import sys
import time
from dataclasses import asdict, replace
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
from panodepth.errors import InputError, print_note, printable
from panodepth.export.formats import relative_note
from panodepth.predict.folder.options import RunOptions
from panodepth.predict.models import chosen_backend, model_name, weights_stamp
from panodepth.predict.options import SHARP
from panodepth.progress import SHARES, Progress, by_share, progress
from panodepth.size import Size, show_size
from panodepth.streams import print_document
from panodepth.version import __version__

if TYPE_CHECKING:
    from panodepth.predict.folder.inputs import FoundInputs, InputFile
    from panodepth.predict.folder.results import FileResult
    from panodepth.predict.folder.walk import LeftOut
    from panodepth.predict.predictor import Predictor


@with_fields
def predict(
    inputs: Annotated[
        list[str], Argument(metavar="INPUT...", help="Pictures, folders, quoted globs.")
    ],
    options: RunOptions,
    model: Model = "default",
    backend: Annotated[
        str, Option(help="torch, onnx (.onnx files), openvino, or auto: by the model.")
    ] = "auto",
    device: Device = "auto",
    dtype: Dtype = "auto",
    skip_existing: Annotated[
        bool, Option("--skip-existing", help="Skip pictures whose results are all there.")
    ] = False,
    compile: Annotated[
        bool, Option("--compile", help="torch.compile the network: a slow start.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Predict the distance of every pixel of 360° pictures and write it in the chosen formats."""
    started = time.perf_counter()
    chosen_backend(backend, model)
    from panodepth.predict.folder.run import predict_files

    pending, results, found = _find(inputs, options, model if skip_existing else None)
    counts = found.left_out.counts
    summary: dict[str, Any] = {"version": __version__, "seconds": {}, "left_out": counts}
    if not (quiet or as_json):
        _tell_left(found.left_out, results)
    if pending:
        from panodepth.predict.trial import described, load_chosen

        where = {"device": device, "dtype": dtype, "backend": backend}
        predictor = load_chosen(model, size=options.size, compile=compile, **where)
        loaded = time.perf_counter()
        if not (quiet or as_json):
            _tell_size(predictor, options.size)
            if not options.in_metres and (told := relative_note(options.formats)):
                print_note(told)
        summary |= described(predictor)
        summary["seconds"]["load"] = loaded - started
        one = len(pending) == 1 and options.quality in SHARP
        total, unit = (SHARES, "step") if one else (len(pending), "image")
        with progress(total, unit, silent=quiet, as_json=as_json) as bar:
            options = replace(options, watch=by_share(bar)) if one else options

            def on_result(result: FileResult) -> None:
                bar.update(0 if one else 1)
                if not (quiet or as_json):
                    _tell(result, bar)

            results += predict_files(predictor, pending, options, on_result)
        written = sum(result.status == "written" for result in results)
        summary["images_per_second"] = written / (time.perf_counter() - loaded)
    order = {str(item.path): number for number, item in enumerate(found.files)}
    results.sort(key=lambda result: order.get(result.input, -1))
    summary["seconds"]["total"] = time.perf_counter() - started
    raise Exit(_report(results, summary, as_json=as_json, quiet=quiet))


def _tell(result: FileResult, bar: Progress) -> None:
    """Print where a result went, and the notes on it."""
    for note in result.facts.get("notes", ()):
        bar.write(printable(f"note: {result.input}: {note}"), file=sys.stderr)
    if result.files:
        told = f"{result.input} -> {', '.join(result.files)}{_metres(result)}"
        bar.write(printable(told), file=sys.stdout)


def _tell_size(predictor: Predictor, asked: Size | None) -> None:
    """A note where the network is asked to run at a size that it was not made for."""
    own, told = predictor.own_size, f"the network was made for {show_size(predictor.own_size)}"
    if predictor.edges == "cut" and predictor.size != own:
        print_note(f"{told}; at other sizes it is often much worse")
    elif asked is not None and asked < own:
        print_note(f"{told}, and runs at that size: at fewer pixels it is much worse")


def _tell_left(left_out: LeftOut, results: list[FileResult]) -> None:
    """Note what is no picture, and what was skipped that would now become something else."""
    from panodepth.predict.folder.outputs import tell_otherwise

    if str(left_out):
        print_note(f"left out, as these kinds are not read: {left_out}")
    if told := tell_otherwise(results):
        print_note(told)


def _find(
    inputs: list[str], options: RunOptions, skip_for: str | None
) -> tuple[list[InputFile], list[FileResult], FoundInputs]:
    """The pictures to predict, results of those that cannot be or are done, and what was found.

    skip_for: the model for which what is done is skipped; None = nothing is.
    Raises OutputError when nothing can be written, InputError when there is no picture at all.
    """
    from panodepth.predict.folder.checks import check_first
    from panodepth.predict.folder.inputs import find_inputs, find_rig_folders
    from panodepth.predict.folder.outputs import (
        check_output_folder,
        is_complete,
        made_otherwise,
        sharing_files,
    )
    from panodepth.predict.folder.results import FileResult, failed

    check_output_folder(options.out)
    _check_files(options)
    found = find_rig_folders(inputs) if options.rig else find_inputs(inputs, options.out)
    if not found.files and options.rig:
        given = ", ".join([*found.missing, *found.left_out.problems])
        raise InputError(f"no folder {given}: --rig takes folders of pictures")
    if not found.files:
        reasons = [f"{path}: {why}" for path, why in found.left_out.problems.items()]
        reasons += [f"left out: {found.left_out}"] if str(found.left_out) else []
        told = f" ({'; '.join(reasons)})" if reasons else ""
        problems = found.left_out.problems
        named = [f"{t} ({_missing(t)})" for t in found.missing if t not in problems] or inputs
        raise InputError(f"no picture found: {', '.join(named)}{told}")
    problems = {text: _missing(text) for text in found.missing} | found.left_out.problems
    results = [FileResult(text, "failed", error=f"{text}: {why}") for text, why in problems.items()]
    weights = weights_stamp(skip_for) if skip_for is not None else ""
    waiting, shared = [], sharing_files(found.files, options)
    for item in found.files:
        if item.path in shared:
            results.append(failed(item, shared[item.path]))
        elif skip_for is not None and is_complete(item, options):
            ways = made_otherwise(item, options, model_name(skip_for), weights)
            facts = {"made_otherwise": ways}
            results.append(FileResult(str(item.path), "skipped", facts=facts))
        else:
            waiting.append(item)
    pending, refused = check_first(waiting, options)
    return pending, results + refused, found


def _check_files(options: RunOptions) -> None:
    """Raise InputError for a file that cannot be read and that every picture needs."""
    from panodepth.predict.lenses.rig import read_rig
    from panodepth.predict.metric.files import check_measured

    if options.mask is not None and not options.mask.exists():
        raise InputError(f"no mask {options.mask}")
    if options.rig is not None:
        read_rig(options.rig)
    check_measured(options)


def _metres(result: FileResult) -> str:
    """What is known of the scale of a result in metres."""
    if result.facts.get("unit") != "m":
        return ""
    facts = result.facts
    by = facts["metres_by"].replace("_", " ")
    by = "estimate" if by == "learned" else by
    told = f"scale {facts['metres_per_unit']:.2f} by {by}"
    if facts["metres_spread"] is not None:
        told += f" ± {facts['metres_spread']:.0%}"
    if facts["floor_support"] is not None:
        told += f", the floor is {facts['floor_support']:.0%} of the view below"
    return f" (metres: {told})"


def _missing(text: str) -> str:
    if not text:
        return "an empty name"
    if os.path.isdir(text):
        return "no picture in this folder"
    if text == "-":
        return "standard input is not read: save it to a file first"
    if "://" in text:
        return "an address, not a file: download it first"
    try:
        os.stat(text)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        if not glob.has_magic(text):  # which Windows takes for a name that cannot be
            return f"cannot be read ({getattr(error, 'strerror', None) or error})"
    return "no such file or folder, and no glob matches"


def _report(
    results: list[FileResult], summary: dict[str, Any], *, as_json: bool, quiet: bool
) -> int:
    """Print what happened, each failure as one line on standard error; return the exit code."""
    counts = {s: sum(r.status == s for r in results) for s in ("written", "skipped", "failed")}
    seconds = summary["seconds"]
    for step in ("read", "network", "write"):
        seconds[step] = sum(result.seconds.get(step, 0.0) for result in results)
    code = SOME_FAILED if counts["failed"] else DONE
    for error in dict.fromkeys(result.error for result in results if result.error is not None):
        print(f"error: {printable(error)}", file=sys.stderr)
    if as_json:
        details = [asdict(result) for result in results]
        print_document({**summary, **counts, "exit_code": code, "results": details})
    elif not quiet:
        steps = ", ".join(
            f"{step} {seconds[step]:.2f} s"
            for step in ("load", "read", "network", "write")
            if step in seconds
        )
        counted = ", ".join(f"{number} {status}" for status, number in counts.items() if number)
        rate = summary.get("images_per_second", 0.0)
        speed = f"; {rate:.2f} images/s" if counts["written"] > 1 else ""
        print(f"{counted} in {seconds['total']:.2f} s ({steps}{speed})")
    return code
