"""The rows of an evaluation on disk, one JSON line each, so that a run that stopped can go on.

The first line says what was run; rows of another run are never mixed in. Files of parts of one run
(`rows-2-of-8.jsonl`) lie side by side and are read together.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from panodepth.atomic import write_atomic
from panodepth.errors import ConfigError, OutputError, one_line
from panodepth.jobs.lock import only_run
from panodepth.strict import first_difference, parse_json


@dataclass(frozen=True)
class Row:
    """One sample's outcome.

    values: measure -> number or None (nothing to measure); empty when skipped.
    reason: why it was skipped, one line; None when it was measured.
    seconds: wall time of the prediction and of everything else; not part of the results.
    files: a digest of the sample's files; "" = not known.
    """

    dataset: str
    index: int
    name: str
    values: dict[str, float | None] = field(default_factory=dict)
    reason: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    files: str = ""

    @property
    def key(self) -> tuple[str, int, str]:
        return self.dataset, self.index, self.name


def part_name(part: tuple[int, int] | None) -> str:
    """The file of a whole run, or of part i of n."""
    return "rows.jsonl" if part is None else f"rows-{part[0]}-of-{part[1]}.jsonl"


def read_rows(folder: Path, header: Mapping[str, Any]) -> dict[tuple[str, int, str], Row]:
    """The rows of every journal in `folder`, by key, but those of skipped samples.

    Raises ConfigError when a journal is of another run than `header`.
    """
    found: dict[tuple[str, int, str], Row] = {}
    for path in sorted(folder.glob("rows*.jsonl")):
        for row in _read(path, header):
            if row.reason is None:
                found[row.key] = row
    return found


class Journal:
    """Appends rows to one file; a row is handed to the system when `add` returns."""

    def __init__(self, file: IO[str], path: Path) -> None:
        self._file = file
        self._path = path

    def add(self, row: Row) -> None:
        """Raises OutputError when the disk is full or gone, or the folder was removed."""
        if not self._path.exists():
            raise OutputError(f"{self._path.parent}: was removed while the run wrote into it")
        try:
            self._file.write(_line(asdict(row)))
            self._file.flush()
        except OSError as error:
            raise OutputError(f"{self._path}: cannot be written ({error.strerror})") from error


@contextmanager
def open_journal(
    folder: Path, header: Mapping[str, Any], part: tuple[int, int] | None = None
) -> Iterator[Journal]:
    """The journal of a run to append to, with its measured rows kept and all else dropped.

    Raises ConfigError when it is of another run or another process writes it, OutputError when it
    cannot be written.
    """
    path = folder / part_name(part)
    with only_run(folder, f"evaluate.{path.stem}"):
        yield from _written(path, header)


def _written(path: Path, header: Mapping[str, Any]) -> Iterator[Journal]:
    kept = [row for row in _read(path, header) if row.reason is None] if path.is_file() else []
    lines = [_line({"run": dict(header)}), *(_line(asdict(row)) for row in kept)]
    write_atomic(path, "".join(lines))
    with path.open("a", encoding="utf-8") as file:
        yield Journal(file, path)


def _measured(text: str) -> bool:
    """Whether a line of a journal is, or may be, a measured row."""
    try:
        return parse_json(text)["reason"] is None
    except (ValueError, TypeError, KeyError):
        return True


def _line(value: Any) -> str:
    """In ASCII: a file's name may hold what ends a line elsewhere, or is no text at all."""
    return json.dumps(value) + "\n"


def _read(path: Path, header: Mapping[str, Any]) -> Iterator[Row]:
    """Rows of one journal; a last line that was cut short is left out.

    One of another run is no obstacle where that measured nothing, as when it was refused.
    """
    try:
        lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
        first = dict(parse_json(lines[0])["run"]) if lines[0] else None  # empty: of a lost disk
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: not a journal of an evaluation ({error})") from error
    if first is None:
        return
    wanted = json.loads(json.dumps(dict(header)))
    for key in {**wanted, **first}:
        if wanted.get(key) != first.get(key):
            if not any(_measured(text) for text in lines[1:]):
                return
            where, before, now = first_difference(key, first.get(key), wanted.get(key))
            told = f"{where}: {one_line(repr(before), 80)}, now {one_line(repr(now), 80)}"
            raise ConfigError(
                f"{path}: holds a run with another {key}; choose another --out, or remove it "
                f"({told})"
            )
    for number, text in enumerate(lines[1:], 2):
        try:
            yield Row(**parse_json(text))
        except (ValueError, TypeError) as error:
            if number == len(lines):
                return
            raise ConfigError(f"{path}, line {number}: not a row ({error})") from error
