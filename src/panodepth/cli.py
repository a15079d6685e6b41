"""The command `panodepth`: a thin shell; every sub-command imports what it needs inside.

Exit codes: 0 all done; 1 some files failed (they are listed at the end), or an error stopped a
training run (its last checkpoint is whole); 2 nothing could start
(a wrong option, no input, no model, no place to write); 130 interrupted. What went wrong is one
line on standard error that starts with "error:"; PANODEPTH_DEBUG=1 shows tracebacks instead.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from panodepth import __version__
from panodepth.errors import ConfigError, InputError, OutputError, PanodepthError

if TYPE_CHECKING:
    from panodepth.inference.run import FileResult

DONE, SOME_FAILED, NOTHING_STARTED, INTERRUPTED = 0, 1, 2, 130
INTERRUPTED_TEXT = "interrupted; every file that was written is whole"
DEFAULT_FORMATS = "npz,preview,ply"

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Panoramic depth: a 360° photograph in, a dense distance map and 3D out.",
)

Model = Annotated[
    str, typer.Option(help="default, released, a hub id org/name, a folder or a .safetensors file.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
Dtype = Annotated[str, typer.Option(help="auto, float32 or bfloat16; results are float32 always.")]
Size = Annotated[str | None, typer.Option(metavar="HxW", help="Network size, multiples of 14.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, nothing else.")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; every error becomes one line."""
    arguments = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        code = app(args=arguments, standalone_mode=False)
        if code != INTERRUPTED:  # typer turns Ctrl-C into this code, or into Abort
            return code if isinstance(code, int) else DONE
        return _fail(INTERRUPTED_TEXT, INTERRUPTED, arguments)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SOME_FAILED
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get("PANODEPTH_DEBUG") == "1":
            raise
        return _fail(*_explain(error), arguments)


def _explain(error: BaseException) -> tuple[str, int]:
    """One line for people, and the exit code."""
    if isinstance(error, PanodepthError):
        return str(error), NOTHING_STARTED
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "Abort":
        return INTERRUPTED_TEXT, INTERRUPTED
    if hasattr(error, "format_message"):  # a usage error; typer carries its own copy of click
        return f"{error.format_message()} (see panodepth --help)", NOTHING_STARTED
    if isinstance(error, MemoryError):
        return "not enough memory", SOME_FAILED
    if isinstance(error, OSError):
        return str(error), SOME_FAILED
    text = f"unexpected {type(error).__name__}: {error} (PANODEPTH_DEBUG=1 tells more)"
    return text, SOME_FAILED


def _fail(text: str, code: int, arguments: Sequence[str]) -> int:
    line = " ".join(text.split())
    print(f"error: {line}", file=sys.stderr)
    if "--json" in arguments:
        print(json.dumps({"error": line, "exit_code": code}))
    return code


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"panodepth {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Panoramic depth: a 360° photograph in, a dense distance map and 3D out."""


@app.command()
def predict(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Pictures, folders, quoted globs.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.")],
    formats: Annotated[
        list[str], typer.Option("--format", help="What to write; repeat, or separate by commas.")
    ] = [DEFAULT_FORMATS],  # noqa: B006 - typer reads it, nobody writes it
    model: Model = "default",
    device: Device = "auto",
    dtype: Dtype = "auto",
    mask: Annotated[
        Path | None,
        typer.Option(metavar="FILE|DIR", help="White = valid; a folder holds one per picture."),
    ] = None,
    size: Size = None,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave pictures whose results are all there.")
    ] = False,
    allow_any_aspect: Annotated[
        bool, typer.Option("--allow-any-aspect", help="Take a picture that is not 2:1 for 360°.")
    ] = False,
    camera_height: Annotated[
        float | None,
        typer.Option(min=0.01, metavar="METRES", help="Scale to metres by the floor below."),
    ] = None,
    sky: Annotated[str, typer.Option(help="auto masks the sky out, none does not.")] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures per pass.")] = 1,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors only.")] = False,
) -> None:
    """Predict the distance of every pixel of 360° pictures and write it in the formats named."""
    started = time.perf_counter()
    if sky not in ("auto", "none"):
        raise ConfigError(f"unknown --sky {sky!r}: use auto or none")
    network_size = None if size is None else _parse_size(size)

    from panodepth.export import parse_formats
    from panodepth.inference.inputs import find_inputs
    from panodepth.inference.run import (
        FileResult,
        RunOptions,
        check_output_folder,
        is_complete,
        predict_files,
    )

    names = parse_formats(formats)
    if mask is not None and not mask.exists():
        raise InputError(f"no mask {mask}")
    check_output_folder(out)
    found = find_inputs(inputs, out)
    if not found.files:
        raise InputError(f"no picture found: {', '.join(found.missing or inputs)}")
    options = RunOptions(
        out=out,
        formats=names,
        mask=mask,
        size=network_size,
        allow_any_aspect=allow_any_aspect,
        camera_height=camera_height,
        sky="none" if sky == "none" else "auto",
        batch_size=batch_size,
    )
    results = [
        FileResult(text, "failed", error=f"{text}: no such file or folder, and no glob matches")
        for text in found.missing
    ]
    done = [item for item in found.files if skip_existing and is_complete(item, options)]
    results += [FileResult(str(item.path), "skipped") for item in done]
    pending = [item for item in found.files if item not in done]
    summary: dict[str, Any] = {"version": __version__}
    if pending:
        from panodepth.inference import load

        predictor = load(model, device=device, dtype=dtype, size=network_size)
        summary |= predictor.describe()
        summary["seconds"] = {"load": time.perf_counter() - started}
        with _progress(len(pending), quiet or as_json) as on_result:
            results += predict_files(predictor, pending, options, on_result)
    summary.setdefault("seconds", {})["total"] = time.perf_counter() - started
    raise typer.Exit(_report(results, summary, as_json=as_json, quiet=quiet))


@app.command()
def info(
    model: Model = "default",
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: AsJson = False,
) -> None:
    """Print the model, device, precision and versions that predict would use."""
    import platform

    import numpy
    import torch

    from panodepth.device import choose_device, choose_dtype, device_name
    from panodepth.inference import load

    chosen = choose_device(device)
    facts: dict[str, Any] = {
        "panodepth": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "platform": platform.platform(),
        "threads": torch.get_num_threads(),
        "device": str(chosen),
        "device_name": device_name(chosen),
        "dtype": str(choose_dtype(dtype, chosen)).removeprefix("torch."),
    }
    error = None
    try:
        facts |= load(model, device=device, dtype=dtype).describe()
    except PanodepthError as problem:  # the versions help to find out why
        error = facts["error"] = str(problem)
    if as_json:
        print(json.dumps(facts, indent=2))
    else:
        for key, value in facts.items():
            if key != "error":
                print(f"{key.replace('_', ' '):<14} {value}")
    if error is not None:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(NOTHING_STARTED)


@app.command()
def train(
    recipe: Annotated[
        Path, typer.Option(metavar="FILE", help="A recipe, e.g. recipes/compact.toml.")
    ],
    settings: Annotated[
        list[str], typer.Option("--set", metavar="TABLE.KEY=VALUE", help="Change a key; repeat.")
    ] = [],  # noqa: B006 - typer reads it, nobody writes it
    init: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="Start from: default, released, a hub id, a folder or a file."
        ),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder that keeps rendered panoramas.")
    ] = None,
) -> None:
    """Train from a recipe; goes on where run.out left off. Many GPUs: accelerate launch."""
    from panodepth.training.commands import prepare_recipe

    start = None
    if init is not None:
        from panodepth.inference.loading import find_checkpoint

        start = find_checkpoint(init)[1]
    run = prepare_recipe(recipe, settings, cache=cache, init=start)
    try:
        result = run.run()
    except PanodepthError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        raise typer.Exit(SOME_FAILED) from None
    if run.engine.is_main:
        print(result.summary())
    run.engine.close()


@app.command()
def evaluate(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the report.")],
    data: Annotated[
        list[str],
        typer.Option(metavar="NAME=DIR", help="A dataset; repeat. NAME: its kind, or your own."),
    ] = [],  # noqa: B006 - typer reads it, nobody writes it
    predictor: Annotated[
        str, typer.Option(help="A model, FILE.py[:CLASS], or a folder of predicted files.")
    ] = "default",
    protocol: Annotated[
        str, typer.Option(help="da2, da2-fixed, affine, metric, unik3d, sphere or uncapped.")
    ] = "da2",
    split: Annotated[
        list[str], typer.Option(metavar="NAME=FILE", help="List of samples of a dataset; repeat.")
    ] = [],  # noqa: B006
    option: Annotated[
        list[str], typer.Option(metavar="KEY=VALUE", help="Passed to the predictor; repeat.")
    ] = [],  # noqa: B006
    compare: Annotated[
        list[str], typer.Option(metavar="DIR", help="An earlier report to stand beside; repeat.")
    ] = [],  # noqa: B006
    geometry: Annotated[
        bool, typer.Option("--geometry/--no-geometry", help="Seam, poles, normals, contours.")
    ] = True,
    points: Annotated[bool, typer.Option("--points", help="Point-cloud F-score (scipy).")] = False,
    rotation: Annotated[
        bool, typer.Option("--rotation", help="Consistency when the camera is turned.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes, each with its predictor.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Threads of each process.")] = 1,
    part: Annotated[
        str | None, typer.Option(metavar="I/N", help="Only part I of N, e.g. on N machines.")
    ] = None,
    pictures: Annotated[
        int, typer.Option(min=0, help="Worst and median samples shown, each, per dataset.")
    ] = 3,
    device: Device = "auto",
    dtype: Dtype = "auto",
    size: Size = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors only.")] = False,
) -> None:
    """Measure a predictor on datasets by a named protocol; the same command goes on if stopped."""
    from functools import partial

    from tqdm import tqdm

    from panodepth.evaluation import command
    from panodepth.evaluation.choice import choose_predictor, parse_options, parse_part
    from panodepth.evaluation.datasets import open_datasets
    from panodepth.evaluation.protocol import find_protocol
    from panodepth.evaluation.runner import Run, tasks
    from panodepth.evaluation.scoring import Extras

    chosen_protocol = find_protocol(protocol)
    network_size = None if size is None else _parse_size(size)
    chosen_part = None if part is None else parse_part(part)
    if not data:
        raise ConfigError("give --data NAME=DIR, e.g. --data stanford2d3d=/data/2D3DS")
    datasets = tuple(open_datasets(data, chosen_protocol, split))

    from panodepth.inference import load
    from panodepth.inference.loading import find_checkpoint

    load_model = partial(load, predictor, device=device, dtype=dtype, size=network_size)
    chosen = choose_predictor(predictor, load_model, datasets, parse_options(option))
    if chosen.kind == "model":
        find_checkpoint(predictor)  # fails now, not in a worker
    run = Run(datasets, chosen.make, chosen_protocol, Extras(geometry, points, rotation), threads)
    settings = {"device": device, "dtype": dtype, "size": size} if chosen.kind == "model" else {}
    options = command.Options(
        name=chosen.name,
        identity=f"{chosen.identity} {json.dumps(settings)}",
        workers=workers,
        part=chosen_part,
        compare=tuple(compare),
        pictures=pictures,
    )
    silent = quiet or not sys.stderr.isatty()
    total = len(tasks(datasets, chosen_part))
    with tqdm(total=total, unit="image", disable=silent) as bar:
        report = command.evaluate_run(run, out, options, lambda _: bar.update(1))
    for row in report["skipped"]:
        print(f"error: {row['dataset']}: {row['name']}: {row['reason']}", file=sys.stderr)
    if not quiet:
        print(command.plain_text(report, out, options))
    raise typer.Exit(SOME_FAILED if report["skipped"] else DONE)


@app.command()
def render(
    count: Annotated[int, typer.Option(min=1, help="How many worlds.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the files.")],
    seed: Annotated[int, typer.Option(min=0, help="Training uses seed 0.")] = 0,
    size: Annotated[
        str | None,
        typer.Option(metavar="HxW", help="Default 512x1024; for --views any, default 480x640."),
    ] = None,
    kind: Annotated[str, typer.Option(help="mixed, indoor or outdoor.")] = "mixed",
    first: Annotated[int, typer.Option(min=0, help="Number of the first world.")] = 0,
    views: Annotated[
        int, typer.Option(min=0, help="So many perspective RGB-D views of each world instead.")
    ] = 0,
    fov: Annotated[
        float, typer.Option(metavar="DEG", help="Horizontal field of view, with --views.")
    ] = 90.0,
    move: Annotated[
        float, typer.Option(metavar="M", min=0, help="Views from up to so far away, with --views.")
    ] = 0.0,
) -> None:
    """Render synthetic panoramas with exact distance: NAME.png with NAME_distance.npz.

    With --views, perspective frames, and beside them NAME.json: intrinsics and pose.
    """
    shape = _parse_size(size or ("480x640" if views else "512x1024"))

    from tqdm import tqdm

    with tqdm(total=count * (views or 1), unit="image", disable=not sys.stderr.isatty()) as bar:
        written = 0

        def advance(_: Path) -> None:
            nonlocal written
            written += 1
            bar.update(1)

        try:
            if views:
                from panodepth.training.rgbd import ViewJob, render_rgbd

                frames = ViewJob(count, views, fov, shape, seed, first, kind, move)
                files = render_rgbd(frames, out, on_done=advance)
            else:
                from panodepth.training.commands import RenderJob, render_dataset

                job = RenderJob(count=count, seed=seed, size=shape, kind=kind, first=first)
                files = render_dataset(job, out, on_done=advance)
        except OutputError as error:
            if not written:
                raise
            print(f"error: {error}; {written} were written", file=sys.stderr)
            raise typer.Exit(SOME_FAILED) from None
    print(f"{len(files)} {'views' if views else 'panoramas'} in {out}")


@app.command()
def curate(
    source: Annotated[
        str, typer.Option(metavar="KIND=DIR", help="Frames, e.g. vkitti2=DIR; DIR alone: your own.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for shards and report.")],
    size: Annotated[str, typer.Option(metavar="HxW", help="Of the panoramas.")] = "512x1024",
    outpainter: Annotated[str, typer.Option(help="diffuse or none.")] = "diffuse",
    orientation: Annotated[str, typer.Option(help="level, front or random.")] = "level",
    seed: Annotated[int, typer.Option(min=0)] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes; the bytes stay the same.")] = 1,
    chunk: Annotated[int, typer.Option(min=1, help="Frames of a shard.")] = 64,
    count: Annotated[int | None, typer.Option(min=1, help="Only so many frames.")] = None,
    stitch: Annotated[bool, typer.Option("--stitch", help="Merge the views of a place.")] = False,
    image: Annotated[str, typer.Option(help="jpg or png.")] = "jpg",
    distance: Annotated[str, typer.Option(help="npy (float16), or png: smaller, coarser.")] = "npy",
    limit: Annotated[
        list[str], typer.Option(metavar="NAME=VALUE", help="Of a quality gate; repeat.")
    ] = [],  # noqa: B006 - typer reads it, nobody writes it
    estimate: Annotated[
        str | None, typer.Option(metavar="MODEL[:FORM]", help="Depth by a transformers model.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Turn perspective RGB-D into panoramic training shards; goes on where it left off."""
    shape = _parse_size(size)
    from panodepth.curation.command import Request, prepare

    choices = (outpainter, orientation, seed, workers, chunk, count, stitch, image, distance)
    run = prepare(Request(source, out, shape, *choices, limits=limit, estimate=estimate))

    from tqdm import tqdm

    with tqdm(total=run.pending, unit="frame", disable=as_json or not sys.stderr.isatty()) as bar:
        done = run.run(lambda kept: bar.update(1))
    if as_json:
        print(json.dumps({"kept": done.kept, "rejected": done.reasons, "out": str(out)}))
    else:
        rejected = ", ".join(f"{count} {reason}" for reason, count in done.reasons.items())
        print(f"{done.kept} panoramas in {out}; rejected: {rejected or 'none'}")
        print(f"report: {out / 'report.html'}")
    raise typer.Exit(DONE if done.kept else SOME_FAILED)


def _parse_size(text: str) -> tuple[int, int]:
    """ "546x1092" as (height, width). Raises ConfigError."""
    height, _, width = text.lower().replace("×", "x").partition("x")
    if not (height.strip().isdecimal() and width.strip().isdecimal()):
        raise ConfigError(f"--size {text!r} is not HxW, e.g. 546x1092")
    return int(height), int(width)


@contextmanager
def _progress(total: int, silent: bool) -> Iterator[Callable[[FileResult], None]]:
    """What to call with each result: it moves the bar, if any, and prints what was written."""
    from tqdm import tqdm

    with tqdm(total=total, unit="image", disable=silent or not sys.stderr.isatty()) as bar:

        def on_result(result: FileResult) -> None:
            bar.update(1)
            if result.files and not silent:
                tqdm.write(f"{result.input} -> {', '.join(result.files)}", file=sys.stdout)

        yield on_result


def _report(
    results: list[FileResult], summary: dict[str, Any], *, as_json: bool, quiet: bool
) -> int:
    """Print what happened, each failure as one line on standard error; return the exit code."""
    counts = {s: sum(r.status == s for r in results) for s in ("written", "skipped", "failed")}
    seconds = summary["seconds"]
    for step in ("read", "network", "write"):
        seconds[step] = sum(result.seconds.get(step, 0.0) for result in results)
    code = SOME_FAILED if counts["failed"] else DONE
    for result in results:
        if result.error is not None:
            print(f"error: {result.error}", file=sys.stderr)
    if as_json:
        details = [asdict(result) for result in results]
        print(json.dumps({**summary, **counts, "exit_code": code, "results": details}, indent=2))
    elif not quiet:
        steps = ", ".join(
            f"{step} {seconds[step]:.2f} s"
            for step in ("load", "read", "network", "write")
            if step in seconds
        )
        told = ", ".join(f"{number} {status}" for status, number in counts.items() if number)
        print(f"{told} in {seconds['total']:.2f} s ({steps})")
    return code
