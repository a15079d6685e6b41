"""The bodies of `panodepth train` and `panodepth render`."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from panodepth.errors import ConfigError, OutputError
from panodepth.training import __main__ as command_line
from panodepth.training import commands
from panodepth.training.commands import RenderJob, render_dataset
from panodepth.training.trainer import TrainResult
from panodepth.training.validation import constant, find_pairs, validate

RECIPE = Path(__file__).parents[2] / "recipes" / "compact.toml"


def test_command_line_passes_settings_on(tmp_path, monkeypatch, capsys):
    seen = []

    def fake(config, *, init):
        seen.append((config, init))
        return TrainResult(3, False, tmp_path / "m.safetensors", {})

    monkeypatch.setattr(commands, "train", fake)
    place = tmp_path / "a 'quoted' folder"
    line = ["--recipe", str(RECIPE), "--set", "run.steps=7", "--cache", str(place), "--init", "w"]
    assert command_line.main(line) == 0
    config, init = seen[0]
    assert (config.run.steps, config.data.cache, init) == (7, str(place), Path("w"))
    assert "run the same command" in capsys.readouterr().out
    assert command_line.main(["--recipe", str(tmp_path / "none.toml")]) == 1
    assert "error: cannot read recipe" in capsys.readouterr().err


def test_rendered_dataset_can_be_read_and_scored(tmp_path):
    job = RenderJob(count=3, seed=4, size=(28, 56), first=5)
    done = []
    written = render_dataset(job, tmp_path, on_done=done.append)
    assert done == written
    assert [p.name.rpartition("_")[2] for p in written] == [f"{i:06d}.png" for i in (5, 6, 7)]
    assert sorted(written) == [image for image, _ in find_pairs(tmp_path)]
    for image, reference in find_pairs(tmp_path):
        assert np.asarray(Image.open(image)).shape == (28, 56, 3)
        with np.load(reference) as arrays:
            distance, sky = arrays["distance"], arrays["sky"]
        assert distance.dtype == np.float32
        assert np.array_equal(np.isnan(distance), sky)
        assert np.nanmin(distance) > 0.05
    assert all(0 < s.abs_rel < 2 for s in validate(constant, tmp_path))
    assert not list(tmp_path.glob(".*"))


def test_the_same_job_gives_the_same_bytes(tmp_path):
    one = render_dataset(RenderJob(count=1, seed=1, size=(28, 56)), tmp_path / "a")[0]
    both = render_dataset(RenderJob(count=2, seed=1, size=(28, 56)), tmp_path / "b")[0]
    assert one.read_bytes() == both.read_bytes()


@pytest.mark.parametrize(
    "values", [{"kind": "garden"}, {"count": 0}, {"size": (28, 28)}, {"seed": -1}]
)
def test_impossible_jobs_are_refused(values):
    with pytest.raises(ConfigError):
        RenderJob(**{"count": 1, **values})


def test_unwritable_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write to"):
        render_dataset(RenderJob(count=1, size=(28, 56)), tmp_path / "file")
