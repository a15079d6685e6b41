"""The command as a program: what starts it, and what its help loads."""

from __future__ import annotations

import subprocess
import sys

import pytest

import panodepth
from panodepth.cli import main


def test_help_and_version_load_nothing_heavy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"panodepth {panodepth.__version__}\n"
    code = (
        "import sys; from panodepth.cli import main; main(['predict', '--help']); main([]);"
        "heavy = {'torch', 'numpy', 'cv2', 'PIL', 'trimesh', 'huggingface_hub'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--skip-existing" in done.stdout


def test_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "panodepth", "predict"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
