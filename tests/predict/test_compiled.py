"""torch.compile on request: used where it works, left with one line where it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import panodepth
from panodepth.model import ModelOutput, SphereViT, load_model
from panodepth.predict.cuda.compiled import Compiled

IMAGE = torch.rand(1, 3, 56, 112, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def model(model_file: Path) -> SphereViT:
    return load_model(model_file)


def run(compiled: Compiled, model: SphereViT) -> torch.Tensor:
    with torch.inference_mode():
        return compiled(IMAGE, model.memory_for((56, 112))).log_distance


def test_compiles_once_and_calls_that(model: SphereViT) -> None:
    calls: list[str] = []

    def compiler(given: SphereViT) -> Any:
        calls.append("compile")

        def call(image: torch.Tensor, memory: Any) -> ModelOutput:
            calls.append("call")
            return given(image, memory)

        return call

    said: list[str] = []
    compiled = Compiled(model, compiler=compiler, note=said.append)
    with torch.inference_mode():
        expected = model(IMAGE).log_distance
    for _ in range(2):
        torch.testing.assert_close(run(compiled, model), expected, rtol=0, atol=0)
    assert calls == ["compile", "call", "call"]
    assert said == []


@pytest.mark.parametrize("when", ["compiling", "calling"])
def test_without_a_compiler_the_plain_network_runs(when: str, model: SphereViT) -> None:
    tries = 0

    def broken(*_: Any) -> Any:
        nonlocal tries
        tries += 1
        raise RuntimeError("backend='inductor' raised:\nInvalidCxxCompiler: no C++ compiler")

    said: list[str] = []
    compiler = broken if when == "compiling" else lambda _: broken
    compiled = Compiled(model, compiler=compiler, note=said.append)
    with torch.inference_mode():
        expected = model(IMAGE).log_distance
    for _ in range(3):
        torch.testing.assert_close(run(compiled, model), expected, rtol=0, atol=0)
    assert tries == 1
    assert not compiled.active
    assert len(said) == 1
    assert "no C++ compiler" in said[0]
    assert "\n" not in said[0]


@pytest.mark.parametrize(
    "error", [torch.cuda.OutOfMemoryError("CUDA out of memory"), MemoryError()]
)
def test_too_little_memory_is_no_reason_to_stop(error: Exception, model: SphereViT) -> None:
    def call(image: torch.Tensor, memory: Any) -> ModelOutput:
        raise error

    compiled = Compiled(model, compiler=lambda _: call)
    with pytest.raises(type(error)):
        run(compiled, model)
    assert compiled.active


def test_what_the_network_itself_refuses_is_told(model: SphereViT) -> None:
    compiled = Compiled(model, compiler=lambda given: given.forward)
    with pytest.raises(panodepth.PanodepthError, match="multiples of 14"):
        compiled(torch.rand(1, 3, 50, 112), None)
    assert compiled.active


def test_load_compiles_and_says_so(model_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def fake(model: SphereViT, *, dynamic: bool) -> SphereViT:
        asked.append(dynamic)
        return model

    monkeypatch.setattr(torch, "compile", fake)
    for dtype in ("float32", "bfloat16"):
        loaded = panodepth.load(model_file, device="cpu", dtype=dtype, compile=True)
        image = np.random.default_rng(0).random((*loaded.size, 3), dtype=np.float32)
        assert loaded.describe()["compiled"]
        assert not loaded.model.prepared  # packed layers cannot be compiled
        plain = panodepth.load(model_file, device="cpu", dtype=dtype)
        assert not plain.describe()["compiled"]
        got, want = (p.predict(image).distance for p in (loaded, plain))
        tolerance = 1e-6 if dtype == "float32" else 0.03
        np.testing.assert_allclose(got, want, rtol=tolerance)
    assert asked == [False, False]
