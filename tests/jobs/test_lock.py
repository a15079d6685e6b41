"""One run at a time in a folder; locks of the dead count no more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from panodepth.errors import ConfigError
from panodepth.jobs.lock import only_run

HOLD = """
import sys
from pathlib import Path
from panodepth.jobs.lock import only_run
with only_run(Path(sys.argv[1]), "curate"):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    """A process that holds the lock until its standard input is closed."""
    command = [sys.executable, "-c", HOLD, str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen(command, text=True, **pipes)  # type: ignore[call-overload]
    assert process.stdout.readline() == "held\n"
    return process  # type: ignore[no-any-return]


def test_a_second_run_is_told_who_is_there(tmp_path: Path) -> None:
    process = holder(tmp_path)
    with pytest.raises(ConfigError) as caught, only_run(tmp_path, "curate"):
        pass
    assert f"curate runs there already (process {process.pid} on " in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    with only_run(tmp_path, "train"):  # another kind of run
        pass
    process.communicate("")
    with only_run(tmp_path, "curate"):
        assert str(os.getpid()) in (tmp_path / ".curate.lock").read_text()
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_killed_run_is_taken_over(tmp_path: Path) -> None:
    process = holder(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (tmp_path / ".curate.lock").is_file()
    with only_run(tmp_path, "curate"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_removed_folder_does_not_matter_in_the_end(tmp_path: Path) -> None:
    with only_run(tmp_path / "a", "curate"):
        (tmp_path / "a" / ".curate.lock").unlink()
        (tmp_path / "a").rmdir()
    assert not (tmp_path / "a").exists()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks there for open files")
def test_nothing_is_left_where_open_files_cannot_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows."""

    def unlink(path: Path) -> None:
        held = [os.path.realpath(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")]
        if os.path.realpath(path) in held:
            raise PermissionError(13, "The process cannot access the file")
        os.unlink(path)

    monkeypatch.setattr(Path, "unlink", unlink)
    monkeypatch.setattr(sys, "platform", "win32")
    with only_run(tmp_path, "curate"):
        assert os.listdir(tmp_path) == [".curate.lock"]
    assert os.listdir(tmp_path) == []
