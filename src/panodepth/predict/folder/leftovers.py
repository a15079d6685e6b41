"""Temporary files that writers leave behind when they are killed."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl

TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.tmp", re.DOTALL)  # as `atomic` calls them
MOMENT_S = 2.0  # a younger file without content may be about to be locked


def remove_leftovers(folders: Iterable[Path]) -> None:
    """Remove temporary files of `atomic` from folders, but for those that are being written.

    A writer holds a lock on its file, which the system lets go when its process ends, however.
    Where there are no locks (Windows, some network disks) nothing is removed.
    """
    for folder in folders:
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if TEMPORARY.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                    _remove_if_left(Path(entry.path))


def _remove_if_left(path: Path) -> None:
    if sys.platform == "win32":
        return
    with suppress(OSError), path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where its writer lives
        state = os.fstat(file.fileno())
        if state.st_size or time.time() - state.st_mtime > MOMENT_S:
            path.unlink()
