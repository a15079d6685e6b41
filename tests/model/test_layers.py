"""Seam-closed building blocks against plain pictures of what they mean."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from panodepth.model.layers import (
    ChannelNorm,
    Float32Module,
    Lift,
    SphereConv2d,
    resize_bilinear,
    wrap_columns,
)


@given(width=st.integers(1, 9), data=st.data())
@settings(max_examples=40, deadline=None)
def test_wrap_columns_is_a_longer_look_at_a_periodic_row(width: int, data: st.DataObject) -> None:
    left, right = data.draw(st.integers(0, width)), data.draw(st.integers(0, width))
    x = torch.randn(2, 3, 4, width)
    place = torch.arange(-left, width + right) % width
    assert torch.equal(wrap_columns(x, left, right), x[..., place])


@pytest.mark.parametrize("columns", [(0, 0), (1, 1), (3, 3), (5, 5), (0, 1), (2, 0), (1, 4)])
def test_wrap_columns_gradient(columns: tuple[int, int]) -> None:
    x = torch.randn(1, 2, 3, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: wrap_columns(t, *columns), (x,))
    assert torch.autograd.gradgradcheck(lambda t: wrap_columns(t, *columns), (x,))


@given(rows=st.integers(1, 6), cols=st.integers(1, 6), up=st.integers(1, 5), down=st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_wrapped_resize_rolls_with_its_input(rows: int, cols: int, up: int, down: int) -> None:
    x = torch.randn(1, 2, rows * down, cols * down, dtype=torch.float64)
    size = (rows * up, cols * up)
    rolled = resize_bilinear(x.roll(down, -1), size, wrap=True)
    assert torch.allclose(rolled, resize_bilinear(x, size, wrap=True).roll(up, -1), atol=1e-12)


def test_wrapped_resize_is_the_plain_one_away_from_the_seam() -> None:
    x = torch.randn(1, 2, 6, 12)
    plain = F.interpolate(x, size=(12, 24), mode="bilinear")
    wrapped = resize_bilinear(x, (12, 24), wrap=True)
    assert torch.allclose(wrapped[..., 1:-1], plain[..., 1:-1], atol=1e-6)
    assert torch.allclose(
        wrapped[0, 0, :, 0], 0.75 * plain[0, 0, :, 0] + 0.25 * plain[0, 0, :, -1], atol=1e-6
    )


@pytest.mark.parametrize("border", ["zeros", "reflect", "wrap"])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (4, 2)])
def test_convolution_borders(border: str, kernel: int, stride: int) -> None:
    layer = SphereConv2d(2, 3, kernel, border=border, stride=stride)
    x = torch.randn(1, 2, 8, 10)
    if border == "wrap":
        padded = F.pad(F.pad(x, (1, 1, 0, 0), mode="circular"), (0, 0, 1, 1))
    else:
        padded = F.pad(x, (1, 1, 1, 1), mode="constant" if border == "zeros" else border)
    expected = F.conv2d(padded, layer.weight, layer.bias, stride)
    assert torch.allclose(layer(x), expected, atol=1e-6)
    assert layer(x).shape[-2:] == (8 // stride, 10 // stride)


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_lift_is_a_transposed_convolution(factor: int) -> None:
    lift = Lift(6, 5, factor)
    tokens = torch.randn(2, 3, 4, 6)
    image = tokens.permute(0, 3, 1, 2)
    expected = F.conv_transpose2d(image, lift.weight, lift.bias, stride=factor)
    assert torch.allclose(lift(tokens), expected, atol=1e-6)


def test_channel_norm_sees_one_pixel_at_a_time() -> None:
    out = ChannelNorm(7)(3 + 5 * torch.randn(2, 7, 3, 4))
    assert torch.allclose(out.mean(1), torch.zeros(2, 3, 4), atol=1e-5)
    assert torch.allclose(out.var(1, unbiased=False), torch.ones(2, 3, 4), atol=1e-3)


class _Exact(Float32Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(2, 2)
        self.number = nn.Parameter(torch.tensor(1.0 + 2**-20))
        self.register_buffer("count", torch.tensor(3))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_float32_module_keeps_every_bit(dtype: torch.dtype) -> None:
    model = nn.Sequential(nn.Linear(2, 2), _Exact()).to(dtype)
    assert model[0].weight.dtype == dtype
    assert model[1].number.item() == 1.0 + 2**-20
    assert model[1].count.dtype == torch.int64
    assert model[1].inner.weight.dtype == (dtype if dtype == torch.float32 else torch.float32)


def test_float32_module_may_be_double_and_moves() -> None:
    assert _Exact().double().number.dtype == torch.float64
    assert _Exact().to("meta").number.device.type == "meta"


@given(
    kernel=st.sampled_from([1, 3, 5]),
    stride=st.sampled_from([1, 2]),
    height=st.integers(5, 9),
    width=st.integers(5, 9),
)
@settings(max_examples=30, deadline=None)
def test_convolution_sees_the_other_side_in_longitude_and_nothing_beyond_the_poles(
    kernel: int, stride: int, height: int, width: int
) -> None:
    layer = SphereConv2d(2, 3, kernel, border="wrap", stride=stride).double()
    x = torch.randn(1, 2, height, width, dtype=torch.float64)
    out = layer(x)
    assert out.shape == (1, 3, -(-height // stride), -(-width // stride))
    around = F.pad(x.repeat(1, 1, 1, 3), (0, 0, kernel, kernel))  # zeros above and below
    top = max((out.shape[-2] - 1) * stride + kernel - height, 0) // 2
    left = max((out.shape[-1] - 1) * stride + kernel - width, 0) // 2
    for i, j in ((0, 0), (out.shape[-2] - 1, out.shape[-1] - 1), (1, 2)):
        y0, x0 = kernel + i * stride - top, width + j * stride - left
        seen = around[:, :, y0 : y0 + kernel, x0 : x0 + kernel]
        value = (seen * layer.weight).sum(dim=(1, 2, 3)) + layer.bias
        assert torch.allclose(out[0, :, i, j], value, atol=1e-12)
