"""Is one state of the code slower than another?

    git worktree add /tmp/before COMMIT
    python benchmarks/compare_trees.py /tmp/before/src src

Each operation runs in a process of its own with PYTHONPATH set to one tree, then to the other, and
so on for --rounds rounds; within a process the best of a few calls counts. Only the command line
and `panodepth.load` are used, which stay the same between trees. Printed: the first tree's seconds,
and how many times as long the second one takes, by the clock and by the CPU time of the process
(which other work on the machine hardly changes); medians over the rounds, with the least and most.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
WIDTH = 28  # of the first column
# Operation -> what is done once in its process, and what is timed there. FOLDER holds a small
# rendered data set in `set`; `new()` is a fresh path below it.
OPERATIONS = {
    "import panodepth": ("", "import panodepth"),
    "load the bundled model": ("import panodepth", "panodepth.load()"),
    "predict, float32": ("p = panodepth.load(dtype='float32')", "p.predict(picture)"),
    "predict": ("p = panodepth.load()", "p.predict(picture)"),
    "save the default formats": (
        "r = panodepth.load().predict(picture)",
        "replace(r).save(f'{new()}/')",
    ),
    "predict a file, whole": (
        "main(['predict', picture, '--out', new(), '--quiet'])",
        "main(['predict', picture, '--out', new(), '--quiet'])",
    ),
    "render 8 worlds": ("", "main(['render', '--count', '8', '--size', '64x128', '--out', new()])"),
    "evaluate 8 pictures": (
        "data = ['--data', f'rendered={folder}/set', '--protocol', 'uncapped', '--pictures', '0']",
        "main(['evaluate', '--predictor', constant, *data, '--out', new(), '--quiet'])",
    ),
}
PROGRAM = """
import contextlib, io, itertools, json, sys, time
folder, picture, constant, setup, timed, repeats = sys.argv[1:]
numbers = itertools.count()
new = lambda: f"{folder}/{time.time_ns()}_{next(numbers)}"
if "import panodepth" != timed:
    import panodepth
    from dataclasses import replace
    from panodepth.cli import main
found = []
with contextlib.redirect_stdout(io.StringIO()):
    exec(setup)
    for _ in range(int(repeats)):
        begun = time.perf_counter(), time.process_time()
        exec(timed)
        found.append((time.perf_counter() - begun[0], time.process_time() - begun[1]))
print(json.dumps([min(values) for values in zip(*found)]))
"""


def run(tree: Path, operation: str, folder: str, repeats: int) -> tuple[float, float]:
    """Seconds by the clock and of CPU time. Raises CalledProcessError, the process has said why."""
    setup, timed = OPERATIONS[operation]
    once = operation.startswith("import")  # the second time it is there already
    words = [folder, ROOT / "examples/interior.jpg", ROOT / "baselines/constant.py", setup, timed]
    command = [sys.executable, "-c", PROGRAM, *map(str, words), "1" if once else str(repeats)]
    environment = {**os.environ, "PYTHONPATH": str(tree.resolve())}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    wall, cpu = json.loads(done.stdout)
    return wall, cpu


def told(ratios: list[float]) -> str:
    """Median (least–most)."""
    return f"{statistics.median(ratios):6.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path, help="a folder with panodepth/ in it")
    parser.add_argument("after", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3, help="calls in a process")
    parser.add_argument("--only", default="", help="operations whose name has this in it")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        render = ["render", "--count", "8", "--size", "256x512", "--out", f"{folder}/set"]
        environment = {**os.environ, "PYTHONPATH": str(chosen.before.resolve())}
        command = [sys.executable, "-m", "panodepth", *render]
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
        print(f"{'':{WIDTH}}{'before, s':>10}   × by the clock        × by CPU time")
        for name in OPERATIONS:
            if chosen.only not in name:
                continue
            before, after = [], []
            for _ in range(chosen.rounds):
                before.append(run(chosen.before, name, folder, chosen.repeats))
                after.append(run(chosen.after, name, folder, chosen.repeats))
            pairs = list(zip(before, after, strict=True))
            wall, cpu = ([b[i] / a[i] for a, b in pairs] for i in (0, 1))
            seconds = statistics.median(wall for wall, _ in before)
            print(f"{name:{WIDTH}}{seconds:10.3f}  {told(wall)}  {told(cpu)}", flush=True)


if __name__ == "__main__":
    main()
