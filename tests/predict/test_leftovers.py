"""What killed writers leave behind goes; what is being written stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from panodepth.atomic import atomic
from panodepth.cli import main
from panodepth.predict.folder.leftovers import remove_leftovers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no locks there")

WRITER = """
import sys, time
from pathlib import Path
from panodepth.atomic import atomic

with atomic(Path(sys.argv[1])) as (temporary,):
    temporary.write_text("half")
    print(temporary.name, flush=True)
    time.sleep(600)
"""


def test_files_of_the_dead_go_and_of_the_living_stay(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "a_distance.npz")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        name = writer.stdout.readline().strip()
        remove_leftovers([tmp_path, tmp_path / "none"])
        assert [path.name for path in tmp_path.iterdir()] == [name]
        writer.send_signal(signal.SIGKILL)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    remove_leftovers([tmp_path])
    assert not list(tmp_path.iterdir())


def test_a_run_removes_what_an_earlier_one_left(model_file: Path, tmp_path: Path) -> None:
    (tmp_path / "in" / "s").mkdir(parents=True)
    Image.fromarray(np.full((56, 112, 3), 99, np.uint8)).save(tmp_path / "in" / "s" / "a.png")
    left = tmp_path / "out" / "s" / ".b_distance.npz.0123abcd.tmp"
    left.parent.mkdir(parents=True)
    left.write_text("half")
    kept = [
        left.with_name(name)
        for name in (".b.tmp", "b.0123abcd.tmp", ".b.0123.tmp", ".young.0123abcd.tmp")
    ]
    for path in kept:
        path.touch()
    (left.parent / ".folder.0123abcd.tmp").mkdir()
    command = ["predict", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--format", "npz"]
    assert main([*command, "--model", str(model_file)]) == 0
    assert not left.exists()
    assert all(path.exists() for path in kept)  # the young one may be about to be locked
    os.utime(kept[-1], (0, 0))
    assert main([*command, "--model", str(model_file)]) == 0
    assert [path.exists() for path in kept] == [True, True, True, False]


@pytest.mark.parametrize("name", ["全" * 80, "𝄞" * 59])
def test_long_names_fit_whatever_the_script(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}_distance.npz"
    with atomic(path) as (temporary,):
        temporary.write_text("x")
    assert path.read_text() == "x"
