"""Two processes on the CPU (gloo), against one process with the whole batch.

accelerate applies FSDP to GPUs alone; on the CPU ranks.py shards the network itself, and all else
(average, saving, resuming, exporting) is the package's own.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from panodepth.errors import ConfigError
from panodepth.lab.training import train
from panodepth.lab.training.checkpoint import list_snapshots, load_snapshot
from panodepth.lab.training.distance.task import DistanceTask
from panodepth.lab.training.trainer import Trainer
from panodepth.model import load_model

RANKS = Path(__file__).with_name("ranks.py")
CRASHED = "Signal 11 (SIGSEGV)"


def load_ranks():
    spec = importlib.util.spec_from_file_location("ranks", RANKS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ranks = load_ranks()


def launch(place: Path) -> subprocess.CompletedProcess[str]:
    """ranks.py in two processes."""
    place.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    return subprocess.run(
        [*command, str(RANKS), str(place)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All runs of ranks.py, by two processes; and the same by one."""
    place = tmp_path_factory.mktemp("runs")
    done = launch(place)
    if CRASHED in done.stderr:
        # FSDP on the CPU is not what torch made it for: a rank crashed once, and in none of 23 runs
        # after. A crash of our making comes again; where this one came is then in the warning.
        warnings.warn(f"a rank crashed, started again: {done.stderr}", stacklevel=1)
        shutil.rmtree(place)
        done = launch(place)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "strides" not in done.stderr  # of gradients and DDP's buckets
    for name, optim in (("one", {}), ("one_accumulated", {"accumulate": 2})):
        train(ranks.make_config(place / name, 1, **optim), renderer=ranks.BOXES.render_boxes)
    return place


def curve(run: Path) -> list[tuple[float, float]]:
    lines = (run / "log.jsonl").read_text().splitlines()
    records = [r for r in map(json.loads, lines) if r["event"] == "train"]
    return [(r["loss"], r["grad_norm"]) for r in records]


def last(run: Path):
    return load_snapshot(list_snapshots(run / "checkpoints")[-1])


def ends(one: Path, other: Path, stem: str):
    """Pairs of the tensors that two runs ended with."""
    a, b = last(one), last(other)
    assert a.step == b.step == 4
    assert set(a.tensors[stem]) == set(b.tensors[stem])
    return [(value, b.tensors[stem][name]) for name, value in a.tensors[stem].items()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("many", "single"), [("ddp", "one"), ("fsdp", "one"), ("accumulated", "one_accumulated")]
)
def test_two_halves_equal_the_whole(folder, many, single):
    """Every step's loss, the first gradient, and what the run ended with.

    Later gradient norms only nearly: an L1 loss changes its slope where rounding changes a sign.
    AdamW divides by the gradient's size, so the few weights whose gradient is all but zero follow
    its rounding: the mean over all weights and the largest difference are bounded apart.
    """
    got, expected = curve(folder / many), curve(folder / single)
    assert len(got) == len(expected) == 4
    assert got[0][1] == pytest.approx(expected[0][1], rel=1e-5)
    for (loss, norm), (other_loss, other_norm) in zip(got, expected, strict=True):
        assert loss == pytest.approx(other_loss, abs=1e-5)
        assert norm == pytest.approx(other_norm, rel=1e-2)
    for stem in ("weights", "ema"):
        pairs = ends(folder / single, folder / many, stem)
        difference = torch.cat([(a - b).abs().flatten() for a, b in pairs])
        assert difference.mean() < 1e-6
        assert difference.max() < 5e-4
    for a, b in ends(folder / single, folder / many, "optimizer"):
        assert torch.allclose(a, b, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("resumed", "whole"), [("resumed", "ddp"), ("fsdp_resumed", "fsdp")])
def test_resumed_equals_uninterrupted(folder, resumed, whole):
    for got, expected in zip(curve(folder / resumed), curve(folder / whole)[2:], strict=True):
        assert got == pytest.approx(expected, abs=1e-6)
    for stem in ("weights", "ema", "optimizer"):
        for a, b in ends(folder / whole, folder / resumed, stem):
            assert torch.allclose(a, b, atol=1e-6)


@pytest.mark.slow
def test_ddp_goes_on_where_fsdp_stopped(folder):
    for got, expected in zip(curve(folder / "crossed"), curve(folder / "ddp")[2:], strict=True):
        assert got[0] == pytest.approx(expected[0], abs=1e-5)


@pytest.mark.slow
def test_signal_to_one_process_stops_all(folder):
    stopped = folder / "stopped"
    steps = {(stopped / f"stopped_{rank}.txt").read_text() for rank in (0, 1)}
    assert steps == {str(last(stopped).step)}
    assert 0 < last(stopped).step < 1000


@pytest.mark.slow
def test_the_first_process_alone_writes(folder):
    lines = (folder / "ddp" / "log.jsonl").read_text().splitlines()
    events = [json.loads(line)["event"] for line in lines]
    assert events == ["start", "train", "train", "train", "train", "end"]
    assert json.loads(lines[0])["processes"] == 2
    for name in ("ddp", "fsdp"):
        exported = load_model(folder / name / "model.safetensors")
        averages = load_file(list_snapshots(folder / name / "checkpoints")[-1] / "ema.safetensors")
        for key, value in exported.state_dict().items():
            assert torch.allclose(value, averages[key], rtol=1e-3, atol=1e-5), key


@pytest.mark.slow
def test_resuming_with_another_number_of_processes_is_refused(folder):
    with pytest.raises(ConfigError, match="was written by 2 processes, this run has 1"):
        Trainer(
            DistanceTask(ranks.make_config(folder / "ddp", 2), renderer=ranks.BOXES.render_boxes)
        )
