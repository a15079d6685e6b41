"""Every backbone learns; a pretrained one starts where it was and keeps its first levels."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tests.lab.training.ranks import PLAIN

from panodepth.errors import ConfigError
from panodepth.lab.training import train
from panodepth.lab.training.distance.task import DistanceTask
from panodepth.lab.training.trainer import Trainer
from panodepth.model import SphereViT, find_preset, load_model
from panodepth.model.backbones import BACKBONES
from panodepth.model.backbones.lite import LiteBackbone

LITE = {"backbone": "lite0", "stem_widths": [], "stem_blocks": []}


@pytest.fixture
def encoder(monkeypatch, tmp_path):
    """First weights that need no package: those of another random network."""
    torch.manual_seed(5)
    stem = SphereViT(find_preset("lite0")).backbone.stem
    weights = {k: v for k, v in stem.state_dict().items() if k.startswith("levels.")}
    save_file(weights, str(tmp_path / "encoder.safetensors"))
    monkeypatch.setattr(LiteBackbone, "first_weights", lambda: tmp_path / "encoder.safetensors")
    return weights


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_backbone_learns(make_config, renderer, backbone):
    """One panorama by heart, in few large steps: those of the light ones take half a second."""
    own = {"backbone": backbone} | ({} if backbone == "conv" else {**LITE, "backbone": backbone})
    size = {"height": 32, "width": 64} if backbone.startswith("lite") else {}
    config = make_config(
        network={"overrides": {**make_config().network.overrides, **own}},
        data={**size, "batch": 2, "chunk": 2},
        augment=PLAIN,
        optim={"kind": "muon", "lr": 0.012, "warmup": 1, "backbone_lr": 0.25},
        run={"steps": 16},
    )

    def one(seed, indices, *size, **options):
        return renderer(seed, [0 for _ in indices], *size, **options)

    result = train(config, renderer=one)
    log = map(json.loads, (Path(config.run.out) / "log.jsonl").read_text().splitlines())
    losses = [record["loss"] for record in log if record["event"] == "train"]
    assert len(losses) == 16
    assert losses[-1] < 0.9 * losses[0], losses
    assert load_model(result.weights).config.backbone == backbone


def test_a_pretrained_encoder_starts_where_it_was_and_keeps_its_first_levels(
    make_config, renderer, encoder
):
    overrides = {**make_config().network.overrides, **LITE}
    config = make_config(
        network={"overrides": overrides, "pretrained": True, "train": "last:3"},
        data={"height": 32, "width": 64},
    )
    task = DistanceTask(config, renderer=renderer)
    trainer = Trainer(task)
    assert any("ImageNet" in note for note in task.start_messages)
    before = {n: p.detach().clone() for n, p in task.model.named_parameters()}
    for name, value in encoder.items():
        assert torch.equal(before[f"backbone.stem.{name}"], value), name
    trainer.train_step()
    moved = {n for n, p in task.model.named_parameters() if not torch.equal(p, before[n])}
    still = ("backbone.stem.levels.0.", "backbone.stem.levels.1.")
    assert not any(name.startswith(still) for name in moved)
    assert all(
        any(name.startswith(part) for name in moved)
        for part in ("backbone.stem.levels.2.", "backbone.stem.fine", "backbone.blocks.0")
    )


def test_a_backbone_without_first_weights_says_so(make_config, renderer):
    config = make_config(network={"pretrained": True})
    with pytest.raises(ConfigError, match=r"backbone 'conv' brings no weights"):
        Trainer(DistanceTask(config, renderer=renderer))
