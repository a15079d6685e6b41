"""Batches in order: one ahead on devices that work by themselves, halved where memory ends."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from panodepth.errors import is_out_of_memory
from panodepth.predict.folder.inputs import InputFile, find_inputs
from panodepth.predict.folder.jobs import Job
from panodepth.predict.folder.network_stage import NetworkStage
from panodepth.predict.folder.options import RunOptions
from panodepth.predict.folder.run import predict_files
from panodepth.predict.predictor import Predictor
from panodepth.predict.request import RawOutput, Request
from panodepth.types import FloatArray

SIZE = (28, 56)


class Working:
    """Stands for what a forward pass holds on the device."""


class Device(Predictor):
    """Log distance = red. Has memory for `room` pictures at a time; fails for those of red 1."""

    name, size, own_size = "device", SIZE, SIZE

    def __init__(self, room: int = 99, *, overlaps: bool = False, best: int = 1) -> None:
        self.room, self.overlaps, self.best = room, overlaps, best
        self.tried: list[int] = []
        self.told: list[str] = []
        self.held: list[weakref.ref[Working]] = []
        self.asked: list[Any] = []

    def describe(self) -> dict[str, Any]:
        return {}

    def checked_size(self, size: tuple[int, int]) -> tuple[int, int]:
        return size

    def best_batch_size(self, size: tuple[int, int] | None = None) -> int:
        self.asked.append(size)
        return self.best

    def run(self, pixels: Sequence[FloatArray]) -> list[RawOutput]:
        assert all(ref() is None for ref in self.held), "an earlier try still holds its memory"
        self.tried.append(len(pixels))
        working = Working()
        self.held.append(weakref.ref(working))
        if len(pixels) > self.room:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")
        if any(picture[0].max() == 1 for picture in pixels):
            raise ValueError("red")
        return [RawOutput(picture[0].copy(), None) for picture in pixels]

    def start(self, pixels: Sequence[FloatArray]) -> Callable[[], list[RawOutput]]:
        if not self.overlaps:
            return super().start(pixels)
        number = sum(text.startswith("start") for text in self.told)
        self.told.append(f"start {number}")

        def result() -> list[RawOutput]:
            self.told.append(f"take {number}")
            return self.run(pixels)

        return result


def jobs(*reds: float) -> list[Job]:
    made = []
    for number, red in enumerate(reds):
        job = Job(InputFile(Path(f"{number}.png"), Path("p.png"), Path("p")), 1)
        pixels = np.full((3, *SIZE), red, np.float32)
        job.request = Request(None, None, pixels, np.ones(SIZE, np.bool_))  # type: ignore[arg-type]
        made.append(job)
    return made


def reds(done: Sequence[Job]) -> list[float | None]:
    return [None if job.output is None else float(job.output.log_distance[0, 0]) for job in done]


@pytest.mark.parametrize("overlaps", [False, True])
def test_out_of_memory_halves_the_batch_and_those_to_come(overlaps: bool) -> None:
    device = Device(room=3, overlaps=overlaps)
    stage = NetworkStage(device, 8)
    given = jobs(0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875)
    stage.start(given)
    assert reds(stage.finish()) == [0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875]
    assert device.tried == [8, 4, 2, 2, 4, 2, 2]
    assert stage.batch_size == 2
    assert all(job.error is None and job.seconds["network"] >= 0 for job in given)


def test_no_memory_for_one_fails_that_one() -> None:
    device = Device(room=0)
    stage = NetworkStage(device, 2)
    stage.start(jobs(0.5, 0.25))
    done = stage.finish()
    assert all(job.error is not None and is_out_of_memory(job.error) for job in done)
    assert stage.batch_size == 1


@pytest.mark.parametrize("overlaps", [False, True])
def test_a_bad_picture_is_found_by_halves(overlaps: bool) -> None:
    device = Device(overlaps=overlaps)
    stage = NetworkStage(device, 8)
    stage.start(jobs(0, 0.125, 0.25, 0.375, 0.5, 1, 0.75, 0.875))
    done = stage.finish()
    assert reds(done) == [0, 0.125, 0.25, 0.375, 0.5, None, 0.75, 0.875]
    assert [str(job.error) for job in done if job.error] == ["red"]
    assert device.tried == [8, 4, 4, 2, 1, 1, 2]
    assert stage.batch_size == 8


def test_what_could_not_be_read_is_passed_on() -> None:
    stage = NetworkStage(Device(), 2)
    given = jobs(0.5, 0.25)
    given[0].request, given[0].error = None, OSError("damaged")
    stage.start(given)
    stage.start(jobs())
    assert len(stage) == 2
    assert reds(stage.finish()) == [None, 0.25]
    assert stage.finish() == []
    assert len(stage) == 0


def test_what_counts_as_out_of_memory() -> None:
    for error in (
        torch.cuda.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ):
        assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("shapes differ"))
    assert not is_out_of_memory(ValueError("out of memory"))


def folder(tmp_path: Path, count: int) -> list[InputFile]:
    (tmp_path / "in").mkdir()
    for number in range(count):
        pixels = np.full((28, 56, 3), 10 + 20 * number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / f"{number}.png")
    return find_inputs([str(tmp_path / "in")]).files


def test_a_device_has_one_batch_while_the_next_is_made_ready(tmp_path: Path) -> None:
    device = Device(overlaps=True)
    options = RunOptions(
        out=tmp_path / "out",
        formats=("npz",),
        sky="none",
        quality="fast",
        batch_size=2,
        workers=1,
    )
    results = predict_files(device, folder(tmp_path, 8), options, lambda result: None)
    assert [Path(r.input).name for r in results] == [f"{n}.png" for n in range(8)]
    assert all(r.status == "written" and r.seconds["network"] > 0 for r in results)
    order = [f"{what} {n + (what == 'start')}" for n in range(3) for what in ("start", "take")]
    assert device.told == ["start 0", *order, "take 3"]


@pytest.mark.parametrize(
    ("count", "best", "given", "quality", "wanted"),
    [
        (7, 4, None, "fast", [4, 3]),
        (3, 16, None, "fast", [3]),
        (7, 4, 2, "fast", [2, 2, 2, 1]),
        (1, 4, None, "fast", [1]),
        (3, 7, None, "standard", [6, 3]),  # each of them is seen three times
        (2, 1, None, "standard", [3, 3]),
    ],
)
def test_the_predictor_says_how_many_at_a_time(
    count: int, best: int, given: int | None, quality: str, wanted: list[int], tmp_path: Path
) -> None:
    device = Device(best=best)
    options = RunOptions(
        out=tmp_path / "out",
        formats=("npz",),
        size=SIZE,
        sky="none",
        quality=quality,
        batch_size=given,
    )
    predict_files(device, folder(tmp_path, count), options, lambda result: None)
    assert device.tried == wanted
    assert device.asked == ([SIZE] if given is None and count > 1 else [])
