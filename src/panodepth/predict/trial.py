"""OpenVINO and torch side by side on this machine, once per model: `--backend auto` goes by it."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from panodepth.atomic import write_atomic
from panodepth.errors import PanodepthError
from panodepth.geometry.grid import erp_rays
from panodepth.predict.loading import load
from panodepth.predict.models import is_exported, size_to_load, weights_stamp
from panodepth.predict.openvino.conversion import cache_folder, converted_file
from panodepth.predict.predictor import Predictor
from panodepth.size import Size
from panodepth.strict import build, parse_json
from panodepth.types import FloatArray

MOST_DIFFERENCE = 0.002  # mean relative, from torch in float32
PRECISIONS = ("bfloat16", "float32")  # of OpenVINO, the faster first
ROUNDS, ROOMS = 5, 3
LONG_S = 2.0  # of one round, after which one more must do


@dataclass(frozen=True)
class Trial:
    """What one model did on one machine.

    ratio: OpenVINO's time over torch's own choice, medians of alternating runs. difference: of its
    distance from torch in float32, the worst of drawn rooms. dtype: of OpenVINO, the fastest that
    is near enough; else the last one tried. openvino: its version.
    """

    machine: str
    openvino: str
    dtype: str
    ratio: float
    difference: float

    @property
    def taken(self) -> bool:
        """Whether `auto` is OpenVINO."""
        return self.ratio < 1 and self.difference <= MOST_DIFFERENCE

    def __str__(self) -> str:
        return (
            f"auto: OpenVINO in {self.dtype} took {self.ratio:.2f} of torch's time on this kind of "
            f"machine, {100 * self.difference:.2f} % from float32"
        )


def load_chosen(
    model: str, *, backend: str, device: str, dtype: str, size: Size | None, compile: bool
) -> Predictor:
    """`panodepth.load`, by what a trial of this model on this machine has found, and its `weights`.

    With `backend` "openvino" the first use of a checkpoint on a CPU is a trial, which takes
    seconds. With "auto" OpenVINO is taken where a trial says that it is faster and as exact; its
    `choice` then goes into the metadata. Raises what `load` does.
    """
    if size is not None and not is_exported(model):
        size = size_to_load(model, size)
    cpu = device in ("auto", "cpu") and not compile and not is_exported(model)
    kept = _kept(model, size) if cpu and (backend, dtype) == ("auto", "auto") else None
    trial = None if kept is None else read(kept)
    if trial is not None and trial.taken:
        predictor = load(model, backend="openvino", dtype=trial.dtype, size=size)
    else:
        where = {"device": device, "dtype": dtype, "backend": backend}
        predictor = load(model, size=size, compile=compile, **where)
    predictor.weights = weights_stamp(model)
    if trial is not None:
        predictor.choice = str(trial)
    if cpu and backend == "openvino" and find_spec("torch"):
        with suppress(PanodepthError):  # nothing of the prediction depends on it
            _try_once(model, size)
    return predictor


def described(predictor: Predictor) -> dict[str, Any]:
    """Its `describe`, and its choice where there was one."""
    choice = {"backend_choice": predictor.choice} if predictor.choice else {}
    return {**predictor.describe(), **choice}


def _try_once(model: str, size: Size | None) -> None:
    """Keep a trial, unless one is there or torch would not run on the CPU by itself."""
    place = converted_file(model, size).with_suffix(".json")
    if read(place) is not None:
        return
    from panodepth.device import choose_device  # torch with it

    if choose_device("auto").type == "cpu":
        write_atomic(place, json.dumps(asdict(tried(model, size))))


def read(path: Path) -> Trial | None:
    """A trial that was kept; None where there is none, or one of another machine or version."""
    try:
        trial = build(Trial, parse_json(path.read_bytes()), str(path))
    except (OSError, ValueError, PanodepthError):
        return None
    here = (_machine(), version("openvino"))
    return trial if (trial.machine, trial.openvino) == here else None


def tried(model: str, size: Size | None) -> Trial:
    """Run both now. model, size: as in `load`. Raises what `load` does."""
    own = load(model, backend="torch", device="cpu", size=size)
    exact = load(model, backend="torch", device="cpu", dtype="float32", size=size)
    rooms = [room(own.size, seed) for seed in range(ROOMS)]
    distances = [_distance(exact, picture) for picture in rooms]
    for precision in PRECISIONS:
        other = load(model, backend="openvino", dtype=precision, size=size)
        ratio = _ratio(lambda: other.run(rooms[:1]), lambda: own.run(rooms[:1]))  # noqa: B023
        found = (_distance(other, picture) for picture in rooms)
        off = (abs(d / e - 1).mean() for d, e in zip(found, distances, strict=True))
        trial = Trial(_machine(), version("openvino"), precision, ratio, float(max(off)))
        if trial.taken:
            break
    return trial


def room(size: Size, seed: int) -> FloatArray:
    """(3, h, w) in [0, 1]: a drawn room with coloured waves on its walls, darker far away."""
    dice = np.random.default_rng(seed)
    rays = erp_rays(*size)
    walls = dice.uniform(1, 4, 3).astype(np.float32)  # half its sides [m]
    distance = (walls / np.maximum(np.abs(rays), 1e-6)).min(-1)
    waves = dice.uniform(-9, 9, (3, 3)).astype(np.float32)
    shades = np.sin(distance[..., None] * rays @ waves) / (1 + 0.2 * distance[..., None])
    return np.ascontiguousarray(np.moveaxis(0.5 + 0.4 * shades, -1, 0), np.float32)


def _distance(predictor: Predictor, picture: FloatArray) -> FloatArray:
    """(h, w), its mean 1."""
    found = np.exp(predictor.run_one(picture).log_distance)
    scaled: FloatArray = found / found.mean()
    return scaled


def _ratio(one: Callable[[], object], other: Callable[[], object]) -> float:
    """The time of `one` over that of `other`, medians of turns."""
    times: list[list[float]] = [[], []]
    for number in range(ROUNDS + 1):
        for call, taken in zip((one, other), times, strict=True):
            started = time.perf_counter()
            call()
            taken.append(time.perf_counter() - started)
        if number and times[0][-1] + times[1][-1] > LONG_S:
            break
    first, second = (statistics.median(taken[1:]) for taken in times)
    return first / second


def _kept(model: str, size: Size | None) -> Path | None:
    """Where this model's trial is kept, if any is."""
    if find_spec("openvino") is None or not any(cache_folder().glob("*.json")):
        return None  # without reading the weights, which may be large
    with suppress(PanodepthError):
        place = converted_file(model, size).with_suffix(".json")
        return place if place.exists() else None
    return None


def _machine() -> str:
    """The processor as the system calls it, and how many cores are used."""
    names: Iterator[str] = iter(())
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    threads = os.environ.get("OMP_NUM_THREADS") or os.cpu_count()
    return f"{next(names, platform.processor())}, {threads} threads"
