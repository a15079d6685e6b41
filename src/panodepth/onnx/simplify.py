"""Compute once what does not depend on the picture: files become smaller and load faster.

The exporter writes how weights and shapes are rearranged, which runtimes repeat at every start.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from onnx.reference import ReferenceEvaluator

from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

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
    constants = {tensor.name: tensor for tensor in graph.initializer}
    kept = []
    for node in graph.node:  # each comes after those that it uses
        sources = [constants.get(name) for name in node.input if name]
        known = [source for source in sources if source is not None]
        results = _results(node, known, proto) if len(known) == len(sources) else []
        if not results:
            kept.append(node)
            continue
        graph.initializer.extend(results)
        constants.update((t.name, t) for t in graph.initializer[-len(results) :])
    del graph.node[:]
    graph.node.extend(kept)


def _results(node: NodeProto, sources: list[TensorProto], proto: ModelProto) -> list[TensorProto]:
    """What the node makes of these constants, all its inputs; [] where that is too large."""
    # A model of this node alone, whose inputs are stored in it.
    outputs = [helper.make_tensor_value_info(o, TensorProto.UNDEFINED, None) for o in node.output]
    alone = helper.make_graph([node], node.name, [], outputs, sources)
    model = helper.make_model(alone, opset_imports=proto.opset_import)
    arrays = [np.array(value, order="C") for value in ReferenceEvaluator(model).run(None, {})]
    largest = max([SMALL, *(math.prod(source.dims) for source in sources)])
    if sources and any(array.size > largest for array in arrays):
        return []
    return [numpy_helper.from_array(a, name) for a, name in zip(arrays, node.output, strict=True)]


def fold_scales(graph: GraphProto) -> None:
    """Move factors per channel (LayerScale) into the convolution whose result they multiply.

    Runtimes do so themselves, but not for 8-bit weights; and only a convolution with nothing
    between it and the residual sum can add that sum itself.
    """
    constants = {tensor.name: tensor for tensor in graph.initializer}
    # Convolutions by their result, if all they need is constant and nothing else uses the result.
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
        if scale.shape[-3:] != (len(weight), 1, 1):  # not one per channel
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
    # In place and from the end: a second list of weights would take as much memory again.
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
