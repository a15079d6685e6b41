"""What was measured, as tables for people and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from panodepth.lab.bench.attention import AttentionRow
from panodepth.lab.bench.ceilings import Bandwidth, Ceiling
from panodepth.lab.bench.network import NetworkRow
from panodepth.lab.bench.routes import ROUTES
from panodepth.lab.bench.rows import AnyRow, Row

NONE = "–"
BUSY_LOAD = 1.0  # processes that run or wait before anything of ours does
CHANGED, BEYOND = 1.15, 1.05  # ceilings vary by less by themselves
DEFAULT_MARK = " ◂"


def _seconds(seconds: float | None) -> str:
    """Four digits and a unit: 12.08 s, 18.25 ms."""
    if seconds is None:
        return NONE
    value, unit = (seconds, "s") if seconds >= 1 else (1000 * seconds, "ms")
    return f"{value:.{2 if value >= 10 else 3}f} {unit}"


def _tera(rate: float | None) -> str:
    return NONE if rate is None else f"{rate / 1e12:#.3g}".removesuffix(".")


def _mega(count: int) -> str:
    return f"{count / 1e6:.0f}"


def _number(value: float | None, form: str) -> str:
    """A number in a format, e.g. "{:.2f}"."""
    return NONE if value is None else form.format(value)


def _loaded(row: NetworkRow) -> str:
    if row.memory is None:
        return f"failed: {row.memory_error}" if row.memory_error else NONE
    return _mega(row.memory.loaded)


# Head of a column -> the cell of a row. Columns before "best" identify the row.
NETWORK_COLUMNS: dict[str, Callable[[NetworkRow], str]] = {
    "preset": lambda row: row.preset,
    "precision": lambda row: row.precision,
    "batch": lambda row: str(row.batch),
    "route": lambda row: row.route + DEFAULT_MARK * row.is_default,
    "× plain": lambda row: _number(row.ratio, "{:.2f}"),
    "best": lambda row: _seconds(row.seconds_best),
    "median": lambda row: _seconds(row.seconds_median),
    "TFLOP/s": lambda row: _tera(row.flops_per_second),
    "of ceiling": lambda row: _number(row.share and 100 * row.share, "{:.1f} %"),
    "floors": lambda row: _number(row.share and 1 / row.share, "{:.2f}"),
    "difference": lambda row: _number(row.difference, "{:.1e}"),
    "MB loaded": _loaded,
    "MB peak": lambda row: NONE if row.memory is None else _mega(row.memory.peak),
}
ATTENTION_COLUMNS: dict[str, Callable[[AttentionRow], str]] = {
    "preset": lambda row: row.preset,
    "heads × tokens × width": lambda row: " × ".join(f"{number:,}" for number in row.shape),
    "route": lambda row: row.route,
    "precision": lambda row: row.precision,
    "best": lambda row: _seconds(row.seconds_best),
    "median": lambda row: _seconds(row.seconds_median),
    "TFLOP/s": lambda row: _tera(row.flops_per_second),
    "difference": lambda row: _number(row.difference, "{:.1e}"),
}


@dataclass
class Report:
    """Everything one run measured."""

    command: str
    facts: dict[str, str]
    bandwidth: Bandwidth | None = None
    ceilings: list[Ceiling] = field(default_factory=list)
    network: list[NetworkRow] = field(default_factory=list)
    attention: list[AttentionRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def note_load(self, device: torch.device) -> None:
        """Note that others keep the machine busy, where times depend on its cores."""
        load = float(self.facts.get("load before", 0))
        if device.type == "cpu" and load >= BUSY_LOAD:
            self.notes.append(
                f"busy machine: load {load:.1f} on {self.facts['cores']} cores before the start; "
                "times are not this machine's best: end other work and measure again"
            )

    def note_change(self, before: Ceiling, after: Ceiling) -> None:
        """Note that a ceiling rose between its own measurement and that beside the routes."""
        if after.best > CHANGED * before.best:
            self.notes.append(
                f"{before.preset} {before.precision}: the ceiling was {_tera(before.best)} TFLOP/s "
                f"alone and {_tera(after.best)} beside the routes: other work ran meanwhile"
            )

    @property
    def warnings(self) -> list[str]:
        """What a reader must know before the numbers."""
        beyond = [
            f"{row.preset} {row.precision} {row.route}: {row.share:.0%} of the ceiling cannot be; "
            "the machine gave less while the ceiling was measured: measure again"
            for row in self.network
            if row.share is not None and row.share > BEYOND
        ]
        return self.notes + beyond

    @property
    def failures(self) -> list[str]:
        """One line for each required row that failed, in its times or its memory."""
        lines = []
        for row in self.network:
            reason = row.error or (row.memory_error and f"memory: {row.memory_error}")
            if reason:
                name = f"{row.preset} {row.precision} {row.route}, batch {row.batch}"
                lines.append(f"{name}: {reason}")
        for one in self.attention:
            if one.error and not one.optional:
                lines.append(f"{one.preset} {one.precision} attention by {one.route}: {one.error}")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Plain values; seconds, bytes, FLOP and FLOP/s, unrounded."""
        return {
            "command": self.command,
            "machine": self.facts,
            "bandwidth": None if self.bandwidth is None else asdict(self.bandwidth),
            "ceilings": [
                {
                    "preset": c.preset,
                    "precision": c.precision,
                    "rates": c.rates,
                    "shape": c.shape,
                    "best": c.best,
                }
                for c in self.ceilings
            ],
            "network": [{**_plain(row), "share": row.share} for row in self.network],
            "attention": [_plain(row) for row in self.attention],
            "failures": self.failures,
            "warnings": self.warnings,
        }

    def to_markdown(self) -> str:
        """The page that is written and printed."""
        facts = "\n".join(f"- {name}: {value}" for name, value in self.facts.items())
        told = "".join(f"\n**Warning**: {text}.\n" for text in self.warnings)
        parts = [f"# {self.command}\n\n{facts}\n{told}", self._ceilings(), self._network()]
        if self.attention:
            table = _measured(ATTENTION_COLUMNS, self.attention)
            parts.append(f"## Attention of one layer\n\n{table}")
        return "\n".join(parts)

    def _ceilings(self) -> str:
        kinds = list(self.ceilings[0].rates) if self.ceilings else []
        rows = [
            (
                *(ceiling.preset, ceiling.precision, f"**{_tera(ceiling.best)}**", ceiling.shape),
                *(_tera(ceiling.rates[kind]) for kind in kinds),
            )
            for ceiling in self.ceilings
        ]
        text = _table(("preset", "precision", "ceiling", "reached at", *kinds), rows)
        lines = "## Ceilings\n\nMatrix products of each network's own shapes, TFLOP/s.\n\n" + text
        if self.bandwidth is not None:
            b = self.bandwidth
            lines += (
                f"\nMemory, float32 vectors of {b.size / 1e6:.0f} MB, reads and writes counted:"
                f" copy {b.copy / 1e9:.1f} GB/s, triad {b.triad / 1e9:.1f} GB/s.\n"
            )
        return lines

    def _network(self) -> str:
        used = {row.route for row in self.network}
        told = "; ".join(f"{route.name}: {route.about}" for route in ROUTES if route.name in used)
        weights = {row.preset: row.weights for row in self.network}
        sizes = {row.preset: row.size for row in self.network}
        about = ", ".join(
            f"{name} {sizes[name][0]}×{sizes[name][1]} ({kind} weights)"
            for name, kind in weights.items()
        )
        start = next((row.memory.start for row in self.network if row.memory), None)
        held = f"\nMemory held before anything is loaded (Python, torch): {_mega(start or 0)} MB.\n"
        return (
            f"## Network\n\n{about}. {told}.{DEFAULT_MARK} is what `panodepth predict` takes by"
            " default. Times are of the whole batch.\n\n"
            + _measured(NETWORK_COLUMNS, self.network)
            + ("" if start is None else held)
        )


def _plain(row: Row) -> dict[str, Any]:
    return {**asdict(row), "flops_per_second": row.flops_per_second}


def _measured(columns: Mapping[str, Callable[[AnyRow], str]], rows: Iterable[AnyRow]) -> str:
    """A table of rows; one that failed shows its error in place of its times."""
    place = list(columns).index("best")
    lines = []
    for row in rows:
        cells = [text(row) for text in columns.values()]
        if row.error is not None:
            cells[place:] = [f"failed: {row.error}", *(NONE for _ in cells[place + 1 :])]
        lines.append(cells)
    return _table(list(columns), lines)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
