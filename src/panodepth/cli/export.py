"""`panodepth export`: a model as one ONNX file, for other runtimes and `predict` without torch."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from typer import Argument, Option

from panodepth.cli.options import AsJson, Model, Quiet, Size
from panodepth.errors import ConfigError, InputError, print_note, require
from panodepth.predict.models import EXPORTED, is_exported
from panodepth.size import parse_size, show_size
from panodepth.streams import print_document

if TYPE_CHECKING:
    from onnx import ModelProto

RENDERED = "worlds"
PICTURES = 16  # at most: each is kept in memory, and ranges settle soon
RENDER_SEED, RENDER_HEIGHT = 2_000_003, 128

MADE_FOR = "the network was made for"
LICENCES = {"default": "Apache-2.0", "haodongli/DA-2": "see https://huggingface.co/haodongli/DA-2"}

Calibrate = Annotated[
    str | None,
    Option(
        metavar="DIR",
        help="For .xml: 8-bit activations too, by these pictures; `worlds`: rendered ones.",
    ),
]


def export(
    out: Annotated[Path, Argument(metavar="FILE", help="The file: .onnx, or .xml for OpenVINO.")],
    model: Model = "default",
    size: Size = None,
    int8: Annotated[
        bool, Option("--int8", help="8-bit weights and linear layers: a quarter the size.")
    ] = False,
    image: Annotated[
        str, Option(help="Its input: float (1, 3, H, W) in [0, 1], or uint8 (1, H, W, 3).")
    ] = "float",
    calibrate: Calibrate = None,
    licence: Annotated[str, Option(help="Licence of weights that are not ours, to note.")] = "",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a model for other runtimes: picture in, distance out, for one fixed size."""
    for_openvino = out.suffix.lower() == ".xml"
    _check(out, model, image, calibrate, int8=int8)
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
    network = load_model(path)
    proto = onnx_file.build_onnx(network, options)
    if chosen_size is not None and chosen_size < network.config.size and not (as_json or quiet):
        print_note(f"{MADE_FOR} {show_size(network.config.size)}; at fewer pixels it is much worse")
    if for_openvino and calibrate is not None:
        _write_calibrated(proto, out, calibrate)
    elif for_openvino:
        from panodepth.predict.openvino.conversion import write_xml

        write_xml(proto, out, int8=int8)
    else:
        onnx_file.write_onnx(proto, out)
    facts = {"file": str(out), "bytes": _bytes_of(out), **onnx_file.metadata_of(proto)}
    facts["precision"] = "int8" if int8 else "float32"
    if as_json:
        print_document(facts)
    elif not quiet:
        kind = f"{facts['height']}×{facts['width']}, {facts['precision']}"
        print(f"{model} -> {out} ({kind}, {_bytes_of(out) / 1e6:.1f} MB)")


def _check(out: Path, model: str, image: str, calibrate: str | None, *, int8: bool) -> None:
    """Raises ConfigError for options that do not go together."""
    kind = out.suffix.lower()
    if kind not in EXPORTED:
        raise ConfigError(f"{out}: the file's name must end with .onnx, or .xml for OpenVINO")
    if is_exported(model):
        raise ConfigError(f"{model} is an exported file already: give the model it was made of")
    if image not in ("float", "uint8"):
        raise ConfigError(f"unknown --image {image!r}: use float or uint8")
    if calibrate is not None and not (kind == ".xml" and int8):
        raise ConfigError("--calibrate is for --int8 and a file that ends with .xml")
    if calibrate not in (None, RENDERED) and not Path(calibrate).is_dir():
        raise ConfigError(f"--calibrate {calibrate}: no such folder; give one, or {RENDERED}")


def _bytes_of(out: Path) -> int:
    """Bytes of an exported model; the weights of an .xml lie in a file beside it."""
    files = [out, out.with_suffix(".bin")] if out.suffix.lower() == ".xml" else [out]
    return sum(file.stat().st_size for file in files)


def _write_calibrated(proto: ModelProto, out: Path, source: str) -> None:
    """The network in 8 bits, with ranges of the pictures of a folder, or of rendered worlds.

    Raises InputError when the folder has no picture.
    """
    from panodepth.predict.openvino.backend import load_openvino
    from panodepth.predict.openvino.calibration import calibrate
    from panodepth.predict.openvino.conversion import write_xml

    pictures: list[Any]
    if source == RENDERED:
        from panodepth.lab.worlds import render_batch

        numbers, height = list(range(PICTURES)), RENDER_HEIGHT
        images = render_batch(RENDER_SEED, numbers, height, 2 * height).image
        pictures = list(images.permute(0, 2, 3, 1).numpy())
    else:
        from panodepth.predict.folder.inputs import find_inputs

        pictures = [item.path for item in find_inputs([source]).files[:PICTURES]]
        if not pictures:
            raise InputError(f"no picture in {source}")
    with tempfile.TemporaryDirectory() as folder:
        exact = write_xml(proto, Path(folder) / "exact.xml")
        calibrate(load_openvino(exact, dtype="float32"), pictures, out)
