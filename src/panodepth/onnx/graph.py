"""A small ONNX graph under construction: one call per operation, each returns its output's name.

Written by hand rather than traced: the file holds what the network is, in a few hundred nodes that
every runtime knows (opset 17, no custom operators), and takes a second to make.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from onnx import NodeProto, TensorProto, helper, numpy_helper

OPSET = 17  # the first with LayerNormalization; what Unity and the web read too
MIN_QUANTISED = 4096  # smaller kernels stay exact: they weigh nothing and come last


class Graph:
    """Nodes and constants in the order they were made; all values are float32 unless said.

    int8: store the weights of convolutions and linear layers in 8 bits, per output channel and
    symmetric, and multiply linear layers in integers, with activations quantised as they come
    (no calibration). Convolutions are computed in float32: integers were no faster there.
    """

    def __init__(self, *, int8: bool = False) -> None:
        self.int8 = int8
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, TensorProto] = {}
        self._shared: dict[tuple[Any, ...], str] = {}
        self._count = 0

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Append one node with one output."""
        return self.add_many(operator, inputs, 1, **attributes)[0]

    def add_many(
        self, operator: str, inputs: Sequence[str], outputs: int, **attributes: Any
    ) -> list[str]:
        """Append one node; attributes as in the ONNX operator's definition."""
        self._count += 1
        names = [f"{operator.lower()}_{self._count}"]
        names += [f"{names[0]}_{number}" for number in range(1, outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, names[0], **attributes))
        return names

    def rename_last(self, name: str) -> str:
        """Give the output of the node just added a name that users see."""
        self.nodes[-1].output[0] = name
        return name

    def constant(self, values: Any, dtype: npt.DTypeLike = np.float32) -> str:
        """A constant from a tensor or anything NumPy takes; small equal ones are kept once."""
        if isinstance(values, torch.Tensor):
            values = values.detach().cpu().float().numpy()
        array = np.array(values, dtype, order="C")
        key = (array.dtype.str, array.shape, array.tobytes()) if array.size <= 64 else None
        if key is not None and key in self._shared:
            return self._shared[key]
        name = f"constant_{len(self.constants)}"
        self.constants[name] = numpy_helper.from_array(array, name)
        if key is not None:
            self._shared[key] = name
        return name

    def ints(self, *values: int) -> str:
        """An int64 constant of one axis."""
        return self.constant(values, np.int64)

    def linear(self, x: str, layer: torch.nn.Module, scale: torch.Tensor | None = None) -> str:
        """What an nn.Linear makes of x (..., in), times scale (out,)."""
        plain = cast(torch.nn.Linear, layer)
        weight, bias = plain.weight, cast(torch.Tensor | None, plain.bias)
        if scale is not None:
            weight = weight * scale[:, None]
            bias = None if bias is None else bias * scale
        if self.int8:
            product = self._integer_product(x, weight)
        else:
            product = self.add("MatMul", x, self.constant(weight.t()))
        return product if bias is None else self.add("Add", product, self.constant(bias))

    def _integer_product(self, x: str, weight: torch.Tensor) -> str:
        """x · weightᵀ in 8-bit integers: the pattern that runtimes fuse into one operation."""
        levels, steps = quantised(weight)
        x8, x_step, x_zero = self.add_many("DynamicQuantizeLinear", [x], 3)
        w8 = self.constant(levels.T, np.int8)
        total = self.add("MatMulInteger", x8, w8, x_zero, self.constant(0, np.int8))
        step = self.add("Mul", x_step, self.constant(steps))
        return self.add("Mul", self.add("Cast", total, to=TensorProto.FLOAT), step)

    def kernel(self, weight: torch.Tensor, channel: int = 0) -> str:
        """A convolution's weight; channel: the axis of its output channels."""
        if not self.int8 or weight.numel() < MIN_QUANTISED:
            return self.constant(weight)
        levels, steps = quantised(weight.movedim(channel, 0))
        stored = self.constant(np.moveaxis(levels, 0, channel), np.int8)
        return self.add("DequantizeLinear", stored, self.constant(steps), axis=channel)

    def layer_norm(self, x: str, module: torch.nn.LayerNorm) -> str:
        """Over the last axis."""
        parts = (self.constant(module.weight), self.constant(module.bias))
        return self.add("LayerNormalization", x, *parts, axis=-1, epsilon=module.eps)

    def gelu(self, x: str) -> str:
        """x/2 · (1 + erf(x / √2)); runtimes recognise the pattern."""
        inner = self.add("Erf", self.add("Div", x, self.constant(2**0.5)))
        outer = self.add("Mul", x, self.add("Add", inner, self.constant(1.0)))
        return self.add("Mul", outer, self.constant(0.5))

    def reshape(self, x: str, *shape: int) -> str:
        return self.add("Reshape", x, self.ints(*shape))

    def transpose(self, x: str, *order: int) -> str:
        return self.add("Transpose", x, perm=order)

    def slice(self, x: str, axis: int, start: int, stop: int) -> str:
        """x[start:stop] along one axis."""
        ends = (self.ints(start), self.ints(stop), self.ints(axis))
        return self.add("Slice", x, *ends)

    def concat(self, parts: Sequence[str], axis: int) -> str:
        return parts[0] if len(parts) == 1 else self.add("Concat", *parts, axis=axis)

    def wrap_columns(self, x: str, width: int, columns: int) -> str:
        """(1, C, h, w) to (1, C, h, w + 2·columns), going on round the seam."""
        if columns == 0:
            return x
        right = self.slice(x, 3, width - columns, width)
        return self.concat([right, x, self.slice(x, 3, 0, columns)], 3)

    def resize(self, x: str, size: tuple[int, int], mode: str = "half_pixel") -> str:
        """Bilinear, (1, C, h, w) to `size`; mode: the coordinate transformation."""
        target = (self.ints(1), self.ints(*size))
        channels = self.slice(self.add("Shape", x), 0, 1, 2)
        sizes = self.concat([target[0], channels, target[1]], 0)
        return self.add(
            "Resize", x, "", "", sizes, mode="linear", coordinate_transformation_mode=mode
        )


def quantised(weight: torch.Tensor) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """(out, ...) as whole levels in [-127, 127] and the step (out,) of each output channel."""
    values = weight.detach().float().numpy()
    largest = np.abs(values).reshape(len(values), -1).max(1)
    steps = (np.where(largest > 0, largest, 1) / 127).astype(np.float32)
    levels = np.rint(values / steps.reshape(-1, *[1] * (values.ndim - 1)))
    return levels.astype(np.int8), steps
