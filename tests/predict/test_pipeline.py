"""Folders: stages overlap, order and errors stay, memory is bounded, an interrupt is clean."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from panodepth.errors import ConfigError, InputError, OutputError
from panodepth.predict.folder import jobs, memory, network_stage, pipeline
from panodepth.predict.folder.inputs import InputFile, find_inputs
from panodepth.predict.folder.options import RunOptions
from panodepth.predict.folder.pipeline import Pipeline
from panodepth.predict.folder.results import FileResult
from panodepth.predict.folder.run import predict_files
from panodepth.predict.predictor import Predictor
from panodepth.predict.request import RawOutput
from panodepth.types import FloatArray, Prediction

SIZE = (28, 56)


class Fake(Predictor):
    """Log distance = 3 · red; remembers how many pictures came together, may fail."""

    name, size, own_size = "fake", SIZE, SIZE

    def __init__(self, bad: float | None = None) -> None:
        self.bad = bad
        self.batches: list[int] = []

    def describe(self) -> dict[str, Any]:
        return {}

    def checked_size(self, size: tuple[int, int]) -> tuple[int, int]:
        return size

    def run(self, pixels: Sequence[FloatArray]) -> list[RawOutput]:
        self.batches.append(len(pixels))
        if self.bad is not None and any(abs(float(p[0].mean()) - self.bad) < 0.01 for p in pixels):
            raise MemoryError
        return [RawOutput(3 * picture[0], None) for picture in pixels]


def pictures(folder: Path, count: int) -> list[InputFile]:
    """Grey panoramas 0.png, 1.png, ..., each a little brighter than the one before, up to 11."""
    folder.mkdir(exist_ok=True)
    for number in range(count):
        pixels = np.full((28, 56, 3), 10 + 20 * number % 240, np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return find_inputs([str(folder)]).files


def options(tmp_path: Path, **more: Any) -> RunOptions:
    return RunOptions(out=tmp_path / "out", formats=("npz",), sky="none", **more)


def run(predictor: Fake, items: Sequence[InputFile], chosen: RunOptions) -> list[FileResult]:
    told: list[FileResult] = []
    results = predict_files(predictor, items, chosen, told.append)
    assert told == results
    return results


def names(results: Sequence[FileResult]) -> list[str]:
    return [Path(result.input).name for result in results]


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_order_and_errors_are_the_same_however_many_threads(
    workers: int, batch_size: int, tmp_path: Path
) -> None:
    items = pictures(tmp_path / "in", 8)
    (tmp_path / "in" / "2.png").write_text("no picture")
    Image.fromarray(np.zeros((28, 40, 3), np.uint8)).save(tmp_path / "in" / "3.png")
    bad = (10 + 20 * 5) / 255  # the network fails on 5.png
    chosen = options(tmp_path, workers=workers, batch_size=batch_size)
    results = run(Fake(bad=bad), items, chosen)
    assert names(results) == [f"{number}.png" for number in range(8)]
    failed = {Path(r.input).name: r.error or "" for r in results if r.status == "failed"}
    assert set(failed) == {"2.png", "3.png", "5.png"}
    assert "damaged" in failed["2.png"] or "not a" in failed["2.png"]
    assert "not a full panorama" in failed["3.png"]
    assert "not enough memory" in failed["5.png"]
    assert all(set(r.seconds) == {"read", "network", "write"} for r in results if not r.error)
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {f"{number}_distance.npz" for number in (0, 1, 4, 6, 7)}


def test_stages_overlap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One picture is written, the next is in the network and a third is read, all at one time."""
    items = pictures(tmp_path / "in", 4)
    meeting = threading.Barrier(3, timeout=60)  # broken, and so an error, where they never meet
    real_read, real_save = pipeline.read_image, Prediction.save

    def read(path: Path) -> Any:
        if path.stem == "2":
            meeting.wait()
        return real_read(path)

    def save(self: Prediction, *arguments: Any, **more: Any) -> list[Path]:
        if self.meta["name"] == "0":
            meeting.wait()
        return real_save(self, *arguments, **more)

    class Met(Fake):
        def run(self, pixels: Sequence[FloatArray]) -> list[RawOutput]:
            if len(self.batches) == 1:  # the second picture
                meeting.wait()
            return super().run(pixels)

    monkeypatch.setattr(pipeline, "read_image", read)
    monkeypatch.setattr(Prediction, "save", save)
    results = run(Met(), items, options(tmp_path, workers=1))
    assert [result.status for result in results] == ["written"] * 4


def test_what_is_in_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow writer holds the readers back, by pictures and by pixels; a large one goes alone."""
    items = pictures(tmp_path / "in", 24)
    Image.fromarray(np.full((56, 112, 3), 99, np.uint8)).save(items[5].path)
    alive, most, sizes = 0, 0, []
    lock, full = threading.Lock(), threading.Event()
    bound = 2 * (1 + 2 * 2)  # ahead of the network, and behind it
    real_read, real_save = pipeline.read_image, Prediction.save

    def read(path: Path) -> Any:
        nonlocal alive, most
        with lock:
            alive += 1
            most = max(most, alive)
            sizes.append((alive, Path(path).name))
        if most >= bound:
            full.set()
        return real_read(path)

    def save(self: Prediction, *arguments: Any, **more: Any) -> list[Path]:
        nonlocal alive
        assert full.wait(60)
        with lock:
            alive -= 1
        return real_save(self, *arguments, **more)

    monkeypatch.setattr(pipeline, "read_image", read)
    monkeypatch.setattr(Prediction, "save", save)
    results = run(Fake(), items, options(tmp_path, workers=2))
    assert all(result.status == "written" for result in results)
    assert most == bound
    most = alive = 0
    sizes.clear()
    monkeypatch.setattr(pipeline, "MAX_PIXELS_AHEAD", 3 * 28 * 56)
    run(Fake(), items, options(tmp_path, workers=2, batch_size=4))
    assert most <= 3
    assert (1, items[5].path.name) in sizes  # four times as large as the others: beyond the limit


def test_batches_are_full_where_pictures_are_there(tmp_path: Path) -> None:
    predictor = Fake()
    run(predictor, pictures(tmp_path / "in", 7), options(tmp_path, batch_size=3))
    assert predictor.batches == [9, 9, 3]  # each picture is seen three times
    once = Fake()
    run(once, pictures(tmp_path / "in2", 7), options(tmp_path, batch_size=3, quality="fast"))
    assert once.batches == [3, 3, 1]


def test_a_full_disk_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = pictures(tmp_path / "in", 12)
    real_save = Prediction.save
    calls = []

    def save(self: Prediction, *arguments: Any, **more: Any) -> list[Path]:
        calls.append(self.meta["name"])
        if len(calls) == 3:
            raise OutputError("x") from OSError(errno.ENOSPC, "No space left on device")
        return real_save(self, *arguments, **more)

    monkeypatch.setattr(Prediction, "save", save)
    results = run(Fake(), items, options(tmp_path, workers=1))
    assert len(results) == 12
    assert [r.status for r in results[:2]] == ["written", "written"]
    assert all("no space left" in (r.error or "") for r in results[2:])
    assert len(calls) == 3
    assert len({r.error for r in results[2:]}) == 1  # one line, whatever was left


@pytest.mark.parametrize("stage", ["read", "network", "write"])
def test_an_interrupt_leaves_whole_files_and_no_threads(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = pictures(tmp_path / "in", 9)
    before = set(threading.enumerate())
    real_read, real_save = pipeline.read_image, Prediction.save

    def read(path: Path) -> Any:
        if stage == "read" and path.name == "4.png":
            raise KeyboardInterrupt
        return real_read(path)

    def save(self: Prediction, *arguments: Any, **more: Any) -> list[Path]:
        if stage == "write" and self.meta["name"] == "4":
            raise KeyboardInterrupt
        return real_save(self, *arguments, **more)

    monkeypatch.setattr(pipeline, "read_image", read)
    monkeypatch.setattr(Prediction, "save", save)
    predictor = Fake()
    if stage == "network":
        real_run = predictor.run

        def network(pixels: Sequence[FloatArray]) -> list[RawOutput]:
            if len(predictor.batches) == 4:
                raise KeyboardInterrupt
            return real_run(pixels)

        monkeypatch.setattr(predictor, "run", network)
    with pytest.raises(KeyboardInterrupt):
        predict_files(predictor, items, options(tmp_path, workers=2), lambda result: None)
    assert set(threading.enumerate()) == before
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == [f"{number}_distance.npz" for number in range(9)][: len(written)] or (
        stage == "write"  # what the other writer had begun is finished
    )
    assert "4_distance.npz" not in written
    for name in written:
        assert np.load(tmp_path / "out" / name)["distance"].shape == SIZE


def test_an_interrupt_does_not_wait_for_a_long_prediction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, steps = threading.Event(), []

    def finish(self: Fake, request: Any, output: RawOutput, how: RunOptions) -> Prediction:
        assert how.watch is not None
        for step in range(20_000):  # half a minute, if nobody stops it
            begun.set()
            how.watch(step / 20_000)
            steps.append(step)
            time.sleep(1e-3)
        raise AssertionError

    class Interrupted(Fake):
        def run(self, pixels: Sequence[FloatArray]) -> list[RawOutput]:
            if self.batches:
                assert begun.wait(60)
                raise KeyboardInterrupt
            return super().run(pixels)

    monkeypatch.setattr(Fake, "finish", finish)
    items, told = pictures(tmp_path / "in", 2), list[float]()
    how = options(tmp_path, workers=1, watch=told.append)
    with pytest.raises(KeyboardInterrupt):
        predict_files(Interrupted(), items, how, lambda result: None)
    assert len(steps) < 20_000
    assert told[: len(steps)] == [step / 20_000 for step in steps]
    assert list((tmp_path / "out").glob("*")) == []


def test_less_memory_reads_fewer_pictures_ahead(tmp_path: Path) -> None:
    items = pictures(tmp_path / "in", 6)
    most = Pipeline(Fake(), options(tmp_path, max_memory=1.0), lambda result: None)._most_pixels
    assert most < pipeline.MAX_PIXELS_AHEAD
    assert Pipeline(Fake(), options(tmp_path), lambda result: None)._most_pixels > most
    assert [r.status for r in run(Fake(), items, options(tmp_path, max_memory=1.0))] == [
        "written"
    ] * 6


def test_the_sphere_a_fisheye_is_laid_on_counts_where_memory_is_limited(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((256, 256, 3), np.uint8)).save(tmp_path / "a.png")
    (item,) = find_inputs([str(tmp_path)]).files
    chosen = options(tmp_path, projection="fisheye", fov=(180.0,))
    assert pipeline._pixels(item, chosen) == 256 * 256
    limited = pipeline._pixels(item, replace(chosen, max_memory=1.0))
    assert limited > 256 * 512 * memory.SPHERE_BYTES / memory.PIXEL_BYTES


class Clock:
    """Stands for `time`: each look at it, in each thread, is so many seconds after the last one."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.own = seconds, threading.local()

    def perf_counter(self) -> float:
        self.own.now = getattr(self.own, "now", 0.0) + self.seconds
        return float(self.own.now)


@pytest.mark.parametrize(("seconds", "lent"), [(0.01, 1), (0.2, 0)])
def test_only_a_fast_network_leaves_cores(
    seconds: float, lent: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "available_cores", lambda: 2)
    monkeypatch.setattr(jobs, "time", Clock(0.05))  # of reading, and of writing
    monkeypatch.setattr(network_stage, "time", Clock(seconds))  # to begin, and to wait for it
    counts = []

    class Lending(Fake):
        @contextmanager
        def leaving_cores(self, count: int) -> Iterator[None]:
            counts.append(count)
            yield
            counts.append(-count)

    run(Lending(), pictures(tmp_path / "in", 8), options(tmp_path, workers=1))
    assert counts == [1, -1][: 2 * lent]


def test_a_missing_mask_fails_one_file(tmp_path: Path) -> None:
    items = pictures(tmp_path / "in", 3)
    (tmp_path / "masks").mkdir()
    for number in (0, 2):
        white = Image.fromarray(np.full(SIZE, 255, np.uint8))
        white.save(tmp_path / "masks" / f"{number}.png")
    results = run(Fake(), items, options(tmp_path, mask=tmp_path / "masks"))
    assert [r.status for r in results] == ["written", "failed", "written"]
    assert InputError.__name__ not in (results[1].error or "")
    assert "no mask" in (results[1].error or "")


@pytest.mark.parametrize(
    "wrong", [{"batch_size": 0}, {"batch_size": -1}, {"workers": -1}, {"max_memory": 0.2}]
)
def test_numbers_that_cannot_be(tmp_path: Path, wrong: dict[str, Any]) -> None:
    """A batch of fewer than one picture would never end."""
    with pytest.raises(ConfigError, match="must be at least"):
        options(tmp_path, **wrong)
