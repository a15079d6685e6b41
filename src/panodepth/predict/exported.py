"""Files of `panodepth export`, whatever runs them: what they say, and what comes out."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from panodepth.errors import ConfigError, ModelError, one_line
from panodepth.predict.options import PredictOptions
from panodepth.predict.predictor import Predictor
from panodepth.predict.request import RawOutput, Request
from panodepth.size import Size, check_steps, show_size
from panodepth.strict import parse_json
from panodepth.types import FloatArray

NEEDED = ("model", "network", "precision", "height", "width", "edges", "parameters")
NUMBERS = ("height", "width", "parameters")
ANEW = "panodepth export makes it anew (PANODEPTH_DEBUG=1 shows why)"
MAKER = "not a file of `panodepth export`"
_LEFT_BEHIND: list[Any] = []


class Port(NamedTuple):
    """An input or output: its type is "float32", "uint8" or a runtime's word for another one."""

    name: str
    type: str
    shape: list[Any]


class ExportedPredictor(Predictor):
    """An exported network with its preprocessing; get one from `panodepth.load`.

    Takes one size of picture, that of the file, one at a time. Several threads may call it at once.
    facts: the file's metadata. runtime: its name for people.
    """

    runtime: ClassVar[str]

    def __init__(
        self, path: Path, facts: Mapping[str, str], inputs: list[Port], outputs: list[str]
    ) -> None:
        """Raises ModelError when the file was not made by `panodepth export`."""
        self.path, self.facts, self.outputs = path.resolve(), facts, outputs
        self._home = os.getpid()
        self.size = self.own_size = _checked_facts(path, facts)
        self.name = facts["model"]
        self.edges = "cut" if facts["edges"] == "cut" else "sphere"
        self.input = _checked_input(path, inputs, self.size)
        self._own_width = _own_width(facts, self.size)
        if not {"distance"} <= set(outputs) <= {"distance", "sky_logit"}:
            raise ModelError(
                f"{path}: {MAKER} (its outputs are {one_line(', '.join(outputs), 200)}, not "
                "distance and sky_logit)"
            )

    @property
    def dtype(self) -> str:
        """What it computes in."""
        return self.facts["precision"]

    @property
    @abstractmethod
    def device(self) -> str:
        """Where it runs, as in `panodepth.load`, or in the runtime's own words."""

    @property
    @abstractmethod
    def opened(self) -> Any:
        """What the runtime made of the file."""

    @abstractmethod
    def reopen(self) -> None:
        """Open the file again: this process was forked off, and the runtime's threads were not."""

    def describe(self) -> dict[str, Any]:
        """Plain values for people and logs: what runs, how large, where and how precisely."""
        return {
            "model": self.name,
            "network": self.facts["network"],
            "parameters": int(self.facts["parameters"]),
            "network_size": list(self.size),
            "backend": self.backend,
            "device": self.device,
            "dtype": self.dtype,
            "sky": "model" if "sky_logit" in self.outputs else "classical",
        }

    def checked_size(self, size: Size) -> Size:
        """Raises ConfigError unless (h, w) is the file's own, or less, for which it stands in."""
        less = self.edges == "sphere" and len(size) == 2 and (0, 0) < tuple(size) < self.size
        if tuple(size) != self.size and not less:
            wanted = "x".join(map(str, size))
            raise ConfigError(
                f"{self.path.name} was exported for {show_size(self.size)} alone: leave --size out "
                f"or export another (panodepth export --size {wanted} FILE)"
            )
        return self.size

    def prepare(self, image: Any, mask: Any, options: PredictOptions) -> Request:
        """As `Predictor.prepare`; a larger file has the network's own size within it."""
        return replace(super().prepare(image, mask, options), own_width=self._own_width)

    def fed(self, picture: FloatArray) -> Any:
        """A picture (3, h, w) in [0, 1] as the file takes it, (1, ...)."""
        if os.getpid() != self._home:
            self._home = os.getpid()
            # Never freed here: it would wait for threads that stayed in the other process.
            _LEFT_BEHIND.append(self.opened)
            self.reopen()
        image = picture[None]
        if self.input.type == "uint8":
            image = np.rint(np.moveaxis(image, 1, -1) * 255).astype(np.uint8)
        return np.ascontiguousarray(image)

    def raw(self, values: Sequence[Any]) -> RawOutput:
        """What came out, (1, h, w) each in the order of `outputs`. Raises ModelError."""
        found = dict(zip(self.outputs, values, strict=True))
        for name, value in found.items():
            if value.shape != (1, *self.size) or value.dtype != np.float32:
                raise ModelError(f"{self.path}: its {name} is {value.dtype} {value.shape}")
        if (found["distance"] <= 0).any():
            raise ModelError(f"{self.path}: it returns distances that are not above 0")
        sky = found.get("sky_logit")
        return RawOutput(np.log(found["distance"][0]), None if sky is None else sky[0])

    def failed(self, error: Exception) -> ModelError:
        """The error of a run that failed. Raises MemoryError where that was the cause."""
        if "allocate" in str(error):
            raise MemoryError from error
        return ModelError(f"{self.path}: {self.runtime} cannot run it; {ANEW}")


def existing_file(path: str | os.PathLike[str] | None, place: Path) -> Path:
    """`place` again. Raises ModelError for what would be waited for, as a pipe."""
    if not place.is_file():
        raise ModelError(f"{path}: is a folder, a pipe or a device, not a file")
    return place


def cannot_load(path: Path, runtime: str) -> ModelError:
    """What a runtime's error on opening a file means; its own words are in its cause."""
    return ModelError(f"{path}: {runtime} cannot load it: damaged, or not made for it; {ANEW}")


def _own_width(facts: Mapping[str, str], size: Size) -> int:
    """The width that the file's network was made for; the file's own where it does not say."""
    try:
        return max(1, int(parse_json(facts["config"])["size"][1]))
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
        return size[1]


def _checked_facts(path: Path, facts: Mapping[str, str]) -> Size:
    """The (h, w) that the metadata state. Raises ModelError when they are not of an export."""
    wrong = next((key for key in NEEDED if key not in facts), None)
    for key in NUMBERS if wrong is None else ():
        if not (facts[key].isascii() and facts[key].isdecimal() and len(facts[key]) < 12):
            wrong = key
    if wrong is not None:
        raise ModelError(f"{path}: {MAKER} (no {wrong!r} in its metadata)")
    return int(facts["height"]), int(facts["width"])


def _checked_input(path: Path, inputs: list[Port], size: Size) -> Port:
    """The one input, a picture of `size`. Raises ModelError for any other."""
    shapes = {"float32": [1, 3, *size], "uint8": [1, *size, 3]}
    if len(inputs) != 1 or shapes.get(inputs[0].type) != inputs[0].shape:
        told = ", ".join(f"{i.name} {i.type} {i.shape}" for i in inputs)
        raise ModelError(
            f"{path}: {MAKER} (its input is {one_line(told, 200)}, "
            f"not one picture of {show_size(size)})"
        )
    check_steps(size, 1, None, str(path))
    return inputs[0]
