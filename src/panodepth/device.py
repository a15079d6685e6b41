"""Which device and which precision to run on, from what the machine has."""

from __future__ import annotations

import platform
import re
from typing import NamedTuple

import torch

from panodepth.errors import ConfigError, one_line

DTYPES = {
    "float32": torch.float32,
    "fp32": torch.float32,
    "bfloat16": torch.bfloat16,
    "bf16": torch.bfloat16,
    "float16": torch.float16,
    "fp16": torch.float16,
}
TENSOR_CORES = (7, 0)  # CUDA capability from which float16 products are fast (Volta)


class Precision(NamedTuple):
    """How a network that only predicts computes: dtype, and linear layers in 8 bits if int8."""

    dtype: torch.dtype
    int8: bool


def choose_device(name: str = "auto") -> torch.device:
    """Return the torch device for `name`: "auto" (CUDA, else MPS, else CPU), "cpu", "cuda:1", ...

    Raises ConfigError when the name is unknown or the machine has no such device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, colon, digits = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (colon and not re.fullmatch("[0-9]{1,9}", digits)):
        raise ConfigError(
            f"unknown device {one_line(name, 60)!r}: use auto, cpu, cuda, cuda:N or mps"
        )
    number = int(digits or 0)  # which torch keeps in 8 bits: its cuda:256 is cuda:0
    if kind == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if number >= count:
            raise ConfigError(f"device {name!r} is not here: this machine has {count} CUDA devices")
        return torch.device(kind, number) if colon else torch.device(kind)
    if number or (kind == "mps" and not torch.backends.mps.is_available()):
        raise ConfigError(f"device {name!r} is not here: use auto or cpu")
    return torch.device(kind)


def choose_dtype(name: str, device: torch.device, *, float16: bool = False) -> torch.dtype:
    """Return the precision of the network for `name` on `device`.

    "auto" is bfloat16 on CUDA and on CPUs with bfloat16 instructions, else float32. Whatever is
    chosen, what `predict` returns is float32. Raises ConfigError for an unknown name.

    float16: whether what runs can do with its range (up to 65504) and has no gradients. On GPUs it
    may then be named, and "auto" is float16 on CUDA before Ampere; CPUs are slow at it.
    """
    if name == "auto":
        if has_fast_bfloat16(device):
            return torch.bfloat16
        return torch.float16 if float16 and _has_only_float16(device) else torch.float32
    if name not in DTYPES:
        known = "float32, bfloat16 or float16" if float16 else "float32 or bfloat16"
        raise ConfigError(f"unknown dtype {one_line(name, 60)!r}: use auto, {known}")
    if DTYPES[name] == torch.float16 and not float16:
        raise ConfigError(f"dtype {name} has too small a range here: use auto, float32 or bfloat16")
    if DTYPES[name] == torch.float16 and device.type == "cpu":
        raise ConfigError(f"dtype {name} is for GPUs and slow on a CPU: use bfloat16 or float32")
    return DTYPES[name]


def choose_precision(name: str, device: torch.device) -> Precision:
    """`choose_dtype` for a network that only predicts: float16 may be named, and "int8".

    With int8, whatever is not a linear layer computes as "auto" says. Raises ConfigError.
    """
    if name not in ("auto", "int8", *DTYPES):
        known = "auto, float32, bfloat16, int8 (CPUs) or float16 (GPUs)"
        raise ConfigError(f"unknown dtype {one_line(name, 60)!r}: use {known}")
    if name != "int8":
        return Precision(choose_dtype(name, device, float16=True), int8=False)
    if device.type != "cpu":
        raise ConfigError("dtype int8 is for CPUs: use auto, float32, bfloat16 or float16")
    return Precision(choose_dtype("auto", device), int8=True)


def _has_only_float16(device: torch.device) -> bool:
    """True on CUDA devices with fast float16 and slow bfloat16: Volta and Turing."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= TENSOR_CORES


def has_fast_bfloat16(device: torch.device) -> bool:
    """True where bfloat16 matrix products run in hardware (CUDA from Ampere on, AVX-512, AMX)."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and cpu_has_bfloat16()


def cpu_has_bfloat16() -> bool:
    """True when the CPU has AVX-512 BF16, AMX or Arm BF16 instructions; False where unknown."""
    for probe in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        supported = getattr(torch.cpu, probe, None)  # private: absent in some versions
        if supported is not None and supported():
            return True
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(_cpuinfo("flags", "Features").split())


def device_name(device: torch.device) -> str:
    """What people call the device, e.g. the processor's model name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _cpuinfo(*keys: str) -> str:
    """The first value in /proc/cpuinfo whose key is one of `keys`; "" where there is none."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as handle:
            for line in handle:
                key, _, value = line.partition(":")
                if key.strip() in keys:
                    return value.strip()
    except OSError:
        return ""
    return ""
