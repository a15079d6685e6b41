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


def test_this_machine_can_be_described() -> None:
    assert device.device_name(torch.device("cpu"))
    assert isinstance(device.cpu_has_bfloat16(), bool)
