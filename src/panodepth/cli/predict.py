"""`panodepth predict`: 360° pictures in, distance and 3D out."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from panodepth import __version__
from panodepth.cli.options import (
    DONE,
    SOME_FAILED,
    AsJson,
    Device,
    Dtype,
    Model,
    Size,
    parse_batch_size,
    parse_size,
)
from panodepth.errors import ConfigError, InputError

if TYPE_CHECKING:
    from panodepth.predict.folder.run import FileResult
    from panodepth.predict.predictor import BasePredictor

DEFAULT_FORMATS = "npz,preview,ply"


def predict(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Pictures, folders, quoted globs.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.")],
    formats: Annotated[
        list[str], typer.Option("--format", help="What to write; repeat, or separate by commas.")
    ] = [DEFAULT_FORMATS],  # noqa: B006 - typer reads it, nobody writes it
    model: Model = "default",
    backend: Annotated[
        str, typer.Option(help="torch, onnx (a .onnx model, no torch loaded), or auto by --model.")
    ] = "auto",
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
    batch_size: Annotated[
        str, typer.Option(metavar="N|auto", help="Pictures per pass; auto by a GPU's memory.")
    ] = "auto",
    workers: Annotated[
        int | None,
        typer.Option(min=0, help="Threads that read, and that write; 0 = nothing overlaps."),
    ] = None,
    compile: Annotated[
        bool, typer.Option("--compile", help="torch.compile the network: a slow start.")
    ] = False,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors only.")] = False,
) -> None:
    """Predict the distance of every pixel of 360° pictures and write it in the formats named."""
    started = time.perf_counter()
    if sky not in ("auto", "none"):
        raise ConfigError(f"unknown --sky {sky!r}: use auto or none")
    use_onnx = _use_onnx(backend, model, dtype)
    if use_onnx and compile:
        raise ConfigError("--compile is for the torch backend")
    network_size = None if size is None else parse_size(size)

    from panodepth.export import parse_formats
    from panodepth.predict.folder.inputs import find_inputs
    from panodepth.predict.folder.run import (
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
        batch_size=parse_batch_size(batch_size),
        workers=workers,
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
        predictor: BasePredictor
        if use_onnx:
            from panodepth.predict import load_onnx

            predictor = load_onnx(model, device=device, size=network_size)
        else:
            from panodepth.predict import load

            predictor = load(model, device=device, dtype=dtype, size=network_size, compile=compile)
        summary |= predictor.describe()
        summary["seconds"] = {"load": time.perf_counter() - started}
        with _progress(len(pending), quiet or as_json) as on_result:
            results += predict_files(predictor, pending, options, on_result)
        taken = time.perf_counter() - started - summary["seconds"]["load"]
        written = sum(result.status == "written" for result in results)
        summary["images_per_second"] = written / taken
    summary.setdefault("seconds", {})["total"] = time.perf_counter() - started
    raise typer.Exit(_report(results, summary, as_json=as_json, quiet=quiet))


def _use_onnx(backend: str, model: str, dtype: str) -> bool:
    """Whether the ONNX backend is asked for, by name or by the model's ending."""
    if backend not in ("auto", "torch", "onnx"):
        raise ConfigError(f"unknown --backend {backend!r}: use auto, torch or onnx")
    is_file = model.lower().endswith(".onnx")
    if backend == "onnx" and not is_file:
        raise ConfigError("--backend onnx needs --model FILE.onnx; `panodepth export` makes one")
    if backend == "torch" and is_file:
        raise ConfigError(f"--backend torch cannot run {model}: use onnx")
    if is_file and dtype != "auto":
        raise ConfigError("an ONNX file has one precision: leave --dtype out (export --int8)")
    return is_file


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
        rate = summary.get("images_per_second", 0.0)
        speed = f"; {rate:.2f} images/s" if counts["written"] > 1 else ""
        print(f"{told} in {seconds['total']:.2f} s ({steps}{speed})")
    return code
