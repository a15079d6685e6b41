"""What is done to an exported graph: the same numbers from fewer nodes, and weights in 8 bits."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor, nn

import onnx
from panodepth.onnx.int8 import quantise_weights, quantised
from panodepth.onnx.onnx_file import OPSET
from panodepth.onnx.picture_network import attention_in_parts
from panodepth.onnx.simplify import simplify


class Mixed(nn.Module):
    """Layers of mobile networks and transformers: depthwise, BatchNorm, LayerScale, Linear."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 24, 3, 2, 1, bias=False), nn.BatchNorm2d(24))
        self.depthwise = nn.Conv2d(24, 24, 3, padding=1, groups=24)
        self.mix = nn.Conv2d(24, 24, 3, padding=1)
        self.gamma = nn.Parameter(torch.rand(24, 1, 1))
        self.linear = nn.Linear(24, 256)
        self.out = nn.Linear(256, 24)
        self.scale = nn.Parameter(torch.rand(24))
        self.table = nn.Parameter(torch.rand(4, 24))

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.relu6(self.stem(x))
        x = x + self.gamma * self.mix(nn.functional.relu6(self.depthwise(x)))
        rows = self.table.repeat_interleave(x.shape[-2] // 4, dim=0)
        x = x.permute(0, 2, 3, 1) + rows[:, None]
        x = x + self.scale * self.out(nn.functional.gelu(self.linear(x)))
        return nn.functional.interpolate(x.permute(0, 3, 1, 2), scale_factor=2.0, mode="bilinear")


@pytest.fixture(scope="module")
def mixed() -> nn.Module:
    torch.manual_seed(0)
    network = Mixed()
    network(torch.rand(8, 3, 32, 64))  # statistics of BatchNorm
    return network.eval().requires_grad_(False)


def export(network: nn.Module, image: Tensor) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "network.onnx"
        torch.onnx.export(
            network, (image,), path, dynamo=False, opset_version=OPSET, input_names=["image"]
        )
        return onnx.load(path)


def run(proto: onnx.ModelProto, image: Tensor) -> np.ndarray:
    onnx.checker.check_model(proto, full_check=True)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    (found,) = session.run(None, {"image": image.numpy()})
    return found


def test_simplified_is_the_same_network(mixed: nn.Module) -> None:
    image = torch.rand(1, 3, 32, 64)
    proto = export(mixed, image)
    simplify(proto)
    np.testing.assert_allclose(run(proto, image), mixed(image), rtol=1e-4, atol=1e-5)
    kinds = [node.op_type for node in proto.graph.node]
    assert not {"Constant", "BatchNormalization"} & set(kinds)
    assert kinds.count("Mul") == 3  # two of GELU, one of the linear layer's scale: none of gamma


class Columns(nn.Module):
    """A factor per column, as many as there are channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 1)
        self.factor = nn.Parameter(torch.rand(8))

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * self.conv(x)


def test_factors_of_columns_are_not_taken_for_those_of_channels() -> None:
    network, image = Columns().requires_grad_(False), torch.rand(1, 3, 8, 8)
    proto = export(network, image)
    simplify(proto)
    np.testing.assert_allclose(run(proto, image), network(image), rtol=1e-5)


def test_int8_stores_every_large_weight_in_8_bits(mixed: nn.Module) -> None:
    image = torch.rand(1, 3, 32, 64)
    proto = export(mixed, image)
    simplify(proto)
    whole = proto.ByteSize()
    quantise_weights(proto)
    assert proto.ByteSize() < 0.5 * whole
    large = [t for t in proto.graph.initializer if np.prod(t.dims) >= 4096]
    assert len(large) == 3
    assert {t.data_type for t in large} == {onnx.TensorProto.INT8}
    error = np.abs(run(proto, image) - mixed(image).numpy()).mean()
    assert 1e-5 < error / mixed(image).abs().mean() < 0.02


@given(arrays(np.float32, (3, 4, 5), elements=st.floats(-100, 100, width=32)), st.integers(0, 2))
def test_quantised_is_within_half_a_step(weight: np.ndarray, axis: int) -> None:
    levels, steps = quantised(weight, axis)
    assert levels.dtype == np.int8
    assert levels.min(initial=0) >= -127
    by_channel = np.moveaxis(levels, axis, -1) * steps
    off = np.abs(by_channel - np.moveaxis(weight, axis, -1))
    assert (off <= 0.501 * steps).all()


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("at_once", [3, 7, 512])
def test_attention_in_parts(masked: bool, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panodepth.onnx.picture_network.QUERIES_AT_ONCE", at_once)
    generator = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, 2, 4, 13, 8, generator=generator)
    mask = torch.randn(1, 4, 13, 13, generator=generator) if masked else None
    expected = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    torch.testing.assert_close(attention_in_parts(q, k, v, mask), expected)
