"""Several files as one: a ZIP file that is whole or not there, and says what it is."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from panodepth.atomic import atomic
from panodepth.export.meshes.files import short_json

FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # that ZIP knows: the same content gives the same bytes
PACKED = (".json", ".txt", ".ply")  # pictures are as small as they get


def pack(path: Path, files: Sequence[Path], root: Path) -> None:
    """A ZIP file of files that are there, under their names below `root`."""
    with zipfile.ZipFile(path, "w", compresslevel=1) as whole:
        for file in files:
            entry = _entry(file.relative_to(root).as_posix())
            whole.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)


@contextmanager
def archive(path: Path, meta: dict[str, Any]) -> Iterator[Callable[[str, bytes], None]]:
    """A function that adds a file by its name in the archive; the metadata are its comment."""
    with (
        atomic(path) as (temporary,),
        temporary.open("wb") as file,
        zipfile.ZipFile(file, "w") as whole,
    ):
        whole.comment = short_json(meta).encode("ascii")

        def add(name: str, content: bytes) -> None:
            packed = name.endswith(PACKED)
            whole.writestr(
                _entry(name), content, zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
            )

        yield add


def _entry(name: str) -> zipfile.ZipInfo:
    text = os.fsencode(name).decode(errors="replace")  # ZIP has no room for names that are no text
    entry = zipfile.ZipInfo(text, FIRST_DAY)
    entry.external_attr = 0o644 << 16
    return entry
