"""The model that ships: small, described, better than a constant, seamless, and flat on walls."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import panodepth
from panodepth.lab.evaluation.measures.align import median_scale
from panodepth.lab.evaluation.measures.metrics import abs_rel
from panodepth.lab.worlds import render_batch
from panodepth.lab.worlds.parts.place import WALL

ROOT = Path(__file__).parents[1]
WEIGHTS = ROOT / "src" / "panodepth" / "weights"
SEED = 1_000_000  # validation worlds; the test worlds are for the report alone


@pytest.fixture(scope="module")
def predictor():
    return panodepth.load(device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def rendered(predictor):
    batch = render_batch(SEED, range(8), 252, 504)
    images = batch.image.permute(0, 2, 3, 1).numpy()
    return batch, [predictor.predict(image) for image in images]


def test_weights_are_small_and_have_a_card():
    assert (WEIGHTS / "default.safetensors").stat().st_size <= 20_000_000
    card = (WEIGHTS / "README.md").read_text()
    for heading in ("How it was trained", "Measured", "Limits"):
        assert heading in card


def test_much_better_than_a_constant_on_unseen_worlds(rendered):
    batch, predictions = rendered
    errors = {"model": [], "constant": []}
    for prediction, truth, valid in zip(
        predictions, batch.distance.numpy(), batch.valid.numpy(), strict=True
    ):
        for name, guess in (("model", prediction.solid), ("constant", np.ones_like(truth))):
            scale = np.float32(median_scale(guess, truth, valid))
            errors[name].append(abs_rel(guess * scale, truth, valid))
    assert np.mean(errors["model"]) < 0.5 * np.mean(errors["constant"])


def test_sky_is_found_and_ceilings_are_not_sky(rendered):
    batch, predictions = rendered
    sky = batch.sky.numpy()
    found = np.stack([~p.mask for p in predictions])
    assert (sky & found).sum() / (sky | found).sum() > 0.9
    assert found[batch.indoor.numpy()].mean() < 0.01


def test_walls_are_flat(rendered):
    batch, predictions = rendered
    angles = []
    for k in torch.nonzero(batch.indoor)[:, 0].tolist():
        wall = batch.label[k] == WALL
        for axis in (0, 1):  # away from the edges of walls
            wall = wall & torch.roll(wall, 3, axis) & torch.roll(wall, -3, axis)
        normals = torch.from_numpy(predictions[k].normals)
        cosine = (normals * batch.normals[k]).sum(-1)[wall].clamp(-1, 1)
        angles.append(float(torch.rad2deg(torch.acos(cosine)).median()))
    assert np.mean(angles) < 10


def test_the_seam_is_no_edge(rendered):
    _, predictions = rendered
    for prediction in predictions:
        logs = np.log(prediction.solid)
        steps = np.abs(logs - np.roll(logs, 1, axis=1)).mean(0)
        assert steps[0] <= np.quantile(steps[1:], 0.99)


def test_rolling_the_input_rolls_the_output(predictor):
    height, width = predictor.size
    image = render_batch(SEED, [3], height, width).image[0].permute(1, 2, 0).numpy()
    columns = 14 * 5
    before = predictor.predict(image).solid
    after = predictor.predict(np.roll(image, columns, axis=1)).solid
    difference = np.abs(after / np.roll(before, columns, axis=1) - 1)
    assert difference.mean() < 1e-3


def test_the_zenith_is_no_step(rendered):
    """Each picture's own network size, so that nothing is resized: the top row fits the next."""
    _, predictions = rendered
    logs = np.log(np.stack([p.solid for p in predictions]))
    assert np.median(np.abs(logs[:, 0] - logs[:, 1])) <= 0.01
