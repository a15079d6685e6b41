"""`panodepth bench`: options in, report out."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import torch

from panodepth.atomic import write_atomic
from panodepth.device import choose_device
from panodepth.errors import ConfigError
from panodepth.lab.bench.attention import MODES, time_attention
from panodepth.lab.bench.ceilings import measure_bandwidth, measure_ceiling
from panodepth.lab.bench.clock import FULL, QUICK, Effort
from panodepth.lab.bench.machine import machine_facts, report_name
from panodepth.lab.bench.network import Comparison, compare, reference_of, with_memory
from panodepth.lab.bench.options import BenchOptions
from panodepth.lab.bench.report import Report
from panodepth.lab.bench.routes import PRECISIONS, Route, default_precisions, find_routes
from panodepth.lab.bench.runtimes import ONNX
from panodepth.lab.bench.subject import Subject, find_subject, with_files
from panodepth.model import find_preset
from panodepth.predict.folder.outputs import check_output_folder
from panodepth.progress import progress
from panodepth.streams import print_document
from panodepth.strict import find_named

DONE, SOME_FAILED = 0, 1
RESULTS = Path("benchmarks/results")
PRESETS_FULL, PRESETS_QUICK = ("compact", "large"), ("compact",)
BATCHES = {"cpu": (1,), "mps": (1,), "cuda": (1, 8)}
Step = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """Checked options."""

    subjects: tuple[Subject, ...]
    precisions: tuple[str, ...]
    routes: tuple[Route, ...]
    batches: tuple[int, ...]
    device: torch.device
    options: BenchOptions

    def routes_in(self, precision: str) -> tuple[Route, ...]:
        """The routes that this device has in this precision."""
        return tuple(route for route in self.routes if route.runs(self.device, precision))

    @property
    def effort(self) -> Effort:
        """Of each measurement."""
        return QUICK if self.options.quick else FULL

    @property
    def steps(self) -> int:
        """How often `measure` reports progress."""
        rows = sum(1 + len(self.routes_in(precision)) for precision in self.precisions)
        networks = rows * len(self.batches) + len(self.precisions) + 1
        return 1 + len(self.subjects) * (networks + int(self.options.attention != "none"))


def main(options: BenchOptions, *, as_json: bool = False) -> int:
    """Measure, write, print; returns the exit code: 0, or 1 when a row failed.

    Raises ConfigError or ModelError for a bad option and OutputError when the report cannot be
    written, the folder before anything is measured.
    """
    plan = check(options)
    out = options.out or (None if options.quick else RESULTS)
    target = None if out is None else out / report_name(plan.device)
    if target is not None:
        check_output_folder(target.parent)
    with progress(plan.steps, "step", silent=as_json) as bar:

        def step(text: str) -> None:
            bar.set_description_str(text)
            bar.update(1)

        report = measure(plan, step)
    page = report.to_markdown()
    if target is not None:
        write_atomic(target, page)
    if as_json:
        print_document(report.to_json())
    else:
        print(page)
    if target is not None:
        print(f"written: {target}", file=sys.stderr)
    for line in report.failures:
        print(f"error: {line}", file=sys.stderr)
    return SOME_FAILED if report.failures else DONE


def check(options: BenchOptions) -> Plan:
    """Options that can be measured here. Raises ConfigError naming the one that cannot."""
    device = choose_device(options.device)
    subjects = _subjects(options)
    only_onnx = subjects[0].onnx is not None
    precisions = options.precision or (("float32",) if only_onnx else default_precisions(device))
    for precision in precisions:
        known = dict.fromkeys(PRECISIONS[device.type])
        find_named(f"precision on {device.type}", precision, known)
    batches = options.batch or BATCHES[device.type]
    if min(batches) < 1:
        raise ConfigError(f"--batch {min(batches)} must be at least 1")
    find_named("--attention", options.attention, dict.fromkeys(MODES))
    routes = find_routes(options.routes, runtimes=bool(find_spec("onnx")) and not options.quick)
    if only_onnx:
        if set(options.routes or ()) - {ONNX}:
            raise ConfigError(f"an ONNX file has the route {ONNX} alone: leave --routes out")
        routes = find_routes((ONNX,))[1:]
    for route in routes if options.routes or only_onnx else ():
        if not any(route.runs(device, precision) for precision in precisions):
            raise ConfigError(f"route {route.name} is not on {device.type} in {precisions[0]}")
    unique = (tuple(dict.fromkeys(precisions)), routes, tuple(dict.fromkeys(batches)))
    return Plan(subjects, *unique, device, options)


def _subjects(options: BenchOptions) -> tuple[Subject, ...]:
    if options.model is not None:
        if options.preset is not None:
            raise ConfigError("give --model or --preset, not both")
        return (find_subject(options.model),)
    names = options.preset or (PRESETS_QUICK if options.quick else PRESETS_FULL)
    return tuple(Subject(find_preset(name)) for name in dict.fromkeys(names))


def measure(plan: Plan, step: Step = lambda _: None) -> Report:
    """Run the plan; `step` is told each part as it ends."""
    report = Report(_command_line(plan), machine_facts(plan.device))
    report.note_load(plan.device)
    report.bandwidth = measure_bandwidth(plan.device, plan.effort)
    step("memory bandwidth")
    attention = plan.options.attention
    with tempfile.TemporaryDirectory() as folder:
        for subject in plan.subjects:
            used = {route for p in plan.precisions for route in plan.routes_in(p)}
            onnx = any(route.runtime for route in used)
            _measure_network(plan, with_files(subject, Path(folder), onnx=onnx), report, step)
            if attention != "none":
                report.attention += time_attention(
                    subject.config,
                    plan.precisions,
                    plan.device,
                    plan.effort,
                    compiled=attention == "compile",
                )
                step(f"{subject.config.name}: attention")
    return report


def _measure_network(plan: Plan, subject: Subject, report: Report, step: Step) -> None:
    """The ceilings and rows of one network, appended to the report."""
    device, effort, name = plan.device, plan.effort, subject.config.name
    reference = reference_of(subject, device)
    step(f"{name}: reference")
    rows = []
    for precision in plan.precisions:
        ceiling = measure_ceiling(subject.config, precision, plan.batches, device, effort)
        step(f"{name} {precision}: ceiling")
        alone, of_precision = ceiling, []
        for batch in plan.batches:
            routes = plan.routes_in(precision)
            comparison = Comparison(device, precision, batch, ceiling, routes, effort)
            compared, ceiling = compare(subject, comparison, reference)
            of_precision += compared
            step(f"{name} {precision}, batch {batch}: time")
        report.ceilings.append(ceiling)
        report.note_change(alone, ceiling)
        rows += [replace(row, ceiling=ceiling.best) for row in of_precision]
    for row in rows:  # a process each takes seconds: those few are too many for a quick look
        known = row if plan.options.quick else with_memory(row, subject, device)
        report.network.append(known)
        step(f"{name} {row.precision} {row.route}, batch {row.batch}: memory")


def _command_line(plan: Plan) -> str:
    """What to type for the same report."""
    options = plan.options
    names = ",".join(subject.config.name for subject in plan.subjects)
    words = [
        "panodepth bench",
        *(("--model", options.model) if options.model else ("--preset", names)),
    ]
    words += ["--precision", ",".join(plan.precisions)]
    used = (r.name for r in plan.routes if any(r in plan.routes_in(p) for p in plan.precisions))
    words += ["--routes", ",".join(used), "--batch", ",".join(map(str, plan.batches))]
    if options.attention != "eager":
        words += ["--attention", options.attention]
    return " ".join([*words, "--quick"] if options.quick else words)
