"""Scoring folders and rendered panoramas."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from panodepth.errors import InputError, PanodepthError
from panodepth.lab.training.config import TEST_SEED, TRAINING_SEED, VALIDATION_SEED
from panodepth.lab.training.rendered import RenderedSet
from panodepth.lab.training.scores import Score, bootstrap_interval, summarise, table
from panodepth.lab.training.setup import build_network
from panodepth.lab.training.validation import constant, main, open_pairs, validate
from panodepth.model import save_model


@pytest.fixture
def folder(tmp_path):
    """a1: truth 1 | 2 in halves, top row not given; b1: constant truth; c1 without a picture."""
    place = tmp_path / "pairs"
    place.mkdir()
    truth = np.ones((28, 56), dtype=np.float16)
    truth[:, 28:] = 2.0
    truth[0] = np.nan
    flat = np.full((28, 56), 7.0, dtype=np.float32)
    for name, distance in (("a1", truth), ("b1", flat), ("c1", flat)):
        np.savez(place / f"{name}_distance.npz", distance=distance)
        if name != "c1":
            Image.fromarray(np.full((28, 56, 3), 128, np.uint8)).save(place / f"{name}.png")
    return place


def test_constant_scores_by_hand(folder):
    scores = {s.name: s for s in validate(constant, folder)}
    # the median of as many ones as twos is 1.5: errors 0.5 and 0.25
    assert scores["a1"].abs_rel == pytest.approx(0.375)
    assert scores["a1"].delta1 == 0.0
    assert scores["b1"].abs_rel == pytest.approx(0.0)
    assert scores["b1"].delta1 == 1.0
    assert set(scores) == {"a1", "b1"}
    assert (scores["a1"].group, scores["b1"].group) == ("indoor", "outdoor")


def test_scale_of_the_prediction_does_not_matter(folder):
    def slope(image):
        ramp = np.linspace(1, 2, image.shape[1], dtype=np.float32)
        return np.tile(ramp, (image.shape[0], 1))

    one = validate(slope, folder)
    other = validate(lambda image: 1000 * slope(image), folder)
    assert one[0].abs_rel == pytest.approx(other[0].abs_rel, rel=1e-4)
    assert 0.05 < one[0].abs_rel < 0.375


def test_groups_are_patterns(folder):
    summary = summarise(validate(constant, folder, {"mine": "*1"}))
    assert list(summary) == ["mine"]
    assert summary["mine"]["images"] == 2
    assert summary["mine"]["abs_rel"] == pytest.approx(0.375 / 2)
    assert list(summarise(validate(constant, folder, {}))) == ["other"]


def test_empty_folder_and_broken_files_are_named(tmp_path, folder):
    (tmp_path / "none").mkdir()
    with pytest.raises(PanodepthError, match=r"no NAME_distance\.npz"):
        open_pairs(tmp_path / "none")
    np.savez(tmp_path / "none" / "a_distance.npz", distance=np.ones((28, 56)))
    with pytest.raises(InputError, match=r"no NAME\.png"):
        open_pairs(tmp_path / "none")
    (folder / "a1.png").write_bytes(b"not a picture")
    with pytest.raises(InputError, match=r"a1\.png"):
        validate(constant, folder)


def test_rendered_set_is_scored_by_kind_from_its_own_seed(make_config, renderer):
    seeds = []

    def spy(seed, indices, height, width, **options):
        seeds.append(seed)
        return renderer(seed, indices, height, width, **options)

    chosen = RenderedSet(make_config().data, 6, spy)
    truth = {}

    def cheat(images):
        """Knows the truth by the picture, up to a scale; sky is far and known."""
        log, logit = zip(*(truth[x.numpy().tobytes()] for x in images), strict=True)
        return torch.stack(log) + 3, torch.stack(logit)

    for kind in ("indoor", "outdoor"):
        made = renderer(VALIDATION_SEED, range(3), 28, 56, kind=kind)
        images = (made.image * 255 + 0.5).to(torch.uint8).float() / 255
        for i, image in enumerate(images):
            log = torch.where(made.valid[i], made.distance[i], 99.0).log()
            truth[image.numpy().tobytes()] = (log, made.sky[i].float() - 0.5)
    scores = chosen.score(cheat, 4)
    assert set(seeds) == {VALIDATION_SEED}
    assert scores["indoor"]["images"] == scores["outdoor"]["images"] == 3
    assert scores["indoor"]["abs_rel"] == pytest.approx(0, abs=1e-5)
    assert scores["outdoor"]["delta1"] == 1.0
    assert scores["sky"]["iou"] == 1.0


def test_intervals_by_hand():
    values = [0.1] * 50 + [0.3] * 50  # the mean of 100 draws: 0.2 ± 1.96 · 0.1 / 10
    low, high = bootstrap_interval(values)
    assert (low, high) == pytest.approx((0.1804, 0.2196), abs=0.002)
    assert bootstrap_interval([4, 4, 4], [8, 8, 8]) == (0.5, 0.5)
    assert bootstrap_interval([1, 0], [1, 0]) == (1.0, 1.0)  # images without sky drop out


def test_summary_counts_sky_over_all_images_and_gives_intervals():
    scores = [Score("a", "out", 0.1, 0.9, 30, 40), Score("b", "out", 0.3, 0.7, 10, 10)]
    summary = summarise([*scores, Score("c", "in", 0.2, 0.8, 0, 0)], intervals=True)
    assert summary["sky"]["iou"] == pytest.approx(0.8)
    assert summary["sky"]["iou_low"] == pytest.approx(0.75)
    assert summary["out"]["abs_rel"] == pytest.approx(0.2)
    assert summary["out"]["abs_rel_low"] == pytest.approx(0.1)
    assert summary["out"]["delta1_high"] == pytest.approx(0.9)
    assert "abs_rel_low" not in summary["in"]  # one image says nothing of others
    assert "abs_rel_low" not in summarise(scores)["out"]
    assert "0.2000 [0.1000, 0.3000]" in table({"model": summary})
    assert "sky" not in summarise([Score("a", "in", 0.1, 0.9)])


def test_seed_ranges_are_apart():
    assert TRAINING_SEED < VALIDATION_SEED < TEST_SEED


def test_command_prints_table_and_json(folder, tmp_path, make_config, capsys):
    weights = save_model(build_network(make_config().network), tmp_path / "m.safetensors")
    arguments = ["--weights", str(weights), "--data", str(folder), "--size", "28x56"]
    assert main([*arguments, "--group", "all=*"]) == 0
    out = capsys.readouterr().out
    assert "constant" in out
    record = json.loads(out.strip().splitlines()[-1])
    assert record["constant"]["all"]["abs_rel"] == pytest.approx(0.1875)
    assert record["model"]["all"]["images"] == 2
    rendered = ["--weights", str(weights), "--rendered", "4", "--seed", "7", "--size", "28x56"]
    assert main(rendered) == 0
    record = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert record["model"]["indoor"]["images"] == record["constant"]["outdoor"]["images"] == 2
    assert "iou" in record["model"]["sky"]
    assert main(["--weights", str(tmp_path / "none.safetensors"), "--data", str(folder)]) == 1
    assert "error:" in capsys.readouterr().err
