"""The offline benchmark's one command: set, rows, table, pages."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from panodepth.errors import ConfigError

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "benchmarks" / "rendered"
MINE = """
class Predictor:
    def __init__(self, height=1.0):
        self.height = height

    def predict(self, image):
        return image[..., 0] * 0 + self.height
"""


@pytest.fixture
def table(monkeypatch, tmp_path):
    """The script on two indoor worlds and one outdoor world of 32×64."""
    monkeypatch.syspath_prepend(str(FOLDER))
    module = importlib.import_module("table")
    kept = module.rendered_set
    monkeypatch.setattr(kept, "SIZE", (32, 64))
    monkeypatch.setattr(kept, "COUNTS", {"indoor": 2, "outdoor": 1})
    monkeypatch.setattr(kept, "SUMMARY", tmp_path / "summary.json")
    fingerprint = kept.Fingerprint()
    for _ in fingerprint.watched(kept.made(kept.COUNTS), 3):
        pass
    kept.write_summary(fingerprint.summary())
    return module


def test_one_command_makes_the_set_and_the_table(table, tmp_path, monkeypatch, capsys):
    mine = tmp_path / "mine.py"
    mine.write_text(MINE)
    page = tmp_path / "page.md"
    page.write_text(f"before\n{table.BEGIN}\nold\n{table.pages.END}\nafter\n")
    monkeypatch.setattr(table, "OWN_PAGE", page)
    front = tmp_path / "front.md"
    front.write_text(page.read_text())
    monkeypatch.setattr(table, "FRONT_PAGE", front)
    command = ["--out", str(tmp_path / "out"), "--rows", "constant,box", "--workers", "1"]
    command += ["--predictor", str(mine), "--option", "height=2.5", "--write"]
    assert table.main(command) == 0
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert lines[0].startswith("| predictor | AbsRel % ↓ | AbsRel %, indoor ↓ |")
    rows = {line.split("|")[1].strip(): line.split("|")[2:] for line in lines[2:]}
    assert list(rows) == ["`baselines/constant.py`", "`baselines/box.py`", f"`{mine}`"]
    # any constant is the same after alignment
    assert rows[f"`{mine}`"] == rows["`baselines/constant.py`"] != rows["`baselines/box.py`"]
    assert "3 worlds are those of summary.json, bit by bit" in shown.err
    assert page.read_text() == f"before\n{table.BEGIN}\n{shown.out}{table.pages.END}\nafter\n"
    own_rows_alone = [line for line in lines if str(mine) not in line]  # of the front page
    assert front.read_text().splitlines()[2:-2] == own_rows_alone
    monkeypatch.setattr(table.rendered_set, "made", None)  # nothing is rendered again
    assert table.main(command) == 0
    assert capsys.readouterr().out == shown.out


def test_other_worlds_are_refused(table, tmp_path, capsys):
    summary = table.rendered_set.SUMMARY
    text = summary.read_text()
    kept = table.json.loads(text)
    kept["scenes"]["outdoor"][0][1] += 0.001
    kept["sha256"]["outdoor"] = "other"
    summary.write_text(table.json.dumps(kept))
    assert table.main(["--out", str(tmp_path / "out"), "--rows", "constant"]) == 1
    assert "outdoor 0: log_distance_50" in capsys.readouterr().err


def test_rows_are_trained_once(table, tmp_path, monkeypatch):
    trained = []

    def train(folder: Path) -> bool:
        trained.append(folder.name)
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(b"weights")
        return True

    mine = tmp_path / "mine.py"
    mine.write_text(MINE.replace("height=1.0", "weights, height=1.0"))
    row = table.Row("mine", str(mine), ("weights={weights}",), train)
    monkeypatch.setitem(table.ROWS, "mine", row)
    for _ in range(2):
        assert table.main(["--out", str(tmp_path), "--rows", "mine", "--workers", "1"]) == 0
    assert trained == ["mine"]
    monkeypatch.setitem(table.ROWS, "mine", table.Row("mine", str(mine), (), lambda _: False))
    assert table.main(["--out", str(tmp_path / "b"), "--rows", "mine", "--workers", "1"]) == 130


def test_rows_by_name(table):
    assert list(table.chosen_rows("all", "", [])) == list(table.ROWS)
    assert list(table.chosen_rows("box,new", "new.py", ["a=1"])) == ["box", "new"]
    with pytest.raises(ConfigError, match="no row 'bos'; there are constant"):
        table.chosen_rows("bos", "", [])
    for name, row in table.ROWS.items():
        file = Path(row.predictor)
        assert file.exists() or row.predictor in ("default", "{weights}"), name


def test_the_pages_hold_the_rows_of_the_command(table):
    for page in (ROOT / "README.md", FOLDER / "README.md"):
        text = page.read_text(encoding="utf-8")
        inside = text.partition(table.BEGIN)[2].partition(table.pages.END)[0]
        for name in table.README_ROWS:
            assert f"| {table.ROWS[name].label} |" in inside, (page, name)
    with pytest.raises(ConfigError, match="has no lines"):
        table.pages.write_table(ROOT / "LICENSE", table.BEGIN, "x")


def test_ctrl_c_ends_it_in_one_line(tmp_path):
    """Real signals to the whole group, as a terminal sends them, while worlds are rendered."""
    script = [sys.executable, str(FOLDER / "table.py"), "--out", str(tmp_path), "--rows", "box"]
    with subprocess.Popen(
        script,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # what runs in a shell's background has it ignored, and its children too
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stderr.readline().startswith("rendering 500 panoramas")
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    assert err.splitlines()[-1] == "interrupted; the same command goes on"
