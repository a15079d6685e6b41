"""Training the detail network: targets, crops, and a run from start to end."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from panodepth.cli.shell import main
from panodepth.errors import ConfigError
from panodepth.lab.losses import Truth
from panodepth.lab.training.detail.config import CoarseConfig, CropConfig, DetailRecipe
from panodepth.lab.training.detail.crops import cut_crops, near_edges
from panodepth.lab.training.detail.objective import _terms, detail_loss
from panodepth.lab.training.detail.target import surface_target
from panodepth.lab.training.detail.task import DetailTask
from panodepth.lab.training.feed.samples import Batch
from panodepth.lab.training.trainer import Trainer
from panodepth.model.detail import DetailNetwork, load_detail

ROOT = Path(__file__).parents[3]
SIZE = (64, 128)
SMALL = {"channels": 4, "first_dilations": [1], "first_rings": [1], "next_dilations": [1]}


def two_surfaces() -> tuple[Tensor, Tensor]:
    """A near box before a far wall: (1, H, W) log distance, and where the box is."""
    box = torch.zeros(1, *SIZE, dtype=torch.bool)
    box[:, 20:44, 30:70] = True
    return torch.where(box, 0.0, 1.0), box


def test_a_target_has_the_truths_edges_and_the_coarse_maps_errors() -> None:
    truth, box = two_surfaces()
    error = torch.where(box, 0.3, -0.2)
    coarse = (truth + error)[:, None]
    blurred = torch.nn.functional.avg_pool2d(coarse, (1, 7), 1, (0, 3), count_include_pad=False)
    sky = torch.zeros_like(box)
    target = surface_target(blurred[:, 0], truth, ~sky, sky)
    inside = ~near_edges(truth)
    torch.testing.assert_close(target[inside], (truth + error)[inside], atol=0.02, rtol=0)
    assert bool(((target > 0.55) == ~box).all())  # as sharp as the truth, at the same place
    unknown = torch.zeros_like(box)
    unknown[:, 30:, 60:80] = True
    told = torch.where(unknown, 7.0, truth)
    partial = surface_target(blurred[:, 0], told, ~unknown, sky)
    assert torch.equal(partial.isnan(), unknown)
    torch.testing.assert_close(
        partial[inside & ~unknown], target[inside & ~unknown], atol=0.05, rtol=0
    )


def test_bumps_away_from_edges_are_punished_as_such() -> None:
    config = DetailRecipe().loss
    even = torch.zeros(1, 24, 24)
    where = torch.arange(24.0)
    slope, edge = even + 0.1 * where, (where > 11).expand(1, 24, 24)
    nothing = torch.zeros_like(edge)

    def bend(log: Tensor, near: Tensor) -> float:
        return float(_terms(log, even, even, nothing, near, config)["bend"])

    assert bend(slope, nothing) == pytest.approx(0, abs=1e-6)  # an error of the whole surface
    bumps = even + 0.1 * (where % 2)
    assert bend(bumps, nothing) == pytest.approx(0.2)  # only of the next ones, only along rows
    assert bend(bumps * edge, edge) == pytest.approx(0, abs=1e-6)


def test_the_sky_is_a_surface_of_its_own() -> None:
    _, box = two_surfaces()
    coarse = torch.where(box, 0.0, 2.5)
    target = surface_target(coarse, torch.zeros_like(coarse), box, ~box)
    torch.testing.assert_close(target, coarse, atol=0.02, rtol=0)


@pytest.mark.parametrize("predicted", [0.0, 1.0])
def test_crops_fit_together(predicted: float) -> None:
    truth, box = two_surfaces()
    sky = torch.zeros_like(box)
    sky[:, :8] = True
    image = torch.where(box, 0.2, 0.7)[:, None].expand(-1, 3, -1, -1)
    batch = Batch(image, Truth(truth.exp(), ~sky, sky))

    def predict(picture: Tensor) -> tuple[Tensor, None]:
        return torch.nn.functional.avg_pool2d(picture[:, 0], 4), None

    coarse = CoarseConfig(predicted=predicted, lowest=8, no_sky=0)
    crops = cut_crops(batch, CropConfig(count=5, side=12), coarse, predict, seed=3)
    assert crops.image.shape == (5, 3, 48, 48)
    assert crops.coarse.shape == crops.coarse_sky.shape == (5, 12, 12)
    assert crops.target.shape == crops.sky.shape == crops.edge.shape == (5, 48, 48)
    assert bool(((crops.top >= -3) & (crops.top <= 16 + 3 - 12)).all())
    seen = crops.image.mean(1)
    one_sided = [seen[k][~crops.edge[k] & ~crops.sky[k]] for k in range(5)]
    assert all(len(values) for values in one_sided)
    again = cut_crops(batch, CropConfig(count=5, side=12), coarse, predict, seed=3)
    assert all(torch.equal(a, b) for a, b in zip(crops[1:], again[1:], strict=True))
    assert bool((crops.coarse_sky == 0).all()) == bool(predicted)  # this model tells no sky


def recipe(out: Path, **run: object) -> dict[str, object]:
    data = {"height": 64, "width": 128, "batch": 1, "chunk": 2, "reuse": 2, "workers": 0}
    return {
        "network": {**SMALL, "first_rings": [1], "next_rings": [1]},
        "crops": {"count": 2, "side": 14},
        "coarse": {"lowest": 8},
        "data": {**data, "render_batch": 2},
        "run": {"out": str(out), "steps": 4, "tensorboard": False, "log_every": 2, **run},
    }


def test_a_run_lowers_the_loss_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    config = DetailRecipe.from_dict(recipe(tmp_path / "whole", threads=1))
    whole = Trainer(DetailTask(config)).run()
    assert whole.finished
    config = DetailRecipe.from_dict(recipe(tmp_path / "parts", threads=1))
    trainer = Trainer(DetailTask(config))
    with trainer.stream:
        for _ in range(2):
            trainer.train_step()
    trainer.save()
    parts = Trainer(DetailTask(config)).run()
    one, other = (load_detail(r.weights).state_dict() for r in (whole, parts))
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name], atol=1e-3, rtol=0)


def test_the_loss_falls(tmp_path: Path) -> None:
    config = DetailRecipe.from_dict(recipe(tmp_path, threads=1))
    trainer = Trainer(DetailTask(config))
    with trainer.stream:
        batch = trainer.batch(0)
    torch.manual_seed(0)
    network = DetailNetwork(config.network)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(24):
        loss, _ = detail_loss(network, batch, config.loss, 16)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.97 * losses[0]


def test_recipes_that_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = recipe(tmp_path)
    for table, key, value, word in (
        ("crops", "side", 17, "crops.side"),
        ("coarse", "lowest", 40, "coarse.lowest"),
        ("data", "seed", 1_000_000, "data.seed"),
    ):
        with pytest.raises(ConfigError, match=word):
            DetailRecipe.from_dict({**values, table: {**values[table], key: value}})  # type: ignore[dict-item]
    with pytest.raises(ConfigError, match="at least 11"):
        DetailTask(DetailRecipe.from_dict({**values, "crops": {"side": 10}}))
    assert DetailRecipe.load(ROOT / "recipes/detail.toml") == DetailRecipe.from_dict(
        {"optim": {"schedule": "cosine"}, "run": {"save_every": 200}}
    )
    words = ["--recipe", str(ROOT / "recipes/detail.toml"), "--set", "crops.sied=3"]
    assert main(["train-detail", *words]) == 2
    assert "did you mean 'side'" in capsys.readouterr().err
