"""`panodepth live`: frames in, laser scans out, a line of JSON each."""

from __future__ import annotations

import json
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Exit, Option

from panodepth.cli.options import DONE, SOME_FAILED, Device, Dtype, Model, Quiet, with_fields
from panodepth.errors import ConfigError, InputError, printable
from panodepth.predict.live.options import LiveOptions
from panodepth.streams import reader_gone

SECTORS = 8  # of the list of what is nearest
LATEST = 10_000  # scans whose latency is told: a camera may run for weeks


@with_fields
def live(
    inputs: Annotated[
        list[str],
        Argument(
            metavar="FRAME...",
            help="Frames in order: pictures, folders, or - for names on standard input.",
        ),
    ],
    options: LiveOptions,
    watch: Annotated[
        bool, Option(help="Go on with frames that come to the folder, until Ctrl-C.")
    ] = False,
    model: Model = "default",
    device: Device = "auto",
    dtype: Dtype = "auto",
    quiet: Quiet = False,
) -> None:
    """Turn frames of a 360° camera into laser scans: a line of JSON for each on standard output.

    The fields are those of ROS's LaserScan; `obstacles` is the nearest of each of eight sectors.
    """
    import numpy as np

    from panodepth.export.robots.scan import scan_values
    from panodepth.predict import load
    from panodepth.predict.live.loop import scans

    options.scan_options()
    frames, refused = _wanted(inputs, watch)
    predictor = load(model, device=device, dtype=dtype, size=options.size)
    latencies: deque[float] = deque(maxlen=LATEST)
    done, failed = 0, len(refused)
    for text, why in refused.items():
        print(f"error: {printable(f'{text}: {why}')}", file=sys.stderr)
    try:
        for found in scans(predictor, frames, options):
            if found.scan is None:
                failed += 1
                print(f"error: {printable(found.error or '')}", file=sys.stderr)
                continue
            done += 1
            latencies.append(found.latency)
            told: dict[str, Any] = {"frame": found.name, "latency": round(found.latency, 4)}
            told["metres_spread"] = found.metres_spread and round(found.metres_spread, 4)
            told |= scan_values(found.scan, SECTORS, found.stamp)
            print(json.dumps(told, allow_nan=False), flush=True)
            if reader_gone():
                break
    finally:  # Ctrl-C is how a camera's loop ends
        if latencies and not quiet:
            median, high = np.quantile(latencies, (0.5, 0.95))
            print(
                f"{done} scans, {1 / np.mean(latencies):.1f} Hz; latency "
                f"{median * 1e3:.0f} ms (median), {high * 1e3:.0f} ms (p95)"
                + (f"; {failed} failed" if failed else ""),
                file=sys.stderr,
            )
    raise Exit(SOME_FAILED if failed else DONE)


def _named() -> Iterator[str]:
    """The names on standard input, a line each, whatever bytes they are of."""
    for line in () if sys.stdin is None else sys.stdin.buffer:
        if name := os.fsdecode(line.rstrip(b"\r\n")):
            yield name


def _wanted(inputs: list[str], watch: bool) -> tuple[Iterable[str | Path], dict[str, str]]:
    """The frames, and what is none of them, with why."""
    from panodepth.predict.live.watch import watched

    if not watch:
        return (_named(), {}) if inputs == ["-"] else _frames(inputs)
    folder = Path(os.path.expanduser(inputs[0]))
    if len(inputs) > 1 or not folder.is_dir():
        raise ConfigError(f"--watch takes one folder, not {', '.join(inputs)}")
    return watched(folder), {}


def _frames(inputs: list[str]) -> tuple[list[str], dict[str, str]]:
    """The frames, those of a folder as people count them; and what is none of them, with why."""
    from panodepth.predict.folder.frames import counted
    from panodepth.predict.folder.inputs import find_inputs

    found = find_inputs(inputs)
    refused = found.left_out.problems
    if not found.files:
        told = [f"{text}: {why}" for text, why in refused.items()] or inputs
        raise InputError(f"no picture found: {', '.join(told)}")
    files: list[str] = []
    for _, inside in groupby(found.files, key=lambda item: item.path.parent):
        paths = [item.path for item in inside]
        named = any(str(path) in inputs for path in paths)  # then their order is the user's
        files += map(str, paths if named else sorted(paths, key=counted))
    return files + found.missing, refused
