"""Speed beside other work, for each way of waiting: `python benchmarks/busy.py`.

Predicts one panorama again and again with the bundled model, in processes of their own: alone, then
beside as many busy processes as there are cores. Threads that wait for each other spin before they
sleep: the system's default is 300,000 rounds, panodepth's far fewer (src/panodepth/__init__.py).
Times are the medians of the rounds, which take turns, and ratios of speed; run it on an idle
machine.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

PICTURE = Path(__file__).parents[1] / "examples" / "interior.jpg"
WAYS = {
    "system default": {"GOMP_SPINCOUNT": "300000"},
    "panodepth": {},
    "one thread": {"OMP_NUM_THREADS": "1"},
    "passive": {"OMP_WAIT_POLICY": "passive"},
}
PROGRAM = """
import sys, time
from statistics import median
import panodepth
predictor = panodepth.load()
def seconds():
    started = time.perf_counter()
    predictor.predict(sys.argv[1])
    return time.perf_counter() - started
seconds()
print(median(seconds() for _ in range(int(sys.argv[2]))))
"""


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Processes that do nothing but use a core each, until the block ends."""
    endless = [sys.executable, "-c", "while True: pass"]
    running = [subprocess.Popen(endless, start_new_session=True) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def seconds(way: dict[str, str], predictions: int) -> float:
    """The median time of one prediction in a process with these variables."""
    chosen = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_", "KMP_"))}
    command = [sys.executable, "-c", PROGRAM, str(PICTURE), str(predictions)]
    done = subprocess.run(
        command,
        env=chosen | way,
        capture_output=True,
        text=True,
        check=True,
        start_new_session=True,
    )
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--predictions", type=int, default=20, help="per process")
    arguments = parser.parse_args()
    for beside in (0, os.cpu_count() or 1):
        with busy_processes(beside):
            times: dict[str, list[float]] = {name: [] for name in WAYS}
            for _ in range(arguments.rounds):
                for name, way in WAYS.items():
                    times[name].append(seconds(way, arguments.predictions))
        print(f"beside {beside} busy processes" if beside else "alone")
        default = median(times["system default"])
        for name, all_rounds in times.items():
            middle = median(all_rounds)
            print(f"  {name:16} {middle * 1e3:7.1f} ms, {default / middle:5.2f} x the default")


if __name__ == "__main__":
    main()
