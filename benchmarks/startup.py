"""What one `panodepth predict` costs cold: `python benchmarks/startup.py [--runs 5]`.

A fresh process predicts examples/interior.jpg with the bundled model and writes the default files:
by torch, by an ONNX file made before, and by OpenVINO. Beside it, a process that only imports
torch. They take turns; the median and the best, and the processor time of the best, in seconds.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        model = str(Path(folder) / "model.onnx")
        program = [sys.executable, "-m", "panodepth"]
        subprocess.run([*program, "export", model], check=True, stdout=subprocess.DEVNULL)
        predict = [*program, "predict", str(ROOT / "examples/interior.jpg"), "--quiet"]
        predict += ["--out", folder]
        commands = {
            "predict, torch": predict,
            "predict, onnx": [*predict, "--model", model],
            "predict, openvino": [*predict, "--backend", "openvino"],
            "import torch": [sys.executable, "-c", "import torch"],
            "panodepth --help": [*program, "--help"],
        }
        if importlib.util.find_spec("openvino") is None:
            del commands["predict, openvino"]
        else:  # converted, and tried
            subprocess.run(commands["predict, openvino"], check=True, stdout=subprocess.DEVNULL)
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        spent: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(runs):
            for name, command in commands.items():
                started, before = time.perf_counter(), os.times()
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                seconds[name].append(time.perf_counter() - started)
                after = os.times()
                user = after.children_user - before.children_user
                spent[name].append(user + after.children_system - before.children_system)
    for name, times in seconds.items():
        best = f"best {min(times):5.2f} s   processor {min(spent[name]):5.2f} s"
        print(f"{name:18} median {statistics.median(times):5.2f} s   {best}")


if __name__ == "__main__":
    main()
