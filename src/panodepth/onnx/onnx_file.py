"""A SphereViT as an .onnx file that stands by itself: picture in, scale-invariant distance out.

Input and outputs, for one picture of one fixed size (docs/onnx.md):

| name | type and shape | what |
|---|---|---|
| image | float32 (1, 3, H, W), or uint8 (1, H, W, 3) | sRGB-coded RGB; [0, 1], or 0 to 255 |
| distance | float32 (1, H, W) | along each ray; scale-invariant |
| sky_logit | float32 (1, H, W) | > 0 where there is sky; only of models with a sky output |

The 0.98 quantile of the distance over all pixels that are not sky is 1.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

import onnx
from onnx import ModelProto, TensorProto, helper
from panodepth.errors import ModelError
from panodepth.export.atomic import atomic
from panodepth.model import SphereViT
from panodepth.model.distance import SCALE_QUANTILE
from panodepth.model.spherevit import LOG_LIMIT
from panodepth.onnx.graph import OPSET, Graph
from panodepth.onnx.network import NetworkGraph
from panodepth.version import __version__

Layout = Literal["float", "uint8"]
IR_VERSION = 8  # what came with opset 17: older runtimes refuse newer numbers
MAX_BYTES = 2**31 - 2**20  # protobuf's limit on one file
FRAME = "x right, y down, z forward; longitude (u/W - 0.5) 2 pi, latitude (v/H - 0.5) pi"


@dataclass(frozen=True)
class OnnxOptions:
    """size: (h, w) of the picture and of the network; None = the model's own. layout: of `image`.

    int8: see `Graph`. name, licence: of the model, for the metadata.
    """

    size: tuple[int, int] | None = None
    layout: Layout = "float"
    int8: bool = False
    name: str = "custom"
    licence: str = ""


def build_onnx(model: SphereViT, options: OnnxOptions) -> ModelProto:
    """The checked float32 model; model: any precision, on any device (a float32 copy is made).

    Raises ConfigError for a size that does not fit, ModelError for a network too large.
    """
    size = model.config.check_size(options.size or model.config.size)
    if getattr(model, "prepared", False):
        raise ModelError("a network prepared for inference cannot be exported: load it plainly")
    parameters = sum(p.numel() for p in model.parameters())
    if 4 * parameters > MAX_BYTES:
        raise ModelError(
            f"{parameters / 1e6:.0f} M parameters do not fit into one ONNX file (2 GB)"
        )
    with torch.device("meta"):
        exact = SphereViT(model.config)
    exact.load_state_dict({k: v.float().cpu() for k, v in model.state_dict().items()}, assign=True)
    graph = Graph(int8=options.int8)
    raw, sky = NetworkGraph(graph, exact.eval(), size).build(_picture(graph, options.layout))
    outputs = ["distance"] + (["sky_logit"] if sky is not None else [])
    _distance(graph, raw, sky, size)
    if options.layout == "uint8":
        image = helper.make_tensor_value_info("image", TensorProto.UINT8, [1, *size, 3])
    else:
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, *size])
    proto = helper.make_model(
        helper.make_graph(
            graph.nodes,
            f"panodepth_{model.config.name}",
            [image],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, *size])
                for name in outputs
            ],
            list(graph.constants.values()),
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="panodepth",
        producer_version=__version__,
        doc_string=__doc__,
    )
    helper.set_model_props(proto, onnx_metadata(model, options, size))
    onnx.checker.check_model(proto)
    return proto


def onnx_metadata(model: SphereViT, options: OnnxOptions, size: tuple[int, int]) -> dict[str, str]:
    """What the file says about itself, as plain text."""
    config = model.config
    sky = " over all pixels with sky_logit <= 0" if config.sky_head else " over all pixels"
    return {
        "model": options.name,
        "network": config.name,
        "licence": options.licence or "not stated",
        "precision": "int8" if options.int8 else "float32",
        "height": str(size[0]),
        "width": str(size[1]),
        "image": "uint8 (1, H, W, 3)" if options.layout == "uint8" else "float32 (1, 3, H, W)",
        "quantity": "Euclidean distance along the ray",
        "unit": f"relative (scale-invariant): the {SCALE_QUANTILE} quantile{sky} is 1",
        "frame": FRAME,
        "edges": "sphere" if config.wrap_padding else "cut",
        "parameters": str(sum(p.numel() for p in model.parameters())),
        "config": json.dumps(config.to_dict()),
    }


def write_onnx(proto: ModelProto, path: Path) -> Path:
    """Write the file, whole or not at all. Raises OutputError."""
    with atomic(path) as (temporary,):
        temporary.write_bytes(proto.SerializeToString())
    return path


def metadata_of(proto: ModelProto) -> Mapping[str, str]:
    return {entry.key: entry.value for entry in proto.metadata_props}


def _picture(graph: Graph, layout: Layout) -> str:
    """The input as (1, 3, h, w) in [0, 1]."""
    if layout == "float":
        return "image"
    planes = graph.add(
        "Transpose", graph.add("Cast", "image", to=TensorProto.FLOAT), perm=(0, 3, 1, 2)
    )
    return graph.add("Mul", planes, graph.constant(1 / 255))


def _distance(graph: Graph, raw: str, sky: str | None, size: tuple[int, int]) -> None:
    """Outputs `distance` and `sky_logit` from the network's o and sky logit, (1, 1, h, w) each."""
    count = size[0] * size[1]
    limits = (graph.constant(-LOG_LIMIT), graph.constant(LOG_LIMIT))
    distance = graph.reshape(graph.add("Exp", graph.add("Clip", raw, *limits)), count)
    total, counted = graph.ints(count), distance
    if sky is not None:
        graph.reshape(sky, 1, *size)
        graph.rename_last("sky_logit")
        surface = graph.add("LessOrEqual", graph.reshape("sky_logit", count), graph.constant(0.0))
        number = graph.add(
            "ReduceSum", graph.add("Cast", surface, to=TensorProto.INT64), keepdims=1
        )
        nothing = graph.add("Equal", number, graph.ints(0))  # all sky: all of it counts
        surface = graph.add("Or", surface, nothing)
        total = graph.add("Where", nothing, total, number)
        counted = graph.add("Where", surface, distance, graph.constant(0.0))
    unit = _top_quantile(graph, counted, total, count)
    graph.reshape(graph.add("Div", distance, unit), 1, *size)
    graph.rename_last("distance")


def _top_quantile(graph: Graph, values: str, total: str, count: int) -> str:
    """(1,) linear-interpolated SCALE_QUANTILE of the `total` largest of (count,) values."""
    needed = min(count, math.ceil((1 - SCALE_QUANTILE) * (count - 1)) + 2)
    top = graph.add_many("TopK", [values, graph.ints(needed)], 2, axis=0)[0]
    last = graph.add("Sub", total, graph.ints(1))
    place = graph.add(
        "Mul", graph.add("Cast", last, to=TensorProto.FLOAT), graph.constant([SCALE_QUANTILE])
    )
    low = graph.add("Floor", place)
    from_top = graph.add("Sub", last, graph.add("Cast", low, to=TensorProto.INT64))
    above = graph.add("Max", graph.add("Sub", from_top, graph.ints(1)), graph.ints(0))
    a, b = (graph.add("Gather", top, index, axis=0) for index in (from_top, above))
    step = graph.add("Mul", graph.add("Sub", b, a), graph.add("Sub", place, low))
    return graph.add("Add", a, step)
