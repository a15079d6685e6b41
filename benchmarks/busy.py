"""Speed beside other work, for each way of waiting: `python benchmarks/busy.py`.

Predicts one panorama again and again with the bundled model, in processes of their own: alone, then
beside as many busy processes as there are cores. Threads that wait for each other spin before they
sleep: the system's default is 300,000 rounds, panodepth's far fewer (src/panodepth/__init__.py).
Times are the medians of the rounds, which take turns, and speeds ratios to the system's default.
Run it on an idle machine: it writes benchmarks/results/busy.md and docs/performance.md's table.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from statistics import median

import pages

from panodepth.atomic import write_atomic

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "examples" / "interior.jpg"
REPORT = ROOT / "benchmarks" / "results" / "busy.md"
PAGE = ROOT / "docs" / "performance.md"
BEGIN = "<!-- table: python benchmarks/busy.py -->"
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


def table(times: Sequence[dict[str, list[float]]], load: float) -> str:
    """The medians. times: by way of waiting [s], alone and beside other work. load: before."""
    cores = os.cpu_count()
    rounds = len(times[0]["panodepth"])
    lines = [
        f"{date.today()}, {cores} cores, load before {load:.1f}, medians of {rounds} rounds:",
        "",
        f"| threads wait as by | alone | speed | beside {cores} busy processes | speed |",
        "|---|---|---|---|---|",
    ]
    for name in WAYS:
        middles = [median(of_ways[name]) for of_ways in times]
        defaults = [median(of_ways["system default"]) for of_ways in times]
        pairs = zip(middles, defaults, strict=True)
        cells = [f"{middle * 1e3:.1f} ms | {default / middle:.2f} x" for middle, default in pairs]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def measure(rounds: int, predictions: int, busy: int) -> dict[str, list[float]]:
    """Seconds of each round by way of waiting, beside so many busy processes."""
    times: dict[str, list[float]] = {name: [] for name in WAYS}
    with busy_processes(busy):
        for number in range(rounds):
            for name, way in WAYS.items():
                times[name].append(seconds(way, predictions))
                told = f"beside {busy}, round {number + 1} of {rounds}, {name}: "
                print(f"{told}{times[name][-1] * 1e3:.1f} ms", file=sys.stderr)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--predictions", type=int, default=20, help="per process")
    parser.add_argument("--out", type=Path, help="write the table there and not into the page")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    beside = (0, os.cpu_count() or 1)
    times = [measure(arguments.rounds, arguments.predictions, busy) for busy in beside]
    text = table(times, load)
    print(text, end="")
    write_atomic(arguments.out or REPORT, text)
    if arguments.out is None:
        pages.write_table(PAGE, BEGIN, text)


if __name__ == "__main__":
    main()
