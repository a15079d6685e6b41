"""Runs on a local Ray cluster: the same bytes, dead workers, models, killed runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.lab.curation.conftest import Made
from tests.lab.curation.test_pipeline import PLAN, files, frames

from panodepth.cli import main
from panodepth.lab.curation.pipeline import Options, curate, records
from panodepth.lab.data import open_source

RUNS = Path(__file__).parent / "ray_runs.py"


def test_ray_writes_the_same_bytes_and_survives_dead_workers(made: Made) -> None:
    source, out = frames(made), made.root / "out"
    out.mkdir()
    subprocess.run([sys.executable, str(RUNS), str(made.root / "f"), str(out)], check=True)
    sys.path.insert(0, str(RUNS.parent))
    import ray_runs

    curate(source, ray_runs.PLAN, made.root / "one", Options(chunk=2))
    assert files(out / "plain") == files(made.root / "one")
    rows = [row for record in records(out / "deadly") for row in record["units"]]
    assert {r["name"]: r.get("reason") for r in rows if "reason" in r} == {
        "001": "crashed",
        "003": "intrinsics",
        "005": "crashed",
    }
    assert "ZeroDivisionError" in next(r["detail"] for r in rows if r["name"] == "005")
    assert len(open_source("shards", out / "deadly")) == 4
    # One worker holds the model; it died at the first picture, and another one did them all.
    assert files(out / "guessed") == files(out / "guessed_here")
    assert len(open_source("shards", out / "guessed")) == 6
    calls = [len(log.read_text().splitlines()) for log in (out / "calls").iterdir()]
    assert sorted(calls) == [1, 6]


@pytest.mark.slow
def test_a_learned_out_painter_paints_on_ray_as_it_does_here(made: Made) -> None:
    from tests.lab.curation.tiny_painters import save_tiny

    frames(made, 3)
    model = save_tiny("flux", made.root / "model")
    command = ["curate", "--source", str(made.root / "f"), "--size", "32x64", "--image", "png"]
    command += ["--outpainter", "flux", "--paint-model", str(model), "--paint-steps", "2"]
    command += ["--device", "cpu", "--dtype", "float32", "--chunk", "2"]
    here, there = made.root / "here", made.root / "there"
    assert main([*command, "--out", str(here)]) == 0
    run = [*command, "--out", str(there), "--engine", "ray", "--workers", "2"]
    subprocess.run([sys.executable, "-m", "panodepth", *run], check=True)
    assert files(here) == files(there)
    sample = open_source("shards", there)[0]
    assert sample.meta["outpainter"]["name"] == "flux"


@pytest.mark.slow
def test_ray_killed_at_any_moment_nothing_is_lost_or_doubled(made: Made) -> None:
    source = frames(made, 16)
    whole, out = made.root / "whole", made.root / "out"
    curate(source, PLAN, whole, Options(chunk=2))
    command = [sys.executable, "-m", "panodepth", "curate", "--source", str(made.root / "f")]
    command += ["--out", str(out), "--size", "32x64", "--chunk", "2", "--limit", "same=-1"]
    command += ["--engine", "ray", "--workers", "2"]
    kills = 0
    for attempt in range(8):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        before = len(list((out / "parts").glob("f-*.json")))
        enough = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < enough and kills < 2:
            if len(list((out / "parts").glob("f-*.json"))) > before:
                time.sleep(0.01 * attempt)
                os.kill(process.pid, signal.SIGKILL)  # Ray's own processes go with it
                kills += 1
            time.sleep(0.002)
        if process.wait() == 0:
            break
        time.sleep(2)
    assert process.returncode == 0
    assert kills == 2
    left = {name: data for name, data in files(out).items() if not name.startswith("report")}
    assert left == files(whole)
