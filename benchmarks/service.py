"""Load on `panodepth serve`: `python benchmarks/service.py [--seconds 600] [--clients 8]`.

Starts a service of its own on this machine and prints what its clients saw. First `--clients` send
pictures without a pause, each time another one, so that nothing is answered from memory; then as
many send one and the same; then 200 come at once; then SIGTERM comes under load. The service's
memory is read every second (Linux). Pictures: 1024x512 JPEGs made of examples/. Exit code 1 where
one of the first clients got anything but 200, or the memory was not flat.
"""

from __future__ import annotations

import argparse
import io
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from panodepth.client import Client, ServiceError

ROOT = Path(__file__).parents[1]
CROWD = 200
WARM_SECONDS = 30
CACHE_MB = 64  # of answers in the service: full before the memory is looked at
PARTS = 10  # of the time, each with its median of memory
FLAT_MB = 30  # that these medians may be apart
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6


class Pictures:
    """JPEGs of the examples, each with other columns in front."""

    def __init__(self) -> None:
        files = sorted((ROOT / "examples").glob("*.jpg"))
        self._plain = [np.asarray(Image.open(f).convert("RGB").resize((1024, 512))) for f in files]
        self._numbers = itertools.count()

    def __call__(self) -> bytes:
        number = next(self._numbers)
        turned = np.roll(self._plain[number % len(self._plain)], number, axis=1)
        place = io.BytesIO()
        Image.fromarray(turned).save(place, "JPEG", quality=90)
        return place.getvalue()


class Memory(threading.Thread):
    """Resident memory of a process [MB], every second."""

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self._file, self.seen = Path(f"/proc/{process}/statm"), list[float]()

    def run(self) -> None:
        while True:
            try:
                self.seen.append(int(self._file.read_text().split()[1]) * PAGE_MB)
            except (OSError, IndexError):
                return
            time.sleep(1)


def asked(client: Client, picture: bytes, number: int) -> tuple[int, float]:
    """Status (0 = not answered) and seconds of one request."""
    start = time.perf_counter()
    try:
        client.predict(picture, ("npz", "png", "json")[number % 3])
        status = 200
    except ServiceError as error:
        status = error.status
    return status, time.perf_counter() - start


def under_load(
    client: Client, clients: int, seconds: float, picture: Callable[[], bytes]
) -> tuple[str, int]:
    """So many clients for so long: what they saw, and how many of the answers were not 200."""
    end, seen = time.monotonic() + seconds, list[tuple[int, float]]()

    def work(number: int) -> None:
        while time.monotonic() < end:
            seen.append(asked(client, picture(), number))

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(work, range(clients)))
    times = [t for status, t in seen if status == 200]
    counts = dict(sorted(Counter(status for status, _ in seen).items()))
    errors = len(seen) - len(times)
    told = (
        f"{errors} errors, {len(times) / seconds:.1f} answers/s, "
        f"p50 {np.median(times) * 1000:.0f} ms, p95 {np.quantile(times, 0.95) * 1000:.0f} ms, "
        f"statuses {counts}"
    )
    return told, errors


def over_time(held: list[float]) -> tuple[str, bool]:
    """Memory [MB] in parts of the time, and whether it was flat."""
    medians = [float(np.median(part)) for part in np.array_split(held, PARTS) if len(part)]
    apart = max(medians) - min(medians)
    flat = apart <= FLAT_MB
    told = (
        f"memory over time: {' '.join(f'{m:.0f}' for m in medians)} MB, {apart:.0f} MB apart "
        f"({'flat' if flat else 'not flat'}: {FLAT_MB} MB are allowed), at most {max(held):.0f} MB"
    )
    return told, flat


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--clients", type=int, default=8)
    chosen = parser.parse_args()
    command = [sys.executable, "-m", "panodepth", "serve", "--port", "0"]
    command += ["--cache-megabytes", str(CACHE_MB)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    client = Client(process.stdout.readline().split()[3], tries=1)
    memory, pictures = Memory(process.pid), Pictures()
    memory.start()
    under_load(client, chosen.clients, WARM_SECONDS, pictures)  # the memory for answers fills
    warm = len(memory.seen)
    print(f"{chosen.clients} clients, {chosen.seconds:g} s:", end=" ", flush=True)
    told, errors = under_load(client, chosen.clients, chosen.seconds, pictures)
    print(told)
    told, flat = over_time(memory.seen[warm:])
    print(told)
    one = pictures()
    print("one picture again and again:", under_load(client, chosen.clients, 5, lambda: one)[0])
    crowd = [pictures() for _ in range(CROWD)]
    with ThreadPoolExecutor(CROWD) as pool:
        answers = list(pool.map(lambda i: asked(client, crowd[i], i)[0], range(CROWD)))
    print(f"{CROWD} clients at once: statuses {dict(sorted(Counter(answers).items()))}")
    with ThreadPoolExecutor(chosen.clients) as pool:
        late = [pool.submit(asked, client, pictures(), i) for i in range(chosen.clients)]
        while client.health()["waiting"] < chosen.clients // 2:
            time.sleep(0.005)
        accepted = client.health()["waiting"]
        process.send_signal(signal.SIGTERM)
        done = Counter(f.result()[0] for f in late)
    print(f"SIGTERM with {accepted} accepted: statuses {dict(sorted(done.items()))}", end=", ")
    print(f"exit code {process.wait(60)}")
    return 1 if errors or not flat else 0


if __name__ == "__main__":
    sys.exit(main())
