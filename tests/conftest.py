"""Small models on disk, for every test that needs one."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

# One thread a process, commands under test included: test workers share the cores, and threads
# that wait for each other on a full machine cost more than they give.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from panodepth.predict.predictor import Predictor

# What a test takes says more of the machine than of the code; speed is measured in benchmarks/.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_collectstart() -> None:
    """Nothing that is imported is garbage; to look for it takes a fifth of collecting."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def _load_chosen() -> Callable[..., Predictor]:
    from panodepth.predict import trial

    return cache(trial.load_chosen)


@pytest.fixture
def bundled_once(_load_chosen: Callable[..., Predictor], monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of a page share the bundled model: to load it takes as long as a small picture."""
    monkeypatch.setattr("panodepth.predict.trial.load_chosen", _load_chosen)


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random network of our own kind (56 × 112, wraps, says sky nowhere), as .safetensors."""
    import torch

    from panodepth.model import ModelConfig, SphereViT, save_model

    torch.manual_seed(0)
    config = ModelConfig(
        name="micro",
        size=(56, 112),
        dim=16,
        depth=4,
        heads=2,
        features=(1, 2, 3, 4),
        position_grid=4,
        layer_scale=0.5,
        hidden=16,
        cross_heads=2,
        embedding_dim=16,
        decoder=(16, 16, 8, 8),
        head=(8, 8),
        wrap_padding=True,
        periodic_embedding=True,
        latitude_positions=True,
        sky_head=True,
    )
    model = SphereViT(config)
    with torch.no_grad():
        model.head.out.weight[1] = 0.0  # its second output is the sky logit
        model.head.out.bias[1] = -5.0
    return save_model(model, tmp_path_factory.mktemp("model") / "micro.safetensors")


@pytest.fixture(scope="session")
def onnx_file(model_file: Path) -> Path:
    """The same network for onnxruntime: a process of its own starts without PyTorch's seconds."""
    pytest.importorskip("onnxruntime")
    from panodepth.model import load_model
    from panodepth.onnx.onnx_file import OnnxOptions, build_onnx, write_onnx

    proto = build_onnx(load_model(model_file), OnnxOptions(name="micro"))
    return write_onnx(proto, model_file.with_name("micro.onnx"))


@pytest.fixture(scope="session")
def released_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random checkpoint with the released names and the oracle's "tiny" shapes (112 × 224)."""
    import torch
    from safetensors.torch import save_file

    from panodepth.model import PRESETS, SphereViT
    from panodepth.model.checkpoint import released_keys

    torch.manual_seed(0)
    keys = released_keys()
    state = SphereViT(PRESETS["tiny"]).state_dict()
    path = tmp_path_factory.mktemp("released") / "model.safetensors"
    save_file({keys.to_theirs(name): value.contiguous() for name, value in state.items()}, path)
    return path
