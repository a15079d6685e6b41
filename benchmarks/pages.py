"""Tables inside pages: between a line that begins one and the line that ends it."""

from __future__ import annotations

from pathlib import Path

from panodepth.atomic import write_atomic
from panodepth.errors import ConfigError

END = "<!-- end of table -->"


def filled(page: str, begin: str, table: str) -> str:
    """The page with this table in place of the one it had. Raises ConfigError without the lines."""
    before, found, rest = page.partition(f"{begin}\n")
    _, end, after = rest.partition(END)
    if not (found and end):
        raise ConfigError(f"no lines {begin} and {END}")
    return f"{before}{found}{table.rstrip()}\n{end}{after}"


def write_table(page: Path, begin: str, table: str) -> None:
    """`filled`, in a file."""
    try:
        text = filled(page.read_text(encoding="utf-8"), begin, table)
    except ConfigError as error:
        raise ConfigError(f"{page} has {error}") from None
    write_atomic(page, text)
