"""The ONNX backend: a file made by `panodepth export` run by onnxruntime; torch is never loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from panodepth.errors import ConfigError, ModelError, one_line, require
from panodepth.predict.models import find_model
from panodepth.predict.predictor import Predictor
from panodepth.predict.request import RawOutput
from panodepth.size import Size, check_steps, show_size
from panodepth.types import FloatArray

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, NodeArg

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
NEEDED = ("model", "network", "precision", "height", "width", "edges", "parameters")
NUMBERS = ("height", "width", "parameters")
QUIET = 4  # onnxruntime's log level: what is fatal; its errors become one line here


class OnnxPredictor(Predictor):
    """An exported network with its preprocessing; get one from `panodepth.load`.

    Takes one size of picture, that of the file, one at a time. Several threads may call it at once.
    facts: the file's metadata.
    """

    def __init__(self, session: InferenceSession, *, path: Path, device: str = "auto") -> None:
        """Raises ModelError when the file was not made by `panodepth export`."""
        self._session = session
        self.facts = session.get_modelmeta().custom_metadata_map
        self._path, self._device, self._home = path.resolve(), device, os.getpid()
        self.size = self.own_size = _checked_facts(path, self.facts)
        self.name = self.facts["model"]
        self.edges = "cut" if self.facts["edges"] == "cut" else "sphere"
        self._input = _checked_input(path, session, self.size)
        self._outputs = [output.name for output in session.get_outputs()]
        if not {"distance"} <= set(self._outputs) <= {"distance", "sky_logit"}:
            raise ModelError(
                f"{path}: not a file of `panodepth export` (its outputs are "
                f"{one_line(', '.join(self._outputs), 200)}, not distance and sky_logit)"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        """To copy it, or to pickle it for another process: the file is loaded again."""
        return partial(load_onnx, device=self._device), (str(self._path),)

    def describe(self) -> dict[str, Any]:
        """Plain values for people and logs: what runs, how large, where and how precisely."""
        provider = self._session.get_providers()[0]
        devices = {provider: device for device, provider in PROVIDERS.items()}
        return {
            "model": self.name,
            "network": self.facts["network"],
            "parameters": int(self.facts["parameters"]),
            "network_size": list(self.size),
            "backend": "onnx",
            "device": devices.get(provider, provider),
            "dtype": self.facts["precision"],
            "sky": "model" if "sky_logit" in self._outputs else "classical",
        }

    def checked_size(self, size: Size) -> Size:
        """Raises ConfigError unless (h, w) is the file's own."""
        if tuple(size) != self.size:
            wanted = "x".join(map(str, size))
            raise ConfigError(
                f"model {self.name} is an ONNX file for {show_size(self.size)} alone: leave --size "
                f"out, or export another (panodepth export --size {wanted} FILE.onnx)"
            )
        return self.size

    def run(self, pixels: Sequence[FloatArray]) -> list[RawOutput]:
        """The network on pictures of its size, (3, h, w) float32 in [0, 1] each, one by one."""
        return [self._run_one(picture) for picture in pixels]

    def _run_one(self, picture: FloatArray) -> RawOutput:
        """picture: (3, h, w) float32 in [0, 1]."""
        if os.getpid() != self._home:  # forked off: the session's threads stayed in the other
            self._home = os.getpid()
            self._session = open_session(self._path, self._device)
        image = picture[None]
        if self._input.type == "tensor(uint8)":
            image = np.rint(np.moveaxis(image, 1, -1) * 255).astype(np.uint8)
        fed = {self._input.name: np.ascontiguousarray(image)}
        try:
            values = self._session.run(self._outputs, fed)
        except Exception as error:  # onnxruntime has a dozen kinds of its own
            if "allocate memory" in str(error):
                raise MemoryError from error
            reason = one_line(error, 200)
            raise ModelError(f"{self._path}: onnxruntime cannot run it ({reason})") from error
        found = dict(zip(self._outputs, values, strict=True))
        for name, value in found.items():
            if value.shape != (1, *self.size) or value.dtype != np.float32:
                raise ModelError(f"{self._path}: its {name} is {value.dtype} {value.shape}")
        if (found["distance"] <= 0).any():
            raise ModelError(f"{self._path}: it returns distances that are not above 0")
        sky = found.get("sky_logit")
        return RawOutput(np.log(found["distance"][0]), None if sky is None else sky[0])


def _checked_facts(path: Path, facts: Mapping[str, str]) -> Size:
    """The (h, w) that the metadata state. Raises ModelError when they are not of an export."""
    wrong = next((key for key in NEEDED if key not in facts), None)
    for key in NUMBERS if wrong is None else ():
        if not (facts[key].isascii() and facts[key].isdecimal() and len(facts[key]) < 12):
            wrong = key
    if wrong is not None:
        raise ModelError(f"{path}: not a file of `panodepth export` (no {wrong!r} in its metadata)")
    return int(facts["height"]), int(facts["width"])


def _checked_input(path: Path, session: InferenceSession, size: Size) -> NodeArg:
    """The one input, a picture of `size`. Raises ModelError for any other."""
    inputs = session.get_inputs()
    shapes = {"tensor(float)": [1, 3, *size], "tensor(uint8)": [1, *size, 3]}
    if len(inputs) != 1 or shapes.get(inputs[0].type) != inputs[0].shape:
        told = ", ".join(f"{i.name} {i.type} {i.shape}" for i in inputs)
        raise ModelError(
            f"{path}: not a file of `panodepth export` (its input is {one_line(told, 200)}, "
            f"not one picture of {show_size(size)})"
        )
    check_steps(size, 1, None, str(path))
    return inputs[0]


def load_onnx(
    path: str | os.PathLike[str] | None, *, device: str = "auto", size: Size | None = None
) -> OnnxPredictor:
    """`panodepth.load` for a file made by `panodepth export`.

    device: "auto" (CUDA where this onnxruntime has it), "cpu" or "cuda". size: if given, must be
    the file's. Threads: OMP_NUM_THREADS, or all cores. Raises ModelError when the file is
    missing or broken, ConfigError without onnxruntime or for a device or size that cannot be.
    """
    place = find_model(path)[1]
    if not place.is_file():  # a pipe would be waited for
        raise ModelError(f"{path}: is a folder, a pipe or a device, not a file")
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
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime has a dozen kinds of its own
        reason = one_line(error, 200)
        raise ModelError(f"{path}: onnxruntime cannot load it ({reason})") from error


def _providers(device: str, available: Sequence[str]) -> list[str]:
    """onnxruntime's names for `device`, the preferred first."""
    if device == "auto":
        return [name for name in (PROVIDERS["cuda"], PROVIDERS["cpu"]) if name in available]
    kind = device.split(":")[0]
    if kind not in PROVIDERS:
        raise ConfigError(f"the onnx backend runs on auto, cpu or cuda, not on {device!r}")
    if PROVIDERS[kind] not in available:
        raise ConfigError(f"this onnxruntime has no {kind} device: use cpu, or onnxruntime-gpu")
    return [PROVIDERS[kind], PROVIDERS["cpu"]][: 2 if kind == "cuda" else 1]
