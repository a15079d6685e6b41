"""The Dockerfile linted by hadolint, the compose file by compose-lint."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DOCKER = Path(__file__).parents[2] / "docker"


@pytest.mark.parametrize(
    ("program", "options", "file"),
    [("hadolint", ["--no-color"], "Dockerfile"), ("compose-lint", ["--quiet"], "compose.yaml")],
)
def test_a_linter_has_nothing_to_say(program: str, options: list[str], file: str) -> None:
    installed = Path(sys.executable).with_name(program)
    if not installed.exists():
        pytest.skip(f"needs the program {program}")
    done = subprocess.run([installed, *options, DOCKER / file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
