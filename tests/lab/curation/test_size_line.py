"""Why frames were refused is told on the terminal, not only in the report."""

from __future__ import annotations

import numpy as np
import pytest
from tests.lab.curation.conftest import SIZE, Made

from panodepth.cli import main


def test_the_terminal_says_what_was_found(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    made.image("x.png")
    made.npy("x_depth.npy", np.ones((5, 11)))
    made.json("camera.json", {"x_fov_deg": 70})
    out = made.root.parent / "out"
    code = main(["curate", "--source", f"frames={made.root}", "--size", "32x64", "--out", str(out)])
    printed = capsys.readouterr().out
    assert code == 1
    assert "rejected: 1 size" in printed
    assert f"size, the first: x: depth is 11x5, the picture {SIZE[1]}x{SIZE[0]}" in printed
