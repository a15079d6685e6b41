"""Every addition that docs/architecture.md explains, done once exactly as it is written there."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tests.how_to import MOST_LINES, PAGE, block, follow, own_lines

import panodepth
from panodepth.cli import main
from panodepth.types import Prediction

HEADINGS = re.findall(r"^### (An? .*)$", PAGE.read_text(), re.M)
SIZE = (32, 64)


@pytest.fixture
def prediction() -> Prediction:
    g = np.random.default_rng(0)
    distance = g.uniform(1, 5, SIZE).astype(np.float32)
    mask = g.random(SIZE) < 0.8
    return Prediction(distance, mask, g.integers(0, 255, (*SIZE, 3), np.uint8), {"unit": "m"})


@pytest.fixture
def restored() -> Iterator[Callable[[dict], None]]:
    """Call it with a registry, and what the test adds there is gone afterwards."""
    kept: list[tuple[dict, dict]] = []
    yield lambda registry: kept.append((registry, dict(registry)))
    for registry, before in kept:
        registry.clear()
        registry.update(before)


@pytest.mark.parametrize("heading", HEADINGS)
def test_ten_lines_are_enough(heading: str) -> None:
    assert own_lines(heading) <= MOST_LINES


def test_a_format(prediction, tmp_path, restored) -> None:
    from panodepth.export import registry

    restored(registry.WRITERS)
    follow("A format")
    named = replace(prediction, meta={"name": "room"})
    (file,) = named.save(tmp_path, formats=["csv"])
    assert file.name == "room_distance.csv"
    read = np.loadtxt(file, delimiter=",")
    expected = np.where(prediction.mask, prediction.distance, 0)
    np.testing.assert_allclose(read, expected, rtol=1e-4)


def test_a_reader(tmp_path, restored) -> None:
    from panodepth.lab.data import registry

    restored(registry.SOURCES)
    follow("A reader")
    image = np.full((*SIZE, 3), 51, np.uint8)
    np.savez(tmp_path / "b.npz", image=image, distance=np.full(SIZE, 2.5, np.float32))
    np.savez(tmp_path / "a.npz", image=image, distance=np.full(SIZE, 1.5, np.float32))
    source = registry.open_source("arrays", tmp_path)
    assert [source[i].meta["name"] for i in range(len(source))] == ["a", "b"]
    assert source[1].distance is not None
    assert (source[1].distance == 2.5).all()
    np.testing.assert_allclose(source[0].image, 0.2, atol=1e-6)


def test_a_predictor(tmp_path) -> None:
    file = tmp_path / "floor.py"
    file.write_text(block("A predictor"))
    data = tmp_path / "data"
    data.mkdir()
    lat = (np.arange(SIZE[0]) + 0.5) / SIZE[0] * np.pi - np.pi / 2
    room = np.minimum(np.where(lat > 0, 1.6, 1.2) / np.maximum(np.abs(np.sin(lat)), 0.05), 1e4)
    truth = np.repeat(room[:, None], SIZE[1], 1).astype(np.float32)
    np.savez(data / "a_distance.npz", distance=truth)
    Image.fromarray(np.full((*SIZE, 3), 99, np.uint8)).save(data / "a.png")
    command = ["evaluate", "--data", f"folder={data}", "--predictor", str(file)]
    command += ["--protocol", "uncapped", "--out", str(tmp_path / "report")]
    assert main(command) == 0
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["datasets"]["folder"]["measures"]["abs_rel"]["mean"] < 1e-5
    made = follow("A predictor")["Predictor"]().predict(np.zeros((*SIZE, 3), np.float32))
    np.testing.assert_allclose(made, truth, rtol=1e-5)


def test_an_out_painter(restored) -> None:
    from panodepth.lab.curation import outpaint

    restored(outpaint.OUTPAINTERS)
    follow("An out-painter")
    painter = outpaint.make_outpainter("mean")
    image = np.zeros((*SIZE, 3), np.uint8)
    image[:, :32] = 100
    known = np.zeros(SIZE, bool)
    known[:, :32] = True
    filled = painter.fill(image, known, 0)
    assert filled.dtype == np.uint8
    assert (filled == 100).all()
    assert painter.name == "mean"


def test_a_lens(restored) -> None:
    """A panorama through the new lens and back: under 0.05 px in the mean, in both libraries."""
    import torch

    from panodepth.geometry.grid import erp_rays, solid_angles
    from panodepth.geometry.lens import ERP, View
    from panodepth.geometry.lenses import LENSES
    from panodepth.geometry.resampling import resample

    restored(LENSES)
    follow("A lens")
    lens = LENSES["nikkor"].from_fov(math.radians(200), (256, 256))
    true = erp_rays(128, 256)
    planes = np.ascontiguousarray(np.moveaxis(true, -1, 0))
    for image in (planes, torch.from_numpy(planes)):
        picture, sees = resample(image, ERP(), View(lens, (256, 256)))
        back, covered = resample(picture, lens, View(ERP(), (128, 256)))
        found, ray = np.moveaxis(np.asarray(back), 0, -1)[covered], true[covered]
        sine = np.linalg.norm(np.cross(found, ray), axis=-1)
        angle = np.arctan2(sine, (found * ray).sum(-1))
        assert angle.mean() * 256 / (2 * math.pi) < 0.05
        assert np.asarray(sees).mean() == pytest.approx(math.pi / 4, abs=0.01)
        share = (np.asarray(covered) * solid_angles(128, 256)).sum() / (4 * math.pi)
        assert share == pytest.approx((1 - math.cos(math.radians(100))) / 2, abs=0.01)


def test_a_backbone(tmp_path, restored) -> None:
    from panodepth.errors import ConfigError
    from panodepth.lab.training.config import NetworkConfig
    from panodepth.lab.training.distance.network import build_network, choose_trained
    from panodepth.model import backbones, find_preset, save_model

    restored(backbones.BACKBONES)
    follow("A backbone")
    fields = {"dim": 32, "depth": 4, "heads": 2, "features": [1, 2, 3, 4], "hidden": 32}
    fields |= {"cross_heads": 2, "decoder": [16, 8, 8, 8], "head": [4, 4]}
    network = NetworkConfig("tiny", {**fields, "backbone": "patch8"}, train="last:2")
    model = build_network(network, (64, 128))
    assert model.config.grid((64, 128)) == (8, 16)
    choose_trained(model, network)
    trained = {n.split(".")[2] for n, p in model.named_parameters() if p.requires_grad}
    assert not model.backbone.stem.patch.weight.requires_grad
    assert {"2", "3"} <= trained
    predictor = panodepth.load(save_model(model, tmp_path / "patch8.safetensors"), device="cpu")
    found = predictor.predict(np.full((*SIZE, 3), 99, np.uint8))
    assert found.distance.shape == SIZE
    assert np.isfinite(found.distance).all()
    with pytest.raises(ConfigError, match=r"'tiny' network takes multiples of 8.*104×208"):
        predictor.checked_size((102, 205))
    assert find_preset("tiny").backbone == "patch"


def test_the_page_names_every_extension_point() -> None:
    assert {"A format", "A reader", "A predictor", "An out-painter", "A lens", "A backbone"} <= set(
        HEADINGS
    )
    assert panodepth.__version__
