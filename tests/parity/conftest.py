"""The oracle: names, shapes, deterministic weights and reference tensors."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file, save_file

HERE = Path(__file__).parent


def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("parity_deterministic", HERE / "deterministic.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def deterministic() -> ModuleType:
    return _module()


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory: pytest.TempPathFactory, deterministic: ModuleType) -> Path:
    """The tiny twin's checkpoint in the released format."""
    shapes = json.loads((HERE / "tiny_keys.json").read_text())
    path = tmp_path_factory.mktemp("oracle") / "tiny.safetensors"
    save_file(deterministic.weights(shapes), path)
    return path


@pytest.fixture(scope="session")
def tiny_reference() -> dict[str, torch.Tensor]:
    return load_file(HERE / "tiny.safetensors")
