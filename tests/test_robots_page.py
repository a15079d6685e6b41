"""What docs/robots.md shows runs as it stands there."""

from __future__ import annotations

import json
import re
import shlex
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from panodepth.cli import main
from panodepth.predict.live import watch

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/robots.md").read_text(encoding="utf-8")
LINES = re.findall(r"^panodepth [^#\n]+", PAGE, re.MULTILINE)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("line", LINES)
def test_a_line_runs(
    line: str, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ctrl_c(seconds: float) -> None:  # once what lies there has been scanned
        raise KeyboardInterrupt

    monkeypatch.setattr(watch, "WHOLE", 0)
    monkeypatch.setattr(watch, "time", SimpleNamespace(monotonic=time.monotonic, sleep=ctrl_c))
    assert main(shlex.split(line)[1:]) == (130 if " --watch " in line else 0)
    out = capsys.readouterr().out
    if " live " in line:
        found = [json.loads(text) for text in out.splitlines()]
        assert len(found) > 1
        assert all(len(scan["ranges"]) == 360 for scan in found)
    else:
        assert len(list((here / "files").iterdir())) > 3


def test_the_python_runs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(code, {})
    assert capsys.readouterr().out.count("sector_deg") > 8
    assert len(LINES) > 1
