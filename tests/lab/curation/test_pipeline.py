"""Whole runs: the same bytes in one process and many, killed and resumed, dead workers, reports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.lab.curation.conftest import Made

from panodepth.errors import ConfigError
from panodepth.jobs import Workers
from panodepth.lab.curation.frame import REASONS, RejectedError
from panodepth.lab.curation.pipeline import Options, Outcome, curate, records
from panodepth.lab.curation.quality import Limits
from panodepth.lab.curation.report import write_report
from panodepth.lab.curation.sources import FrameSource, open_frame_source
from panodepth.lab.curation.stages import Plan
from panodepth.lab.data import Encoding, open_source, verify_shards

PLAN = Plan(size=(32, 64), limits=Limits(same=-1))
FRAMES = 7


def frames(made: Made, count: int = FRAMES) -> FrameSource:
    """Slanted planes with a textured picture, and one frame without intrinsics in the middle."""
    for number in range(count):
        rng = np.random.default_rng(number)
        pixels = cv2.resize(rng.integers(0, 255, (24, 32, 3)).astype(np.uint8), (64, 48))
        assert cv2.imwrite(str(made.path(f"f/{number:03d}.png")), pixels)
        z_depth = np.linspace(1, 3, 64, dtype=np.float32)[None, :].repeat(48, 0)
        np.savez(made.path(f"f/{number:03d}_depth.npz"), z_depth=z_depth)
        camera = {} if number == 3 else {"x_fov_deg": 80, "unit": "m", "licence": "CC0-1.0"}
        made.json(f"f/{number:03d}.json", camera)
    return open_frame_source("frames", made.root / "f")


def files(out: Path) -> dict[str, bytes]:
    """Everything that a run leaves behind, by name."""
    found = (p for p in sorted(out.rglob("*")) if p.is_file())
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in found}


def test_a_run_becomes_shards_that_training_reads(made: Made) -> None:
    out = made.root / "out"
    seen: list[bool] = []
    done = curate(frames(made), PLAN, out, Options(chunk=3), progress=seen.append)
    assert done == Outcome(kept=6, reasons={"intrinsics": 1}, new_chunks=3)
    assert seen.count(True) == 6
    assert verify_shards(out) == []
    source = open_source("shards", out)
    assert len(source) == 6
    sample = source[0]
    assert sample.image.shape == (32, 64, 3)
    assert sample.mask is not None
    assert sample.distance is not None
    assert 0.01 < sample.mask.mean() < 0.3
    assert (sample.distance[~sample.mask] == 0).all()
    assert sample.meta["unit"] == "m"
    assert sample.meta["licence"] == "CC0-1.0"
    assert sample.meta["outpainter"]["name"] == "diffuse"
    assert sample.meta["name"] == "000"
    assert sample.image[~sample.mask].mean() > 0.1


def test_covered_pixels_are_the_frame_s_own_and_can_be_told(made: Made) -> None:
    from panodepth.lab.curation.project import coverage_of
    from panodepth.lab.curation.stages import view_of

    out = made.root / "out"
    curate(frames(made, 1), PLAN, out, Options(encoding=Encoding(image="png")))
    sample = open_source("shards", out)[0]
    coverage = coverage_of(view_of(sample.meta["view"]), (32, 64))
    assert sample.mask is not None
    assert (coverage >= sample.mask).all()
    plain = made.root / "plain"
    bare = Plan(size=(32, 64), outpainter="none", limits=PLAN.limits)
    curate(frames(made, 1), bare, plain, Options(encoding=Encoding(image="png")))
    black = open_source("shards", plain)[0]
    np.testing.assert_array_equal(black.image[coverage], sample.image[coverage])
    assert (black.image[~coverage] == 0).all()


def test_report_clears_what_a_killed_one_left(made: Made) -> None:
    out = made.root / "out"
    curate(frames(made, 1), PLAN, out, Options())
    left = [out / f".{name}.0123abcd.tmp" for name in ("report.json", "report.html")]
    for path in left:
        path.touch()
    write_report(out)
    assert not any(path.exists() for path in left)
    assert (out / "report.json").is_file()


def test_many_processes_write_the_same_bytes(made: Made) -> None:
    source = frames(made)
    one, two = made.root / "one", made.root / "two"
    curate(source, PLAN, one, Options(chunk=2))
    curate(source, PLAN, two, Options(Workers(2), chunk=2))
    assert files(one) == files(two)


def test_another_seed_gives_other_places(made: Made) -> None:
    source = frames(made, 1)
    for seed in (0, 1):
        curate(source, Plan(size=(32, 64), seed=seed), made.root / str(seed))
    first, second = (open_source("shards", made.root / str(s))[0] for s in (0, 1))
    assert first.mask is not None
    assert (first.mask != second.mask).any()


def test_a_finished_run_does_nothing_more_and_other_settings_are_refused(made: Made) -> None:
    source, out = frames(made), made.root / "out"
    curate(source, PLAN, out, Options(chunk=3))
    before = files(out)
    again = curate(source, PLAN, out, Options(Workers(2), chunk=3))
    assert again.new_chunks == 0
    assert again.kept == 6
    assert files(out) == before
    with pytest.raises(ConfigError, match="chunk 3, not 4"):
        curate(source, PLAN, out, Options(chunk=4))
    with pytest.raises(ConfigError, match="begun with plan"):
        curate(source, Plan(size=(32, 64)), out, Options(chunk=3))


def test_foreign_shards_are_not_touched(made: Made) -> None:
    made.path("out/other.tar").write_bytes(b"x")
    with pytest.raises(ConfigError, match="something else"):
        curate(frames(made), PLAN, made.root / "out")


def test_lost_records_are_made_again(made: Made) -> None:
    """As after a kill between a shard's last byte and its record, and inside a shard."""
    source, out = frames(made), made.root / "out"
    curate(source, PLAN, out, Options(chunk=3))
    before = files(out)
    (out / "parts" / "f-000001.json").unlink()
    (out / ".f-000001-000000.tar.0badcafe.tmp").write_bytes(b"half a shard")
    (out / "parts" / ".f-000001.json.0badcafe.tmp").write_text("half a record")
    again = curate(source, PLAN, out, Options(chunk=3))
    assert again.new_chunks == 1
    assert files(out) == before


def test_duplicates_within_a_chunk_are_rejected_once_each(made: Made) -> None:
    source = frames(made, 2)
    for name in ("000", "001"):
        made.path(f"f/{name}b.png").write_bytes(made.path(f"f/{name}.png").read_bytes())
        for ending in ("_depth.npz", ".json"):
            content = made.path(f"f/{name}{ending}").read_bytes()
            made.path(f"f/{name}b{ending}").write_bytes(content)
    source = open_frame_source("frames", made.root / "f")
    done = curate(source, Plan(size=(32, 64)), made.root / "out")
    assert done.kept == 2
    assert done.reasons == {"duplicate": 2}


def test_the_report_counts_shows_and_explains(made: Made) -> None:
    out = made.root / "out"
    curate(frames(made), PLAN, out, Options(chunk=3))
    numbers = write_report(out)
    assert numbers["kept"] == 6
    assert numbers["rejected"] == {"intrinsics": 1}
    assert sum(numbers["measured"]["coverage"]["histogram"]["counts"]) == 6
    page = (out / "report.html").read_text()
    assert REASONS["intrinsics"] in page
    assert page.count("data:image/jpeg;base64") == 6
    assert json.loads((out / "report.json").read_text()) == numbers


CRASHING = Path(__file__).parent / "crashing.py"


def test_a_worker_that_dies_is_replaced_and_its_frame_rejected(made: Made) -> None:
    frames(made)
    out = made.root / "out"
    subprocess.run([sys.executable, str(CRASHING), str(made.root / "f"), str(out)], check=True)
    rows = [row for record in records(out) for row in record["units"]]
    assert [row["name"] for row in rows] == [f"{n:03d}" for n in range(FRAMES)]
    assert {r["name"]: r.get("reason") for r in rows if "reason" in r} == {
        "001": "crashed",
        "003": "intrinsics",
        "005": "crashed",
    }
    assert "ZeroDivisionError" in next(r["detail"] for r in rows if r["name"] == "005")
    assert len(open_source("shards", out)) == 4


@pytest.mark.slow
def test_killed_at_any_moment_nothing_is_lost_or_doubled(made: Made) -> None:
    source = frames(made, 16)
    whole = made.root / "whole"
    plan = Plan(size=(64, 128), limits=PLAN.limits)
    curate(source, plan, whole, Options(chunk=2))
    out = made.root / "out"
    command = [sys.executable, "-m", "panodepth", "curate", "--source", str(made.root / "f")]
    command += ["--out", str(out), "--size", "64x128", "--chunk", "2", "--workers", "2"]
    command += ["--limit", "same=-1"]
    kills, code = 0, -signal.SIGKILL
    while code == -signal.SIGKILL:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        enough = time.monotonic() + 120
        before = len(list((out / "parts").glob("f-*.json")))
        # Let it get one chunk further, then a little into the next, then kill all of it: thrice.
        while kills < 3 and process.poll() is None and time.monotonic() < enough:
            if len(list((out / "parts").glob("f-*.json"))) > before:
                time.sleep(0.02 * kills)
                os.killpg(process.pid, signal.SIGKILL)
                kills += 1
                break
            time.sleep(0.005)
        code = process.wait(120)
    assert code == 0
    assert kills >= 2
    left = {name: data for name, data in files(out).items() if not name.startswith("report")}
    assert left == files(whole)
    with pytest.raises(RejectedError, match="intrinsics"):
        source[3]
