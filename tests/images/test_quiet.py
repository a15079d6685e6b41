"""The library's lines are kept back; nobody else's are."""

from __future__ import annotations

import os
import sys

import pytest

from panodepth.images.formats.quiet import without_library_lines


def test_only_the_library_s_lines_are_kept_back(capfd: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout
    with without_library_lines():
        print("mine")
        print("Warning: Exception raised reading pixel data for part", 0)
        print("unfinished", end="")
        os.write(2, b"other\nx.exr: (EXR_ERR_CORRUPT_CHUNK) lines\nLZWDecode: damage\n")
        os.write(2, b"libpng error: Not enough image data\nlast")
        assert sys.stdout.encoding == before.encoding
    assert sys.stdout is before
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("mine\nunfinished", "other\nlast")


def test_an_error_inside_gives_the_streams_back(capfd: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout

    def fail() -> None:
        with without_library_lines():
            os.write(2, b"said\n")
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        fail()
    assert sys.stdout is before
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "said\nafter\n"
