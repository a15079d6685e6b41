"""Twelve views, their merge, and the network that predicts them."""

from __future__ import annotations

import json
from pathlib import Path

import icosahedron
import networks
import numpy as np
import pytest
import torch
import train
from fusion import Predictor

from panodepth.errors import ConfigError
from panodepth.geometry.grid import erp_rays
from panodepth.geometry.lens import View
from panodepth.lab.evaluation.run.predictors import load_file
from panodepth.lab.losses import Truth
from panodepth.lab.training.config import load_config
from panodepth.predict.tiles import merging
from panodepth.types import Panorama

ROOM = torch.tensor([2.0, 1.5, 3.0])
FUSION = Path(train.__file__).parent / "fusion.py"


def room_distance(rays: torch.Tensor) -> torch.Tensor:
    """Distance to the walls of a box, along unit rays (..., 3)."""
    return (ROOM / rays.abs().clamp_min(1e-9)).amin(-1)


def test_the_views_look_through_an_icosahedron_and_cover_the_sphere():
    forward = icosahedron.view_rotations()[:, :, 2]
    cosines = (forward @ forward.T).numpy()
    np.fill_diagonal(cosines, -1)
    assert cosines.max(axis=1) == pytest.approx(1 / 5**0.5, abs=1e-6)
    rays = erp_rays(64, 128, dtype=torch.float32)
    local = torch.einsum("vij,hwi->vhwj", icosahedron.view_rotations(), rays)
    x, y, z = local.unbind(-1)
    seen = (z > 0) & (x.abs() <= z) & (y.abs() <= z)
    assert bool(seen.any(0).all())
    assert icosahedron.own_resolution(512) == 326
    assert icosahedron.view_lens(100).fx == pytest.approx(50)


def test_wishes_that_agree_are_fulfilled_exactly():
    truth = torch.randn(17, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    wishes = merging.Wishes(truth.roll(-1, -1) - truth, truth[1:] - truth[:-1])
    assert torch.allclose(merging.solve(wishes), truth - truth.mean(), atol=1e-9)


def test_wishes_that_disagree_are_met_in_the_least_squares_sense():
    height, width = 6, 8
    random = np.random.default_rng(0)
    across, down = random.normal(size=(height, width)), random.normal(size=(height - 1, width))
    lat = ((np.arange(height) + 0.5) / height - 0.5) * np.pi
    edges, wanted = [], []
    for y in range(height):
        for x in range(width):
            for other, wish, weight in (
                ((y, (x + 1) % width), across[y, x], 1 / np.cos(lat[y])),
                ((y + 1, x), down[min(y, height - 2), x], np.cos(lat[y] + np.pi / height / 2)),
            ):
                if other[0] < height:
                    row = np.zeros((height, width))
                    row[other] += weight**0.5
                    row[y, x] -= weight**0.5
                    edges.append(row.ravel())
                    wanted.append(wish * weight**0.5)
    slow = np.linalg.lstsq(np.array(edges), np.array(wanted), rcond=None)[0].reshape(height, width)
    fast = merging.solve(merging.Wishes(torch.tensor(across), torch.tensor(down))).numpy()
    assert np.allclose(fast, slow - slow.mean(), atol=1e-9)


def test_turning_the_wishes_turns_the_answer():
    g = torch.Generator().manual_seed(1)
    across = torch.randn(9, 16, dtype=torch.float64, generator=g)
    down = torch.randn(8, 16, dtype=torch.float64, generator=g)
    turned = merging.solve(merging.Wishes(across.roll(5, 1), down.roll(5, 1)))
    assert torch.allclose(turned, merging.solve(merging.Wishes(across, down)).roll(5, 1), atol=1e-9)


class Knowing:
    """A network that knows the room, but each view's scale only up to its own factor."""

    size = 98

    def log_distance(self, views):
        view = View(
            icosahedron.view_lens(self.size), (self.size, self.size), icosahedron.view_rotations()
        )
        rays = view.rays(dtype=torch.float32)
        offsets = torch.linspace(-2, 3, 12)[:, None, None]
        return room_distance(rays).log() + offsets


def test_views_of_unknown_scale_merge_into_the_room():
    image = np.zeros((128, 256, 3), np.float32)
    merged = Predictor(network=Knowing()).predict(image)
    error = np.log(merged) - room_distance(erp_rays(128, 256, dtype=torch.float32)).log().numpy()
    error -= np.median(error)
    assert np.abs(error).mean() < 0.004
    assert np.abs(error[:, 0] - error[:, -1]).mean() < 0.004  # no seam


def test_views_show_what_the_panorama_has_there():
    rays = erp_rays(64, 128, dtype=torch.float32).permute(2, 0, 1).contiguous() / 2 + 0.5
    predictor = Predictor(network=Knowing())
    views = predictor.views(rays)
    assert views.shape == (12, 3, 98, 98)
    centre = views[:, :, 48:50, 48:50].mean((-2, -1)) * 2 - 1
    assert torch.allclose(centre, icosahedron.view_rotations()[:, :, 2], atol=2e-2)


def test_views_that_leave_a_hole_are_refused():
    lens, turns = icosahedron.view_lens(14), icosahedron.view_rotations()[:6]
    with pytest.raises(ValueError, match="in no view"):
        icosahedron.merge_views(torch.zeros(6, 14, 14), lens, turns, 16)


def test_the_perspective_network_is_the_preset_without_its_sphere():
    from panodepth.model import SphereViT, find_preset

    config = networks.perspective_config("compact", 56)
    assert config.size == (56, 56)
    model, sphere = SphereViT(config).eval(), SphereViT(find_preset("compact"))
    count, ours = (sum(p.numel() for p in m.parameters()) for m in (model, sphere))
    assert 0.9 < count / ours < 1.1
    with torch.inference_mode():
        x = torch.rand(1, 3, 56, 56, generator=torch.Generator().manual_seed(0))
        turned = model(x.roll(14, -1)).log_distance.roll(-14, -1)
        assert not torch.allclose(turned, model(x).log_distance, atol=1e-4)  # it has borders


def test_random_weights_predict_through_the_file(tmp_path):
    options = {"weights": "random", "preset": "tiny", "size": 28}
    picture = np.random.default_rng(0).uniform(size=(32, 64, 3)).astype(np.float32)
    found = load_file(str(FUSION), options)(Panorama(picture, meta={"name": "x"}))
    assert found.distance.shape == (32, 64)
    assert (found.distance > 0).all()
    assert np.isfinite(found.distance).all()


def truth_of(distance: torch.Tensor) -> Truth:
    """0 is sky."""
    valid = distance > 0
    return Truth(torch.where(valid, distance, 1.0), valid, ~valid)


def test_the_loss_is_zero_on_the_truth_at_any_scale():
    distance = torch.rand(2, 16, 16, generator=torch.Generator().manual_seed(0)) + 1
    distance[:, :4] = 0
    log = distance.clamp_min(1e-3).log() + 2
    aligned = log - log[distance > 0].mean() + train.ANCHOR_TARGET
    assert float(train.view_loss(aligned, None, truth_of(distance))) < 1e-3
    worse = aligned.clone()
    worse[:, 8:] += 0.5
    assert float(train.view_loss(worse, None, truth_of(distance))) > 0.1


def test_a_view_that_is_all_sky_teaches_the_sky_alone():
    log = torch.zeros(1, 16, 16, requires_grad=True)
    logit = torch.zeros(1, 16, 16, requires_grad=True)
    train.view_loss(log, logit, truth_of(torch.zeros(1, 16, 16))).backward()
    assert logit.grad is not None
    assert (logit.grad < 0).all()  # towards sky
    assert log.grad is not None
    assert torch.isfinite(log.grad).all()


TINY = ["network.preset=tiny", "data.height=28", "data.width=56", "data.batch=2", "data.chunk=8"]
TINY += ["run.steps=4", "run.save_every=2", "optim.warmup=1", "run.device=cpu"]


def test_a_step_has_the_worlds_and_pixels_of_the_end_to_end_recipe(tmp_path):
    config = load_config(train.RECIPE, TINY)
    assert config.data.reuse == 2
    run = train.Training(config, tmp_path)
    run.step = 4
    image, truth = run.batch()
    first = run._blocks
    panoramas = config.data.batch * config.data.height * config.data.width
    assert image.shape[0] * image.shape[-2] * image.shape[-1] == panoramas == truth.valid.numel()
    run.step = 5
    run.batch()
    assert sorted(first) == [3, 4]  # a step sees its own worlds and those of the step before
    assert sorted(run._blocks) == [4, 5]
    assert run._blocks[4] is first[4]
    seen = config.run.steps * train.new_worlds(config)
    assert seen * config.data.reuse == config.run.steps * config.data.batch  # as end to end


def test_a_batch_that_reuse_does_not_divide_is_refused(tmp_path):
    config = load_config(train.RECIPE, [*TINY, "data.batch=3", "data.chunk=9"])
    with pytest.raises(ConfigError, match="must be a multiple of reuse = 2"):
        train.Training(config, tmp_path)


def test_worlds_are_those_of_the_recipe(monkeypatch):
    seen = []
    render = train.render_views
    monkeypatch.setattr(train, "render_views", lambda *a, **k: seen.append(k) or render(*a, **k))
    config = load_config(train.RECIPE, [*TINY, "data.worlds=2", "data.overcast=0.1"])
    train.render_block(config, 0, torch.device("cpu"))
    assert {used["priors"] for used in seen} == {config.data.priors}


@pytest.mark.parametrize("said", ["optim.accumulate=2", "data.heights=[14]"])
def test_what_views_cannot_have_is_refused(tmp_path, said):
    with pytest.raises(ConfigError, match="of one height, one batch a step"):
        train.Training(load_config(train.RECIPE, [*TINY, said]), tmp_path)


def test_training_stops_and_goes_on_the_same(tmp_path):
    options = [word for setting in TINY for word in ("--set", setting)]
    straight, again = tmp_path / "straight", tmp_path / "again"
    assert train.main(["--out", str(straight), *options]) == 0
    first = train.Training(load_config(train.RECIPE, TINY), again)
    first.train_step()
    first.train_step()
    first.save()
    assert train.main(["--out", str(again), *options]) == 0
    losses = [
        [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines()]
        for folder in (straight, again)
    ]
    assert losses[1] == pytest.approx(losses[0][2:], abs=1e-6)
    found = load_file(str(FUSION), {"weights": str(straight / "model.safetensors")})
    picture = np.full((32, 64, 3), 0.5, np.float32)
    assert found(Panorama(picture, meta={"name": "x"})).distance.shape == (32, 64)
    assert train.main(["--out", str(straight), *options, "--set", "run.seed=5"]) == 1  # another
