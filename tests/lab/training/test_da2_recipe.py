"""The paper's recipe: two steps of it on made data, with a network that takes a moment."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from panodepth.lab.training import train
from panodepth.lab.training.config import load_config
from panodepth.lab.training.distance.network import build_network
from panodepth.model import PRESETS, SphereViT, load_model
from panodepth.model.keymap import dinov2_keys

RECIPE = Path(__file__).parents[3] / "recipes" / "da2.toml"
TINY = {
    "name": '"tiny-da2"',
    "dim": 64,
    "depth": 4,
    "heads": 1,
    "features": "[1, 2, 3, 4]",
    "hidden": 16,
    "cross_heads": 2,
    "embedding_dim": 16,
    "decoder": "[16, 8, 8, 8]",
    "head": "[4, 4]",
}
SMALL = ["data.height=70", "data.width=140", "data.batch=2", "run.steps=2", "run.device=cpu"]
SMALL += ["run.validate_count=0", "run.log_every=1", "run.precision=fp32"]
SETTINGS = [*(f"network.overrides.{k}={v}" for k, v in TINY.items()), *SMALL]


def write_data(root: Path) -> None:
    """One room of Structured3D, and a curated panorama of which a fifth is real."""
    rng = np.random.default_rng(0)
    room = root / "Structured3D/scene_00000/2D_rendering/12/panorama"
    curated = root / "DA-2/vkitti_pano"
    (room / "full").mkdir(parents=True)
    curated.mkdir(parents=True)
    metres = rng.integers(1000, 4000, (64, 128)).astype(np.uint16)
    cv2.imwrite(str(room / "full/rgb_rawlight.png"), rng.integers(255, size=(64, 128, 3)))
    cv2.imwrite(str(room / "full/depth.png"), metres)
    cv2.imwrite(str(curated / "a.png"), rng.integers(255, size=(64, 128, 3)))
    distance = np.zeros((64, 128), np.float32)
    distance[20:44, 30:70] = rng.uniform(2, 9, (24, 40))
    np.save(curated / "a_distance.npy", distance)
    records = [{"image": "a.png", "distance": "a_distance.npy"}]
    (root / "DA-2/vkitti_pano.json").write_text(json.dumps(records))


def write_dinov2(path: Path, model: SphereViT) -> None:
    """Random weights of the backbone's size in DINOv2's original layout."""
    torch.manual_seed(1)
    original = {}
    for theirs, ours in dinov2_keys().names:
        if theirs.startswith(("embeddings.", "encoder.", "layernorm.")):
            continue  # the layout of transformers
        for i in range(model.config.depth):
            for leaf in ("weight", "bias"):
                tensor = model.state_dict()[ours.format(i=i, p=leaf)]
                original[theirs.format(i=i, p=leaf)] = 0.1 * torch.randn_like(tensor)
    save_file(original, path)


def test_the_papers_own_values():
    config = load_config(RECIPE)
    assert (config.data.height, config.data.width) == (518, 1036)
    assert all(s % 14 == 0 for s in (518, 1036))
    assert PRESETS["large"].position_grid == 518 // 14
    assert (config.loss.distance_kind, config.loss.alignment) == ("l1", "median_ratio")
    assert config.loss.normal > 0
    assert [s.kind for s in config.sources] == ["structured3d", "curated"]
    assert config.data.scenes_weight == 0
    with torch.device("meta"):
        model = build_network(config.network, (518, 1036))
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(345e6, rel=0.01)


def test_two_steps_on_made_data(tmp_path, monkeypatch):
    write_data(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    config = load_config(RECIPE, SETTINGS)
    weights = tmp_path / "dinov2.safetensors"
    write_dinov2(weights, build_network(config.network, (70, 140)))
    result = train(config, init=weights)
    assert (result.step, result.finished) == (2, True)
    log = [json.loads(line) for line in Path("runs/da2/log.jsonl").read_text().splitlines()]
    notes = [x["text"] for x in log if x["event"] == "note"]
    assert any("tensors from DINOv2" in text and "fresh" in text for text in notes)
    steps = [x for x in log if x["event"] == "train"]
    assert len(steps) == 2
    assert all(np.isfinite(x[k]) and x[k] > 0 for x in steps for k in ("distance", "normal"))
    assert "sky" not in steps[0]
    model = load_model(result.weights)
    assert model.config.size == (70, 140)
    assert model.config.dim == 64
