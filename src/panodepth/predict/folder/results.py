"""What became of each picture of a run, and what its failure says to people."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from panodepth.errors import (
    OutputError,
    PanodepthError,
    device_failed,
    is_out_of_memory,
    not_installed,
    one_line,
)
from panodepth.predict.folder.inputs import InputFile


@dataclass
class FileResult:
    """What became of one input. status: "written", "skipped" or "failed" (then error says why).

    files: written. seconds: per step (read, network, write). facts: size, unit, valid share, and
    metres per unit of the network's relative distance where they are known.
    """

    input: str
    status: str
    files: list[str] = field(default_factory=list)
    error: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


class RunEndedError(OutputError):
    """Nothing else can be done: the disk is full, the output folder gone, or the model unfit."""


def failed(item: InputFile, error: Exception) -> FileResult:
    """One line that says what was wrong, and names the file unless nothing was wrong with it."""
    if os.environ.get("PANODEPTH_DEBUG") == "1":
        raise error
    if isinstance(error, PanodepthError):
        text = one_line(error)
    elif is_out_of_memory(error):
        text = "not enough memory: use a smaller --size or --batch-size, or a smaller picture"
    elif isinstance(error, OSError):
        text = one_line(error.strerror or error)
    else:
        text = device_failed(error) or not_installed(error) or ""
        text = text or one_line(f"unexpected {type(error).__name__}: {error}")
    path = str(item.path)
    text = text.replace(one_line(path), path) if "\n" in path else text
    if path not in text and not isinstance(error, RunEndedError):
        text = f"{path}: {text}"
    return FileResult(str(item.path), "failed", error=text)
