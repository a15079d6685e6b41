"""The ONNX backend: a file made by `panodepth export` run by onnxruntime; torch is never loaded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from panodepth.errors import ConfigError, require
from panodepth.predict.exported import ExportedPredictor, Port, cannot_load, existing_file
from panodepth.predict.models import find_model
from panodepth.predict.request import RawOutput
from panodepth.size import Size
from panodepth.types import FloatArray

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
TYPES = {"tensor(float)": "float32", "tensor(uint8)": "uint8"}
QUIET = 4  # onnxruntime's log level: what is fatal; its errors become one line here


class OnnxPredictor(ExportedPredictor):
    """An exported network run by onnxruntime."""

    backend = "onnx"
    runtime = "onnxruntime"

    def __init__(self, session: InferenceSession, *, path: Path, device: str = "auto") -> None:
        """Raises ModelError when the file was not made by `panodepth export`."""
        self._session, self._device = session, device
        inputs = [Port(i.name, TYPES.get(i.type, i.type), i.shape) for i in session.get_inputs()]
        outputs = [output.name for output in session.get_outputs()]
        super().__init__(path, session.get_modelmeta().custom_metadata_map, inputs, outputs)

    def __reduce__(self) -> tuple[Any, ...]:
        """To copy it, or to pickle it for another process: the file is loaded again."""
        return partial(load_onnx, device=self._device), (str(self.path),), {"choice": self.choice}

    @property
    def device(self) -> str:
        """ "cpu" or "cuda"."""
        provider: str = self._session.get_providers()[0]
        return {provider: device for device, provider in PROVIDERS.items()}.get(provider, provider)

    @property
    def opened(self) -> InferenceSession:
        """The session."""
        return self._session

    def reopen(self) -> None:
        """Open the file again."""
        self._session = open_session(self.path, self._device)

    def run(self, pixels: Sequence[FloatArray]) -> list[RawOutput]:
        """The network on pictures of its size, (3, h, w) float32 in [0, 1] each, one by one."""
        return [self._run_one(picture) for picture in pixels]

    def _run_one(self, picture: FloatArray) -> RawOutput:
        """picture: (3, h, w) float32 in [0, 1]."""
        fed = {self.input.name: self.fed(picture)}
        try:
            values = self._session.run(self.outputs, fed)
        except Exception as error:  # onnxruntime has a dozen kinds of its own
            raise self.failed(error) from error
        return self.raw(values)


def load_onnx(
    path: str | os.PathLike[str] | None, *, device: str = "auto", size: Size | None = None
) -> OnnxPredictor:
    """`panodepth.load` for a file made by `panodepth export`.

    device: "auto" (CUDA where this onnxruntime has it), "cpu", "cuda" or "cuda:N". size: if given,
    must be the file's. Threads: OMP_NUM_THREADS, or all cores. Raises ModelError when the file is
    missing or broken, ConfigError without onnxruntime or for a device or size that cannot be.
    """
    place = existing_file(path, find_model(path)[1])
    require("the onnx backend", "onnx", "onnxruntime")
    predictor = OnnxPredictor(open_session(place, device), path=place, device=device)
    if size is not None:
        predictor.checked_size(size)
    return predictor


def open_session(path: Path, device: str) -> InferenceSession:
    """The file, ready to run. Raises ModelError when it is broken, ConfigError for the device."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    threads = os.environ.get("OMP_NUM_THREADS", "")
    options.intra_op_num_threads = int(threads) if threads.isdecimal() else 0
    # Idle threads sleep: reading and writing of other pictures goes on beside the network.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = QUIET
    providers = _providers(device, onnxruntime.get_available_providers())
    try:
        return onnxruntime.InferenceSession(
            str(path), options, providers=providers, enable_fallback=int(len(providers) > 1)
        )  # it prints of each try
    except Exception as error:  # onnxruntime has a dozen kinds of its own
        raise cannot_load(path, "onnxruntime") from error


def _providers(device: str, available: Sequence[str]) -> list[Any]:
    """onnxruntime's names for `device`, the preferred first; with settings where it has any."""
    if device == "auto":
        return [name for name in (PROVIDERS["cuda"], PROVIDERS["cpu"]) if name in available]
    kind, colon, number = device.partition(":")
    if kind not in PROVIDERS or (colon and not (kind == "cuda" and number.isdecimal())):
        raise ConfigError(f"the onnx backend runs on auto, cpu, cuda or cuda:N, not on {device!r}")
    if PROVIDERS[kind] not in available:
        raise ConfigError(f"this onnxruntime has no {kind} device: use cpu, or onnxruntime-gpu")
    if kind == "cpu":
        return [PROVIDERS["cpu"]]
    return [(PROVIDERS["cuda"], {"device_id": int(number or 0)}), PROVIDERS["cpu"]]
