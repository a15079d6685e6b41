"""Training without typer: `python -m panodepth.lab.training --recipe recipes/compact.toml`"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from panodepth.errors import PanodepthError
from panodepth.lab.training.commands import prepare_recipe

NOT_STARTED, STOPPED_BY_ERROR = 2, 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Train from a recipe; returns the exit code.

    2 when the run could not start, 1 when an error stopped it; a run that was stopped by a signal
    has ended well: 0.
    """
    parser = argparse.ArgumentParser(
        prog="python -m panodepth.lab.training",
        description="Train from a recipe; resumes when run.out holds a checkpoint.",
    )
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument(
        "--set", action="append", default=[], metavar="TABLE.KEY=VALUE", dest="settings"
    )
    parser.add_argument("--cache", type=Path, help="the same as --set data.cache=DIR")
    parser.add_argument("--init", type=Path, help="model file to start from")
    chosen = parser.parse_args(arguments)
    try:
        run = prepare_recipe(chosen.recipe, chosen.settings, cache=chosen.cache, init=chosen.init)
    except PanodepthError as error:
        print(f"error: {error}", file=sys.stderr)
        return NOT_STARTED
    try:
        result = run.run()
    except PanodepthError as error:
        print(f"error: {error}", file=sys.stderr)
        return STOPPED_BY_ERROR
    if run.engine.is_main:
        print(result.summary())
    run.engine.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
