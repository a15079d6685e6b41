"""Predicting in a process that was forked off another one, as `multiprocessing` may do on Linux."""

from __future__ import annotations

import os
import sys

home = os.getpid()  # the process whose threads the libraries know


def settle() -> None:
    """Let the libraries work in one thread in this process.

    They believe that their threads are here, but those stayed in the process that was forked, and
    waiting for them would never end.
    """
    global home
    home = os.getpid()
    if "cv2" in sys.modules:
        import cv2

        cv2.setNumThreads(0)  # not 1: that waits for threads to end, and 0 uses none either
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(1)
