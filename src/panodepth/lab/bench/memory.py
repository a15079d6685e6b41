"""Peak memory of loading a network and predicting once, in a process of its own.

`python -m panodepth.lab.bench.memory JOB` is that process; JOB is a `MemoryJob`, and what it prints
a `Memory`, in JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

TIMEOUT_S = 1800


@dataclass(frozen=True)
class Memory:
    """Peak bytes before anything is loaded, after loading, and after one prediction.

    On CUDA what torch holds there, elsewhere the whole process's resident memory.
    """

    start: int
    loaded: int
    peak: int


@dataclass(frozen=True)
class MemoryJob:
    """What the process loads and runs: see `Route.build`; batch: images of `size` (h, w)."""

    file: str
    route: str
    precision: str
    device: str
    batch: int
    size: tuple[int, int]


def measure_memory(job: MemoryJob) -> Memory:
    """Run the job in a fresh process. Raises RuntimeError, one line, when it fails."""
    command = [sys.executable, "-m", "panodepth.lab.bench.memory", json.dumps(asdict(job))]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"no result within {TIMEOUT_S} s") from None
    if done.returncode < 0:
        raise RuntimeError(f"ended by signal {-done.returncode} (9: out of memory, most likely)")
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise RuntimeError(lines[-1])
    return Memory(**json.loads(done.stdout.splitlines()[-1]))


def peak_bytes(device: torch.device) -> int:
    """The most memory held so far: the device's on CUDA, else this process's resident memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resident_peak()


def resident_peak() -> int:
    """Bytes, from VmHWM where there is /proc.

    Elsewhere ru_maxrss. Not on Linux, where a new program starts with the value of its parent.
    """
    try:
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        raise RuntimeError("this system does not tell a process's peak memory") from None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def run_job(job: MemoryJob) -> Memory:
    """Do the job in this process."""
    from panodepth.lab.bench.routes import find_routes
    from panodepth.lab.bench.subject import sample_picture

    device = torch.device(job.device)
    route = find_routes((job.route,))[-1]
    start = peak_bytes(device)
    network = route.build(Path(job.file), device, job.precision)
    loaded = peak_bytes(device)
    with torch.inference_mode():
        picture = sample_picture(job.size, job.batch).to(device)
        for _ in range(route.calls):
            network(picture).log_distance.cpu()
    return Memory(start, loaded, peak_bytes(device))


if __name__ == "__main__":
    print(json.dumps(asdict(run_job(MemoryJob(**json.loads(sys.argv[1]))))))
