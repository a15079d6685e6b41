"""The OpenVINO backend: exported files (.onnx, .xml), or any model of ours converted once.

Its kernels are the fastest there are for these networks on CPUs. torch is loaded only to convert.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from panodepth.errors import ConfigError, ModelError, print_note, require
from panodepth.images.formats.quiet import without_library_lines
from panodepth.predict.exported import ANEW, ExportedPredictor, Port, cannot_load, existing_file
from panodepth.predict.models import find_model, is_exported
from panodepth.predict.openvino.conversion import FACTS, cache_folder, converted
from panodepth.predict.request import RawOutput
from panodepth.size import Size
from panodepth.types import FloatArray

if TYPE_CHECKING:
    from openvino import CompiledModel, InferRequest, Model

PRECISION = "INFERENCE_PRECISION_HINT"  # OpenVINO's property
PRECISIONS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
TYPES = {"f32": "float32", "u8": "uint8"}
KEPT_BYTES = 2**27  # of weights: up to here what OpenVINO made of a converted model is kept too
GROUP = 128  # values that share a factor when activations are made 8 bits; 32 is slower, as exact


class OpenVinoPredictor(ExportedPredictor):
    """An exported network run by OpenVINO; several pictures are computed side by side."""

    backend = "openvino"
    runtime = "OpenVINO"
    overlaps = True

    def __init__(self, path: Path, device: str, dtype: str) -> None:
        """path: an .onnx or .xml; device, dtype: as in `load_openvino`. Raises ModelError."""
        self._asked = device, dtype
        model = read_network(path)
        outputs = [output.any_name for output in model.outputs]
        super().__init__(path, _facts(model), [_port(i) for i in model.inputs], outputs)
        self._open(model)

    def _open(self, model: Model) -> None:
        self._compiled = _compiled(model, self.path, *self._asked)
        device, dtype = self._asked
        found = self.dtype
        documented = dtype == "bfloat16" and device in ("auto", "cpu")  # else float32
        if dtype in PRECISIONS and found not in ("int8", PRECISIONS[dtype]) and not documented:
            what = f"computes in {found}" if found else "does not say in what it computes"
            print_note(f"OpenVINO {what} on {device}: --dtype {dtype} may not be what it does")
        self._free: list[InferRequest] = []
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """To copy it, or to pickle it for another process: the file is loaded again."""
        return partial(OpenVinoPredictor, self.path), self._asked, {"choice": self.choice}

    @property
    def device(self) -> str:
        """As OpenVINO calls it, in small letters."""
        return ",".join(self._compiled.get_property("EXECUTION_DEVICES")).lower()

    @property
    def dtype(self) -> str:
        """What it computes in; "" where the device does not say."""
        if self.facts["precision"] == "int8":
            return "int8"
        if PRECISION not in self._compiled.get_property("SUPPORTED_PROPERTIES"):
            return ""
        return str(self._compiled.get_property(PRECISION).to_string())

    @property
    def opened(self) -> Any:
        """The compiled model and its requests."""
        return self._compiled, self._free

    def reopen(self) -> None:
        """Read and compile the file again."""
        self._open(read_network(self.path))

    def run(self, pixels: Sequence[FloatArray]) -> list[RawOutput]:
        """The network on pictures of its size, (3, h, w) float32 in [0, 1] each, one by one."""
        found = []
        for picture in pixels:
            fed = self.fed(picture)
            with self._request() as request:
                try:
                    request.infer([fed])
                except RuntimeError as error:
                    raise self.failed(error) from error
                found.append(self.raw(self._copied(request)))
        return found

    def start(self, pixels: Sequence[FloatArray]) -> Callable[[], list[RawOutput]]:
        """`run`, begun, on pictures (3, h, w): call what this returns, once, for the result."""
        begun = []
        for picture in pixels:
            fed = self.fed(picture)
            request = self._taken()
            request.start_async([fed])
            begun.append(request)

        def finish() -> list[RawOutput]:
            found = []
            for request in begun:
                try:
                    request.wait()
                except RuntimeError as error:
                    raise self.failed(error) from error
                found.append(self.raw(self._copied(request)))
                self._give(request)
            return found

        return finish

    def _copied(self, request: InferRequest) -> list[FloatArray]:
        """Its outputs, (1, h, w) each, which the next picture does not overwrite."""
        return [np.array(request.get_tensor(name).data) for name in self.outputs]

    def _taken(self) -> InferRequest:
        with self._lock:
            return self._free.pop() if self._free else self._compiled.create_infer_request()

    def _give(self, request: InferRequest) -> None:
        with self._lock:
            self._free.append(request)

    @contextmanager
    def _request(self) -> Iterator[InferRequest]:
        request = self._taken()
        yield request
        self._give(request)  # after an error it is left behind


def load_openvino(
    name_or_path: str | os.PathLike[str] | None = None,
    *,
    device: str = "auto",
    dtype: str = "auto",
    size: Size | None = None,
) -> OpenVinoPredictor:
    """`panodepth.load` for OpenVINO.

    name_or_path: what `panodepth.load` takes. Anything but an exported file (.onnx, .xml) is
        converted at its first use, once for each size and precision, into `cache_folder`; that
        needs torch and onnx.
    device: "auto" and "cpu" are CPUs; any other is OpenVINO's own name, such as "gpu", not tried.
    dtype: "auto" (bfloat16 where the CPU has it), "float32", "bfloat16" or "int8": weights in 8
        bits, by NNCF; a note tells where a device does not do as it is told. size: (h, w); None =
        the model's own; of a file its own.
    Threads: OMP_NUM_THREADS, or all cores. Raises ModelError when the model cannot be read,
    ConfigError without OpenVINO or for a device, precision or size that cannot be.
    """
    require("the openvino backend", "openvino", "openvino")
    if dtype not in ("auto", "int8", *PRECISIONS):
        raise ConfigError(f"the openvino backend has no {dtype}: auto, float32, bfloat16 or int8")
    if is_exported(name_or_path):
        if dtype == "int8":
            raise ConfigError(
                "an exported file has one precision: panodepth export --int8 makes it"
            )
        place = existing_file(name_or_path, find_model(name_or_path)[1])
        predictor = OpenVinoPredictor(place, device, dtype)
        if size is not None:
            predictor.checked_size(size)
        return predictor
    path = converted(name_or_path, size, int8=dtype == "int8")
    return OpenVinoPredictor(path, device, dtype)


def read_network(path: Path) -> Model:
    """An .onnx or .xml as OpenVINO has it. Raises ModelError when it is broken."""
    import openvino

    try:
        with without_library_lines():  # of other kinds of file that it might be
            return openvino.Core().read_model(path)
    except Exception as error:  # RuntimeError, and UnicodeDecodeError for a broken file
        raise cannot_load(path, "OpenVINO") from error


def _compiled(model: Model, path: Path, device: str, dtype: str) -> CompiledModel:
    """Raises ModelError when it cannot be, ConfigError for a device that is not there."""
    import openvino

    core = openvino.Core()
    where = "CPU" if device == "auto" else device.upper()
    kind = where.split(":")[0].split(".")[0]
    if kind not in (*core.available_devices, "AUTO"):
        told = ", ".join(core.available_devices).lower()
        raise ConfigError(f"OpenVINO finds no device {device!r} here: it has {told}")
    settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
    weights = path.with_suffix(".bin")
    if path.parent == cache_folder().resolve() and weights.stat().st_size <= KEPT_BYTES:
        settings["CACHE_DIR"] = str(path.parent / "compiled")  # starts in half the time
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if where == "CPU":
        if threads.isdecimal() and int(threads):
            settings["INFERENCE_NUM_THREADS"] = int(threads)
        if "int8" in (dtype, _facts(model).get("precision")):
            settings["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = GROUP
        precision = {"auto": "bfloat16", "int8": "bfloat16"}.get(dtype, dtype)
        if precision == "bfloat16" and "BF16" not in core.get_property(
            "CPU", "OPTIMIZATION_CAPABILITIES"
        ):
            precision = "float32"
        settings[PRECISION] = PRECISIONS[precision]
    elif dtype in PRECISIONS and PRECISION in core.get_property(kind, "SUPPORTED_PROPERTIES"):
        settings[PRECISION] = PRECISIONS[dtype]
    try:
        return core.compile_model(model, where, settings)
    except RuntimeError as error:
        told = f"OpenVINO cannot prepare it for {device}; {ANEW}"
        raise ModelError(f"{path}: {told}") from error


def _facts(model: Model) -> dict[str, str]:
    """The metadata of `panodepth export`: of an .xml, or, as OpenVINO keeps them, of an .onnx."""
    facts: dict[str, str] = {}
    for place in (["framework"], [FACTS]):
        if model.has_rt_info(place):
            found = model.get_rt_info(place).value
            facts |= {key: str(getattr(value, "value", value)) for key, value in found.items()}
    return facts


def _port(port: Any) -> Port:
    shape = port.partial_shape
    sides = [int(side.get_length()) if side.is_static else str(side) for side in shape]
    kind = port.element_type.get_type_name()
    return Port(port.any_name, TYPES.get(kind, kind), sides)
