"""Models of ours in OpenVINO's own format: made once, kept by content."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from panodepth.errors import ModelError, OutputError, require
from panodepth.predict.models import find_model
from panodepth.size import Size

if TYPE_CHECKING:
    from openvino import Model

    from onnx import ModelProto

FORMAT = 3  # of what is kept; another number makes all of it anew
FACTS = "panodepth"  # where the metadata of `panodepth export` stand in an .xml
# Convolutions stay as they are: they made most of the error of 8 bits, and of the bundled network's
# time in bfloat16 little would be gained. The head is float32 everywhere else.
EXACT = (".*/stem/.*", ".*/decoder/.*", ".*/head/.*")


def cache_folder() -> Path:
    """Where converted models are kept: panodepth/openvino in $XDG_CACHE_HOME or ~/.cache."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "panodepth" / "openvino"


def converted_file(
    name_or_path: str | os.PathLike[str] | None, size: Size | None, *, int8: bool = False
) -> Path:
    """Where a model's .xml is in the cache, or will be. Takes and raises what `converted` does."""
    path = _weights(name_or_path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    shape = "own" if size is None else f"{size[0]}x{size[1]}"
    kind = "-int8" if int8 else ""
    return cache_folder() / f"{path.stem}-{digest}-{shape}{kind}-{FORMAT}.xml"


def _weights(name_or_path: str | os.PathLike[str] | None) -> Path:
    path = find_model(name_or_path)[1]
    if path.is_file():
        return path
    from panodepth.model.checkpoint import find_weights  # torch with it, which files do without

    return find_weights(path)


def converted(
    name_or_path: str | os.PathLike[str] | None, size: Size | None, *, int8: bool = False
) -> Path:
    """The .xml of a model in the cache, made now if it is not there.

    size: (h, w); None = the model's own. Raises ModelError when the model cannot be found or read,
    ConfigError for a size that does not fit or without onnx, OutputError when the cache cannot be
    written.
    """
    target = converted_file(name_or_path, size, int8=int8)
    if not (target.is_file() and target.with_suffix(".bin").is_file()):
        require("converting a model for OpenVINO", "openvino", "onnx")
        if int8:
            require("int8 for OpenVINO", "openvino", "nncf")
        from panodepth.model import load_model
        from panodepth.onnx.onnx_file import OnnxOptions, build_onnx

        name, weights = find_model(name_or_path)[0], _weights(name_or_path)
        proto = build_onnx(load_model(weights), OnnxOptions(size=size, name=name))
        write_xml(proto, target, int8=int8)
    return target


def write_xml(proto: ModelProto, path: Path, *, int8: bool = False) -> Path:
    """Write a network of `build_onnx` by `save_xml`, whose errors it raises.

    int8: weights of the blocks' linear layers in 8 bits (NNCF, one factor per channel). Raises
    ModelError when OpenVINO does not take the network.
    """
    import openvino

    from panodepth.onnx.onnx_file import metadata_of

    facts = dict(metadata_of(proto))
    try:
        model = openvino.Core().read_model(proto.SerializeToString())
    except RuntimeError as error:
        raise ModelError(f"OpenVINO cannot read the network ({error})") from error
    if int8:
        with quiet_nncf():
            import nncf

            mode, scope = nncf.CompressWeightsMode.INT8_ASYM, nncf.IgnoredScope
            kept = scope(patterns=list(EXACT), validate=False)
            model = nncf.compress_weights(model, mode=mode, ignored_scope=kept)
        facts["precision"] = "int8"
    return save_xml(model, facts, path)


def save_xml(model: Model, facts: Mapping[str, str], path: Path) -> Path:
    """Write a network and its metadata as .xml and .bin; both stand there, or neither.

    Raises OutputError when they cannot be written.
    """
    import openvino

    for key, value in facts.items():
        model.set_rt_info(value, [FACTS, key])
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


@contextmanager
def quiet_nncf() -> Iterator[None]:
    """Inside, NNCF prints no tables and no progress."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        import nncf  # noqa: F401  # which prints already as it comes

        logging.getLogger("nncf").setLevel(logging.ERROR)
        yield
