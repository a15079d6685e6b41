"""Page-locked memory: never filled again, nor read, before the device is done with it.

`LateQueue` is a device that does nothing until it is waited for: whatever is used too early shows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import pytest
import torch
from torch import Tensor

from panodepth.model import ModelOutput
from panodepth.predict.cuda.staging import StagedNetwork
from panodepth.predict.request import RawOutput

RNG = np.random.default_rng(0)


class LateQueue:
    """Everything that is queued is done when somebody waits, in order, and no sooner."""

    def __init__(self) -> None:
        self.work: list[Callable[[], object]] = []
        self.done = 0
        self.hosts: list[int] = []
        self.lock = threading.Lock()
        self.when_waiting: Callable[[], object] = lambda: None

    def pinned(self, count: int) -> Tensor:
        self.hosts.append(count)
        return torch.full((count,), torch.nan)

    def current(self) -> AbstractContextManager[object]:
        return nullcontext()

    def upload(self, host: Tensor) -> Tensor:
        image = torch.full_like(host, torch.nan)
        self.work.append(lambda: image.copy_(host))
        return image

    def download(self, source: Tensor, host: Tensor) -> None:
        self.work.append(lambda: host.copy_(source))

    def end_marker(self) -> Callable[[], None]:
        end = len(self.work)

        def wait() -> None:
            self.when_waiting()
            with self.lock, torch.inference_mode():
                while self.done < end:
                    self.work[self.done]()
                    self.done += 1

        return wait

    def network(self, image: Tensor) -> ModelOutput:
        """Log distance = red + 1, sky = blue, when its turn comes."""
        log, sky = torch.full_like(image[:, 0], torch.nan), torch.full_like(image[:, 0], torch.nan)
        self.work.append(lambda: (log.copy_(image[:, 0] + 1), sky.copy_(image[:, 2])))
        return ModelOutput(log, sky)


def batch(count: int, height: int = 4) -> list[np.ndarray]:
    return [RNG.random((3, height, 2 * height), dtype=np.float32) for _ in range(count)]


def check(pictures: Sequence[np.ndarray], outputs: Sequence[RawOutput]) -> None:
    for picture, output in zip(pictures, outputs, strict=True):
        np.testing.assert_array_equal(output.log_distance, picture[0] + 1)
        np.testing.assert_array_equal(output.sky_logit, picture[2])


def test_starting_waits_for_nothing() -> None:
    queue = LateQueue()
    pictures = batch(2)
    result = StagedNetwork(queue.network, queue).start(pictures)
    assert queue.done == 0
    check(pictures, result())


@pytest.mark.parametrize("backwards", [False, True])
def test_several_on_their_way_keep_apart(backwards: bool) -> None:
    queue = LateQueue()
    staged = StagedNetwork(queue.network, queue)
    batches = [batch(count, height) for count, height in ((2, 4), (2, 4), (1, 8), (3, 4))]
    for result in [staged.start(pictures) for pictures in batches]:
        result()  # leaves memory to be used again
    started = [(pictures, staged.start(pictures)) for pictures in batches]
    for pictures, result in reversed(started) if backwards else started:
        check(pictures, result())


def test_memory_is_in_use_until_the_device_is_done() -> None:
    queue = LateQueue()
    staged = StagedNetwork(queue.network, queue)
    first, second = batch(1), batch(1)
    result = staged.start(first)
    later: list[Callable[[], list[RawOutput]]] = []
    queue.when_waiting = lambda: later.append(staged.start(second))  # as another thread may
    check(first, result())
    queue.when_waiting = lambda: None
    check(second, later[0]())


def test_results_outlive_later_batches() -> None:
    queue = LateQueue()
    staged = StagedNetwork(queue.network, queue)
    batches = [batch(2) for _ in range(6)]
    outputs = [staged.start(pictures)() for pictures in batches]
    for pictures, output in zip(batches, outputs, strict=True):
        check(pictures, output)


def test_pictures_may_change_once_started() -> None:
    queue = LateQueue()
    pictures = batch(1)
    wanted = [picture.copy() for picture in pictures]
    result = StagedNetwork(queue.network, queue).start(pictures)
    pictures[0][:] = 7
    check(wanted, result())


def test_memory_is_used_again() -> None:
    queue = LateQueue()
    staged = StagedNetwork(queue.network, queue)
    pending = staged.start(batch(2))
    for _ in range(10):
        following = staged.start(batch(2))
        pending()
        pending = following
    pending()
    assert len(queue.hosts) == 2 * 3  # two sets of picture, log distance and sky
    staged.start(batch(1))()  # smaller: fits
    assert len(queue.hosts) == 6
    staged.start(batch(5))()
    assert queue.hosts[6:] == [5 * 3 * 32, 5 * 32, 5 * 32]


def test_what_is_not_taken_or_fails_harms_nobody() -> None:
    queue = LateQueue()
    failing = False

    def network(image: Tensor) -> ModelOutput:
        if failing:
            raise RuntimeError("CUDA out of memory")
        return queue.network(image)

    staged = StagedNetwork(network, queue)
    first = batch(1)
    result = staged.start(first)
    staged.start(batch(1))  # dropped
    failing = True
    with pytest.raises(RuntimeError, match="out of memory"):
        staged.start(batch(1))
    failing = False
    second = batch(1)
    later = staged.start(second)
    check(first, result())
    check(second, later())


def test_a_result_is_taken_once() -> None:
    queue = LateQueue()
    result = StagedNetwork(queue.network, queue).start(batch(1))
    result()
    with pytest.raises(RuntimeError, match="taken already"):
        result()


def test_without_a_sky() -> None:
    queue = LateQueue()
    staged = StagedNetwork(
        lambda image: ModelOutput(queue.network(image).log_distance, None), queue
    )
    pictures = batch(2)
    outputs = staged.start(pictures)()
    assert [output.sky_logit for output in outputs] == [None, None]
    np.testing.assert_array_equal(outputs[1].log_distance, pictures[1][0] + 1)


def test_threads_get_their_own_results() -> None:
    queue = LateQueue()
    staged = StagedNetwork(queue.network, queue)
    batches = [batch(1 + n % 3) for n in range(50)]
    with ThreadPoolExecutor(8) as pool:
        outputs = list(pool.map(lambda pictures: staged.start(pictures)(), batches))
    for pictures, output in zip(batches, outputs, strict=True):
        check(pictures, output)
