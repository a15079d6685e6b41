"""How PyTorch's threads wait: they sleep soon, unless the user chose or torch is there already."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import panodepth


def spins_after(program: str, **chosen: str) -> str:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    shown = f"{program}; import os; print(os.environ.get('GOMP_SPINCOUNT', 'not set'))"
    command = [sys.executable, "-c", shown]
    done = subprocess.run(command, env=clean | chosen, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_waiting_threads_sleep_soon_by_default() -> None:
    assert spins_after("import panodepth") == panodepth.SPINS_BEFORE_SLEEP


@pytest.mark.parametrize(
    ("chosen", "left"),
    [({"GOMP_SPINCOUNT": "77"}, "77"), ({"OMP_WAIT_POLICY": "active"}, "not set")],
)
def test_the_users_choice_stays(chosen: dict[str, str], left: str) -> None:
    assert spins_after("import panodepth", **chosen) == left


def test_nothing_is_set_when_torch_has_read_its_settings() -> None:
    program = (
        "import sys, types; sys.modules['torch'] = types.ModuleType('torch'); import panodepth"
    )
    assert spins_after(program) == "not set"
