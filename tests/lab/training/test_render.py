"""The bodies of `panodepth train` and `panodepth render`."""

import errno
import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from panodepth.cli import main as cli_main
from panodepth.errors import ConfigError, OutputError, PanodepthError
from panodepth.lab.data import open_folder
from panodepth.lab.evaluation.run.predictors import Predicted
from panodepth.lab.evaluation.scoring import score_panoramas
from panodepth.lab.training import trainer
from panodepth.lab.training.distance.task import DistanceTask
from panodepth.lab.training.render import PanoramaJob, ViewJob, render_files
from panodepth.lab.training.trainer import TrainResult
from panodepth.lab.worlds import Priors, render_batch

RECIPE = Path(__file__).parents[3] / "recipes" / "compact.toml"


class FakeTrainer:
    """Stands in for a Trainer: notes what it was made of, ends as told."""

    made: ClassVar[list[DistanceTask]] = []
    error: PanodepthError | None = None
    engine = SimpleNamespace(is_main=True, close=lambda: None)
    quiet = False

    def __init__(self, task, *, quiet=False):
        self.made.append(task)

    def run(self):
        if self.error is not None:
            raise self.error
        return TrainResult(3, False, Path("m.safetensors"))


@pytest.fixture
def fake(monkeypatch, tmp_path):
    monkeypatch.setattr(trainer, "Trainer", FakeTrainer)
    monkeypatch.setattr(FakeTrainer, "made", [])
    out = ["--set", f"run.out={tmp_path / 'run'}", "--set", "run.tensorboard=false"]
    return ["train", "--recipe", str(RECIPE), *out]


def test_command_line_passes_settings_on(fake, tmp_path, capsys):
    place, start = tmp_path / "a 'quoted' folder", tmp_path / "w.safetensors"
    start.touch()
    line = ["--set", "run.steps=7", "--cache", str(place), "--init", str(start)]
    assert cli_main([*fake, *line]) == 0
    (task,) = FakeTrainer.made
    config = task.config
    assert (config.run.steps, config.data.cache, task.init) == (7, str(place), start)
    assert "the same command goes on" in capsys.readouterr().out
    assert cli_main(["train", "--recipe", str(tmp_path / "none.toml")]) == 2
    assert "error: cannot read recipe" in capsys.readouterr().err


def test_exit_code_tells_not_started_from_stopped(fake, monkeypatch, capsys):
    monkeypatch.setattr(FakeTrainer, "error", PanodepthError("out of memory at step 3: ..."))
    assert cli_main(fake) == 1
    assert capsys.readouterr().err == "error: out of memory at step 3: ...\n"


def test_no_place_to_write_cannot_start(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    place = f"run.out={tmp_path / 'file' / 'run'}"
    assert cli_main(["train", "--recipe", str(RECIPE), "--set", place]) == 2
    assert capsys.readouterr().err.startswith("error: cannot write to run.out")


def test_worlds_of_version_2_are_rendered_when_asked_for(tmp_path, capsys):
    line = ["render", "--count", "2", "--size", "28x56", "--seed", "4", "--first", "20"]
    for version in ("1", "2"):
        assert cli_main([*line, "--worlds", version, "--out", str(tmp_path / version)]) == 0
        priors = Priors(version=int(version))
        for k, image in enumerate(sorted((tmp_path / version).glob("*.png"))):
            made = render_batch(4, [20 + k], 28, 56, priors=priors).image[0]
            seen = np.asarray(Image.open(image)) / 255
            assert np.abs(seen - made.permute(1, 2, 0).numpy()).mean() < 0.01
    assert cli_main([*line, "--worlds", "3", "--out", str(tmp_path / "3")]) == 2
    assert "--worlds" in capsys.readouterr().err


def test_what_was_rendered_is_told_as_json(tmp_path, capsys):
    line = ["render", "--count", "1", "--size", "28x56", "--first", "20", "--json"]
    assert cli_main([*line, "--out", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out)
    (picture,) = tmp_path.glob("*.png")
    assert told == {"written": 1, "exit_code": 0, "out": str(tmp_path), "files": [str(picture)]}


def test_rendered_dataset_can_be_read_and_scored(tmp_path):
    job = PanoramaJob(count=3, seed=4, size=(28, 56), first=5)
    done = []
    written = render_files(job, tmp_path, on_done=done.append)
    assert done == written
    assert [p.name.rpartition("_")[2] for p in written] == [f"{i:06d}.png" for i in (5, 6, 7)]
    for image in written:
        reference = image.with_name(f"{image.stem}_distance.npz")
        assert np.asarray(Image.open(image)).shape == (28, 56, 3)
        with np.load(reference) as arrays:
            distance, sky = arrays["distance"], arrays["sky"]
        assert distance.dtype == np.float32
        assert np.array_equal(np.isnan(distance), sky)
        assert np.nanmin(distance) > 0.05
    source = open_folder(tmp_path)
    rows = score_panoramas({"all": list(source)}, lambda p: Predicted(np.ones((28, 56))))
    assert all(0 < row.values["abs_rel"] < 2 for row in rows)
    assert len(rows) == 3
    assert source[0].meta["unit"] == "m"
    assert not list(tmp_path.glob(".*"))


def test_what_somebody_said_about_the_folder_stays(tmp_path):
    (tmp_path / "dataset.json").write_text('{"unit": "relative", "licence": "mine"}')
    render_files(PanoramaJob(count=1, size=(28, 56)), tmp_path)
    assert open_folder(tmp_path)[0].meta["licence"] == "mine"


@pytest.mark.parametrize("views", [[], ["--views", "1"]])
def test_a_disk_that_fills_up_stops_rendering(tmp_path, monkeypatch, capsys, views):
    """Exit code 1 with what is there told, where a place that never worked gives 2."""
    save = Image.Image.save

    def full(image, file, **more):
        if len(list(tmp_path.glob("*.png"))) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(image, file, **more)

    monkeypatch.setattr(Image.Image, "save", full)
    line = ["render", "--count", "2", "--size", "28x56", "--out", str(tmp_path), *views]
    assert cli_main(line) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {tmp_path}")
    assert said.endswith("cannot be written (No space left on device); 1 were written\n")
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_the_same_job_gives_the_same_bytes(tmp_path):
    one = render_files(PanoramaJob(count=1, seed=1, size=(28, 56)), tmp_path / "a")[0]
    both = render_files(PanoramaJob(count=2, seed=1, size=(28, 56)), tmp_path / "b")[0]
    assert one.read_bytes() == both.read_bytes()


@pytest.mark.parametrize(
    "values", [{"kind": "garden"}, {"count": 0}, {"size": (28, 28)}, {"size": (2, 4)}, {"seed": -1}]
)
def test_impossible_jobs_are_refused(values):
    with pytest.raises(ConfigError):
        PanoramaJob(**{"count": 1, **values})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"size": (2, 4)}, "at least 4x4"),
        ({"move_m": math.inf}, "move_m .* must be a number"),
        ({"fov_deg": 0.0}, "fov_deg in render must be at least 1 and at most 170, not 0"),
    ],
)
def test_impossible_views_are_refused(values, said):
    with pytest.raises(ConfigError, match=said):
        ViewJob(**{"count": 1, "views": 1, **values})


def test_unwritable_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        render_files(PanoramaJob(count=1, size=(28, 56)), tmp_path / "file")
