"""`panodepth export`: a model as one ONNX file, for other runtimes and `predict` without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, cast

from typer import Argument, Option

from panodepth.cli.options import AsJson, Model, Size
from panodepth.errors import ConfigError, require
from panodepth.predict.models import EXPORTED, is_exported
from panodepth.size import parse_size
from panodepth.streams import print_document

LICENCES = {
    "default": "Apache-2.0",
    "haodongli/DA-2": "see https://huggingface.co/haodongli/DA-2",
}


def export(
    out: Annotated[Path, Argument(metavar="FILE", help="To write: .onnx, or .xml for OpenVINO.")],
    model: Model = "default",
    size: Size = None,
    int8: Annotated[
        bool, Option("--int8", help="8-bit weights and linear layers: a quarter the size.")
    ] = False,
    image: Annotated[
        str, Option(help="Its input: float (1, 3, H, W) in [0, 1], or uint8 (1, H, W, 3).")
    ] = "float",
    licence: Annotated[
        str, Option(help="Licence of the weights, for the metadata of other models.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Write a model for other runtimes: picture in, distance out, for one fixed size."""
    if out.suffix.lower() not in EXPORTED:
        raise ConfigError(f"{out}: the file's name must end with .onnx, or .xml for OpenVINO")
    for_openvino = out.suffix.lower() == ".xml"
    if is_exported(model):
        raise ConfigError(f"{model} is an exported file already: give the model it was made of")
    if image not in ("float", "uint8"):
        raise ConfigError(f"unknown --image {image!r}: use float or uint8")
    chosen_size = None if size is None else parse_size(size)
    require("export", "onnx", "onnx")
    if for_openvino:
        require("export to .xml", "openvino", "openvino", *(["nncf"] if int8 else []))
    from panodepth.model import load_model
    from panodepth.onnx import onnx_file
    from panodepth.predict.models import find_model

    name, path = find_model(model)
    options = onnx_file.OnnxOptions(
        size=chosen_size,
        layout=cast(Literal["float", "uint8"], image),
        int8=int8 and not for_openvino,
        name=name,
        licence=licence or LICENCES.get(name, ""),
    )
    proto = onnx_file.build_onnx(load_model(path), options)
    if for_openvino:
        from panodepth.predict.conversion import write_xml

        write_xml(proto, out, int8=int8)
    else:
        onnx_file.write_onnx(proto, out)
    facts = {"file": str(out), "bytes": out.stat().st_size, **onnx_file.metadata_of(proto)}
    if as_json:
        print_document(facts)
    else:
        kind = f"{facts['height']}×{facts['width']}, {facts['precision']}"
        print(f"{model} -> {out} ({kind}, {out.stat().st_size / 1e6:.1f} MB)")
