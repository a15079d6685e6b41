"""What the sub-commands share: exit codes, options, and how a size is written."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from panodepth.errors import ConfigError, PanodepthError

DONE, SOME_FAILED, NOTHING_STARTED, INTERRUPTED = 0, 1, 2, 130

Model = Annotated[
    str, typer.Option(help="default, released, a hub id org/name, a folder or a .safetensors file.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
Dtype = Annotated[str, typer.Option(help="auto, float32, bfloat16, int8 (CPUs), float16 (GPUs).")]
Size = Annotated[str | None, typer.Option(metavar="HxW", help="Network size, multiples of 14.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, nothing else.")]


def parse_size(text: str) -> tuple[int, int]:
    """ "546x1092" as (height, width). Raises ConfigError."""
    height, _, width = text.lower().replace("×", "x").partition("x")
    if not (height.strip().isdecimal() and width.strip().isdecimal()):
        raise ConfigError(f"--size {text!r} is not HxW, e.g. 546x1092")
    return int(height), int(width)


def parse_batch_size(text: str) -> int | None:
    """A number from 1 on; "auto" as None. Raises ConfigError."""
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"--batch-size {text!r} is neither auto nor a number from 1 on")
    return int(text)


def run_training(trainer: Any) -> None:
    """Run what has been prepared; an error from here on ends it with exit code 1, not 2."""
    try:
        result = trainer.run()
    except PanodepthError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        raise typer.Exit(SOME_FAILED) from None
    if trainer.engine.is_main:
        print(result.summary())
    trainer.engine.close()
