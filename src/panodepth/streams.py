"""Standard streams: no command dies of a name that it prints, of a reader that has gone, or of a
stream that is closed; and with --json standard output is one document, whatever libraries print.
"""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_documents: list[str] | None = None  # those that wait, inside `machine_readable`
_reader_gone = False  # of standard output


class _Patient(io.FileIO):
    """A standard stream that drops what it cannot write.

    Of standard output that is what nobody reads any more, as behind `head`; of standard error,
    where errors of this kind would be told, anything.
    """

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError as error:
            global _reader_gone
            if self.fileno() != 2:
                if not nobody_reads(error):
                    raise OSError(error.errno, error.strerror, "standard output") from error
                _reader_gone = True
            return memoryview(data).nbytes


def nobody_reads(error: OSError, system: str = os.name) -> bool:
    """Whether writing failed as a pipe's other end is closed: to Windows an invalid argument."""
    return isinstance(error, BrokenPipeError) or (system == "nt" and error.errno == errno.EINVAL)


def reader_gone() -> bool:
    """Whether nobody reads standard output any more: what only prints had best end."""
    return _reader_gone


def prepare_streams() -> None:
    """Make the process's standard streams safe to print to.

    A closed one leads nowhere: else the first file opened would take its number, and get what
    libraries print. Characters that the encoding lacks are escaped.
    """
    global _reader_gone
    _reader_gone = False
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets this number, the lowest that is free
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        buffer = getattr(stream, "buffer", None)
        raw = getattr(buffer, "raw", buffer)  # PYTHONUNBUFFERED: the buffer is none
        own = type(raw) is io.FileIO and raw.fileno() == number
        if stream is None or own:  # else it is a console's, a file's of our caller, or a test's
            if stream is not None:
                stream.flush()
            patient = _Patient(number, "w", closefd=False)
            stream = io.TextIOWrapper(
                patient if raw is buffer and raw else io.BufferedWriter(patient),
                getattr(stream, "encoding", "utf-8"),
                line_buffering=number == 2 or getattr(stream, "line_buffering", False),
                write_through=getattr(stream, "write_through", False),
            )
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
        setattr(sys, name, stream)


@contextmanager
def machine_readable(wanted: bool) -> Iterator[None]:
    """Inside, standard output holds what `print_document` gets, at the end, and nothing else.

    Whatever else is printed goes to standard error, from C libraries too.
    """
    global _documents
    if not wanted:
        yield
        return
    stream, told = sys.stdout, list[str]()
    stream.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    sys.stdout, _documents = sys.stderr, told
    try:
        yield
    finally:
        sys.stdout, _documents = stream, None
        with suppress(OSError, AttributeError, TypeError):
            import ctypes

            ctypes.CDLL(None).fflush(None)  # what C has printed and still holds
        os.dup2(kept, 1)
        os.close(kept)
        for text in told:
            print(text)


def print_document(values: Any) -> None:
    """Print plain values as the JSON document that `--json` promises; NaN and inf as null."""
    sound = json.loads(json.dumps(values), parse_constant=lambda _: None)
    text = json.dumps(sound, indent=2)
    if _documents is None:
        print(text)
    else:
        _documents.append(text)
