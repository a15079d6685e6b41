"""The released architecture at its own size: names, shapes and output."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from panodepth.model import PRESETS, SphereViT, load_model, scale_invariant_distance
from panodepth.model.checkpoint import released_keys

HERE = Path(__file__).parent
LIMIT = 5e-6


def test_names_and_shapes_are_the_released_ones() -> None:
    shapes = json.loads((HERE / "large_keys.json").read_text())
    keys = released_keys()
    with torch.device("meta"):
        state = SphereViT(PRESETS["large"]).state_dict()
    ours = {keys.to_theirs(name): list(tensor.shape) for name, tensor in state.items()}
    leftover = {name for name in shapes if keys.is_ignored(name)}
    assert ours == {name: shape for name, shape in shapes.items() if name not in leftover}
    assert len(leftover) == 8  # two tokens, and the confidence branch's three convolutions
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == pytest.approx(344.6e6, rel=1e-3)


@pytest.mark.slow
def test_output(tmp_path: Path, deterministic: ModuleType) -> None:
    shapes = json.loads((HERE / "large_keys.json").read_text())
    weights = deterministic.weights(shapes)
    save_file(weights, tmp_path / "model.safetensors")
    del weights
    network = load_model(tmp_path)
    assert network.config == PRESETS["large"]
    expected = np.load(HERE / "large_seed0_546x1092.npz")["distance_3_6"]
    image = deterministic.panorama(546, 1092)
    with torch.inference_mode():
        distance = scale_invariant_distance(network(image).log_distance)
    assert np.abs(distance[0, 3::6, 3::6].numpy() - expected).max() <= LIMIT
