"""`panodepth bench`: how close the network comes to what this machine can do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Exit, Option

from panodepth.cli.options import AsJson, Device


def bench(
    preset: Annotated[
        str | None, Option(metavar="A,B", help="Networks; compact,large by default.")
    ] = None,
    precision: Annotated[
        str | None,
        Option(metavar="A,B", help="float32, bfloat16, float16; the machine's by default."),
    ] = None,
    routes: Annotated[
        str | None, Option(metavar="A,B", help="Ways to run it; all but compile by default.")
    ] = None,
    batch: Annotated[
        str | None, Option(metavar="A,B", help="Images at once; 1, and 8 on CUDA.")
    ] = None,
    device: Device = "auto",
    attention: Annotated[
        str, Option(help="eager, compile (adds torch.compile, slow to start), or none.")
    ] = "eager",
    quick: Annotated[
        bool, Option("--quick", help="compact alone, in seconds; no file without --out.")
    ] = False,
    out: Annotated[
        Path | None,
        Option(metavar="DIR", help="Folder of DATE-machine.md; benchmarks/results."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure this machine's ceilings, and every way to run the network against them."""
    from panodepth.lab.bench.command import Options, main, names_in, numbers_in

    options = Options(
        presets=names_in(preset),
        precisions=names_in(precision),
        routes=names_in(routes),
        batches=numbers_in(batch),
        device=device,
        attention=attention,
        quick=quick,
        out=out,
        as_json=as_json,
    )
    raise Exit(main(options))
