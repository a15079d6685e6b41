"""Every given tensor of the released network's small twin, and bf16 beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import panodepth
from panodepth.model import PRESETS, SphereViT, load_model, prepare, scale_invariant_distance
from panodepth.model.embedding import pixel_rays, released_embedding

LIMIT = 2e-5


@pytest.fixture(scope="module")
def network(tiny_file: Path) -> SphereViT:
    return load_model(tiny_file)


@pytest.fixture(scope="module")
def computed(
    network: SphereViT, tiny_reference: dict[str, Tensor], deterministic
) -> dict[str, Tensor]:
    image = tiny_reference["image"]
    with torch.no_grad():
        features, _, _ = network.backbone_features(image)
        conditioned, _ = network.conditioned_features(image)
        raw, *_ = network.forward_raw(image)
        distance = scale_invariant_distance(network(image).log_distance)
    return {
        "image": deterministic.panorama(112, 224),
        "backbone_feature_2": features[2],
        "backbone_feature_3": features[3],
        "sphere_directions": pixel_rays(112, 224, (6.2832, 3.1416)),
        "sphere_embedding": released_embedding(8, 16, network.config),
        "conditioned_feature_0": conditioned[0],
        "conditioned_feature_3": conditioned[3],
        "log_distance": raw,
        "distance": distance,
    }


def test_every_reference_tensor_is_compared(
    computed: dict[str, Tensor], tiny_reference: dict[str, Tensor]
) -> None:
    assert computed.keys() == tiny_reference.keys()


@pytest.mark.parametrize(
    "name",
    [
        "image",
        "sphere_directions",
        "sphere_embedding",
        "backbone_feature_2",
        "backbone_feature_3",
        "conditioned_feature_0",
        "conditioned_feature_3",
        "log_distance",
        "distance",
    ],
)
def test_tensor(name: str, computed: dict[str, Tensor], tiny_reference: dict[str, Tensor]) -> None:
    expected = tiny_reference[name]
    error = (computed[name].reshape(expected.shape) - expected).abs().max().item()
    assert error <= LIMIT


def test_oracle_notices_another_layer_norm_epsilon(
    tiny_file: Path, tiny_reference: dict[str, Tensor]
) -> None:
    network = load_model(tiny_file)
    for module in network.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.eps = 1e-6
    with torch.no_grad():
        features, _, _ = network.backbone_features(tiny_reference["image"])
    assert (features[3] - tiny_reference["backbone_feature_3"]).abs().max() > LIMIT


def test_preset_is_recognised(network: SphereViT) -> None:
    assert network.config == PRESETS["tiny"]
    assert not network.training


@pytest.mark.parametrize("how", ["autocast", "weights", "prepared"])
def test_bfloat16_within_half_a_percent(
    how: str, tiny_file: Path, tiny_reference: dict[str, Tensor]
) -> None:
    expected = tiny_reference["distance"]
    dtype = torch.float32 if how == "autocast" else torch.bfloat16
    network = load_model(tiny_file, dtype=dtype)
    if how == "prepared":
        network = prepare(network)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=how == "autocast"):
        output = network(tiny_reference["image"])
    assert output.log_distance.dtype == torch.float32
    error = (scale_invariant_distance(output.log_distance) - expected).abs() / expected
    assert 1e-6 < error.mean().item() < 0.005  # the lower bound: it did run in bf16


def test_public_way(tiny_file: Path, tiny_reference: dict[str, Tensor]) -> None:
    predictor = panodepth.load(tiny_file, device="cpu", dtype="float32")
    image = tiny_reference["image"][0].permute(1, 2, 0).numpy()
    distance = predictor.predict(np.ascontiguousarray(image)).solid
    assert np.abs(distance - tiny_reference["distance"].numpy().squeeze()).max() <= LIMIT
