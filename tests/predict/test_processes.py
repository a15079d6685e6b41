"""A predictor in other processes: pickled, copied, and after a fork."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import panodepth
from panodepth.device import cpu_has_bfloat16
from panodepth.model.fast.int8 import Int8Linear, int8_works
from panodepth.model.fast.packed import PackedLinear, packing_works

IMAGE = np.random.default_rng(0).integers(0, 255, (56, 112, 3), np.uint8)

no_int8 = pytest.mark.skipif(not int8_works(), reason="no products of 8-bit integers here")
EIGHT_BITS = pytest.param("int8", marks=no_int8)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", EIGHT_BITS, "onnx"])
def test_a_copy_predicts_the_same(dtype: str, model_file: Path, onnx_file: Path) -> None:
    predictor: Any
    if dtype == "onnx":
        predictor = panodepth.load(onnx_file, device="cpu")
    else:
        predictor = panodepth.load(model_file, device="cpu", dtype=dtype, size=(28, 56))
    predictor.choice = "by a trial"
    expected = predictor.predict(IMAGE)
    assert expected.meta["backend_choice"] == "by a trial"
    for other in (pickle.loads(pickle.dumps(predictor)), copy.deepcopy(predictor)):
        found = other.predict(IMAGE)
        assert np.array_equal(found.distance, expected.distance)
        assert found.meta == expected.meta
        assert other.describe() == predictor.describe()


def test_fused_layers_are_copied_exactly() -> None:
    generator = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(48, 64, generator=generator), torch.randn(48, generator=generator)
    layers: list[Any] = [Int8Linear(weight, bias), Int8Linear(weight, None)] if int8_works() else []
    if cpu_has_bfloat16() and packing_works():
        layers.append(PackedLinear(weight.bfloat16(), bias.bfloat16(), 20))
    for layer in layers:
        x = torch.randn(20, 64, generator=generator, dtype=torch.float32)
        x = x.bfloat16() if isinstance(layer, PackedLinear) else x
        assert torch.equal(pickle.loads(pickle.dumps(layer))(x), layer(x))


FORK = """
import os, sys
import numpy as np
import panodepth

size = (56, 112) if sys.argv[1].endswith(".onnx") else (448, 896)  # large enough for threads
image = np.random.default_rng(0).integers(0, 65535, (size[0], size[1], 3), np.uint16)
mask = np.ones(size, bool)
predictor = panodepth.load(sys.argv[1], device="cpu", dtype=sys.argv[2], size=size)
expected = predictor.predict(image, mask, sky="auto").distance
child = os.fork()
if not child:
    found = predictor.predict(image, mask, sky="auto").distance
    os._exit(0 if np.allclose(found, expected, rtol=1e-2) else 3)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no fork there")
@pytest.mark.parametrize("dtype", ["float32", EIGHT_BITS, "onnx"])
def test_a_forked_process_predicts(
    dtype: str, model_file: Path, onnx_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two threads, which do not come along, it would wait for ever."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    file = onnx_file if dtype == "onnx" else model_file
    command = [sys.executable, "-c", FORK, str(file), "auto" if dtype == "onnx" else dtype]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
