"""Replays: when they begin, that nothing is shared, and that whatever goes wrong leads back."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from panodepth.model import ModelOutput
from panodepth.predict.cuda.graphs import KEPT, Graphed, difference


class FakeRecording:
    """As a CUDA graph: one memory in, one memory out, the same for every replay."""

    def __init__(self, call: Callable[[Tensor], ModelOutput], like: Tensor, fault: str) -> None:
        self.call, self.fault = call, fault
        self.image = torch.zeros_like(like)
        self.output = call(self.image)
        self.output.log_distance.fill_(torch.nan)
        self.replays = 0

    def __call__(self, image: Tensor) -> ModelOutput:
        self.replays += 1
        if self.fault == "breaks later" and self.replays > 2:
            raise RuntimeError("the device is gone")
        self.image.copy_(image)
        if self.fault == "slow":
            time.sleep(1e-3)
        if self.fault != "writes nothing":
            fresh = self.call(self.image)
            self.output.log_distance.copy_(fresh.log_distance)
            self.output.sky_logit.copy_(fresh.sky_logit)
        if self.fault == "wrong":
            self.output.log_distance.add_(0.02)
        if self.fault == "wrong sky":
            self.output.sky_logit.neg_()
        return self.output


class Setting:
    """A network that adds its memory (by size), and a recorder, both counting."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self.plain = 0
        self.recordings: list[FakeRecording] = []
        self.said: list[str] = []
        self.memories: dict[tuple[int, int], Tensor] = {}
        self.graphed = Graphed(self.forward, self.memory_for, self.record, note=self.said.append)

    def memory_for(self, size: tuple[int, int]) -> Tensor:
        return self.memories.setdefault(size, torch.tensor(float(sum(size))))

    def forward(self, image: Tensor, memory: Tensor) -> ModelOutput:
        self.plain += 1
        others = [key for key, entry in self.graphed._entries.items() if entry.replay]
        crowded = self.fault == "crowded" and any(key[0] != tuple(image.shape) for key in others)
        if len(image) > 2 and (crowded or self.fault == "no memory"):
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return ModelOutput(image.sum(1) + memory, image[:, 0] - 0.5)

    def record(self, call: Callable[[Tensor], ModelOutput], like: Tensor) -> FakeRecording:
        if self.fault == "cannot":
            raise RuntimeError("operation not permitted\nwhen stream is capturing")
        self.recordings.append(FakeRecording(call, like, self.fault))
        return self.recordings[-1]

    def check(self, image: Tensor) -> None:
        got = self.graphed(image)
        memory = self.memory_for((image.shape[-2], image.shape[-1]))
        torch.testing.assert_close(got.log_distance, image.sum(1) + memory)
        torch.testing.assert_close(got.sky_logit, image[:, 0] - 0.5)


def pictures(batch: int = 1, height: int = 4) -> Tensor:
    return torch.rand(batch, 3, height, 2 * height)


def test_plain_then_recorded_then_replayed() -> None:
    setting = Setting()
    counts = []
    for _ in range(5):
        setting.check(pictures())
        counts.append((len(setting.recordings), sum(r.replays for r in setting.recordings)))
    assert counts == [(0, 0), (1, 1), (1, 2), (1, 3), (1, 4)]  # the second: to be compared
    assert setting.said == []


def test_results_are_the_callers_own() -> None:
    setting = Setting()
    images = [pictures() for _ in range(6)]
    outputs = [setting.graphed(image) for image in images]
    for image, output in zip(images, outputs, strict=True):
        torch.testing.assert_close(output.log_distance, image.sum(1) + 12)
        torch.testing.assert_close(output.sky_logit, image[:, 0] - 0.5)
    images[0].zero_()
    torch.testing.assert_close(outputs[-1].log_distance, images[-1].sum(1) + 12)


def test_every_shape_has_its_own_recording() -> None:
    setting = Setting()
    for _ in range(4):
        for batch, height in ((1, 4), (2, 4), (1, 8)):
            setting.check(pictures(batch, height))
    assert [tuple(r.image.shape) for r in setting.recordings] == [
        (1, 3, 4, 8),
        (2, 3, 4, 8),
        (1, 3, 8, 16),
    ]


def test_the_shape_unused_for_longest_is_let_go() -> None:
    setting = Setting()
    for batch in (1, 2, *range(1, KEPT + 1)):
        setting.check(pictures(batch))
        setting.check(pictures(batch))
    assert len(setting.recordings) == KEPT
    setting.check(pictures(1))  # used: now the second is the oldest
    setting.check(pictures(KEPT + 1))
    setting.check(pictures(1))
    assert len(setting.recordings) == KEPT
    setting.check(pictures(2))
    setting.check(pictures(2))
    assert len(setting.recordings) == KEPT + 1


def test_more_shapes_in_turn_than_are_kept_are_never_recorded() -> None:
    setting = Setting()
    for _ in range(3):
        for batch in range(1, KEPT + 2):
            setting.check(pictures(batch))
    assert setting.recordings == []


def test_changed_weights_are_recorded_anew() -> None:
    setting = Setting()
    for _ in range(3):
        setting.check(pictures())
    setting.memories[(4, 8)] = torch.tensor(-5.0)
    for _ in range(3):
        setting.check(pictures())
    assert [r.replays for r in setting.recordings] == [2, 2]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("cannot", "not permitted when stream"),
        ("wrong", "differs from the plain network by 0.02"),
        ("writes nothing", "differs from the plain network by nan"),
        ("wrong sky", "differs"),
        ("breaks later", "the device is gone"),
    ],
)
def test_whatever_goes_wrong_is_told_once_and_ends_recording(fault: str, reason: str) -> None:
    setting = Setting(fault)
    for _ in range(4):
        setting.check(pictures())
    for _ in range(3):
        setting.check(pictures(2))
    assert len(setting.said) == 1
    assert reason in setting.said[0]
    assert "\n" not in setting.said[0]
    assert len(setting.recordings) == (fault != "cannot")
    assert not setting.graphed.active


def test_a_network_that_is_broken_itself_is_no_fault_of_graphs() -> None:
    setting = Setting()
    broken = pictures() * torch.nan
    for _ in range(3):
        assert setting.graphed(broken).log_distance.isnan().all()
    assert setting.recordings == []
    assert setting.said == []
    setting.check(pictures())
    assert len(setting.recordings) == 1


def test_too_little_memory_lets_recordings_go_and_is_told() -> None:
    setting = Setting("no memory")
    for _ in range(3):
        setting.check(pictures())
    with pytest.raises(torch.cuda.OutOfMemoryError):
        setting.graphed(pictures(3))
    setting.check(pictures())
    assert len(setting.recordings) == 1
    setting.check(pictures())
    assert len(setting.recordings) == 2
    assert setting.said == []


def test_memory_that_recordings_hold_is_given_to_whom_it_misses() -> None:
    setting = Setting("crowded")
    for _ in range(3):
        setting.check(pictures())
    plain = setting.plain
    setting.check(pictures(3))
    assert setting.plain == plain + 2  # in vain, and without recordings
    setting.check(pictures(3))
    setting.check(pictures(3))
    assert [len(r.image) for r in setting.recordings] == [1, 3]
    assert setting.said == []


def test_threads_get_their_own_results() -> None:
    setting = Setting("slow")
    images = [pictures(1 + n % 3, 4) + n for n in range(60)]
    with ThreadPoolExecutor(8) as pool:
        outputs = list(pool.map(setting.graphed, images))
    for image, output in zip(images, outputs, strict=True):
        torch.testing.assert_close(output.log_distance, image.sum(1) + 12)
    assert len(setting.recordings) == 3


def test_difference_in_closed_form() -> None:
    zero, sky = torch.zeros(1, 2, 2), torch.tensor([[[1.0, -1.0], [1.0, -1.0]]])
    log = torch.tensor([[[0.4, 0.0], [0.0, 0.0]]])
    assert difference(ModelOutput(log, None), ModelOutput(zero, None)) == pytest.approx(0.1)
    other = sky * torch.tensor([[[-1.0, 1.0], [1.0, 1.0]]])
    assert difference(ModelOutput(zero, sky), ModelOutput(zero, other)) == 0.25
    assert difference(ModelOutput(zero, sky * torch.nan), ModelOutput(zero, sky)) == 1.0
