"""Weights in 8 bits, for any network whose ONNX file has MatMul and Conv."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

MIN_QUANTISED = 4096  # elements; smaller weights stay exact: they take no room and come last
TINY = 1e-30  # the least step: of channels that are zero
# Output channels' axis in a weight, by operator and the weight's number of axes.
CHANNEL_AXIS = {("MatMul", 2): 1, ("Conv", 4): 0, ("ConvTranspose", 4): 1}


def quantise_weights(proto: ModelProto) -> None:
    """Store weights in 8 bits, per output channel and symmetric, in place.

    Linear layers (MatMul by a matrix) are then multiplied in integers, with activations quantised
    as they come (no calibration). Convolutions are computed in float32 from the 8-bit weights:
    integers were no faster there.
    """
    graph = proto.graph
    weights = {t.name: t for t in graph.initializer if math.prod(t.dims) >= MIN_QUANTISED}
    stored: dict[str, TensorProto] = {}
    nodes: list[NodeProto] = []
    for node in graph.node:
        weight = weights.get(node.input[1]) if len(node.input) > 1 else None
        axis = None if weight is None else CHANNEL_AXIS.get((node.op_type, len(weight.dims)))
        if weight is None or axis is None:
            nodes.append(node)
            continue
        names = (f"{weight.name}_levels", f"{weight.name}_steps")
        levels, steps = quantised(numpy_helper.to_array(weight), axis)
        stored[names[0]] = numpy_helper.from_array(levels, names[0])
        stored[names[1]] = numpy_helper.from_array(steps, names[1])
        if node.op_type == "MatMul":
            nodes += integer_product(node, *names)
        else:
            exact = f"{weight.name}_exact"
            nodes.append(helper.make_node("DequantizeLinear", names, [exact], axis=axis))
            node.input[1] = exact
            nodes.append(node)
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*kept, *stored.values()])


def integer_product(node: NodeProto, levels: str, steps: str) -> Iterator[NodeProto]:
    """A MatMul's replacement in 8-bit integers: the pattern that runtimes fuse into one operation.

    levels: name of the int8 weight (in, out); steps: of its steps (out,).
    """
    name = node.output[0]
    x8, x_step, x_zero, total, whole, step = (
        f"{name}_{part}" for part in ("x8", "x_step", "x_zero", "total", "whole", "step")
    )
    yield helper.make_node("DynamicQuantizeLinear", [node.input[0]], [x8, x_step, x_zero])
    yield helper.make_node("MatMulInteger", [x8, levels, x_zero], [total])
    yield helper.make_node("Cast", [total], [whole], to=TensorProto.FLOAT)
    yield helper.make_node("Mul", [x_step, steps], [step])
    yield helper.make_node("Mul", [whole, step], [name])


def quantised(
    weight: npt.NDArray[np.float32], axis: int
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """A weight as whole levels in [-127, 127], and the step of each channel along `axis`.

    weight: any shape; returns levels of the same shape and steps (channels,).
    """
    others = tuple(side for side in range(weight.ndim) if side != axis)
    largest = np.abs(weight).max(others, keepdims=True)
    steps = np.maximum(largest / 127, TINY).astype(np.float32)
    return np.rint(weight / steps).astype(np.int8), steps.reshape(-1)
