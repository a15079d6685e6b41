"""Keeps memory that is freed, where the C library can."""

from __future__ import annotations

import contextlib
import ctypes

# <malloc.h> of glibc
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_MMAP_THRESHOLD = 32 << 20  # the most that glibc takes
_TRIM_THRESHOLD = 256 << 20


def keep_freed_memory() -> None:
    """Let freed arrays be used again instead of returned to the system; glibc only, else nothing.

    Stages allocate and free arrays of some megabytes hundreds of times a second. By default each
    comes fresh from the system, page by page, which takes longer than most of what is computed with
    it. Holds for the whole process and for as long as it lives; it then keeps up to 256 MB more.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD)
        mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD)
