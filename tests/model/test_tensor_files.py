"""Weights are read into memory of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from panodepth.errors import ModelError
from panodepth.model import load_model
from panodepth.model.tensor_files import TensorReader


def test_every_float_precision(tmp_path: Path) -> None:
    state = {
        str(dtype): torch.randn(3, 5).to(dtype)
        for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16)
    }
    state["number"] = torch.tensor(2.5)
    state["empty"] = torch.zeros(0, 4)
    save_file(state, tmp_path / "a.safetensors")
    reader = TensorReader(tmp_path / "a.safetensors")
    for name, tensor in state.items():
        found = reader.read(name)
        assert (found.dtype, found.shape) == (tensor.dtype, tensor.shape)
        assert torch.equal(found, tensor)


def test_a_file_cut_after_its_header_was_read(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    save_file({"a": torch.ones(1000)}, file)
    reader = TensorReader(file)
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(ModelError, match="ends early"):
        reader.read("a")


def test_a_loaded_network_keeps_no_file_mapped(model_file: Path) -> None:
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("no list of mappings here")
    model = load_model(model_file, dtype=torch.float32)  # as stored: nothing forces a copy
    assert model_file.name not in maps.read_text()
    assert not model.training
