"""What was measured on: facts for the head of a report, and its file's name."""

from __future__ import annotations

import os
import platform
import re
from datetime import date

import torch

from panodepth.device import device_name
from panodepth.version import __version__

SETTINGS = ("OMP_", "GOMP_", "KMP_", "MKL_", "ONEDNN_", "PANODEPTH_")  # variables that change times


def machine_facts(device: torch.device) -> dict[str, str]:
    """What a reader needs to compare, in the order of the report."""
    facts = {"date": date.today().isoformat(), "device": f"{device_name(device)} ({device})"}
    if device.type == "cpu":
        facts["threads"] = str(torch.get_num_threads())
        facts["instructions"] = torch.backends.cpu.get_cpu_capability()
    facts["cores"] = str(os.cpu_count())
    if hasattr(os, "getloadavg"):  # not on Windows
        facts["load before"] = f"{os.getloadavg()[0]:.1f}"
    settings = [f"{k}={v}" for k, v in sorted(os.environ.items()) if k.startswith(SETTINGS)]
    if settings:
        facts["settings"] = " ".join(settings)
    facts["torch"] = torch.__version__
    facts["panodepth"] = __version__
    facts["system"] = f"{platform.system()} {platform.machine()}"
    return facts


def report_name(device: torch.device) -> str:
    """DATE-machine.md, e.g. 2026-11-23-amd-epyc.md."""
    slug = re.sub(r"[^a-z0-9]+", "-", device_name(device).lower()).strip("-") or device.type
    return f"{date.today().isoformat()}-{slug}.md"
