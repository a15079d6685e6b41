"""A busy machine is told: its load, ceilings that move, shares beyond the ceiling."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from panodepth.lab.bench.ceilings import Ceiling, Product, products
from panodepth.lab.bench.clock import Effort
from panodepth.lab.bench.network import NetworkRow
from panodepth.lab.bench.report import Report
from panodepth.lab.bench.rows import Row, measure_rows
from panodepth.model import PRESETS

CPU = torch.device("cpu")
PRODUCT = Product("qkv", 1, 64, 32, 96)
CEILING = Ceiling("compact", "float32", {"qkv": 1e11, "mlp in": 5e10}, PRODUCT)
ROW = NetworkRow(
    preset="compact",
    route="fast",
    precision="float32",
    flops=10**9,
    seconds_best=0.02,
    size=(126, 252),
    weights="random",
    batch=1,
    is_default=True,
    ceiling=CEILING.best,
)


def report(load: float, *rows: NetworkRow) -> Report:
    made = Report("panodepth bench", {"load before": f"{load}", "cores": "2"})
    made.network += rows
    made.note_load(CPU)
    return made


def test_an_idle_machine_says_nothing() -> None:
    made = report(0.3, ROW)
    made.note_change(CEILING, CEILING.raised(1.1e11))
    assert made.warnings == []
    assert "Warning" not in made.to_markdown()


def test_load_is_told_first() -> None:
    made = report(3.4, ROW)
    assert made.warnings[0].startswith("busy machine: load 3.4 on 2 cores")
    assert "**Warning**: busy machine" in made.to_markdown().split("## Ceilings")[0]
    assert made.to_json()["warnings"] == made.warnings


def test_more_than_the_ceiling_is_told() -> None:
    made = report(0.0, replace(ROW, seconds_best=0.00427))
    (told,) = made.warnings
    assert told.startswith("compact float32 fast: 234% of the ceiling cannot be")


def test_a_ceiling_that_rises_beside_the_routes_counts_and_is_told() -> None:
    after = CEILING.raised(2e11)
    assert after.best == 2e11
    assert CEILING.raised(1e10) == CEILING
    made = report(0.0)
    made.note_change(CEILING, after)
    (told,) = made.warnings
    assert "0.100 TFLOP/s alone and 0.200 beside the routes" in told


def test_the_product_is_repeated_for_some_milliseconds() -> None:
    product = products(PRESETS["small"])[0]
    seconds = 1e-3
    ceiling = replace(CEILING, rates={product.what: product.flops / seconds}, product=product)
    call, flops = ceiling.beside(CPU)
    call()
    assert flops == 30 * product.flops


def test_a_call_beside_is_timed_in_turn_and_is_no_row() -> None:
    order: list[str] = []

    def build(name: str):  # type: ignore[no-untyped-def]
        def run() -> torch.Tensor:
            order.append(name)
            return torch.zeros(1)

        return lambda: run

    rows = [Row(preset="p", route=name, precision="float32", flops=1) for name in "ab"]
    ways = [(row, build(row.route)) for row in rows]
    effort = Effort(seconds=0.0, least=2, most=2)
    found, seconds = measure_rows(ways, lambda _: None, CPU, effort, lambda: order.append("c"))
    assert [row.route for row in found] == ["a", "b"]
    assert seconds == pytest.approx(0, abs=0.1)
    assert order == [*"abc", *"abc", *"aabbcc"]
