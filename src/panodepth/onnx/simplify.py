"""Compute beforehand what does not depend on the picture: smaller files that load faster.

An exporter writes down how shapes and weights were arranged; runtimes repeat that at every start.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from onnx.reference import ReferenceEvaluator

from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    helper,
    numpy_helper,
    shape_inference,
)

SMALL = 1024  # elements: results up to here are stored even where they are larger than their source


def simplify(proto: ModelProto) -> None:
    """Everything below, in place."""
    fold_constants(proto)
    fold_scales(proto.graph)
    rename(proto.graph)


def fold_constants(proto: ModelProto) -> None:
    """Replace, in place, nodes that use constants alone by their results.

    Not where the result is larger than what it is made of: that would lengthen the file.
    """
    graph = proto.graph
    while True:  # a known shape can make the next one known
        constants = {tensor.name: tensor for tensor in graph.initializer}
        shapes = _known_shapes(proto)
        kept = []
        for node in graph.node:
            results = _results(node, constants, shapes, proto)
            if results is None:
                kept.append(node)
                continue
            graph.initializer.extend(results)
            constants.update((t.name, t) for t in graph.initializer[-len(results) :])
        if len(kept) == len(graph.node):
            return
        del graph.node[:]
        graph.node.extend(kept)


def fold_scales(graph: GraphProto) -> None:
    """Move factors per channel (LayerScale) into the convolution whose result they multiply.

    Runtimes do so with float weights alone; after it they add the residual inside the convolution.
    """
    constants = {tensor.name: tensor for tensor in graph.initializer}
    convs = [node for node in graph.node if node.op_type == "Conv"]
    makers = {n.output[0]: n for n in convs if all(name in constants for name in n.input[1:])}
    uses = Counter(name for node in graph.node for name in node.input)
    for node in [node for node in graph.node if node.op_type == "Mul"]:
        result = next((name for name in node.input if name in makers and uses[name] == 1), None)
        factor = next((constants[name] for name in node.input if name in constants), None)
        if result is None or factor is None:
            continue
        conv, scale = makers[result], numpy_helper.to_array(factor)
        weight, *bias = (numpy_helper.to_array(constants[name]) for name in conv.input[1:])
        if scale.size != len(weight):  # not one per channel
            continue
        scaled = [weight * scale.reshape(-1, 1, 1, 1), *(b * scale.reshape(-1) for b in bias)]
        for place, array in enumerate(scaled, start=1):
            conv.input[place] = f"{node.output[0]}_{place}"
            graph.initializer.append(numpy_helper.from_array(array, conv.input[place]))
        conv.output[0] = node.output[0]
        graph.node.remove(node)


def rename(graph: GraphProto) -> None:
    """Short names for all values but inputs and outputs; nodes keep theirs, which say where they
    stand in the network. Equal small constants become one, unused ones go.
    """
    used = {name for node in graph.node for name in node.input}
    names = {value.name: value.name for value in (*graph.input, *graph.output)} | {"": ""}
    known: dict[tuple[object, ...], str] = {}
    for place in reversed(range(len(graph.initializer))):
        tensor = graph.initializer[place]
        small = math.prod(tensor.dims) <= SMALL
        value = numpy_helper.to_array(tensor).tobytes() if small else place
        content = (tensor.data_type, *tensor.dims, value)
        names[tensor.name] = known.get(content, f"constant_{place}")
        if tensor.name not in used or content in known:
            del graph.initializer[place]
            continue
        known[content] = tensor.name = names[tensor.name]
    for number, node in enumerate(graph.node):
        for place, name in enumerate(node.output):
            names.setdefault(name, f"value_{number}_{place}")
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]


def _known_shapes(proto: ModelProto) -> dict[str, tuple[int, ...]]:
    """Shapes of the values all of whose sides inference finds."""
    graph, light = proto.graph, ModelProto(ir_version=proto.ir_version)
    light.opset_import.extend(proto.opset_import)
    light.graph.node.extend(graph.node)
    light.graph.input.extend(graph.input)
    for tensor in graph.initializer:  # inference copies a model more than once: no large weights
        if math.prod(tensor.dims) <= SMALL:
            light.graph.initializer.append(tensor)
        else:
            told = helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            light.graph.input.append(told)
    inferred = shape_inference.infer_shapes(light, data_prop=True)
    shapes = {}
    for value in (*inferred.graph.input, *inferred.graph.value_info):
        tensor_type = value.type.tensor_type
        sides = tensor_type.shape.dim
        if tensor_type.HasField("shape") and all(side.HasField("dim_value") for side in sides):
            shapes[value.name] = tuple(side.dim_value for side in sides)
    return shapes


def _results(
    node: NodeProto,
    constants: dict[str, TensorProto],
    shapes: dict[str, tuple[int, ...]],
    proto: ModelProto,
) -> list[TensorProto] | None:
    """What the node gives; None where that depends on the picture or is too large to store."""
    if node.op_type == "Shape" and node.input[0] in shapes:
        ends = {attribute.name: attribute.i for attribute in node.attribute}
        sides = shapes[node.input[0]][ends.get("start", 0) : ends.get("end")]
        return [numpy_helper.from_array(np.array(sides, np.int64), node.output[0])]
    names = [name for name in node.input if name]
    if not all(name in constants for name in names):
        return None
    sources = [constants[name] for name in names]
    outputs = [helper.make_tensor_value_info(o, TensorProto.UNDEFINED, None) for o in node.output]
    alone = helper.make_graph([node], node.name, [], outputs, sources)
    model = helper.make_model(alone, opset_imports=proto.opset_import)
    arrays = [np.array(value, order="C") for value in ReferenceEvaluator(model).run(None, {})]
    largest = max([SMALL, *(math.prod(source.dims) for source in sources)])
    if sources and any(array.size > largest for array in arrays):
        return None
    return [numpy_helper.from_array(a, name) for a, name in zip(arrays, node.output, strict=True)]
