"""Why frames were refused is told on the terminal, not only in the report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
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


def test_a_depth_on_its_side_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A phone held upright: the picture is turned by its EXIF block, its depth is not."""
    sideways = Image.Exif()
    sideways[0x0112] = 6
    rows = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(rows).save(tmp_path / "x.jpg", exif=sideways)
    Image.fromarray(np.full((24, 32), 2000, np.uint16)).save(tmp_path / "x_depth.png")
    (tmp_path / "camera.json").write_text('{"x_fov_deg": 60, "scale": 0.001, "unit": "m"}')
    run = ["curate", "--source", f"frames={tmp_path}", "--size", "32x64"]
    assert main([*run, "--out", str(tmp_path / "out")]) == 1
    printed = "".join(capsys.readouterr())
    assert "depth is 32x24, the picture 48x64: one of them lies on its side" in printed
