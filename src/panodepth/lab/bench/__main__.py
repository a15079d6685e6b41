"""The same as `panodepth bench`, without typer: `python -m panodepth.lab.bench --quick`"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from panodepth.errors import PanodepthError
from panodepth.lab.bench.attention import MODES
from panodepth.lab.bench.command import Options, main, names_in, numbers_in

ABOUT = "Measure this machine's ceilings, and every way to run the network against them."
NOTHING_STARTED, INTERRUPTED = 2, 130


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as the command does."""

    def error(self, message: str) -> NoReturn:
        print(f"error: {message}", file=sys.stderr)
        sys.exit(NOTHING_STARTED)


def run(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code: 0, 1 when a row failed, 2 for a bad option."""
    parser = _Parser(prog="python -m panodepth.lab.bench", description=ABOUT)
    parser.add_argument("--preset", metavar="A,B", help="compact,large by default")
    parser.add_argument("--precision", metavar="A,B", help="float32, bfloat16, float16")
    parser.add_argument("--routes", metavar="A,B", help="all but compile by default")
    parser.add_argument("--batch", metavar="A,B", help="images at once, e.g. 1,8")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--attention", default="eager", help=", ".join(MODES))
    parser.add_argument("--quick", action="store_true", help="compact alone, in seconds, no file")
    parser.add_argument("--out", type=Path, metavar="DIR", help="benchmarks/results by default")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    chosen = parser.parse_args(arguments)
    try:
        options = Options(
            presets=names_in(chosen.preset),
            precisions=names_in(chosen.precision),
            routes=names_in(chosen.routes),
            batches=numbers_in(chosen.batch),
            device=chosen.device,
            attention=chosen.attention,
            quick=chosen.quick,
            out=chosen.out,
            as_json=chosen.json,
        )
        return main(options)
    except PanodepthError as error:
        print(f"error: {error}", file=sys.stderr)
        return NOTHING_STARTED
    except KeyboardInterrupt:
        print("error: interrupted; nothing was written", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(run())
