"""benchmarks/outpainting.py, whole but tiny: rendered, curated, trained, scored and tabled once."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from panodepth.lab.data import open_source

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
TINY = {
    "network.overrides.stem_widths": "[8, 8, 8]",
    "network.overrides.stem_blocks": "[1, 1, 1]",
    "network.overrides.dim": 16,
    "network.overrides.heads": 2,
    "network.overrides.hidden": 16,
    "network.overrides.cross_heads": 2,
    "network.overrides.decoder": "[8, 8, 8, 8]",
    "data.batch": 2,
    "run.tensorboard": "false",
    "run.device": "cpu",
    "run.precision": "fp32",
}


@pytest.fixture
def outpainting(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))  # for the functions it shares with ablations.py
    spec = importlib.util.spec_from_file_location("outpainting", BENCHMARKS / "outpainting.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "outpainting", module)
    spec.loader.exec_module(module)
    return module


def test_three_rows_from_nothing_to_the_table(
    outpainting: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, page, numbers = tmp_path / "out", tmp_path / "page.md", tmp_path / "numbers.json"
    page.write_text(f"before\n{outpainting.BEGIN}\nold\n<!-- end of table -->\nafter\n")
    command = ["--out", str(out), "--worlds", "4", "--view", "60x80", "--curated", "56x112"]
    command += ["--size", "28x56", "--steps", "1", "--seeds", "0", "--rendered", "2"]
    command += [f"--set={key}={value}" for key, value in TINY.items()]
    command += ["--write", str(page), "--results", str(numbers)]
    assert outpainting.main(command) == 0
    kept = outpainting.kept_worlds(out / "none")
    assert kept == outpainting.kept_worlds(out / "diffuse")
    assert (out / "panoramas.txt").read_text().split() == kept
    black, painted = (open_source("shards", out / name)[0] for name in ("none", "diffuse"))
    assert black.distance is not None
    assert painted.distance is not None
    assert (black.distance == painted.distance).all()
    assert (black.image == 0).all(axis=-1).mean() > 0.5 > (painted.image == 0).mean()
    text = page.read_text()
    assert "old" not in text
    assert [line.split(" | ")[0] for line in text.splitlines()[4:7]] == [
        "| P2E only: black outside the frame",
        "| `diffuse` out-painting",
        "| full panoramas of the same worlds",
    ]
    runs = json.loads(numbers.read_text())["runs"]
    assert [run["row"] for run in runs] == ["none", "diffuse", "panoramas"]
    assert all(run["rendered indoor"] > 0 for run in runs)

    def never(*_: object, **__: object) -> None:
        raise AssertionError("done again")

    monkeypatch.setattr(outpainting, "render_files", never)
    monkeypatch.setattr(sys.modules["ablations"], "train", never)
    before = page.read_text()
    assert outpainting.main(command) == 0
    assert page.read_text() == before
