"""Files of more pixels than the network's own: they are held to what it says there, within."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from panodepth.cli import main
from panodepth.model import ModelConfig, SphereViT
from panodepth.onnx import picture_network
from panodepth.onnx.onnx_file import OnnxOptions, build_onnx, write_onnx
from panodepth.predict import larger, load
from panodepth.predict.torch_backend import TorchPredictor

OWN = (56, 112)
pytest.importorskip("onnxruntime")


SHAPE: dict[str, Any] = {
    "dim": 32,
    "depth": 4,
    "heads": 2,
    "features": (1, 2, 3, 4),
    "position_grid": 4,
    "hidden": 32,
    "cross_heads": 2,
    "decoder": (32, 32, 16, 8),
    "head": (8, 8),
    "embedding_dim": 16,
    "layer_scale": 0.5,
    "size": OWN,
}


def network(*, sky: bool = True, closed: bool = True) -> SphereViT:
    """A random one."""
    torch.manual_seed(2)
    return SphereViT(ModelConfig("sizes", sky_head=sky, wrap_padding=closed, **SHAPE)).eval()


@pytest.mark.parametrize(
    ("size", "sky"),
    [
        ((84, 168), True),
        ((84, 168), False),
        ((112, 224), True),
        ((42, 84), True),
        ((42, 84), False),
    ],
)
def test_a_file_says_what_predict_says(tmp_path: Path, size: tuple[int, int], sky: bool) -> None:
    model = network(sky=sky)
    file = write_onnx(build_onnx(model, OnnxOptions(size=size)), tmp_path / "m.onnx")
    pixels = np.random.default_rng(0).random((3, *size), np.float32)
    ours, (once,) = load(file).run_one(pixels), TorchPredictor(model, size=size).run([pixels])
    torchs = TorchPredictor(model, size=size).run_one(pixels)
    if size[0] < OWN[0]:
        torchs = once  # a file of fewer pixels is taken at its word
    apart = ours.log_distance - torchs.log_distance  # each has a scale of its own
    assert np.ptp(apart) < 1e-4
    assert (ours.sky_logit is None) is not sky
    if ours.sky_logit is not None and torchs.sky_logit is not None:
        np.testing.assert_allclose(ours.sky_logit, torchs.sky_logit, atol=1e-4)
    held = np.ptp(torchs.log_distance - once.log_distance)
    assert (held > 1e-3) == (size[0] > OWN[0])


def test_the_released_format_is_exported_as_it_is(tmp_path: Path) -> None:
    model, size = network(sky=False, closed=False), (84, 168)
    file = write_onnx(build_onnx(model, OnnxOptions(size=size)), tmp_path / "m.onnx")
    pixels = np.random.default_rng(1).random((3, *size), np.float32)
    with torch.inference_mode():
        (once,) = model(torch.from_numpy(pixels[None])).log_distance.numpy()
    assert np.ptp(load(file).run_one(pixels).log_distance - once) < 1e-4


@pytest.mark.parametrize(("size", "told"), [("28x56", True), ("56x112", False), ("84x168", False)])
def test_a_file_of_fewer_pixels_is_noted(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], size: str, told: bool
) -> None:
    line = ["export", str(tmp_path / "m.onnx"), "--model", str(model_file), "--size", size]
    assert main(line) == 0
    note = "note: the network was made for 56×112; at fewer pixels it is much worse\n"
    assert capsys.readouterr().err == (note if told else "")


def test_both_believe_a_sky_equally() -> None:
    assert picture_network.SURE_LOGIT == larger.SURE_LOGIT
