"""A folder that a camera fills: `for frame in watched(folder)`."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from panodepth.errors import InputError
from panodepth.export.mark import is_result
from panodepth.images import IMAGE_SUFFIXES
from panodepth.predict.folder.frames import counted

POLL = 0.05  # s between two looks into the folder
WHOLE = 0.1  # s that a file has to stay as it is before it is read
SHARE = 5  # after a look that took t seconds there is none for SHARE · t

State = tuple[int, int]  # of a file: its size [bytes], and when it was changed [ns]


def watched(folder: str | Path) -> Iterator[Path]:
    """The pictures of a folder, by name, and then without end those that come to it.

    Each is given once it has not changed for WHOLE seconds, and again whenever it has changed
    since, as a camera's `latest.jpg` does. Hidden files and results are none. Raises InputError
    where there is no such folder, or no more.
    """
    given: dict[Path, State] = {}
    waiting: dict[Path, tuple[State, float]] = {}  # and since when it is like that
    while True:
        now = time.monotonic()
        states = _states(Path(folder))
        took = time.monotonic() - now
        given = {file: state for file, state in given.items() if file in states}
        changed = {file: state for file, state in states.items() if given.get(file) != state}
        waiting = {
            file: before if (before := waiting.get(file)) and before[0] == state else (state, now)
            for file, state in changed.items()
        }
        whole = [file for file, (_, since) in waiting.items() if now - since >= WHOLE]
        given |= {file: states[file] for file in whole}
        yield from (file for file in sorted(whole, key=counted) if not is_result(file))
        time.sleep(max(POLL, SHARE * took))


def _states(folder: Path) -> dict[Path, State]:
    """Of each picture in a folder."""
    states = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                file = folder / entry.name
                if entry.name.startswith(".") or file.suffix.lower() not in IMAGE_SUFFIXES:
                    continue
                with suppress(FileNotFoundError):  # the camera took it away meanwhile
                    about = file.stat()
                    if stat.S_ISREG(about.st_mode):
                        states[file] = about.st_size, about.st_mtime_ns
    except OSError as error:
        raise InputError(f"{folder}: cannot be watched ({error.strerror or error})") from error
    return states
