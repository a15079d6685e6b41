"""`panodepth info`: what predict would use here."""

from __future__ import annotations

import sys
from typing import Any

from typer import Exit

from panodepth.cli.options import NOTHING_STARTED, AsJson, Device, Dtype, Model
from panodepth.errors import PanodepthError, one_line, printable
from panodepth.streams import print_document
from panodepth.version import __version__


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

    from panodepth.device import choose_device, choose_precision, device_name
    from panodepth.predict import load

    chosen = choose_device(device)
    precision = choose_precision(dtype, chosen)
    facts: dict[str, Any] = {
        "panodepth": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "platform": platform.platform(),
        "threads": torch.get_num_threads(),
        "device": str(chosen),
        "device_name": device_name(chosen),
        "dtype": "int8" if precision.int8 else str(precision.dtype).removeprefix("torch."),
    }
    error = None
    try:
        facts |= load(model, device=device, dtype=dtype).describe()
    except PanodepthError as problem:  # the versions help to find out why
        error = facts["error"] = printable(one_line(problem))
    if as_json:
        print_document(facts)
    else:
        for key, value in facts.items():
            if key != "error":
                print(f"{key.replace('_', ' '):<14} {value}")
    if error is not None:
        print(f"error: {error}", file=sys.stderr)
        raise Exit(NOTHING_STARTED)
