"""Models of ours in OpenVINO's own format: made once, kept by content."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from panodepth.errors import ModelError, OutputError, require
from panodepth.predict.models import find_model
from panodepth.size import Size

if TYPE_CHECKING:
    from openvino import Model

    from onnx import ModelProto

FORMAT = 1  # of what is kept; another number makes all of it anew
FACTS = "panodepth"  # where the metadata of `panodepth export` stand in an .xml


def cache_folder() -> Path:
    """Where converted models are kept: panodepth/openvino in $XDG_CACHE_HOME or ~/.cache."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "panodepth" / "openvino"


def converted(
    name_or_path: str | os.PathLike[str] | None, size: Size | None, *, int8: bool = False
) -> Path:
    """The .xml of a model in the cache, made now if it is not there.

    size: (h, w); None = the model's own. Raises ModelError when the model cannot be found or read,
    ConfigError for a size that does not fit or without onnx, OutputError when the cache cannot be
    written.
    """
    name, path = find_model(name_or_path)
    if not path.is_file():
        from panodepth.model.checkpoint import find_weights  # torch with it, which files do without

        path = find_weights(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    shape = "own" if size is None else f"{size[0]}x{size[1]}"
    kind = "-int8" if int8 else ""
    target = cache_folder() / f"{path.stem}-{digest}-{shape}{kind}-{FORMAT}.xml"
    if not (target.is_file() and target.with_suffix(".bin").is_file()):
        require("converting a model for OpenVINO", "openvino", "onnx")
        if int8:
            require("int8 for OpenVINO", "openvino", "nncf")
        from panodepth.model import load_model
        from panodepth.onnx.onnx_file import OnnxOptions, build_onnx

        proto = build_onnx(load_model(path), OnnxOptions(size=size, name=name))
        write_xml(proto, target, int8=int8)
    return target


def write_xml(proto: ModelProto, path: Path, *, int8: bool = False) -> Path:
    """Write a network of `build_onnx` as .xml and .bin; both stand there, or neither.

    int8: weights in 8 bits (NNCF, one factor per channel). Raises OutputError when they cannot be
    written, ModelError when OpenVINO does not take the network.
    """
    import openvino

    from panodepth.onnx.onnx_file import metadata_of

    facts = dict(metadata_of(proto))
    try:
        model = openvino.Core().read_model(proto.SerializeToString())
    except RuntimeError as error:
        raise ModelError(f"OpenVINO cannot read the network ({error})") from error
    if int8:
        model = _in_8_bits(model)
        facts["precision"] = "int8"
    _state(model, facts)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}.") as folder:
            made = Path(folder) / path.name
            openvino.save_model(model, made, compress_to_fp16=False)
            for suffix in (".bin", ".xml"):  # who finds the .xml finds the other
                made.with_suffix(suffix).replace(path.with_suffix(suffix))
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    except RuntimeError as error:
        raise OutputError(f"cannot write {path}: {error}") from error
    return path


def _state(model: Model, facts: Mapping[str, str]) -> None:
    for key, value in facts.items():
        model.set_rt_info(value, [FACTS, key])


def _in_8_bits(model: Model) -> Model:
    """Weights of linear layers and convolutions in 8 bits."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        import nncf  # which prints tables and progress

        logging.getLogger("nncf").setLevel(logging.ERROR)
        mode = nncf.CompressWeightsMode.INT8_ASYM
        compressed: Model = nncf.compress_weights(model, mode=mode)
    return compressed
