"""The command `panodepth`: its sub-commands, and what becomes of errors.

Exit codes: 0 all done; 1 some files failed (they are listed at the end), or a full disk
ended a run, or an error a training run (its last checkpoint is whole); 2 nothing could start
(a wrong option, no input, no model, no place to write); 130 interrupted, 143 ended by SIGTERM
(a training run saves first; servers finish what they accepted). What went wrong is one line on
standard error that starts with "error:"; PANODEPTH_DEBUG=1 shows tracebacks instead.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer

from panodepth.cli.align import align
from panodepth.cli.app import app as app_command
from panodepth.cli.bench import bench
from panodepth.cli.curate import curate
from panodepth.cli.evaluate import evaluate
from panodepth.cli.export import export
from panodepth.cli.frames.live import live
from panodepth.cli.frames.video import video
from panodepth.cli.help import shown
from panodepth.cli.info import info
from panodepth.cli.options import (
    DONE,
    INTERRUPTED,
    NOTHING_STARTED,
    SOME_FAILED,
    TERMINATED,
    BegunError,
)
from panodepth.cli.predict import predict
from panodepth.cli.render import render
from panodepth.cli.serve import serve
from panodepth.cli.training.train import train
from panodepth.cli.training.train_detail import train_detail
from panodepth.cli.training.train_metres import train_metres
from panodepth.cli.training.train_outpainter import train_outpainter
from panodepth.cli.view import view
from panodepth.errors import PanodepthError, device_failed, is_disk_full, not_installed, printable
from panodepth.streams import machine_readable, prepare_streams, print_document
from panodepth.version import __version__

INTERRUPTED_TEXT = "interrupted; every file that was written is whole"
TERMINATED_TEXT = "ended by SIGTERM; every file that was written is whole"
# as --help lists them
COMMANDS = (
    *(predict, view, video, live, align, info, train, evaluate, render, curate, export, bench),
    *(serve, app_command, train_detail, train_metres, train_outpainter),
)

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Panoramic depth: a 360° photograph in, a dense distance map and 3D out.",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; every error becomes one line."""
    arguments = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    prepare_streams()
    code = DONE
    try:
        with machine_readable("--json" in arguments), _sigterm_interrupts() as terminated:
            code = _run(arguments, terminated)
        sys.stdout.flush()
    except OSError as error:  # nothing can be written to standard output: a full disk
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # where what is left goes at the end
        return code or _fail(f"standard output: {error.strerror}", SOME_FAILED, ())  # or is told
    return code


@contextmanager
def _sigterm_interrupts() -> Iterator[list[int]]:
    """Inside, SIGTERM ends a command as Ctrl-C does, and a second one at once.

    Yields a list that then has the signal's number. Where somebody else takes SIGTERM, they do.
    """
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        asked.append(number)
        raise KeyboardInterrupt

    free = threading.current_thread() is threading.main_thread()
    free = free and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if free:
        signal.signal(signal.SIGTERM, ask)
    try:
        yield asked
    finally:
        if free:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _run(arguments: Sequence[str], terminated: Sequence[int]) -> int:
    try:
        code = app(args=arguments, standalone_mode=False)
        if code != INTERRUPTED:  # typer turns Ctrl-C into this code, or into Abort
            return code if isinstance(code, int) else DONE
        error: BaseException = KeyboardInterrupt()
    except (Exception, KeyboardInterrupt) as raised:
        if os.environ.get("PANODEPTH_DEBUG") == "1":
            raise
        error = raised
    text, code = _explain(error, arguments)
    if terminated and code == INTERRUPTED:
        text, code = TERMINATED_TEXT, TERMINATED
    return _fail(text, code, arguments)


def _explain(error: BaseException, arguments: Sequence[str]) -> tuple[str, int]:
    """One line for people, and the exit code."""
    if isinstance(error, PanodepthError):
        begun = isinstance(error, BegunError) or is_disk_full(error)
        return str(error), SOME_FAILED if begun else NOTHING_STARTED
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "Abort":
        return INTERRUPTED_TEXT, INTERRUPTED
    if hasattr(error, "format_message"):  # a usage error; typer carries its own copy of click
        names = (command.__name__.replace("_", "-") for command in COMMANDS)
        named = next((f" {name}" for name in names if name == arguments[0]), "")
        told = f"{error.format_message()} (see panodepth{named} --help)"
        if given := next((a for a in arguments if a.startswith("-") and os.path.lexists(a)), ""):
            told += f"; a file whose name begins with - is given as ./{given}"
        return told, NOTHING_STARTED
    if isinstance(error, MemoryError):
        told = str(error)
        return told if "not enough memory" in told else "not enough memory", SOME_FAILED
    if isinstance(error, OSError):
        where = "" if error.filename is None else f"{error.filename}: "
        return f"{where}{error.strerror or error}", SOME_FAILED
    if missing := not_installed(error):
        return missing, NOTHING_STARTED
    if failing := device_failed(error):
        return failing, SOME_FAILED
    text = f"unexpected {type(error).__name__}: {error} (PANODEPTH_DEBUG=1 tells more)"
    return text, SOME_FAILED


def _fail(text: str, code: int, arguments: Sequence[str]) -> int:
    line = printable(" ".join(text.split()))
    print(f"error: {line}", file=sys.stderr)
    if "--json" in arguments:
        print_document({"error": line, "exit_code": code})
    return code


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"panodepth {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Panoramic depth: a 360° photograph in, a dense distance map and 3D out."""


for command in COMMANDS:
    app.command(**shown(command.__name__.replace("_", "-"), command.__doc__ or ""))(command)
