"""`panodepth bench`: options in, report out; typer and argparse are shells around it."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from panodepth.device import choose_device
from panodepth.errors import ConfigError
from panodepth.export.atomic import atomic, check_output_folder
from panodepth.lab.bench.attention import MODES, time_attention
from panodepth.lab.bench.ceilings import measure_bandwidth, measure_ceiling
from panodepth.lab.bench.clock import FULL, QUICK
from panodepth.lab.bench.machine import machine_facts, report_name
from panodepth.lab.bench.network import Comparison, Subject, compare, reference_of, with_memory
from panodepth.lab.bench.report import Report
from panodepth.lab.bench.routes import (
    ALL_PRECISIONS,
    PRECISIONS,
    Route,
    default_precisions,
    find_routes,
)
from panodepth.lab.bench.weights import checkpoint_for
from panodepth.model import ModelConfig, find_preset

DONE, SOME_FAILED = 0, 1
RESULTS = Path("benchmarks/results")
PRESETS_FULL, PRESETS_QUICK = ("compact", "large"), ("compact",)
BATCHES = {"cpu": (1,), "mps": (1,), "cuda": (1, 8)}
Step = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What to measure; None = what suits the machine.

    out: folder of the report; None is benchmarks/results, or no file with `quick`.
    """

    presets: tuple[str, ...] | None = None
    precisions: tuple[str, ...] | None = None
    routes: tuple[str, ...] | None = None
    batches: tuple[int, ...] | None = None
    device: str = "auto"
    attention: str = "eager"
    quick: bool = False
    out: Path | None = None
    as_json: bool = False


@dataclass(frozen=True)
class Plan:
    """Checked options. comparisons: (network, precision, batch), in the order of the report."""

    configs: tuple[ModelConfig, ...]
    precisions: tuple[str, ...]
    routes: tuple[Route, ...]
    batches: tuple[int, ...]
    device: torch.device
    attention: str
    quick: bool
    out: Path | None

    def routes_in(self, precision: str) -> tuple[Route, ...]:
        """Those that this device has in this precision."""
        return tuple(route for route in self.routes if route.runs(self.device, precision))

    @property
    def steps(self) -> int:
        """How often `measure` reports progress."""
        rows = sum(1 + len(self.routes_in(precision)) for precision in self.precisions)
        networks = rows * len(self.batches) + len(self.precisions) + 1
        return 1 + len(self.configs) * (networks + int(self.attention != "none"))


def names_in(text: str | None) -> tuple[str, ...] | None:
    """ "a, b" as ("a", "b"); None stays None."""
    return None if text is None else tuple(word.strip() for word in text.split(","))


def numbers_in(text: str | None) -> tuple[int, ...] | None:
    """ "1,8" as (1, 8); None stays None. Raises ConfigError."""
    words = names_in(text) or ()
    if not all(word.isdecimal() for word in words):
        raise ConfigError(f"--batch {text!r} must be whole numbers, e.g. 1,8")
    return tuple(int(word) for word in words) or None


def main(options: Options) -> int:
    """Measure, write, print; returns the exit code: 0, or 1 when a row failed.

    Raises ConfigError for a bad option and OutputError when the report cannot be written, the
    folder before anything is measured.
    """
    plan = check(options)
    target = None if plan.out is None else plan.out / report_name(plan.device)
    if target is not None:
        check_output_folder(target.parent)
    with _progress(plan.steps) as step:
        report = measure(plan, step)
    page = report.to_markdown()
    if target is not None:
        with atomic(target) as (partial,):
            partial.write_text(page, encoding="utf-8")
    print(json.dumps(report.to_json(), indent=2) if options.as_json else page)
    if target is not None:
        print(f"written: {target}", file=sys.stderr)
    for line in report.failures:
        print(f"error: {line}", file=sys.stderr)
    return SOME_FAILED if report.failures else DONE


def check(options: Options) -> Plan:
    """Options that can be measured here. Raises ConfigError naming the one that cannot."""
    device = choose_device(options.device)
    names = options.presets or (PRESETS_QUICK if options.quick else PRESETS_FULL)
    precisions = options.precisions or default_precisions(device)
    for precision in precisions:
        if precision not in ALL_PRECISIONS:
            raise ConfigError(
                f"unknown precision {precision!r}: there are {', '.join(ALL_PRECISIONS)}"
            )
        if precision not in PRECISIONS[device.type]:
            raise ConfigError(f"precision {precision} is not measured on {device.type}")
    batches = options.batches or BATCHES[device.type]
    if min(batches) < 1:
        raise ConfigError(f"--batch {min(batches)} must be at least 1")
    if options.attention not in MODES:
        raise ConfigError(f"unknown --attention {options.attention!r}: use {', '.join(MODES)}")
    routes = find_routes(options.routes)
    for route in routes:
        if options.routes and not any(route.runs(device, precision) for precision in precisions):
            raise ConfigError(f"route {route.name} is not on {device.type} in {precisions[0]}")
    return Plan(
        configs=tuple(find_preset(name) for name in dict.fromkeys(names)),
        precisions=tuple(dict.fromkeys(precisions)),
        routes=routes,
        batches=tuple(dict.fromkeys(batches)),
        device=device,
        attention=options.attention,
        quick=options.quick,
        out=options.out or (None if options.quick else RESULTS),
    )


def measure(plan: Plan, step: Step = lambda _: None) -> Report:
    """Run the plan; `step` is told each part as it ends."""
    report = Report(_command_line(plan), machine_facts(plan.device))
    effort = QUICK if plan.quick else FULL
    report.bandwidth = measure_bandwidth(plan.device, effort)
    step("memory bandwidth")
    with tempfile.TemporaryDirectory() as folder:
        for config in plan.configs:
            checkpoint, weights = checkpoint_for(config, Path(folder))
            subject = Subject(config, checkpoint, weights, plan.device)
            _measure_network(plan, subject, report, step)
            if plan.attention != "none":
                report.attention += time_attention(
                    config,
                    plan.precisions,
                    plan.device,
                    effort,
                    compiled=plan.attention == "compile",
                )
                step(f"{config.name}: attention")
    return report


def _measure_network(plan: Plan, subject: Subject, report: Report, step: Step) -> None:
    """The ceilings and rows of one network, appended to the report."""
    effort = QUICK if plan.quick else FULL
    name = subject.config.name
    reference = reference_of(subject)
    step(f"{name}: reference")
    rows = []
    for precision in plan.precisions:
        ceiling = measure_ceiling(subject.config, precision, plan.batches, plan.device, effort)
        report.ceilings.append(ceiling)
        step(f"{name} {precision}: ceiling")
        for batch in plan.batches:
            routes = plan.routes_in(precision)
            comparison = Comparison(precision, batch, ceiling.best, routes, effort)
            rows += compare(subject, comparison, reference)
            step(f"{name} {precision}, batch {batch}: time")
    # Two at once where they are small: memory is each process's own, unlike time.
    with ThreadPoolExecutor(2 if plan.quick else 1) as pool:
        for row in pool.map(lambda row: with_memory(row, subject), rows):
            report.network.append(row)
            step(f"{name} {row.precision} {row.route}, batch {row.batch}: memory")


def _command_line(plan: Plan) -> str:
    """What to type for the same report."""
    words = ["panodepth bench", "--preset", ",".join(config.name for config in plan.configs)]
    words += ["--precision", ",".join(plan.precisions)]
    used = (r.name for r in plan.routes if any(r in plan.routes_in(p) for p in plan.precisions))
    words += ["--routes", ",".join(used)]
    words += ["--batch", ",".join(str(batch) for batch in plan.batches)]
    if plan.attention != "eager":
        words += ["--attention", plan.attention]
    return " ".join([*words, "--quick"] if plan.quick else words)


@contextmanager
def _progress(total: int) -> Iterator[Step]:
    """A bar on standard error, where somebody sees it."""
    from tqdm import tqdm

    with tqdm(total=total, disable=not sys.stderr.isatty()) as bar:

        def step(text: str) -> None:
            bar.set_description_str(text)
            bar.update(1)

        yield step
