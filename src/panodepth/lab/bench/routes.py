"""The ways to run a network that are compared: a name, where it exists, how to build it.

A new way is one entry of ROUTES. `plain` must stay the first: the others are measured against it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from panodepth.device import choose_device, choose_dtype, has_fast_bfloat16
from panodepth.lab.bench.runtimes import (
    ONNX,
    OPENVINO,
    OPENVINO_INT8,
    Network,
    by_onnxruntime,
    by_openvino,
    by_openvino_int8,
    runs_here,
)
from panodepth.model import ModelOutput, load_model, load_prepared
from panodepth.model.fast.int8 import int8_works
from panodepth.predict.cuda.compiled import Compiled
from panodepth.predict.cuda.gpu import graphed
from panodepth.predict.cuda.graphs import Graphed
from panodepth.strict import find_named

PLAIN = "plain"
PRECISIONS = {  # that are measured, by kind of device
    "cpu": ("float32", "bfloat16"),
    "cuda": ("float32", "bfloat16", "float16"),
    "mps": ("float32", "float16"),
}


@dataclass(frozen=True)
class Route:
    """One way to run a network.

    build: from (file, device, precision) to a callable of (B, 3, H, W) in [0, 1] on that device; it
        runs inside torch.inference_mode.
    works: whether this machine has it, on this device in this precision.
    default_on: kinds of device where `panodepth predict` takes it by default.
    on_request: measured only when named.
    runtime: whether another runtime runs it, from an ONNX file; with --quick only when named.
    calls: how many until its time no longer changes (recording, compiling).
    """

    name: str
    about: str
    build: Callable[[Path, torch.device, str], Network]
    works: Callable[[torch.device, str], bool] = lambda device, precision: True
    default_on: tuple[str, ...] = ()
    on_request: bool = False
    runtime: bool = False
    calls: int = 1

    def runs(self, device: torch.device, precision: str) -> bool:
        """Whether this device has the route in this precision."""
        return precision in PRECISIONS[device.type] and self.works(device, precision)

    def is_default(self, device: torch.device, precision: str) -> bool:
        """Whether `panodepth predict` takes the route by default."""
        here = device.type == choose_device("auto").type and device.type in self.default_on
        return here and precision == auto_precision(device)


def auto_precision(device: torch.device) -> str:
    """The precision that `panodepth predict` takes by default."""
    return str(choose_dtype("auto", device, float16=True)).removeprefix("torch.")


def _plain(checkpoint: Path, device: torch.device, precision: str) -> Network:
    """The yardstick: nothing of `model.fast`, as the released code runs. Do not make it faster.

    Weights in float32, positions, keys, values and biases made anew for every image.
    """
    model = load_model(checkpoint, device=device)

    def run(image: Tensor) -> ModelOutput:
        dtype = getattr(torch, precision)
        with torch.autocast(device.type, dtype, enabled=precision != "float32"):
            output: ModelOutput = model(image)
            return output

    return run


def _fast(checkpoint: Path, device: torch.device, precision: str) -> Network:
    model = load_prepared(checkpoint, device=device, dtype=getattr(torch, precision))
    if device.type != "cuda":
        return model
    network = graphed(model)
    network.active = False  # the network alone, no CUDA graph
    return network


def _int8(checkpoint: Path, device: torch.device, precision: str) -> Network:
    return load_prepared(checkpoint, device=device, dtype=getattr(torch, precision), int8=True)


def _int8_works(device: torch.device, precision: str) -> bool:
    """In the default precision alone: it is that of all layers but the linear ones."""
    return device.type == "cpu" and precision == auto_precision(device) and int8_works()


def _graph(checkpoint: Path, device: torch.device, precision: str) -> Network:
    network = graphed(load_prepared(checkpoint, device=device, dtype=getattr(torch, precision)))
    return _without_fallback(network, network, "no CUDA graph could be recorded")


def _graph_works(device: torch.device, precision: str) -> bool:
    return device.type == "cuda"


def _compile(checkpoint: Path, device: torch.device, precision: str) -> Network:
    model = load_prepared(checkpoint, device=device, dtype=getattr(torch, precision), fuse=False)
    compiled = Compiled(model)

    def plainly(image: Tensor) -> ModelOutput:
        return compiled(image, model.memory_for((image.shape[-2], image.shape[-1])))

    network: Network = graphed(model, compiled) if device.type == "cuda" else plainly
    return _without_fallback(network, compiled, "torch.compile failed")


def _without_fallback(network: Network, path: Graphed | Compiled, reason: str) -> Network:
    """`network`, which raises RuntimeError once `path` has fallen back to the plain one."""

    def run(image: Tensor) -> ModelOutput:
        output = network(image)
        if not path.active:
            raise RuntimeError(reason)
        return output

    return run


ROUTES = (
    Route(PLAIN, "float32 weights, autocast, torch's attention, nothing kept", _plain),
    Route("fast", "what `panodepth.load` returns", _fast, default_on=("cpu", "mps")),
    Route("graph", "that, recorded", _graph, _graph_works, default_on=("cuda",), calls=3),
    Route("compile", "by torch.compile: `--compile`", _compile, on_request=True),
    Route("int8", "`--dtype int8`", _int8, _int8_works),
    Route(OPENVINO, "`--backend openvino`", by_openvino, runs_here(OPENVINO), runtime=True),
    Route(
        OPENVINO_INT8,
        "that, `--dtype int8`",
        by_openvino_int8,
        runs_here(OPENVINO_INT8),
        runtime=True,
    ),
    Route(ONNX, "an ONNX file, by onnxruntime", by_onnxruntime, runs_here(ONNX), runtime=True),
)


def find_routes(names: tuple[str, ...] | None, *, runtimes: bool = True) -> tuple[Route, ...]:
    """The named routes, for None all but those on request; the plain one is always first.

    runtimes: whether None means other runtimes too. Raises ConfigError for an unknown name.
    """
    for name in names or ():
        find_named("route", name, {route.name: route for route in ROUTES})
    if names is None:
        unasked = (route for route in ROUTES if not route.on_request)
        return tuple(route for route in unasked if runtimes or not route.runtime)
    return tuple(route for route in ROUTES if route.name in (PLAIN, *names))


def default_precisions(device: torch.device) -> tuple[str, ...]:
    """Those that this machine computes in hardware."""
    slow = set() if has_fast_bfloat16(device) else {"bfloat16"}
    return tuple(p for p in PRECISIONS[device.type] if p not in slow)
