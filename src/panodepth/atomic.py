"""Files that are either complete or not there: written under a temporary name, then renamed."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from panodepth.errors import OutputError

if sys.platform != "win32":
    import fcntl


@contextmanager
def atomic(*paths: Path) -> Iterator[tuple[Path, ...]]:
    """Temporary, empty files beside `paths`, one each, which take their names when all went well.

    Missing folders are made. When anything fails, nothing is left behind and existing files stay as
    they were. Raises OutputError, one line, when a file cannot be written.
    """
    # A character takes up to four bytes, and a name has at most 255.
    temporary = [p.with_name(f".{p.name[:60]}.{uuid.uuid4().hex[:8]}.tmp") for p in paths]
    held = ExitStack()
    try:
        for path, name in zip(paths, temporary, strict=True):
            if path.is_dir():
                raise IsADirectoryError("is a folder")
            path.parent.mkdir(parents=True, exist_ok=True)
            file = held.enter_context(name.open("xb"))
            if sys.platform == "win32":
                file.close()  # an open file cannot be renamed there
            else:
                with suppress(OSError):  # a disk without locks
                    fcntl.flock(file, fcntl.LOCK_SH)  # so that it is no leftover
        yield tuple(temporary)
        for path, name in zip(paths, temporary, strict=True):
            os.replace(name, path)
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise OutputError(f"{paths[0]}: cannot be written ({reason})") from error
    finally:
        held.close()
        for name in temporary:
            try:
                name.unlink(missing_ok=True)
            except OSError:  # its folder is gone or no folder: then the file is not there either
                continue


def write_atomic(path: Path, content: str | bytes | memoryview) -> None:
    """Write a whole file (text as UTF-8), or leave things as they were. Raises OutputError."""
    with atomic(path) as (temporary,):  # names that are no text: \udc80, which JSON reads again
        whole = content.encode(errors="backslashreplace") if isinstance(content, str) else content
        temporary.write_bytes(whole)
