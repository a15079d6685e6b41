"""One line to people, where what was asked for is done in another way."""

from __future__ import annotations

import sys


def note(text: str) -> None:
    """Print `text` as one line on standard error."""
    print(f"note: {' '.join(text.split())}", file=sys.stderr, flush=True)


def shortly(error: BaseException) -> str:
    """What was wrong, in one line that is not too long."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200].rstrip(": ")
