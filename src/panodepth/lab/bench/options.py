"""The options of `panodepth bench`; loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from panodepth.errors import ConfigError
from panodepth.options import option


def names_in(text: str) -> tuple[str, ...]:
    """ "a, b" as ("a", "b")."""
    return tuple(word.strip() for word in text.split(","))


def numbers_in(text: str) -> tuple[int, ...]:
    """ "1,8" as (1, 8). Raises ConfigError."""
    words = names_in(text)
    if not all(word.isdecimal() for word in words):
        raise ConfigError(f"--batch {text!r} must be whole numbers, e.g. 1,8")
    return tuple(int(word) for word in words)


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """What to measure; None = what suits the machine."""

    preset: tuple[str, ...] | None = option(
        None, "Networks; default: compact,large.", metavar="A,B", parser=names_in
    )
    model: str | None = option(
        None, "This model in place of presets: a name, .safetensors or .onnx.", metavar="MODEL"
    )
    precision: tuple[str, ...] | None = option(
        None,
        "float32, bfloat16, float16; default: the machine's.",
        metavar="A,B",
        parser=names_in,
    )
    routes: tuple[str, ...] | None = option(
        None,
        "Ways to run it; default: all installed except compile.",
        metavar="A,B",
        parser=names_in,
    )
    batch: tuple[int, ...] | None = option(
        None, "Images at once; default: 1, and 8 on CUDA.", metavar="A,B", parser=numbers_in
    )
    device: str = option("auto", "auto, cpu, cuda, cuda:N or mps.")
    attention: str = option("eager", "eager, compile (adds torch.compile, slow to start), or none.")
    quick: bool = option(
        False, "Only compact with torch: takes seconds, writes no file.", flag="--quick"
    )
    out: Path | None = option(
        None, "Folder for DATE-machine.md; default: benchmarks/results.", metavar="DIR"
    )
