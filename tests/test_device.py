"""Choosing device and precision."""

from __future__ import annotations

import pytest
import torch

from panodepth import device
from panodepth.errors import ConfigError


def test_auto_prefers_cuda_then_mps_then_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for cuda, mps, want in [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]:
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda mps=mps: mps)
        assert device.choose_device("auto").type == want


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "meta", "cpu:x", ""])
def test_unknown_or_absent_devices(name: str) -> None:
    with pytest.raises(ConfigError, match="device"):
        device.choose_device(name)


def test_numbers_of_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch keeps them in 8 bits: cuda:256 would be cuda:0, and of mps and cpu there is one."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert device.choose_device("cuda:1") == torch.device("cuda", 1)
    assert device.choose_device("cuda").index is None  # the current one
    assert device.choose_device("cpu:0") == torch.device("cpu")
    assert device.choose_device("mps:0") == torch.device("mps")
    for name in ("cuda:2", "cuda:255", "cuda:256", "cuda:999", "cpu:1", "mps:1"):
        with pytest.raises(ConfigError, match=f"device '{name}' is not here"):
            device.choose_device(name)
    for name in ("cuda:", "cuda:-1", "cuda:1x", "cpu:" + "9" * 5000):
        with pytest.raises(ConfigError, match="unknown device"):
            device.choose_device(name)


def test_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr(device, "cpu_has_bfloat16", lambda: True)
    assert device.choose_dtype("auto", cpu) is torch.bfloat16
    monkeypatch.setattr(device, "cpu_has_bfloat16", lambda: False)
    assert device.choose_dtype("auto", cpu) is torch.float32
    assert device.choose_dtype("auto", torch.device("mps")) is torch.float32
    assert device.choose_dtype("bf16", cpu) is torch.bfloat16
    with pytest.raises(ConfigError, match="float16"):
        device.choose_dtype("float16", cpu)


@pytest.mark.parametrize(
    ("capability", "allowed", "refused"),
    [
        ((6, 1), torch.float32, torch.float32),  # Pascal: slow at both
        ((7, 5), torch.float16, torch.float32),  # Turing
        ((8, 0), torch.bfloat16, torch.bfloat16),
        ((9, 0), torch.bfloat16, torch.bfloat16),
    ],
)
def test_float16_is_chosen_where_it_alone_is_fast_and_nothing_is_trained(
    capability: tuple[int, int],
    allowed: torch.dtype,
    refused: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    gpu = torch.device("cuda")
    assert device.choose_dtype("auto", gpu, float16=True) is allowed
    assert device.choose_dtype("auto", gpu) is refused


def test_float16_by_name_is_for_gpus_and_inference() -> None:
    for name in ("float16", "fp16"):
        for kind in ("cuda", "mps"):
            chosen = device.choose_dtype(name, torch.device(kind), float16=True)
            assert chosen is torch.float16
            with pytest.raises(ConfigError, match="too small a range"):
                device.choose_dtype(name, torch.device(kind))
        with pytest.raises(ConfigError, match="slow on a CPU"):
            device.choose_dtype(name, torch.device("cpu"), float16=True)


def test_this_machine_can_be_described() -> None:
    assert device.device_name(torch.device("cpu"))
    assert isinstance(device.cpu_has_bfloat16(), bool)


def test_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    for fast, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(device, "cpu_has_bfloat16", lambda fast=fast: fast)
        assert device.choose_precision("int8", cpu) == (expected, True)
        assert device.choose_precision("auto", cpu) == (expected, False)
    assert device.choose_precision("fp16", gpu) == (torch.float16, False)
    with pytest.raises(ConfigError, match="int8 is for CPUs"):
        device.choose_precision("int8", gpu)
    with pytest.raises(ConfigError, match=r"unknown dtype 'int4': use auto, .*int8"):
        device.choose_precision("int4", cpu)
