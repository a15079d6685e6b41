"""The lab judges networks as they are: it turns no picture upright, whatever `predict` does."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from panodepth.cli import main
from panodepth.lab.bench import ceilings, command, network
from panodepth.lab.bench.clock import Effort
from panodepth.lab.bench.memory import Memory
from panodepth.predict import predictor
from panodepth.predict.loading import load
from panodepth.predict.options import PredictOptions

LAB = Path(predictor.__file__).parents[1] / "lab"


@pytest.fixture
def levels(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What each prediction from now on was asked to do with a tilted picture."""
    asked: list[str] = []
    real: Callable[..., Any] = predictor.levelled

    def told(request: Any, output: Any, run: Any, options: PredictOptions, edges: Any) -> Any:
        asked.append(options.level)
        return real(request, output, run, options, edges)

    monkeypatch.setattr(predictor, "levelled", told)
    return asked


@pytest.fixture(params=["torch", "onnx"])
def model(request: pytest.FixtureRequest) -> Path:
    """The same network for both backends."""
    file: Path = request.getfixturevalue(f"{'model' if request.param == 'torch' else 'onnx'}_file")
    return file


def test_evaluation(model: Path, tmp_path: Path, levels: list[str]) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (32, 64, 3), np.uint8)
    Image.fromarray(pixels).save(pictures / "a.png")
    np.savez(pictures / "a_distance.npz", distance=np.full((32, 64), 2, np.float32))
    words = ["evaluate", "--data", f"folder={pictures}", "--predictor", str(model), "--quiet"]
    words += ["--protocol", "sphere", "--pictures", "0", "--no-geometry"]
    assert main([*words, "--out", str(tmp_path / "as_it_is")]) == 0
    assert set(levels) == {"none"}
    levels.clear()
    assert main([*words, "--out", str(tmp_path / "turned"), "--option", "level=auto"]) == 0
    assert set(levels) == {"auto"}
    levels.clear()
    load(model, device="cpu").predict(pixels)
    assert levels == ["auto"]  # so the first was no accident


def test_bench(model: Path, monkeypatch: pytest.MonkeyPatch, levels: list[str]) -> None:
    brief = Effort(seconds=0.02, least=2, most=2)
    monkeypatch.setattr(command, "QUICK", brief)
    monkeypatch.setitem(ceilings.COPY_BYTES, "cpu", 2**22)
    monkeypatch.setattr(network, "measure_memory", lambda job: Memory(1, 2, 3))
    words = ["bench", "--model", str(model), "--quick", "--device", "cpu", "--precision", "float32"]
    assert main(words) == 0
    assert set(levels) <= {"none"}  # routes are timed from pixels to distance, and no further


def _predictions() -> Iterator[tuple[str, ast.Call]]:
    """Calls of a method `predict` in the lab, by file."""
    for file in sorted(LAB.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            method = node.func if isinstance(node, ast.Call) else None
            if isinstance(method, ast.Attribute) and method.attr in ("predict", "predict_many"):
                assert isinstance(node, ast.Call)
                yield file.relative_to(LAB).as_posix(), node


def test_nothing_else_in_the_lab_predicts_without_saying_none() -> None:
    """Curation, training and bench show networks their own pixels."""
    found = list(_predictions())
    assert found, "evaluation predicts somewhere"
    for file, call in found:
        level = {key.arg: ast.unparse(key.value) for key in call.keywords}.get("level")
        # Evaluation passes its options on, of which `choose_predictor` says "none".
        assert level == "'none'" or file == "evaluation/run/predictors.py", (file, call.lineno)
