"""The reference system of a survey: its WKT, as a file has it."""

from __future__ import annotations

import re
from pathlib import Path

from panodepth.errors import DamageError, InputError
from panodepth.strict import read_bounded

MOST_BYTES = 65535 - 1  # of a record of LAS, whose text ends with a zero
_PLANE = re.compile(
    r"\s*(PROJ|LOCAL_|ENG|COMP|COMPOUND|BOUND|PROJECTED|ENGINEERING)(CS|CRS|D_CS)\s*[\[(]"
)
_DEGREES = re.compile(r"\s*(GEOG|GEOC|GEOD|GEOGRAPHIC|GEODETIC)(CS|CRS)\s*[\[(]")
_FEET = re.compile(r"UNIT\s*[\[(]\s*\"([^\"]*(?:foot|feet|ft)[^\"]*)\"", re.IGNORECASE)


def read_crs(path: Path) -> str:
    """The WKT in a text file, of a system whose coordinates are metres. Raises InputError."""
    try:
        text = read_bounded(path, MOST_BYTES).decode("utf-8-sig").strip()
    except OSError as error:
        hint = "; it is a file of WKT, such as PROJ and QGIS write" if not path.exists() else ""
        raise InputError(f"crs: {path}: {error.strerror}{hint}") from error
    except (UnicodeDecodeError, DamageError) as error:
        raise InputError(f"crs: {path}: no WKT, which is a short text") from error
    if _DEGREES.match(text):
        raise InputError(
            f"crs: {path}: its coordinates are degrees, and those of places are metres"
        )
    if not (_PLANE.match(text) and text[-1:] in ("]", ")")):
        raise InputError(f"crs: {path}: no WKT of a projected system, PROJCS[...] or PROJCRS[...]")
    if feet := _FEET.search(text):
        raise InputError(f"crs: {path}: it is in {feet[1]!r}, and those of places are metres")
    return text
