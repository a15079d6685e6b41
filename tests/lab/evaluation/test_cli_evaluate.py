"""`panodepth evaluate` from the command line: what it prints, refuses and returns."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from panodepth.cli import main


def run(tree, out, *more: str) -> int:
    return main(["evaluate", "--data", f"mini={tree}", "--out", str(out), *more])


@pytest.fixture
def whole(tree):
    (tree / "p07.png").unlink()
    for path in tree.glob("p[12]*"):
        path.unlink()
    return tree


def test_the_truth_as_a_prediction_is_perfect(whole, tmp_path, capsys):
    assert run(whole, tmp_path / "out", "--predictor", str(whole), "--protocol", "sphere") == 0
    shown = capsys.readouterr()
    assert "protocol sphere" in shown.out
    assert "AbsRel % ↓" in shown.out
    assert str(tmp_path / "out" / "index.html") in shown.out
    measures = json.loads((tmp_path / "out" / "report.json").read_text())["datasets"]["mini"]
    assert measures["measures"]["abs_rel"]["mean"] == 0.0
    assert measures["measures"]["boundary_f1"]["mean"] == 1.0
    assert "--" not in shown.err
    page = (tmp_path / "out" / "index.html").read_text()
    assert page.count("<img") == 6
    again = ["--predictor", str(whole), "--protocol", "sphere", "--json"]
    assert run(whole, tmp_path / "out", *again) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told.pop("out"), told.pop("exit_code")) == (str(tmp_path / "out"), 0)
    assert told == json.loads((tmp_path / "out" / "report.json").read_text())


def test_a_model_and_a_comparison(whole, tmp_path, model_file, capsys):
    first, second = tmp_path / "a", tmp_path / "b"
    assert run(whole, first, "--predictor", str(model_file), "--rotation", "--pictures", "0") == 0
    report = json.loads((first / "report.json").read_text())
    measures = report["datasets"]["mini"]["measures"]
    assert measures["turn_yaw"]["count"] == 9
    assert report["protocol"]["long_side"] == 1092
    capsys.readouterr()
    assert run(whole, second, "--predictor", str(whole), "--compare", str(first)) == 0
    text = (second / "report.md").read_text()
    assert f"| {model_file} | da2 |" in text
    capsys.readouterr()
    more = ["--protocol", "uncapped", "--compare", str(first)]
    assert run(whole, tmp_path / "c", "--predictor", str(whole), *more) == 0
    told = f"note: {model_file} is not compared image by image: its protocol is da2"
    assert told in capsys.readouterr().out


def test_metres_by_the_camera_s_height(whole, tmp_path, model_file, capsys):
    arguments = ["--predictor", str(model_file), "--protocol", "metric", "--no-geometry"]
    assert run(whole, tmp_path / "a", *arguments, "--quiet") == 1
    (told,) = capsys.readouterr().err.splitlines()  # once, not for each panorama
    assert told.startswith("error: the predictor gives no metres (the prediction has no unit")
    assert "--option camera_height=1.6" in told
    code = run(whole, tmp_path / "b", *arguments, "--quiet", "--option", "camera_height=1.6")
    report = json.loads((tmp_path / "b" / "report.json").read_text())
    reasons = [s["reason"] for s in report["skipped"]]
    assert code in (0, 1)
    assert not any("needs metres" in reason for reason in reasons)


def test_parts_from_the_command_line(whole, tmp_path, capsys):
    out, predictor = tmp_path / "out", ("--predictor", str(whole), "--protocol", "sphere")
    for i in (1, 2):
        assert run(whole, out, *predictor, "--part", f"{i}/2") == 0
        assert f"part {i} of 2" in capsys.readouterr().out
    assert not (out / "report.json").exists()
    assert run(whole, out, *predictor) == 0
    assert (out / "report.json").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--protocol", "da3"], "unknown protocol 'da3'; did you mean 'da2'"),
        (["--predictor", "nowhere.py"], "nowhere.py: no such file"),
        (["--predictor", "no-such-model"], "no model 'no-such-model'"),
        (["--part", "3/2"], "--part '3/2' is not I/N"),
        (["--compare", "nowhere"], "no report of an evaluation"),
        (["--size", "big"], "is not HxW"),
        (["--option", "x"], "is not KEY=VALUE"),
        (["--rendered", "4", "--worlds", "3"], "Invalid value for '--worlds'"),
        (["--rendered", "1"], "--rendered 1: from 2 on"),
    ],
)
def test_what_cannot_start_is_one_line_and_code_2(whole, tmp_path, capsys, more, said):
    assert run(whole, tmp_path / "out", *more) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_rendered_worlds_and_groups(whole, tmp_path, model_file, capsys):
    out, more = tmp_path / "out", ("--predictor", str(model_file), "--protocol", "uncapped")
    groups = ("--group", "even=p0[02468]", "--rendered", "2", "--seed", "7", "--pictures", "0")
    assert run(whole, out, *more, *groups, "--no-geometry", "--size", "28x56") == 0
    report = json.loads((out / "report.json").read_text())
    assert {name: d["images"] for name, d in report["datasets"].items()} == {
        "mini even": 5,
        "mini other": 4,
        "rendered indoor": 1,
        "rendered outdoor": 1,
    }
    assert "worlds of seed 7 at 28x56" in report["run"]["datasets"][2]["path"]
    assert all(0 < d["measures"]["abs_rel"]["mean"] < 5 for d in report["datasets"].values())
    assert "mini even (5)" in capsys.readouterr().out


def test_no_data_is_an_error(tmp_path, capsys):
    assert main(["evaluate", "--out", str(tmp_path)]) == 2
    assert "give --data NAME=DIR" in capsys.readouterr().err


def test_another_run_in_the_same_folder_is_refused(whole, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(whole, out, "--predictor", str(whole), "--protocol", "sphere", "--quiet") == 0
    assert run(whole, out, "--predictor", str(whole), "--protocol", "uncapped", "--quiet") == 2
    assert "holds a run with another protocol" in capsys.readouterr().err


def test_numbers_of_predictions_that_were_made_again_are_not_kept(whole, tmp_path, capsys):
    out, predicted = tmp_path / "out", tmp_path / "predicted"
    shutil.copytree(whole, predicted)
    more = ("--predictor", str(predicted), "--protocol", "sphere", "--quiet")
    assert run(whole, out, *more) == 0
    assert run(whole, out, *more) == 0
    file = next(predicted.rglob("*_distance.npz"))
    with np.load(file) as arrays:
        np.savez(file, distance=1 / arrays["distance"])
    assert run(whole, out, *more) == 2
    assert "holds a run with another identity; choose another --out" in capsys.readouterr().err


def test_a_folder_cannot_predict_turned_pictures(whole, tmp_path, capsys):
    assert run(whole, tmp_path / "out", "--predictor", str(whole), "--rotation") == 2
    assert "--rotation predicts turned pictures, a folder cannot" in capsys.readouterr().err


def test_points_need_scipy(whole, tmp_path, capsys, monkeypatch):
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "scipy" else found(name, *a)
    )
    assert run(whole, tmp_path / "out", "--predictor", str(whole), "--points") == 2
    assert "--points needs scipy, which is not installed" in capsys.readouterr().err


def test_no_progress_bar_where_nobody_looks(whole, tmp_path):
    command = [sys.executable, "-m", "panodepth", "evaluate", "--data", f"mini={whole}"]
    command += ["--predictor", str(whole), "--protocol", "sphere", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == ""


def test_qualities_of_a_model(whole, tmp_path, model_file, capsys):
    found = {}
    for quality in ("fast", "best"):
        more = ["--predictor", str(model_file), "--quality", quality, "--no-geometry", "--quiet"]
        assert run(whole, tmp_path / quality, *more) == 0
        report = json.loads((tmp_path / quality / "report.json").read_text())
        found[quality] = report["datasets"]["mini"]["measures"]["abs_rel"]["mean"]
    assert found["fast"] != found["best"]
    assert run(whole, tmp_path / "c", "--quality", "sharp") == 2
    assert "use fast, standard, balanced, best" in capsys.readouterr().err
    file = tmp_path / "p.py"
    file.write_text("class Predictor: pass")
    assert run(whole, tmp_path / "d", "--predictor", str(file), "--quality", "best") == 2
    assert "--quality is of models" in capsys.readouterr().err
