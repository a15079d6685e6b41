"""`panodepth bench`: how close the network comes to what this machine can do."""

from __future__ import annotations

from typer import Exit

from panodepth.cli.options import AsJson, with_fields
from panodepth.lab.bench.options import BenchOptions


@with_fields
def bench(options: BenchOptions, as_json: AsJson = False) -> None:
    """Measure this machine's ceilings, and every way to run the network against them."""
    from panodepth.lab.bench.command import main

    raise Exit(main(options, as_json=as_json))
