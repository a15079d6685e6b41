"""Keeps lines that a C library prints off standard output and error; everything else passes."""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO

_LOCK = threading.Lock()  # the two descriptors belong to the whole process


@contextmanager
def without_lines(pattern: bytes) -> Iterator[None]:
    """Inside, what is written to descriptors 1 and 2 waits; lines with `pattern` never arrive.

    Other threads may write meanwhile: their lines come out at the end, in order. One thread at a
    time can be inside.
    """
    with _LOCK, ExitStack() as stack:
        for descriptor in (1, 2):
            try:
                saved = os.dup(descriptor)
            except OSError:  # closed: nothing to keep clean
                continue
            stack.callback(os.close, saved)
            waiting = stack.enter_context(tempfile.TemporaryFile())
            os.dup2(waiting.fileno(), descriptor)
            stack.callback(_let_out, descriptor, saved, waiting, pattern)
        yield


def _let_out(descriptor: int, saved: int, waiting: BinaryIO, pattern: bytes) -> None:
    """Give the descriptor back and write what waited, but for the lines with the pattern."""
    os.dup2(saved, descriptor)
    waiting.seek(0)
    kept = [line for line in waiting if not re.search(pattern, line)]
    content = b"".join(kept)
    while content:
        try:
            content = content[os.write(descriptor, content) :]
        except OSError:  # nobody reads it any more, as for any other line
            return
