"""The ways to run a network that are compared: a name, where it exists, how to build it.

A new way is one entry of ROUTES. `plain` must stay the first: the others are measured against it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from panodepth.bench.plain import plain_forward
from panodepth.device import choose_device, choose_dtype, has_fast_bfloat16
from panodepth.errors import ConfigError
from panodepth.inference.loading import load
from panodepth.model import ModelOutput, load_model

Network = Callable[[Tensor], ModelOutput]

PLAIN = "plain"
ALL_PRECISIONS = ("float32", "bfloat16", "float16")
PRECISIONS = {  # that make sense per kind of device
    "cpu": ("float32", "bfloat16"),
    "cuda": ("float32", "bfloat16", "float16"),
    "mps": ("float32", "float16"),
}


@dataclass(frozen=True)
class Route:
    """One way to run a network.

    build: from (checkpoint, device, precision) to a callable of (B, 3, H, W) in [0, 1] on that
        device; it runs inside torch.inference_mode.
    default: what `panodepth predict` takes when nothing is said, in the precision it would choose.
    """

    name: str
    about: str
    build: Callable[[Path, torch.device, str], Network]
    precisions: tuple[str, ...] = ALL_PRECISIONS
    devices: tuple[str, ...] = ("cpu", "cuda", "mps")
    default: bool = False

    def runs(self, device: torch.device, precision: str) -> bool:
        """Whether there is such a row."""
        known = precision in self.precisions and precision in PRECISIONS[device.type]
        return known and device.type in self.devices

    def is_default(self, device: torch.device, precision: str) -> bool:
        """Whether `panodepth predict` without options runs this."""
        same_device = device == choose_device("auto")
        chosen = str(choose_dtype("auto", device)).removeprefix("torch.")
        return self.default and same_device and precision == chosen


def _plain(checkpoint: Path, device: torch.device, precision: str) -> Network:
    model = load_model(checkpoint, device=device)

    def run(image: Tensor) -> ModelOutput:
        if precision == "float32":
            return plain_forward(model, image)
        with torch.autocast(device.type, getattr(torch, precision)):
            return plain_forward(model, image)

    return run


def _fast(checkpoint: Path, device: torch.device, precision: str) -> Network:
    return load(checkpoint, device=str(device), dtype=precision).model


ROUTES = (
    Route(PLAIN, "float32 weights, autocast, torch's attention, nothing kept", _plain),
    Route("fast", "what `panodepth.load` returns", _fast, default=True),
)


def find_routes(names: tuple[str, ...] | None) -> tuple[Route, ...]:
    """The routes of these names, all for None; the plain one always. ConfigError if unknown."""
    known = {route.name: route for route in ROUTES}
    for name in names or ():
        if name not in known:
            raise ConfigError(f"unknown route {name!r}: there are {', '.join(known)}")
    return tuple(r for r in ROUTES if names is None or r.name in names or r.name == PLAIN)


def default_precisions(device: torch.device) -> tuple[str, ...]:
    """Those this machine computes in hardware."""
    slow = set() if has_fast_bfloat16(device) else {"bfloat16"}
    return tuple(p for p in PRECISIONS[device.type] if p not in slow)
