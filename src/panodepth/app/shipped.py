"""The example pictures that come with the package, for who has none at hand."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

EXAMPLES = Path(str(files("panodepth.app").joinpath("examples")))
IN_SOURCES = Path(__file__).parents[3] / "examples"  # of an installation that can be edited


def examples() -> list[Path]:
    """Panoramas, jpg."""
    return sorted((EXAMPLES if EXAMPLES.is_dir() else IN_SOURCES).glob("*.jpg"))
