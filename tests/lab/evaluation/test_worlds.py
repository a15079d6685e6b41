"""Rendered worlds as something to measure on, groups of a folder, and sky."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.lab.evaluation.conftest import Fixed, panorama
from tests.lab.training.conftest import render_boxes

from panodepth.errors import ConfigError
from panodepth.lab.evaluation.protocol import PROTOCOLS, TEST_SEED, VALIDATION_SEED
from panodepth.lab.evaluation.report.summary import statistic, summarise
from panodepth.lab.evaluation.run.datasets import (
    Dataset,
    open_datasets,
    rendered_datasets,
    split_groups,
)
from panodepth.lab.evaluation.run.journal import Row
from panodepth.lab.evaluation.run.predictors import FromImages, Predicted
from panodepth.lab.evaluation.scoring import Extras, evaluate, score_panoramas
from panodepth.lab.evaluation.worlds import WorldSource
from panodepth.lab.training.config import DataConfig
from panodepth.lab.worlds import Priors
from panodepth.types import Panorama, Prediction

SIZE = (28, 56)


def worlds(kind: str, count: int = 3) -> WorldSource:
    return WorldSource(kind, count, SIZE, renderer=render_boxes)


def test_seed_ranges_are_apart():
    assert DataConfig().seed < VALIDATION_SEED < TEST_SEED


@pytest.mark.parametrize("kind", ["indoor", "outdoor"])
def test_a_world_is_what_was_rendered(kind):
    source = worlds(kind)
    made = render_boxes(VALIDATION_SEED, [2], *SIZE, kind=kind)
    found = source[2]
    assert len(source) == 3
    assert found.meta["name"] == f"{kind}_000002"
    assert np.abs(found.image - made.image[0].permute(1, 2, 0).numpy()).max() <= 0.501 / 255
    sky = made.sky[0].numpy()
    assert np.array_equal(np.isposinf(found.distance), sky)
    assert np.array_equal(found.mask, ~sky)
    assert np.array_equal(found.distance[~sky], made.distance[0].numpy()[~sky])
    with pytest.raises(IndexError, match="3 worlds, not 4"):
        source[3]


def test_who_knows_the_truth_is_perfect_up_to_a_scale():
    panoramas = {kind: [worlds(kind)[i] for i in range(3)] for kind in ("indoor", "outdoor")}

    truth = {p.image.tobytes(): p.distance for made in panoramas.values() for p in made}

    def cheat(panorama: Panorama) -> Predicted:
        assert panorama.distance is None
        distance = truth[panorama.image.tobytes()]
        sky = np.isposinf(distance)
        return Predicted(np.where(sky, np.float32(99), distance * np.float32(20)), sky=sky)

    rows = score_panoramas(panoramas, cheat)
    assert [(row.dataset, row.name) for row in rows[2:4]] == [
        ("indoor", "indoor_000002"),
        ("outdoor", "outdoor_000000"),
    ]
    indoor, outdoor = summarise(rows)
    assert indoor.images == outdoor.images == 3
    assert indoor.measures["abs_rel"].mean == pytest.approx(0, abs=1e-5)
    assert outdoor.measures["delta1"].mean == 1.0
    assert outdoor.measures["sky_iou"].mean == 1.0
    assert "sky_iou" not in indoor.measures  # there is none


def test_panoramas_with_nothing_to_measure_are_left_out():
    made = panorama()
    empty = Panorama(made.image, made.distance, np.zeros_like(made.mask), made.meta)
    rows = score_panoramas({"all": [empty, made]}, Fixed(made.distance))
    assert [row.index for row in rows] == [1]


def test_rendered_datasets_are_half_indoor():
    found = rendered_datasets(7, SIZE, seed=5)
    assert [(d.name, len(d.source), d.source.seed) for d in found] == [
        ("rendered indoor", 3, 5),
        ("rendered outdoor", 3, 5),
    ]
    assert "3 worlds of seed 5 at 28x56" in str(found[0].describe())
    for count, size in ((1, SIZE), (4, (28, 28))):
        with pytest.raises(ConfigError, match=f"{count} rendered worlds"):
            rendered_datasets(count, size)


def test_worlds_of_version_2_are_named_so_and_another_version_is_refused():
    found = rendered_datasets(4, SIZE, version=2)
    assert [d.name for d in found] == ["rendered v2 indoor", "rendered v2 outdoor"]
    assert str(found[0].path).endswith("version 2")
    assert [d.source.priors for d in found] == [Priors(version=2)] * 2
    with pytest.raises(ConfigError, match="no version 3"):
        rendered_datasets(4, SIZE, version=3)


def test_groups_are_patterns_of_names(tree):
    datasets = open_datasets([f"mine={tree}"], PROTOCOLS["uncapped"])
    assert split_groups(datasets, []) == datasets
    first, second, other = split_groups(datasets, ["low=p0*", "even=p?[02468]"])
    assert [d.name for d in (first, second, other)] == ["mine low", "mine even", "mine other"]
    assert [len(d.source) for d in (first, second, other)] == [10, 10, 10]
    assert (second.sample_name(1), other.sample_name(0)) == ("p12", "p11")
    assert second.source[1].meta["name"] == "p12"
    assert second.kind == "folder"
    (everything,) = split_groups(datasets, ["all=*"])
    assert len(everything.source) == 30
    for bad in ("all", "=x", "all="):
        with pytest.raises(ConfigError, match="is not NAME=PATTERN"):
            split_groups(datasets, [bad])


def with_sky(said: np.ndarray, truth: np.ndarray, known: np.ndarray) -> dict[str, float | None]:
    distance = np.where(truth, np.inf, np.where(known, 2.0, 0.0)).astype(np.float32)
    image = np.ones((*truth.shape, 3), np.float32)
    made = Panorama(image, distance, known & ~truth, {"name": "x", "unit": "m"})

    def predict(_: Panorama) -> Predicted:
        return Predicted(np.ones(truth.shape, np.float32), sky=said)

    return evaluate(made, predict, PROTOCOLS["uncapped"], Extras(geometry=False))


def test_sky_counts_where_something_is_known():
    truth, said, known = (np.zeros((4, 8), bool) for _ in range(3))
    truth[0], known[1:3], said[0, :6], said[1:4, 0] = True, True, True, True
    found = with_sky(said, truth, known)
    # six of eight sky pixels, and two surfaces taken for sky; the third is not known
    assert (found["sky_iou"], found["sky_pixels"]) == (6 / 10, 10)
    assert with_sky(said, np.zeros_like(truth), known)["sky_iou"] is None


def test_the_mean_of_sky_is_over_all_pixels_together():
    values = [{"sky_iou": 0.75, "sky_pixels": 40.0}, {"sky_iou": 1.0, "sky_pixels": 10.0}]
    rows = [Row("d", i, str(i), v) for i, v in enumerate([*values, {"sky_iou": None}])]
    found = summarise(rows)[0].measures["sky_iou"]
    assert (found.mean, found.low, found.high, found.count) == (0.8, 0.75, 1.0, 2)


def test_weights_of_one_change_nothing():
    values = np.random.default_rng(0).uniform(size=50)
    plain, weighted = statistic(values), statistic(values, np.full(50, 3.0))
    assert weighted.mean == pytest.approx(plain.mean, rel=1e-12)
    assert (weighted.low, weighted.high) == pytest.approx((plain.low, plain.high), rel=1e-12)


@pytest.mark.parametrize(("sky", "told"), [("model", True), ("classical", True), ("none", False)])
def test_a_prediction_tells_its_sky(sky, told):
    """And not what else is masked: the black border below a picture is no sky."""
    above, mask = (np.zeros((4, 8), bool) for _ in range(2))
    above[:2], mask[2:3] = True, True

    class Model:
        def predict(self, image: np.ndarray) -> Prediction:
            pixels, ones = np.zeros((4, 8, 3), np.uint8), np.ones((4, 8), np.float32)
            return Prediction(ones, mask, pixels, {"sky": sky}, sky_mask=above)

    found = FromImages(Model())(panorama()).sky
    assert (found is not None) == told
    if told:
        assert np.array_equal(found, above)


def test_the_packages_worlds_can_be_measured_on():
    dataset: Dataset = rendered_datasets(2, SIZE)[1]
    made = dataset.source[0]
    assert made.image.shape == (*SIZE, 3)
    assert made.image.dtype == made.distance.dtype == np.float32
    assert torch.from_numpy(made.distance[made.mask]).isfinite().all()
