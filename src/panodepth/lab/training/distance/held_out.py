"""Panoramas from disk that a run is measured on, and never trains on: the `[[held_out]]` tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
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


def also_trained_on(held_out: Sequence[SourceConfig], sources: Sequence[SourceConfig]) -> list[str]:
    """A sentence for each pair of tables with common panoramas: a folder's are all below it."""
    found = []
    for table, source in product(held_out, sources):
        place, trained = Path(table.path).resolve(), Path(source.path).resolve()
        below = source.kind == "folder" and place.is_relative_to(trained)
        above = table.kind == "folder" and trained.is_relative_to(place) and place != trained
        if (below or place == trained) and source.split in ("", table.split):
            told = f"{table.path} is held out and, as part of {source.path}, trained on too"
            found.append(f"{told}: its scores say nothing of other panoramas; move it elsewhere")
        elif above and not table.split:
            told = f"{source.path} is trained on and, as part of {table.path}, held out too"
            found.append(f"{told}: its scores say little of other panoramas; move one elsewhere")
    return found


def readable(
    source: PanoramaSource, size: tuple[int, int], told: Callable[[str], object] = str
) -> Iterator[Panorama]:
    """The samples of a source at size (H, W) [px], one by one; broken ones are left out.

    told: called with what is wrong with each of those.
    """
    from panodepth.lab.data import load_resized

    for index in range(len(source)):
        try:
            yield load_resized(source, index, size)
        except InputError as error:
            told(str(error))
