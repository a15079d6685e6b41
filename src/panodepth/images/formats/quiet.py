"""Keeps what decoding libraries print from users: errors are ours to tell, in one line.

OpenEXR warns through Python's `print`; it, libpng and libtiff report errors on descriptor 2.
Both belong to the whole process, so what other threads write meanwhile waits and comes out at the
end, in order. Pillow warns of EXIF blocks through Python.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

_LOCK = threading.Lock()
_LINES = r"EXR_ERR_|Exception raised reading pixel data|^libpng (error|warning): "
# libtiff: the function, of a codec or of its own, then what it found.
_LINES += r"|^_?(\w*(TIFF|Decode|JPEG|Fax|LZW|ZIP|LZMA|ZSTD|PackBits|LERC)\w*): "
_LINES += r"|^tempfile\.tif: |^MissingRequired: "
# absl, in OpenVINO.
_LINES += r"|^WARNING: All log messages before absl|^[IWEF]\d{4} .* \w+\.cc:\d+\] "


class _Held:
    """Stands in for a text stream: what is written waits, the rest is the stream's own."""

    def __init__(self, stream: Any) -> None:
        self.stream, self.waiting = stream, list[str]()

    def write(self, text: str) -> int:
        self.waiting.append(text)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def without_library_lines() -> Iterator[None]:
    """Inside, lines of decoding libraries never arrive. One thread at a time can be inside."""
    with _LOCK, ExitStack() as stack:
        held, stream = _Held(sys.stdout), sys.stdout
        if stream is not None:
            stack.callback(_let_out, held)
            sys.stdout = held
        try:
            saved = os.dup(2)
        except OSError:  # closed: nothing to keep clean
            yield
            return
        stack.callback(os.close, saved)
        waiting = stack.enter_context(tempfile.TemporaryFile())
        os.dup2(waiting.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            waiting.seek(0)
            _write_all(
                saved, b"".join(line for line in waiting if _is_kept(line.decode("latin-1")))
            )


@contextmanager
def without_warnings() -> Iterator[None]:
    """Inside, Python's warnings of what cameras write never arrive; one thread at a time."""
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _let_out(held: _Held) -> None:
    """Give standard output back and write what waited, but for the library's lines."""
    if sys.stdout is held:
        sys.stdout = held.stream
    for line in "".join(held.waiting).splitlines(keepends=True):
        if _is_kept(line):
            held.stream.write(line)


def _is_kept(line: str) -> bool:
    return re.search(_LINES, line) is None


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        try:
            content = content[os.write(descriptor, content) :]
        except OSError:  # nobody reads it any more, as for any other line
            return
