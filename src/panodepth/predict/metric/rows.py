"""Measured points in a text of rows: which columns are x, y and z."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from panodepth.errors import DamageError, one_line
from panodepth.size import to_number

_FIRST = (0, 1, 2)
_COLMAP = re.compile(r"#\s*POINT3D_ID\W+X\W+Y\W+Z\b")  # before the rows of its points3D.txt
_MARKS = (b"\xff\xfe", b"\xfe\xff")  # of UTF-16, as Excel saves "Unicode text"
# Names of columns in small letters: x, pos_x, //x (CloudCompare), "x [m]"; points:0 of ParaView.
_COLUMN = re.compile(
    r"\W*(?:(?:pos|position|points?|coord|world|field|location)[\W_]+)*([xyz])"
    r"(?:[\W_]+(?:m|met(?:er|re)s?|coord|pos|world)?\W*)?"
)
_PARAVIEW = re.compile(r"points?[:_]([012])")
_OTHER_UNIT = re.compile(r"\W*[xyz][\W_]+(mm|cm|km|ft|feet|inch(?:es)?)\W*")


def read_rows(content: bytes) -> npt.NDArray[np.float64]:
    """(N, 3) of rows of numbers between commas, semicolons (then commas are decimal) or blanks.

    x, y, z are the columns of these names in a line of names or a comment before the rows, COLMAP's
    own, else the first. Raises DamageError.
    """
    stored = _text(content).splitlines()
    lines = [line.partition("#")[0].replace('"', "") for line in stored]
    filled = [number for number, line in enumerate(lines) if line.strip()]
    counts = [n for n in filled[:2] if lines[n].strip().isdecimal()]  # how many there are
    if len(counts) > 1:
        raise DamageError("it is PTX, or no table; save its points as PLY or CSV")
    filled = [number for number in filled if number not in counts]
    first = lines[filled[0]] if filled else ""
    separator = ";" if ";" in first else "," if "," in first else None
    if separator == ";":
        lines = [line.replace(",", ".") for line in lines]
    names = list[str]()
    each = range(len(lines[filled[0]].split(separator)) if filled else 0)
    if filled and not any(_is_row(lines[filled[0]], separator, [place]) for place in each):
        names = _names(lines[filled.pop(0)], separator)
    if not filled:
        raise DamageError("it holds no point")
    comments = stored[: filled[0]]
    columns: Sequence[int] | None = _FIRST
    count = len(lines[filled[0]].split(separator))
    if names:
        columns = _places(names)
        if columns is None and len(names) >= len(_FIRST) and len(names) == count:
            told = one_line(", ".join(names), 100)
            raise DamageError(f"its columns are called {told}; call three of them x, y and z")
    elif any(_COLMAP.match(line) for line in comments):
        columns = (1, 2, 3)
    else:
        columns = _commented(comments, count)
    rows = [lines[number] for number in filled]
    columns = columns or _FIRST
    try:
        return np.loadtxt(rows, np.float64, delimiter=separator, usecols=columns, ndmin=2)
    except ValueError:
        bad = next((n for n in filled if not _is_row(lines[n], separator, columns)), filled[0])
        raise DamageError(f"line {bad + 1}: expected three numbers, x, y, z") from None


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-16" if content.startswith(_MARKS) else "utf-8-sig")
    except UnicodeDecodeError:
        if b"\0" in content:
            raise DamageError("neither a PLY nor a text of rows x, y, z") from None
        return content.decode("latin-1")  # a comment or a name of another code


def _names(line: str, separator: str | None) -> list[str]:
    """In small letters, each with its unit."""
    joined = re.sub(r"\s+(?=[\[(])", "", line)
    return [name.strip().lower() for name in joined.split(separator)]


def _places(names: Sequence[str]) -> tuple[int, ...] | None:
    """Where x, y and z are, None where that cannot be told. Raises DamageError for another unit."""
    if {*"xyz"} <= {*names}:
        return tuple(names.index(axis) for axis in "xyz")
    axes = list[str]()
    for name in names:
        if unit := _OTHER_UNIT.fullmatch(name):
            raise DamageError(f"its columns are in {unit[1]}, and metres are needed")
        found, number = _COLUMN.fullmatch(name), _PARAVIEW.fullmatch(name)
        axes.append(found[1] if found else "xyz"[int(number[1])] if number else "")
    once = all(axes.count(axis) == 1 for axis in "xyz")
    return tuple(axes.index(axis) for axis in "xyz") if once else None


def _commented(comments: Sequence[str], count: int) -> tuple[int, ...] | None:
    """As `_places`, by a comment of as many names as there are columns, x, y and z side by side."""
    for line in reversed(comments):
        told = re.split(r"[\s,;]+", re.sub(r"\s+(?=[\[(])", "", line).strip("# \t\r").lower())
        places = _places(told) if len(told) == count else None
        if places is not None and max(places) - min(places) == 2:  # not in a sentence
            return places
    return None


def _is_row(line: str, separator: str | None, columns: Sequence[int] = _FIRST) -> bool:
    """Whether these columns of a line are numbers."""
    parts = line.split(separator)
    try:
        return all(isinstance(to_number(parts[column]), float) for column in columns)
    except (ValueError, IndexError):
        return False
