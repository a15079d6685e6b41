"""What was measured, as tables for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from panodepth.lab.bench.attention import AttentionRow
from panodepth.lab.bench.ceilings import Bandwidth, Ceiling
from panodepth.lab.bench.network import NetworkRow
from panodepth.lab.bench.routes import ROUTES

NONE = "–"
DEFAULT_MARK = " ◂"
NETWORK_HEAD = (
    "preset",
    "precision",
    "batch",
    "route",
    "best",
    "median",
    "TFLOP/s",
    "of ceiling",
    "floors",
    "× plain",
    "difference",
    "MB loaded",
    "MB peak",
)
ATTENTION_HEAD = (
    *("preset", "heads × tokens × width", "route", "precision"),
    *("best", "median", "TFLOP/s", "difference"),
)


@dataclass
class Report:
    """Everything one run measured."""

    command: str
    facts: dict[str, str]
    bandwidth: Bandwidth | None = None
    ceilings: list[Ceiling] = field(default_factory=list)
    network: list[NetworkRow] = field(default_factory=list)
    attention: list[AttentionRow] = field(default_factory=list)

    @property
    def failures(self) -> list[str]:
        """A line for each row that should be there and is not, or not whole."""
        lines = []
        for row in self.network:
            reason = row.error or (row.memory_error and f"memory: {row.memory_error}")
            if reason:
                name = f"{row.preset} {row.precision} {row.route}, batch {row.batch}"
                lines.append(f"{name}: {reason}")
        for one in self.attention:
            if one.reason and not one.optional:
                lines.append(f"{one.preset} {one.precision} attention by {one.route}: {one.reason}")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Plain values; seconds, bytes, FLOP and FLOP/s, unrounded."""
        network = [
            {**asdict(row), "flops_per_second": row.flops_per_second, "share": row.share}
            for row in self.network
        ]
        attention = [
            {**asdict(row), "flops_per_second": row.flops_per_second} for row in self.attention
        ]
        return {
            "command": self.command,
            "machine": self.facts,
            "bandwidth": None if self.bandwidth is None else asdict(self.bandwidth),
            "ceilings": [{**asdict(c), "best": c.best} for c in self.ceilings],
            "network": network,
            "attention": attention,
            "failures": self.failures,
        }

    def to_markdown(self) -> str:
        """The page that is written and printed."""
        facts = "\n".join(f"- {name}: {value}" for name, value in self.facts.items())
        parts = [f"# {self.command}\n\n{facts}\n", self._ceilings(), self._network()]
        if self.attention:
            rows = [_attention_cells(row) for row in self.attention]
            parts.append("## Attention of one layer\n\n" + _table(ATTENTION_HEAD, rows))
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
        start = next((row.memory.start for row in self.network if row.memory), 0)
        return (
            f"## Network\n\n{about}. {told}.{DEFAULT_MARK} is what `panodepth predict` takes by"
            " default. Times are of the whole batch.\n\n"
            + _table(NETWORK_HEAD, [_network_cells(row) for row in self.network])
            + f"\nMemory held before anything is loaded (Python, torch): {_mega(start)} MB.\n"
        )


def _network_cells(row: NetworkRow) -> tuple[str, ...]:
    route = f"{row.route}{DEFAULT_MARK}" if row.is_default else row.route
    start = (row.preset, row.precision, str(row.batch), route)
    if row.error is not None:
        return (*start, f"failed: {row.error}", *(NONE for _ in NETWORK_HEAD[5:]))
    share = row.share
    memory = (
        (f"failed: {row.memory_error}" if row.memory_error else NONE, NONE)
        if row.memory is None
        else (_mega(row.memory.loaded), _mega(row.memory.peak))
    )
    return (
        *start,
        seconds_text(row.seconds_best),
        seconds_text(row.seconds_median),
        _tera(row.flops_per_second),
        NONE if share is None else f"{100 * share:.1f} %",
        NONE if not share else f"{1 / share:.2f}",
        NONE if row.ratio is None else f"{row.ratio:.2f}",
        NONE if row.difference is None else f"{row.difference:.1e}",
        *memory,
    )


def _attention_cells(row: AttentionRow) -> tuple[str, ...]:
    shape = " × ".join(f"{number:,}" for number in row.shape)
    start = (row.preset, shape, row.route, row.precision)
    if row.reason is not None:
        return (*start, f"not to be had: {row.reason}", *(NONE for _ in ATTENTION_HEAD[5:]))
    return (
        *start,
        seconds_text(row.seconds_best),
        seconds_text(row.seconds_median),
        _tera(row.flops_per_second),
        NONE if row.difference is None else f"{row.difference:.1e}",
    )


def seconds_text(seconds: float | None) -> str:
    """Four digits and a unit: 12.08 s, 18.25 ms."""
    if seconds is None:
        return NONE
    value, unit = (seconds, "s") if seconds >= 1 else (1000 * seconds, "ms")
    digits = 2 if value >= 10 else 3
    return f"{value:.{digits}f} {unit}"


def _tera(rate: float | None) -> str:
    return NONE if rate is None else f"{rate / 1e12:#.3g}".removesuffix(".")


def _mega(count: int) -> str:
    return f"{count / 1e6:.0f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
