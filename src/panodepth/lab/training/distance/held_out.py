"""Panoramas from disk that a run is measured on, and never trains on: the `[[held_out]]` tables."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from panodepth.errors import InputError
from panodepth.lab.data.source import PanoramaSource
from panodepth.lab.training.config import SourceConfig
from panodepth.types import Panorama

RENDERED = ("indoor", "outdoor", "sky")  # names that scores of rendered worlds have


def open_held_out(tables: Sequence[SourceConfig]) -> dict[str, PanoramaSource]:
    """The sources by the name of their folder; by their path, path and split, or path and number
    where that is taken.

    Raises ConfigError or InputError, as `open_source` does.
    """
    from panodepth.lab.data import open_source

    opened: dict[str, PanoramaSource] = {}
    for table in tables:
        split = Path(table.split) if table.split else None
        names = [Path(table.path).resolve().name, table.path, f"{table.path}: {table.split}"]
        names += [f"{table.path}: {number}" for number in range(2, len(tables) + 2)]
        name = next(name for name in names if name not in (*RENDERED, *opened))
        opened[name] = open_source(table.kind, table.path, split=split)
    return opened


def readable(source: PanoramaSource, size: tuple[int, int]) -> Iterator[Panorama]:
    """The samples of a source at size (H, W) [px], one by one; broken ones are left out."""
    from panodepth.lab.data import load_resized

    for index in range(len(source)):
        with contextlib.suppress(InputError):
            yield load_resized(source, index, size)
