"""How many threads libraries use inside a worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def limited_threads(opencv: int, torch: int | None = None) -> Iterator[None]:
    """Let OpenCV and PyTorch use so many threads, until the block ends.

    torch: None = as many as before; torch is then not imported.
    """
    import cv2

    opencv_before, torch_before = cv2.getNumThreads(), 0
    cv2.setNumThreads(opencv)
    if torch is not None:
        from torch import get_num_threads, set_num_threads

        torch_before = get_num_threads()
        set_num_threads(torch)
    try:
        yield
    finally:
        cv2.setNumThreads(opencv_before)
        if torch is not None:
            set_num_threads(torch_before)
