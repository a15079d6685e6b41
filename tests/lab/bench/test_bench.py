"""`panodepth bench` end to end on a network of milliseconds: what its numbers must be."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from panodepth.cli import main
from panodepth.device import choose_device
from panodepth.lab.bench import attention, ceilings, command, network, routes
from panodepth.lab.bench.ceilings import products
from panodepth.lab.bench.clock import Effort
from panodepth.lab.bench.flops import network_flops
from panodepth.lab.bench.memory import Memory, MemoryJob, measure_memory
from panodepth.lab.bench.options import BenchOptions
from panodepth.lab.bench.report import NETWORK_COLUMNS
from panodepth.lab.bench.runtimes import OPENVINO, OPENVINO_INT8, PACKAGES, RUNTIMES
from panodepth.lab.bench.subject import random_network, sample_picture
from panodepth.model import PRESETS, save_model
from panodepth.onnx.onnx_file import OnnxOptions, build_onnx, write_onnx
from panodepth.predict.loading import load

TINY = PRESETS["tiny"]
NETWORK_HEAD = tuple(NETWORK_COLUMNS)


def run(words: list[str]) -> int:
    """The command's exit code."""
    return main(["bench", *words])


BRIEF = Effort(seconds=0.05, least=3, most=5)


class Done(NamedTuple):
    """What one run left."""

    code: int
    out: str
    err: str
    folder: Path


def measured_once() -> Callable[[MemoryJob], Memory]:
    """Measures the first job in a process of its own; says a megabyte more for each next one."""
    told: list[Memory] = []

    def measure(job: MemoryJob) -> Memory:
        told[:] = [replace(m, peak=m.peak + 1_000_000) for m in told] or [measure_memory(job)]
        return told[0]

    return measure


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """One whole run, memory in a process of its own included."""
    folder = tmp_path_factory.mktemp("bench")
    out, err = folder / "out.txt", folder / "err.txt"
    with pytest.MonkeyPatch.context() as patch, out.open("w") as stdout, err.open("w") as stderr:
        patch.setattr(command, "FULL", BRIEF)
        patch.setattr(network, "measure_memory", measured_once())
        patch.setitem(ceilings.COPY_BYTES, "cpu", 2**22)
        patch.setattr("sys.stdout", stdout)
        patch.setattr("sys.stderr", stderr)
        code = run(
            [
                *("--preset", "tiny", "--precision", "float32,bfloat16", "--device", "cpu"),
                *("--routes", "plain,fast", "--json", "--out", str(folder / "results")),
            ]
        )
    return Done(code, out.read_text(), err.read_text(), folder / "results")


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rounds, little memory, and no processes, for tests of other things."""
    monkeypatch.setattr(command, "QUICK", BRIEF)
    monkeypatch.setattr(command, "FULL", BRIEF)
    monkeypatch.setitem(ceilings.COPY_BYTES, "cpu", 2**22)
    monkeypatch.setattr(network, "measure_memory", lambda job: Memory(1, 2, 3))


def rows_of(done: Done) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(done.out)["network"]
    return rows


def cells(page: str, head: tuple[str, ...]) -> list[dict[str, str]]:
    """The rows of the table under this head."""
    lines = page.split(f"| {' | '.join(head)} |\n")[1].split("\n\n")[0].splitlines()[1:]
    split = [line.strip("| ").split(" | ") for line in lines]
    return [dict(zip(head, row, strict=True)) for row in split]


def test_all_rows_are_there(done: Done) -> None:
    assert done.code == 0, done.err
    assert [(row["precision"], row["route"]) for row in rows_of(done)] == [
        (precision, route) for precision in ("float32", "bfloat16") for route in ("plain", "fast")
    ]
    assert "\r" not in done.err, "a progress bar in a file"
    assert [line.split(":")[0] for line in done.err.splitlines()] == ["written"]


def test_rates_follow_from_arithmetic_and_time(done: Done) -> None:
    flops = network_flops(TINY)
    ceilings = {c["precision"]: c for c in json.loads(done.out)["ceilings"]}
    for row in rows_of(done):
        ceiling = max(ceilings[row["precision"]]["rates"].values())
        assert row["flops"] == flops
        assert 0 < row["seconds_best"] <= row["seconds_median"]
        assert row["flops_per_second"] == pytest.approx(flops / row["seconds_best"])
        assert row["share"] == pytest.approx(flops / row["seconds_best"] / ceiling)
        assert row["rounds"] >= 3


def test_ratio_and_difference(done: Done) -> None:
    by = {(row["precision"], row["route"]): row for row in rows_of(done)}
    for precision in ("float32", "bfloat16"):
        plain, fast = by[precision, "plain"], by[precision, "fast"]
        assert plain["ratio"] == 1
        assert fast["ratio"] == pytest.approx(plain["seconds_best"] / fast["seconds_best"])
        assert 0 < fast["difference"] < 0.02 or precision == "float32"
    assert by["float32", "plain"]["difference"] == 0
    assert by["float32", "fast"]["difference"] < 1e-5


def test_the_page_says_the_same(done: Done) -> None:
    (file,) = done.folder.iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-[a-z0-9-]*[a-z0-9]\.md", file.name)
    table = cells(file.read_text(encoding="utf-8"), NETWORK_HEAD)
    for row, told in zip(rows_of(done), table, strict=True):
        value, unit = told["best"].split()
        seconds = float(value) * {"s": 1, "ms": 1e-3}[unit]
        assert seconds == pytest.approx(row["seconds_best"], rel=1e-2)
        assert float(told["TFLOP/s"]) == pytest.approx(row["flops"] / seconds / 1e12, rel=1e-2)
        share = float(told["of ceiling"].removesuffix(" %")) / 100
        assert share == pytest.approx(row["share"], abs=6e-4)  # of its one digit
        assert float(told["floors"]) * row["share"] == pytest.approx(1, rel=2e-2)
        assert int(told["MB peak"]) == round(row["memory"]["peak"] / 1e6)
        assert told["route"].endswith("◂") == row["is_default"]


def test_the_marked_row_is_what_predict_takes(tmp_path: Path) -> None:
    device = choose_device("auto")
    chosen = routes.auto_precision(device)
    everything = [(route, p) for route in routes.ROUTES for p in routes.PRECISIONS["cuda"]]
    ((route, precision),) = [(r, p) for r, p in everything if r.is_default(device, p)]
    assert precision == chosen
    checkpoint = save_model(random_network(TINY), tmp_path / "tiny.safetensors")
    picture = sample_picture(TINY.size)
    with torch.inference_mode():
        ours = route.build(checkpoint, device, precision)(picture.to(device)).log_distance[0]
    (predicted,) = load(checkpoint).run([picture[0].numpy()])
    assert np.array_equal(ours.cpu().numpy(), predicted[0])


def test_attention_rows(done: Done) -> None:
    found = json.loads(done.out)["attention"]
    tokens, width = 8 * 16 + 1, 32
    assert {row["route"] for row in found} == {"sdpa", "blocked"}
    for row in found:
        assert row["shape"] == [3, tokens, width]
        assert row["flops"] == 4 * 3 * tokens**2 * width
        assert row["difference"] < (1e-5 if row["precision"] == "float32" else 2e-2)


@pytest.mark.parametrize("name", ["tiny", "large"])
def test_products_are_those_of_the_transformer(name: str) -> None:
    """With all query rows at once: 12 dim² per token, and 2 dim per pair of tokens."""
    config = PRESETS[name]
    tokens = (config.size[0] // 14) * (config.size[1] // 14) + 1
    block = sum(
        product.flops * (1 if product.count == 1 else tokens / product.rows)
        for product in products(config)
    )
    expected = 12 * tokens * config.dim**2 + 2 * tokens**2 * config.dim
    assert block == pytest.approx(2 * expected)


def test_difference_is_up_to_scale() -> None:
    reference = torch.rand(4, 8)
    sign = torch.tensor([1.0, -1.0]).repeat(16).view(4, 8)
    assert network.relative_difference(reference + 3, reference) == pytest.approx(0, abs=1e-6)
    wave = network.relative_difference(reference + 0.1 * sign, reference)
    assert wave == pytest.approx((np.expm1(0.1) - np.expm1(-0.1)) / 2, rel=1e-5)


def test_every_branch_of_random_weights_shows() -> None:
    model, picture = random_network(TINY), sample_picture((112, 224))
    with torch.inference_mode():
        whole = model(picture).log_distance[0]
        assert float(whole.std()) == pytest.approx(0.5, rel=1e-2)
        for layer in (model.backbone.blocks[3].out, model.cross[0].out):  # type: ignore[union-attr]
            kept = layer.weight.clone()
            layer.weight.zero_()
            assert network.relative_difference(model(picture).log_distance[0], whole) > 1e-3
            layer.weight.copy_(kept)


def _fails(*_: object) -> Any:
    raise RuntimeError("no kernel | for this\nsecond line")


def _builds_and_fails(*_: object) -> Any:
    return _fails


@pytest.mark.parametrize("build", [_fails, _builds_and_fails])
@pytest.mark.usefixtures("brief")
def test_a_route_that_fails_is_a_row(
    build: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = routes.Route("broken", "never works", build)
    monkeypatch.setattr(routes, "ROUTES", (*routes.ROUTES, broken))
    options = ["--preset", "tiny", "--precision", "float32", "--attention", "none", "--quick"]
    assert run([*options, "--device", "cpu"]) == 1
    captured = capsys.readouterr()
    told = {row["route"].rstrip(" ◂"): row for row in cells(captured.out, NETWORK_HEAD)}
    assert told["broken"]["best"] == "failed: no kernel / for this"
    assert told["plain"]["× plain"] == "1.00"
    assert float(told["fast"]["× plain"]) > 0
    told = [line for line in captured.err.splitlines() if " steps" not in line]  # no progress
    assert told == ["error: tiny float32 broken, batch 1: no kernel / for this"]


@pytest.mark.usefixtures("brief")
def test_memory_that_fails_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The times are there, the memory is not."""

    def no_room(job: MemoryJob) -> Memory:
        if job.route == "fast":
            raise RuntimeError("ended by signal 9")
        return Memory(1_000_000, 2_000_000, 4_000_000)

    monkeypatch.setattr(network, "measure_memory", no_room)
    options = BenchOptions(
        preset=("tiny",), precision=("float32",), device="cpu", attention="none", out=tmp_path
    )
    assert command.main(replace(options, routes=("fast",))) == 1
    captured = capsys.readouterr()
    rows = {row["route"].rstrip(" ◂"): row for row in cells(captured.out, NETWORK_HEAD)}
    assert float(rows["fast"]["× plain"]) > 0
    assert (rows["plain"]["MB loaded"], rows["plain"]["MB peak"]) == ("2", "4")
    assert (rows["fast"]["MB loaded"], rows["fast"]["MB peak"]) == (
        "failed: ended by signal 9",
        "–",
    )
    assert (
        "error: tiny float32 fast, batch 1: memory: ended by signal 9" in captured.err.splitlines()
    )


@pytest.mark.usefixtures("brief")
def test_a_quick_look_starts_no_processes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which take most of the time, as do files for other runtimes."""
    monkeypatch.setattr(network, "measure_memory", lambda job: pytest.fail("measured"))
    options = ["--preset", "tiny", "--precision", "float32", "--attention", "none", "--quick"]
    assert run([*options, "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "Memory held" not in out
    rows = cells(out, NETWORK_HEAD)
    assert {row["MB peak"] for row in rows} == {"–"}
    assert not RUNTIMES.keys() & {row["route"] for row in rows}


@pytest.mark.usefixtures("brief")
def test_other_runtimes_run_beside_ours(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    pytest.importorskip("onnxruntime")
    line = ["--preset", "tiny", "--attention", "none", "--device", "cpu"]
    line += ["--precision", "float32,bfloat16"]
    assert run([*line, "--json", "--out", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out)["network"]
    rows = {(row["route"], row["precision"]): row for row in found}
    assert {("plain", "float32"), ("fast", "bfloat16")} <= set(rows)
    installed = {name for name in RUNTIMES if all(map(find_spec, PACKAGES[name]))}
    wanted = {(name, precision) for name in installed for precision in RUNTIMES[name]}
    assert wanted == {key for key in rows if key[0] in RUNTIMES}
    limits = {"float32": 1e-4, "bfloat16": 0.02}
    for name, precision in wanted:
        row = rows[name, precision]
        assert row["difference"] < limits[precision]
        assert row["ratio"] > 0
        assert not row["is_default"]
    if OPENVINO_INT8 in installed:  # 8 bits are not bfloat16 under another name
        short = rows[OPENVINO, "bfloat16"]["difference"]
        assert rows[OPENVINO_INT8, "bfloat16"]["difference"] != short


def test_no_compiler_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_compiler(*_: object, **__: object) -> Any:
        raise RuntimeError("no C++ compiler found")

    monkeypatch.setattr(torch, "compile", no_compiler)
    device = torch.device("cpu")
    found = attention.time_attention(TINY, ("float32",), device, BRIEF, compiled=True)
    reasons = {row.route: row.error for row in found}
    assert reasons["sdpa"] is None
    assert reasons["compile of sdpa"] == reasons["compile of flex"] == "no C++ compiler found"
    assert command.Report("", {}, attention=found).failures == []


@pytest.mark.usefixtures("brief")
def test_a_route_that_fell_back_is_not_timed_under_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch, "compile", _fails)
    options = ["--preset", "tiny", "--precision", "float32", "--attention", "none", "--quick"]
    assert run([*options, "--device", "cpu", "--routes", "compile"]) == 1
    told = cells(capsys.readouterr().out, NETWORK_HEAD)
    assert [row["route"] for row in told] == ["plain", "compile"]
    assert told[1]["best"] == "failed: torch.compile failed"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny network on another backbone, as both kinds of file."""
    folder = tmp_path_factory.mktemp("files")
    config = replace(PRESETS["lite0"], name="light", size=(64, 128))
    network = random_network(config)
    proto = build_onnx(network, OnnxOptions(name="light", int8=True))
    return {
        "safetensors": save_model(network, folder / "light.safetensors"),
        "onnx": write_onnx(proto, folder / "light.onnx"),
    }


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("kind", ["safetensors", "onnx"])
def test_any_model_file_of_any_backbone(
    kind: str, files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--device", "cpu", "--precision", "float32", "--attention", "none", "--quick"]
    if kind == "safetensors":
        options += ["--routes", "plain,onnx"]
    assert run(["--model", str(files[kind]), *options, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert f"--model {files[kind]}" in told["command"]
    found = {row["route"]: row for row in told["network"]}
    assert list(found) == (["plain", "onnx"] if kind == "safetensors" else ["onnx"])
    row = found["onnx"]
    assert row["flops"] == network_flops(PRESETS["lite0"], (64, 128))
    assert row["size"] == [64, 128]
    if kind == "safetensors":
        assert row["difference"] < 1e-4
        assert row["weights"] == "light"
    else:
        assert row["difference"] is None
        assert row["ratio"] is None
        assert row["weights"] == "light, int8"


def test_an_onnx_file_has_one_route(
    files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for more in (["--routes", "fast"], ["--preset", "tiny"], ["--precision", "bfloat16"]):
        assert run(["--model", str(files["onnx"]), "--device", "cpu", *more]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.usefixtures("brief")
def test_progress_counts_every_step() -> None:
    told: list[str] = []
    options = BenchOptions(preset=("tiny",), batch=(1, 2), device="cpu", quick=True)
    plan = command.check(options)
    report = command.measure(plan, told.append)
    assert len(told) == plan.steps
    assert {row.flops for row in report.network} == {
        network_flops(TINY) * batch for batch in (1, 2)
    }
    assert not any(row.is_default for row in report.network if row.batch == 2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda(capsys: pytest.CaptureFixture[str]) -> None:
    """All precisions and routes there; memory is the device's; replays are what predict takes."""
    assert run(["--preset", "tiny", "--device", "cuda", "--batch", "1,2", "--quick", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["network"]
    assert {row["route"] for row in found} == {"plain", "fast", "graph"}
    assert [row["route"] for row in found if row["is_default"]] == ["graph"]
    for row in found:
        assert row["memory"]["start"] == 0
        assert row["memory"]["loaded"] >= 4e6 * (1 if row["precision"] == "float32" else 0.5)
        limits = {"float32": 1e-4, "bfloat16": 2e-2, "float16": 5e-3}
        assert row["route"] == "plain" or row["difference"] < limits[row["precision"]]
