"""docs/onnx.md: its commands and its example with onnxruntime alone run as they stand."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from panodepth.cli import main
from panodepth.geometry.resizing import resize_erp

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "onnx.md").read_text()


def test_commands_and_example_run(
    model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    commands = re.findall(r"^(panodepth [^#\n]+)", PAGE, re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        small = ["--model", str(model_file)] if "bytes.onnx" in command else []  # not asked for
        assert main([*shlex.split(command)[1:], *small]) == 0
    sizes = [(tmp_path / f"{name}.onnx").stat().st_size / 1e6 for name in ("model", "small")]
    for size in sizes:
        assert f"{size:.1f} MB" in PAGE
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    code += '\nimport sys; assert "torch" not in sys.modules; np.save("d.npy", distance)'
    code += "\nassert points.shape[1] == 3"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    found = np.load(tmp_path / "d.npy")[0]
    written = np.load(tmp_path / "out" / "interior_distance.npz")["distance"]
    size = resize_erp(written, found.shape)
    assert np.abs(found / size - 1).mean() < 0.02  # Pillow resizes otherwise than we do
