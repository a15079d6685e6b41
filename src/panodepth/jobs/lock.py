"""One run at a time in a folder."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from panodepth.errors import ConfigError, OutputError, print_note

if sys.platform != "win32":
    import fcntl


@contextmanager
def only_run(folder: Path, name: str) -> Iterator[None]:
    """Keep other runs of this `name` out of `folder` until the block ends.

    The operating system holds the lock, so that of a process that is gone counts no more, however
    it ended. Over a network disk other machines see it where the file server passes locks on, as
    NFS does by default; Windows has none. Raises ConfigError, one line, when another run is there,
    OutputError when the folder cannot be written.
    """
    path = folder / f".{name}.lock"
    file = _locked(path, name)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if _is_at(file, path):
                if sys.platform == "win32":
                    file.close()  # an open file cannot be removed there
                path.unlink()
        file.close()


def _locked(path: Path, name: str) -> IO[str]:
    """The open lock file. One that its owner removes meanwhile is opened anew."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a+", encoding="utf-8")
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(f"cannot write to {path.parent}: {reason}") from error
        try:
            _lock(file)
        except BlockingIOError:
            file.seek(0)
            owner = file.read(200).strip() or "another process"
            file.close()
            raise ConfigError(
                f"{path.parent}: {name} runs there already ({owner}); wait for it, stop it, or "
                "choose another folder"
            ) from None
        except OSError as error:
            print_note(f"{path.parent}: its disk has no locks ({error.strerror}): start one run")
        if _is_at(file, path):
            with contextlib.suppress(OSError):  # a full disk: the lock holds without a name in it
                file.truncate(0)
                file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
                file.flush()
            return file
        file.close()


def _lock(file: IO[str]) -> None:
    if sys.platform != "win32":
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_at(file: IO[str], path: Path) -> bool:
    """Whether the open file still has this path."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False
