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
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

import onnx
from onnx import ModelProto, helper
from panodepth.atomic import write_atomic
from panodepth.errors import ModelError
from panodepth.model import SphereViT
from panodepth.model.distance import SCALE_QUANTILE
from panodepth.onnx.int8 import quantise_weights
from panodepth.onnx.picture_network import ForExport, Layout, PictureNetwork
from panodepth.onnx.simplify import simplify
from panodepth.version import __version__

OPSET = 17  # the first with LayerNormalization; what Unity and the web read too
IR_VERSION = 8  # what came with opset 17: older runtimes refuse newer numbers
MAX_BYTES = 2**31 - 2**20  # protobuf's limit on one file
FRAME = "x right, y down, z forward; longitude (u/W - 0.5) 2 pi, latitude (v/H - 0.5) pi"


@dataclass(frozen=True)
class OnnxOptions:
    """size: (h, w) of the picture and of the network; None = the model's own. layout: of `image`.

    int8: see `quantise_weights`. name, licence: of the model, for the metadata.
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
    proto = _exported(exact.eval(), size, options.layout)
    simplify(proto)
    if options.int8:
        quantise_weights(proto)
    proto.ir_version = IR_VERSION
    proto.producer_name, proto.producer_version = "panodepth", __version__
    proto.doc_string = __doc__ or ""
    proto.graph.name = f"panodepth_{model.config.name}"
    helper.set_model_props(proto, onnx_metadata(model, options, size))
    onnx.checker.check_model(proto)
    return proto


def _exported(network: SphereViT, size: tuple[int, int], layout: Layout) -> ModelProto:
    """The network and what is around it, as torch writes it.

    By torch's exporter of traced modules: it takes the whole network, writes opset 17 and needs no
    other package. The newer one (`dynamo=True`) writes opset 18 at least, needs onnxscript, and
    its file of the bundled network was a little slower.
    """
    shape = (1, 3, *size) if layout == "float" else (1, *size, 3)
    image = torch.zeros(shape, dtype=torch.float32 if layout == "float" else torch.uint8)
    with (
        tempfile.TemporaryDirectory() as folder,
        warnings.catch_warnings(),
        torch.no_grad(),
        ForExport(),
    ):
        path = Path(folder) / "network.onnx"
        # Warned of: that it is the older exporter, and that sizes become constants, as is meant.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            PictureNetwork(network, size, layout),
            (image,),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=["distance", "sky_logit"][: 1 + int(network.config.sky_head)],
        )
        return onnx.load(path)


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
    write_atomic(path, proto.SerializeToString())
    return path


def metadata_of(proto: ModelProto) -> Mapping[str, str]:
    return {entry.key: entry.value for entry in proto.metadata_props}
