"""Panoramas that are measured as a run goes and never trained on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from panodepth.cli import main
from panodepth.errors import ConfigError
from panodepth.lab.training import train
from panodepth.lab.training.config import SourceConfig, config_from_dict
from panodepth.lab.training.distance.held_out import (
    also_trained_on,
    open_held_out,
    readable,
)
from panodepth.lab.training.distance.task import DistanceTask


@pytest.fixture
def folder(tmp_path):
    """Three panoramas, 64 x 128; the second one's picture is broken."""
    place = tmp_path / "kept"
    place.mkdir()
    for name, distance in (("a", 2.0), ("b", 3.0), ("c", 5.0)):
        values = np.full((64, 128), distance, np.float32)
        values[:32] *= 2
        np.savez(place / f"{name}_distance.npz", distance=values)
        Image.new("RGB", (128, 64), "grey").save(place / f"{name}.png")
    (place / "b.png").write_bytes(b"\x89PNG")
    return place


def with_held_out(config, *folders):
    tables = [{"kind": "folder", "path": str(folder)} for folder in folders]
    return config_from_dict({**config.to_dict(), "held_out": tables})


def test_what_can_be_read_is_measured_at_the_size_that_is_trained(folder):
    (source,) = open_held_out([SourceConfig("folder", str(folder))]).values()
    found = list(readable(source, (28, 56)))
    assert [panorama.meta["name"] for panorama in found] == ["a", "c"]
    assert all(panorama.image.shape == (28, 56, 3) for panorama in found)


def test_scores_of_it_are_logged_beside_those_of_worlds(make_config, renderer, folder):
    run = {"steps": 2, "validate_every": 1, "validate_count": 2}
    config = with_held_out(make_config(run=run), folder)
    scores = train(config, renderer=renderer).scores
    assert set(scores) == {"indoor", "outdoor", "sky", "kept"}
    assert (scores["kept"]["images"], scores["kept"]["left_out"]) == (2, 1)
    lines = (Path(config.run.out) / "log.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    told = [r for r in records if r["event"] == "validate"]
    (note,) = [r["text"] for r in records if r["event"] == "note" and "held_out" in r["text"]]
    assert note.startswith(f"held_out.kept: left out, the first sample: {folder / 'b.png'}: ")
    assert [set(record["held_out"]) for record in told] == [{"kept"}, {"kept"}]
    assert set(told[0]["rendered"]) == {"indoor", "outdoor", "sky"}


def test_it_changes_nothing_that_is_trained_and_no_world_is_needed(make_config, renderer, folder):
    plain = train(make_config(run={"steps": 2, "out": str(folder / "1")}), renderer=renderer)
    config = with_held_out(make_config(run={"steps": 2, "out": str(folder / "2")}), folder)
    measured = train(config, renderer=renderer)
    assert set(measured.scores) == {"kept"}
    assert (plain.scores, measured.step) == ({}, 2)
    weights = [
        np.fromfile(r.weights.with_name("model.safetensors"), "u1") for r in (plain, measured)
    ]
    np.testing.assert_array_equal(weights[0][-4000:], weights[1][-4000:])


def test_names_that_are_taken_are_whole_paths(make_config, folder):
    taken = folder.parent / "indoor"
    folder.rename(taken)
    tables = [SourceConfig("folder", str(taken)), SourceConfig("folder", f"{taken}/")]
    assert list(open_held_out(tables)) == [str(taken), f"{taken}/"]
    with pytest.raises(ConfigError, match="no such folder"):
        DistanceTask(with_held_out(make_config(), taken / "nowhere"))


def test_a_folder_of_which_nothing_can_be_read_is_told(make_config, renderer, folder):
    for name in "ac":
        (folder / f"{name}.png").write_bytes(b"\x89PNG")
    config = with_held_out(make_config(run={"steps": 1}), folder)
    assert train(config, renderer=renderer).scores == {"kept": {"images": 0, "left_out": 3}}


def test_no_table_takes_the_place_of_another(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    for name in ("a", "c"):
        Path(f"{name}.txt").write_text(name)
    tables = [SourceConfig("folder", "kept", split=f"{s}.txt") for s in ("a", "c", "a", "a")]
    opened = open_held_out(tables)
    assert list(opened) == ["kept", "kept: c.txt", "kept: a.txt", "kept: 2"]
    assert [source[0].meta["name"] for source in opened.values()] == ["a", "c", "a", "a"]


def test_the_command_line_takes_folders(folder, tmp_path, capsys):
    (folder / "b.png").unlink()
    (folder / "b_distance.npz").unlink()
    small = [
        "data.height=28",
        "data.width=56",
        "data.batch=2",
        "run.steps=1",
        "run.validate_every=0",
    ]
    small += ["run.preview_every=0", "run.tensorboard=false", f"run.out={tmp_path / 'run'}"]
    settings = [word for setting in small for word in ("--set", setting)]
    recipe = str(Path(__file__).parents[3] / "recipes/finetune.toml")
    arguments = ["train", "--recipe", recipe, "--data", str(folder), "--held-out", str(folder)]
    assert main([*arguments, *settings]) == 0
    assert "held_out.kept.abs_rel=" in capsys.readouterr().err


def test_what_is_trained_on_too_is_told():
    """A folder's panoramas are all that lie below it, those kept apart there as well."""

    def told(held, held_split, path, split="", kind="folder"):
        tables = [SourceConfig("folder", held, split=held_split)]
        return also_trained_on(tables, [SourceConfig(kind, path, split=split)])

    (text,) = told("mine/kept", "", "mine")
    assert text.startswith("mine/kept is held out and, as part of mine, trained on too")
    assert told("mine", "", "./mine/")
    assert told("mine", "kept.txt", "mine")
    assert told("mine", "kept.txt", "mine", "kept.txt")
    assert not told("kept", "", "mine")
    (text,) = told("mine", "", "mine/trained")
    assert text.startswith("mine/trained is trained on and, as part of mine, held out too")
    assert not told("mine", "kept.txt", "mine/trained")
    assert not told("mine", "kept.txt", "mine", "trained.txt")
    assert not told("mine/kept", "", "mine", kind="shards")
