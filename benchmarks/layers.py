"""Where torch and OpenVINO spend a picture's time in bfloat16: `python benchmarks/layers.py`.

Per kind of operator, milliseconds of one picture on one thread, and how many there are: the lower
quartile of its runs, summed. They are by the clock: OpenVINO's above all need an idle machine. What
is left of a picture's processor time is what starting the operators takes. --model M: any that
`panodepth.load` takes.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import defaultdict
from collections.abc import Callable, Mapping

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import openvino
import torch
from torch.profiler import ProfilerActivity, profile

import panodepth
from panodepth.predict.openvino.backend import read_network
from panodepth.predict.openvino.conversion import converted

SHOWN = 12  # kinds; the others are summed
Runs = Mapping[tuple[str, str], list[float]]  # (kind, which of them) -> ms of each run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="default")
    parser.add_argument("--rounds", type=int, default=15)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    ours = panodepth.load(chosen.model, backend="torch", dtype="bfloat16", device="cpu")
    other = panodepth.load(chosen.model, backend="openvino", dtype="bfloat16")
    picture = np.random.default_rng(0).random((3, *ours.size), dtype=np.float32)
    calls = {"torch": lambda: ours.run([picture]), "OpenVINO": lambda: other.run([picture])}
    whole = processor_ms(calls, chosen.rounds)
    tables = (
        ("torch", of_torch(calls["torch"], chosen.rounds)),
        ("OpenVINO", of_openvino(chosen.model, picture, chosen.rounds)),
    )
    for name, runs in tables:
        print(f"\n{name}: {whole[name]:.1f} ms of processor time\n")
        print("| kind | count | ms |\n|---|---|---|")
        print("\n".join(rows(runs, chosen.rounds)))
    print(f"\ntorch / OpenVINO: {whole['torch'] / whole['OpenVINO']:.2f}")


def processor_ms(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Of one call each, in turns; the lower quartile."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            call()
            started = time.process_time()
            call()
            taken[name].append(1000 * (time.process_time() - started))
    return {name: quartile(values) for name, values in taken.items()}


def of_torch(call: Callable[[], object], rounds: int) -> Runs:
    """Each operator's own time, by its shapes."""
    call()
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as found:
        for _ in range(rounds):
            call()
    runs = defaultdict(list)
    for event in found.events():
        shapes = str(event.input_shapes)
        runs[event.name.rpartition("::")[2], shapes].append(event.self_cpu_time_total / 1000)
    return runs


def of_openvino(model: str, picture: np.ndarray, rounds: int) -> Runs:
    """Each layer's time."""
    settings = {
        "PERF_COUNT": True,
        "INFERENCE_NUM_THREADS": 1,
        "INFERENCE_PRECISION_HINT": "bf16",
        "PERFORMANCE_HINT": "LATENCY",
    }
    network = openvino.Core().compile_model(read_network(converted(model, None)), "CPU", settings)
    request = network.create_infer_request()
    runs = defaultdict(list)
    for _ in range(rounds):
        request.infer([picture[None]])
        for layer in request.profiling_info:
            ms = 1000 * layer.real_time.total_seconds()
            runs[f"{layer.node_type}, {layer.exec_type}", layer.node_name].append(ms)
    return runs


def rows(runs: Runs, rounds: int) -> list[str]:
    """Lines of a table, the longest first; the rest and the sum below."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for (kind, _), values in runs.items():
        each = len(values) / rounds  # of one picture
        sums[kind][0] += each
        sums[kind][1] += quartile(values) * each
    ordered = sorted(sums.items(), key=lambda item: -item[1][1])
    rest = [sum(column) for column in zip(*(pair for _, pair in ordered[SHOWN:]), strict=True)]
    whole = [sum(column) for column in zip(*sums.values(), strict=True)]
    told = [*ordered[:SHOWN], ("all others", rest or [0, 0]), ("sum", whole)]
    return [f"| {kind} | {count:.0f} | {ms:.2f} |" for kind, (count, ms) in told]


def quartile(values: list[float]) -> float:
    """The lower one."""
    return sorted(values)[len(values) // 4]


if __name__ == "__main__":
    main()
