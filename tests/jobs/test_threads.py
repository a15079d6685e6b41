"""Thread limits hold inside the block and are gone after it, whatever happens in it."""

from __future__ import annotations

import cv2
import pytest
import torch

from panodepth.jobs import limited_threads


def counts() -> tuple[int, int]:
    return cv2.getNumThreads(), torch.get_num_threads()


def test_limits_end_with_the_block() -> None:
    before = counts()
    with limited_threads(opencv=2, torch=3):
        assert counts() == (2, 3)
        with limited_threads(opencv=1):
            assert counts() == (1, 3)
        assert counts() == (2, 3)
    assert counts() == before


def test_limits_end_with_an_error() -> None:
    before = counts()
    with pytest.raises(KeyError), limited_threads(opencv=2, torch=2):
        raise KeyError
    assert counts() == before
