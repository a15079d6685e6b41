"""Every line of docs/cookbook.md and docs/troubleshooting.md runs as it stands there, and says what
the page says.
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panodepth.cli import main
from panodepth.predict.lenses.rig import read_rig

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
from cookbook import SHEETS, make_inputs, sections

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/cookbook.md").read_text(encoding="utf-8")
TAKEN, REFUSED = PAGE.split("## What is refused")
TROUBLES = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
LINES = [*dict.fromkeys(re.findall(r"`(panodepth predict [^`]+)`", TAKEN + TROUBLES))]
WRONG = re.findall(r"\| `(panodepth predict [^`]+)` \| ([^|]+) \|", REFUSED)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small picture of each name on the page."""
    folder = tmp_path_factory.mktemp("cookbook")
    make_inputs(folder)
    return folder


@pytest.mark.usefixtures("bundled_once")
@pytest.mark.parametrize("line", LINES)
def test_a_line_runs(
    line: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pictures)
    words = shlex.split(line)[1:]
    words[-1] = str(tmp_path)
    assert main([*words, "--format", "npz,preview", "--quiet"]) == 0
    (file,) = tmp_path.glob("*_distance.npz")
    with np.load(file) as npz:
        assert npz["mask"].mean() > 0.03
        assert (npz["distance"] > 0).all()


def test_the_rigs_file_is_one(tmp_path: Path) -> None:
    (block,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "rig.json").write_text(block)
    rig = read_rig(tmp_path / "rig.json")
    ahead, left = (
        np.asarray(c.camera((c.height, c.width)).view.rotation)[:, 2] for c in rig.cameras
    )
    np.testing.assert_allclose([ahead, left], [[0, 0, 1], [-1, 0, 0]], atol=1e-9)


@pytest.mark.usefixtures("bundled_once")
@pytest.mark.parametrize(("line", "says"), WRONG)
def test_a_line_is_refused(
    line: str,
    says: str,
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(pictures)
    words = shlex.split(line)[1:]
    words[-1] = str(tmp_path / "out")
    assert main([*words, "--quiet"]) in (1, 2)
    error = capsys.readouterr().err
    assert says.strip() in error
    assert error.count("\n") == 1
    assert not list(tmp_path.glob("out/*"))


def test_the_block_of_python_runs(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pictures)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    values: dict[str, Any] = {}
    exec(code, values)
    assert values["result"].lens == values["lens"]
    assert len(LINES) > 18
    assert len(WRONG) > 9


def test_every_section_with_lines_has_its_sheet() -> None:
    """Made by benchmarks/cookbook.py; small enough for a page."""
    with_lines = [name for name, rows in sections(TAKEN).items() if rows]
    assert with_lines == list(SHEETS)
    files = [ROOT / "docs/images" / file for file in SHEETS.values()]
    assert all(f"(images/{file.name})" in PAGE for file in files)
    assert sum(file.stat().st_size for file in files) < 700_000
