"""Whole runs over a miniature tree: workers, resuming, parts, and samples that go wrong."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from panodepth.cli import main
from panodepth.errors import ConfigError, OutputError
from panodepth.jobs import Workers
from panodepth.lab.data import open_source, write_shards
from panodepth.lab.evaluation.protocol import PROTOCOLS, Extras
from panodepth.lab.evaluation.run.datasets import open_datasets
from panodepth.lab.evaluation.run.journal import Row, open_journal, read_rows
from panodepth.lab.evaluation.run.runner import Place, Run, run_all

PREDICTOR = """
import numpy as np

class Predictor:
    def predict(self, image):
        if image.mean() < {limit}:
            raise ValueError("too dark\\nfor me")
        return 1 + image[..., 0] * image[..., 1]
"""
HEADER = {"predictor": "p", "protocol": "x"}


def write_predictor(folder: Path, limit: float = 0.0) -> Path:
    path = folder / "mine.py"
    path.write_text(PREDICTOR.format(limit=limit))
    return path


def evaluate(tree: Path, out: Path, predictor: Path, *more: str) -> int:
    arguments = ["evaluate", "--data", f"mini={tree}", "--predictor", str(predictor)]
    return main([*arguments, "--protocol", "uncapped", "--out", str(out), "--quiet", *more])


def test_one_and_two_workers_give_the_same_bits(tree, tmp_path, capfd):
    predictor = write_predictor(tmp_path)
    assert evaluate(tree, tmp_path / "one", predictor) == 1  # a sample lacks its distance
    assert evaluate(tree, tmp_path / "two", predictor, "--workers", "2") == 1
    one, two = ((tmp_path / n / "images.csv").read_bytes() for n in ("one", "two"))
    assert one == two
    lines = one.decode().splitlines()
    assert len(lines) == 31
    assert lines[0].startswith("dataset,name,abs_rel,sq_rel")
    assert "p07_distance.npz: no such file" in lines[8]
    reports = [json.loads((tmp_path / n / "report.json").read_text()) for n in ("one", "two")]
    for report in reports:
        del report["datasets"]["mini"]["seconds_predict_median"]
    assert reports[0] == reports[1]
    assert reports[0]["datasets"]["mini"]["images"] == 29
    assert "mini: p07: " in capfd.readouterr().err


def counting(tree: Path, calls: list[str], fail_at: int | None = None) -> Run:
    def make():
        def predict(panorama):
            from panodepth.lab.evaluation.run.predictors import Predicted

            if len(calls) == fail_at:
                raise KeyboardInterrupt
            calls.append(panorama.meta["name"])
            return Predicted(panorama.image[..., 0] + 1)

        return predict

    protocol = PROTOCOLS["uncapped"]
    datasets = tuple(open_datasets([f"mini={tree}"], protocol))
    return Run(datasets, make, protocol, Extras(geometry=False))


def test_a_stopped_run_goes_on(tree, tmp_path):
    place = Place(tmp_path / "out", HEADER)
    first: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        run_all(counting(tree, first, fail_at=10), place)
    file = tmp_path / "out" / "rows.jsonl"
    file.write_text(file.read_text()[:-40])  # as if killed while it wrote the last row
    again: list[str] = []
    told: list[Row] = []
    rows = run_all(counting(tree, again), place, on_row=told.append)
    assert len(first) == 10
    assert len(again) == 29 - 9
    assert [row.name for row in rows] == [f"p{n:02d}" for n in range(30)]
    assert len(told) == 30
    straight = run_all(counting(tree, []), Place(tmp_path / "other", HEADER))
    assert [row.values for row in rows] == [row.values for row in straight]
    third: list[str] = []
    run_all(counting(tree, third), place)
    assert third == []


def test_a_skipped_sample_is_tried_again(tree, tmp_path):
    place = Place(tmp_path / "out", HEADER)
    rows = run_all(counting(tree, []), place)
    assert [row.name for row in rows if row.reason] == ["p07"]
    (tree / "p07_distance.npz").write_bytes((tree / "p08_distance.npz").read_bytes())
    calls: list[str] = []
    rows = run_all(counting(tree, calls), place)
    assert calls == ["p07"]
    assert not [row for row in rows if row.reason]


def test_parts_make_one_run(tree, tmp_path):
    out, calls = tmp_path / "out", []
    for i in (1, 2, 3):
        some = run_all(counting(tree, calls), Place(out, HEADER, (i, 3)))
        assert len(some) == 10
    assert sorted(p.name for p in out.iterdir()) == [f"rows-{i}-of-3.jsonl" for i in (1, 2, 3)]
    assert len(calls) == 29
    rows = run_all(counting(tree, calls), Place(out, HEADER))
    assert len(calls) == 29
    assert len(rows) == 30


def test_what_goes_wrong_with_a_sample_is_told_and_the_others_go_on(tree, tmp_path, capfd):
    predictor = write_predictor(tmp_path, limit=0.5495)
    assert evaluate(tree, tmp_path / "out", predictor) == 1
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    reasons = {s["reason"] for s in report["skipped"] if s["name"] != "p07"}
    assert reasons == {"ValueError: too dark for me"}
    assert 0 < report["datasets"]["mini"]["images"] < 29
    assert capfd.readouterr().err.count("error: mini: ") == len(report["skipped"])


@pytest.mark.parametrize("changed", ["p03_distance.npz", "p03.png", "dataset.json"])
def test_samples_whose_files_changed_are_measured_again(tree, tmp_path, changed):
    calls: list[str] = []
    place = Place(tmp_path / "out", HEADER)
    before = run_all(counting(tree, calls), place)
    assert len(calls) == 29
    calls.clear()
    assert run_all(counting(tree, calls), place) == before
    assert not calls
    if changed.endswith(".npz"):
        np.savez(tree / changed, distance=np.full((32, 64), 7, np.float32))
    elif changed.endswith(".png"):
        shutil.copy(tree / "p04.png", tree / changed)
    else:
        (tree / changed).write_text('{"unit": "m", "credit": "nobody"}')
    after = run_all(counting(tree, calls), place)
    same = changed != "dataset.json"  # which holds for all
    assert calls == (["p03"] if same else [row.name for row in before if row.reason is None])
    assert (after[3].values == before[3].values) is not same
    assert (after[4] == before[4]) is same
    calls.clear()
    assert run_all(counting(tree, calls), place) == after
    assert not calls


def test_samples_of_shards_that_were_written_anew_are_measured_again(tree, tmp_path):
    (tree / "p07.png").unlink()
    for first in (0, 1):
        source = open_source("folder", tree)
        write_shards(source, tmp_path / f"shards{first}")
        (tree / "p00.png").unlink(missing_ok=True)
        (tree / "p00_distance.npz").unlink(missing_ok=True)
    calls: list[str] = []
    place = Place(tmp_path / "out", HEADER)
    run_all(counting(tmp_path / "shards0", calls), place)
    assert len(calls) == 29
    calls.clear()
    rows = run_all(counting(tmp_path / "shards1", calls), place)  # "#0" is another one now
    assert len(calls) == len(rows) == 28


def test_a_journal_that_measured_nothing_is_no_obstacle(tmp_path):
    """As of a refused run, whose message says which option to take."""
    other = {**HEADER, "protocol": "y"}
    with open_journal(tmp_path, HEADER) as journal:
        journal.add(Row("d", 0, "a", reason="no metres"))
    assert read_rows(tmp_path, other) == {}
    with open_journal(tmp_path, other) as journal:
        journal.add(Row("d", 0, "a", {"abs_rel": 0.5}))
    assert [row.name for row in read_rows(tmp_path, other).values()] == ["a"]
    with pytest.raises(ConfigError, match="another protocol"):
        read_rows(tmp_path, HEADER)


def test_a_journal_of_another_run_is_not_mixed_in(tmp_path):
    with open_journal(tmp_path, HEADER) as journal:
        journal.add(Row("d", 0, "a", {"abs_rel": 0.1}))
    assert list(read_rows(tmp_path, HEADER)) == [("d", 0, "a")]
    other = {**HEADER, "predictor": "q"}
    with pytest.raises(ConfigError, match="another predictor; choose another --out"):
        read_rows(tmp_path, other)
    with pytest.raises(ConfigError, match="another predictor"), open_journal(tmp_path, other):
        pass
    for damaged in ("nonsense", '{"run": 5}', "[" * 100_000):
        (tmp_path / "rows.jsonl").write_text(damaged)
        with pytest.raises(ConfigError, match="not a journal"):
            read_rows(tmp_path, HEADER)


def test_numbers_come_back_as_they_were(tmp_path):
    row = Row("d", 3, "ä", {"abs_rel": 0.1 + 0.2, "seam": None}, seconds={"predict": 1e-300})
    with open_journal(tmp_path, HEADER) as journal:
        journal.add(row)
    assert read_rows(tmp_path, HEADER)[row.key] == row


DEADLY = """
import os

class Predictor:
    def predict(self, image):
        if abs(image.mean() - {mean}) < 1e-6:
            os._exit(9)
        return 1 + image[..., 0]
"""


def test_a_sample_that_kills_its_worker_is_skipped(tree, tmp_path):
    from panodepth.lab.evaluation.run.choice import choose_predictor

    protocol = PROTOCOLS["uncapped"]
    datasets = tuple(open_datasets([f"mini={tree}"], protocol))
    path = tmp_path / "deadly.py"
    path.write_text(DEADLY.format(mean=datasets[0].source[3].image.mean()))
    make = choose_predictor(str(path), list, datasets, {}).make
    run = Run(datasets, make, protocol, Extras(geometry=False))
    rows = run_all(run, Place(tmp_path / "out", HEADER), Workers(2))
    assert [row.name for row in rows] == [f"p{n:02d}" for n in range(30)]
    skipped = {row.name: row.reason for row in rows if row.reason}
    assert set(skipped) == {"p03", "p07"}
    assert skipped["p03"] == "its worker process died twice (out of memory?)"


def test_a_folder_that_is_removed_meanwhile_and_two_runs_in_one(tmp_path):
    with open_journal(tmp_path / "out", HEADER) as journal:
        with (
            pytest.raises(ConfigError, match=r"evaluate\.rows runs there already"),
            open_journal(tmp_path / "out", HEADER),
        ):
            pass
        with open_journal(tmp_path / "out", HEADER, (2, 8)):  # another part of the same run
            pass
        (tmp_path / "out" / "rows.jsonl").unlink()
        with pytest.raises(OutputError, match="was removed while the run wrote"):
            journal.add(Row("d", 0, "a", {"abs_rel": 0.1}))


def test_names_that_no_line_and_no_text_can_hold_go_on(tmp_path):
    rows = [Row("d", 0, "a\u2028b\x85c"), Row("d", 1, os.fsdecode(b"caf\xe9.png"))]
    with open_journal(tmp_path, HEADER) as journal:
        for row in rows:
            journal.add(row)
    assert list(read_rows(tmp_path, HEADER)) == [row.key for row in rows]
    with open_journal(tmp_path, HEADER):
        assert list(read_rows(tmp_path, HEADER).values()) == rows


def test_a_journal_that_lost_its_content_begins_anew(tmp_path):
    (tmp_path / "rows.jsonl").touch()
    with open_journal(tmp_path, HEADER) as journal:
        journal.add(Row("d", 0, "a"))
    assert len(read_rows(tmp_path, HEADER)) == 1
