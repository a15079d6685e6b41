"""Every line of docs/formats.md for a tool runs, and what is refused says why."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from panodepth.cli import main
from panodepth.export.mark import stated

ROOT = Path(__file__).parents[2]
WHOLE = (ROOT / "docs/formats.md").read_text(encoding="utf-8")
PAGE = WHOLE.split("## For which tool")[1]
TAKEN, REFUSED = PAGE.split("| refused |")
LINES = re.findall(r"`(panodepth predict [^`]+)`", TAKEN)
WRONG = re.findall(r"\| `(panodepth predict [^`]+)` \| ([^|]+) \|", REFUSED)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with Image.open(ROOT / "examples/interior.jpg") as picture:
        picture.resize((128, 64)).save(tmp_path / "pano.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("bundled_once")
@pytest.mark.parametrize("line", LINES)
def test_a_line_runs(line: str, here: Path) -> None:
    assert main([*shlex.split(line)[1:], "--quiet"]) == 0
    files = [path for path in (here / "out").rglob("*") if path.is_file()]
    assert files
    for file in files:
        told = stated(file)
        assert told is not None, file.name
        quiet = "--no-metadata" in line or file.suffix == ".stl"
        assert quiet == ("model" not in told["prediction"])


@pytest.mark.parametrize(("line", "says"), WRONG)
def test_a_line_is_refused(
    line: str, says: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*shlex.split(line)[1:], "--quiet"]) == 2
    error = capsys.readouterr().err
    assert says.strip() in error
    assert error.count("\n") == 1
    assert not (here / "out").exists()


def test_rows_of_text(here: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", WHOLE, re.DOTALL)
    exec(compile(code, "docs/formats.md", "exec"), {})
    rows = np.loadtxt(here / "pano.xyz")
    assert rows.shape[1] == 6
    assert 64 * 128 / 2 < len(rows) <= 64 * 128
    assert abs(np.quantile(rows[:, 2], 0.02) + 1.6) < 0.3  # the floor
    assert (rows[:, 3:].min(), rows[:, 3:].max()) >= (0, 200)


def test_the_page_has_them() -> None:
    assert len(LINES) >= 8
    assert len(WRONG) >= 5
    assert np.unique(LINES).size == len(LINES)
