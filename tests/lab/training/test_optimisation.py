"""Freezing, recomputed activations, rotation consistency in a step, and what memory they hold."""

import dataclasses

import pytest
import torch

from panodepth.errors import ConfigError
from panodepth.lab.losses import LossConfig, Truth
from panodepth.lab.training import train
from panodepth.lab.training.config import config_from_dict
from panodepth.lab.training.distance.network import build_network, checkpoint_activations
from panodepth.lab.training.distance.objective import batch_loss, random_rotations
from panodepth.lab.training.distance.task import DistanceTask
from panodepth.lab.training.feed.samples import Batch
from panodepth.lab.training.trainer import Trainer
from panodepth.model import ModelOutput


def weights(run):
    return {name: p.detach().clone() for name, p in run.task.model.named_parameters()}


@pytest.mark.parametrize(
    ("choice", "moving_blocks"), [("head", set()), ("last:1", {3}), ("last:3", {1, 2, 3})]
)
def test_frozen_parts_stay_and_the_rest_moves(make_config, renderer, choice, moving_blocks):
    values = make_config().to_dict()
    values["network"]["train"] = choice
    run = Trainer(DistanceTask(config_from_dict(values), renderer=renderer))
    before = weights(run)
    run.train_step()
    moved = {name for name, p in weights(run).items() if not torch.equal(p, before[name])}
    backbone = {name for name in before if name.startswith("backbone.")}
    blocks = {int(n.split(".")[2]) for n in moved if n.startswith("backbone.blocks.")}
    assert blocks == moving_blocks
    allowed = tuple(f"backbone.blocks.{i}." for i in moving_blocks) + ("backbone.norm.",)
    assert all(name.startswith(allowed) for name in moved & backbone)
    assert {"head.out.weight", "decoder.latents.weight"} <= moved
    run.save()
    assert Trainer(DistanceTask(run.config, renderer=renderer)).step == 1


def test_more_blocks_than_there_are(make_config, renderer):
    values = make_config().to_dict()
    values["network"]["train"] = "last:9"
    with pytest.raises(ConfigError, match="there are 4 blocks"):
        Trainer(DistanceTask(config_from_dict(values), renderer=renderer))


def kept_for_backward(model, image):
    """Bytes that autograd keeps of one forward pass, parameters not counted; and the gradients."""
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    model.zero_grad()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = model(image)
    total = sum(kept.values())
    (output.log_distance.square().mean() + output.sky_logit.mean()).backward()
    return total, [p.grad.clone() for p in model.parameters()]


def test_recomputing_gives_the_same_gradients_from_less_memory(make_config):
    model = build_network(make_config().network).train()
    image = torch.rand(2, 3, 28, 56, generator=torch.Generator().manual_seed(0))
    names = list(model.state_dict())
    plain, expected = kept_for_backward(model, image)
    checkpoint_activations(model)
    less, got = kept_for_backward(model, image)
    assert less < 0.75 * plain
    for a, b in zip(got, expected, strict=True):
        assert torch.allclose(a, b, atol=1e-6)
    assert list(model.state_dict()) == names


def test_a_run_that_recomputes_is_the_same_run(make_config, renderer, tmp_path):
    ends = []
    for recompute in (False, True):
        run = {"out": str(tmp_path / str(recompute)), "checkpoint_activations": recompute}
        made = Trainer(DistanceTask(make_config(run={**run, "steps": 3}), renderer=renderer))
        made.run()
        ends.append(weights(made))
    for name, value in ends[0].items():
        assert torch.allclose(value, ends[1][name], atol=1e-6), name


def test_without_average_there_is_no_second_copy(make_config, renderer):
    run = Trainer(
        DistanceTask(make_config(optim={"ema": 0.0}, run={"steps": 2}), renderer=renderer)
    )
    own = {p.data_ptr() for p in run.task.model.parameters()}
    assert {p.data_ptr() for p in run.task.averaged().parameters()} == own
    result = run.run()
    (checkpoint,) = (result.weights.parent / "checkpoints").iterdir()
    assert {p.name for p in checkpoint.iterdir()} == {
        "weights.safetensors",
        "optimizer.safetensors",
        "state.json",
    }
    assert Trainer(DistanceTask(run.config, renderer=renderer)).step == 2


def test_the_average_is_evaluated_without_a_copy(make_config, renderer):
    run = Trainer(DistanceTask(make_config(), renderer=renderer))
    held = {t.data_ptr() for t in run.task.average.tensors().values()}
    assert {p.data_ptr() for p in run.task.averaged().parameters()} == held
    image = torch.rand(1, 3, 28, 56)
    first = run.task.averaged()(image).log_distance
    for _ in range(3):
        run.train_step()
    assert not torch.equal(run.task.averaged()(image).log_distance, first)


def test_muon_trains_resumes_and_is_not_mixed_up(make_config, renderer):
    config = make_config(optim={"kind": "muon", "layer_decay": 0.8}, run={"steps": 2})
    run = Trainer(DistanceTask(config, renderer=renderer))
    matrices = [g for g in run.task.optimizer.param_groups if g["matrix"]]
    assert matrices
    assert all(p.ndim >= 2 for g in matrices for p in g["params"])
    train(config, renderer=renderer)
    longer = dataclasses.replace(config, run=dataclasses.replace(config.run, steps=3))
    assert train(longer, renderer=renderer).step == 3
    other = dataclasses.replace(config, optim=dataclasses.replace(config.optim, kind="adamw"))
    with pytest.raises(ConfigError, match=r"optim\.kind is .adamw"):
        Trainer(DistanceTask(other, renderer=renderer))


class Sphere:
    """A network that knows the brightness of a pixel alone: it turns with the panorama."""

    def __init__(self, wrong=0.0):
        self.wrong = wrong
        self.sizes = []

    def __call__(self, image):
        self.sizes.append(len(image))
        row = torch.linspace(-1, 1, image.shape[-2])[:, None]
        return ModelOutput(image.mean(1) + self.wrong * row, None)


def smooth_batch(count=4):
    lon = torch.linspace(0, 2 * torch.pi, 65)[:-1]
    lat = torch.linspace(-torch.pi / 2, torch.pi / 2, 33)[1:] - torch.pi / 64
    wave = 0.5 + 0.3 * lat.cos()[:, None] * (lon + 1).sin()
    image = wave.expand(count, 3, 32, 64).clone()
    truth = Truth(torch.ones(count, 32, 64), torch.ones(count, 32, 64).bool(), None)
    return Batch(image, truth._replace(sky=~truth.valid))


def test_consistency_is_a_second_view_of_some_of_the_batch():
    config = LossConfig(sky=0.0, consistency=2.0, consistency_share=0.5)
    network = Sphere()
    total, terms = batch_loss(network, smooth_batch(), config, seed=1)
    assert network.sizes == [6]
    assert terms["consistency"] < 2e-3, "a network that turns with the panorama agrees"
    off, other = batch_loss(Sphere(), smooth_batch(), dataclasses.replace(config, consistency=0), 1)
    assert "consistency" not in other
    assert total.item() == pytest.approx(off.item() + 2.0 * terms["consistency"].item())
    assert batch_loss(Sphere(0.5), smooth_batch(), config, seed=1)[1]["consistency"] > 0.02


def test_rotations_are_true_rotations_within_their_tilt():
    made = random_rotations(200, 20.0, seed=4)
    assert torch.allclose(made @ made.mT, torch.eye(3).expand(200, 3, 3), atol=1e-5)
    assert torch.equal(made, random_rotations(200, 20.0, seed=4))
    up = made[:, 1, 1]  # cosine between the old and the new down: pitch and roll alone
    lowest = torch.cos(torch.deg2rad(torch.tensor(20.0))) ** 2
    assert up.min() >= lowest - 1e-5
    assert up.min() < lowest + 0.03
    yaw = torch.atan2(made[:, 0, 2], made[:, 2, 2])
    assert yaw.max() > 2.8
    assert yaw.min() < -2.8


def test_a_run_with_consistency_logs_it(make_config, renderer):
    run = Trainer(DistanceTask(make_config(loss={"consistency": 0.5}), renderer=renderer))
    run.train_step()
    taken = run.averages.take()
    assert taken["consistency"] > 0
    assert taken["loss"] > taken["distance"]
