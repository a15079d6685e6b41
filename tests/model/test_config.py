"""The configuration says what is wrong with it, and survives a trip through JSON."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from panodepth.errors import ConfigError
from panodepth.model import PRESETS, ModelConfig, find_preset


@pytest.mark.parametrize("name", PRESETS)
def test_json_round_trip(name: str) -> None:
    preset = PRESETS[name]
    assert preset.name == name
    assert ModelConfig.from_json(preset.to_json()) == preset
    assert hash(ModelConfig.from_dict(preset.to_dict())) == hash(preset)


def test_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        PRESETS["tiny"].dim = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("key", "right"), [("wrap_pading", "wrap_padding"), ("n_heads", "heads"), ("DIM", "dim")]
)
def test_unknown_key_suggests_the_nearest(key: str, right: str) -> None:
    with pytest.raises(
        ConfigError, match=f"unknown key {key!r} in model config; did you mean {right!r}"
    ):
        ModelConfig.from_dict({key: 1})


def test_unknown_preset_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'large'"):
        find_preset("larg")


@pytest.mark.parametrize("text", ["{", "[1]", '"large"', '{"dim": "1024"}', '{"dim": true}'])
def test_bad_json_values(text: str) -> None:
    with pytest.raises(ConfigError, match="model config"):
        ModelConfig.from_json(text)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": (100, 200)}, "multiples of 14"),
        ({"size": (546,)}, "is not .height, width. in whole pixels"),
        ({"backbone": "swin"}, "unknown backbone .swin.; there are"),
        ({"backbone": "conv"}, "stem_widths"),
        ({"stem_widths": (8, 8, 8)}, "stem_widths"),
        ({"heads": 15}, "multiple of heads"),
        ({"heads": 0}, "positive"),
        ({"cross_heads": 7}, "cross_heads"),
        ({"features": (6, 12, 18)}, "features"),
        ({"features": (6, 12, 18, 25)}, "features"),
        ({"features": (6, 6, 18, 24)}, "features"),
        ({"embedding_dim": 510}, "embedding_dim"),
        ({"decoder": (512, 256)}, "decoder"),
        ({"head": (64,)}, "head must be"),
        ({"sphere_extent": (6.28,)}, "sphere_extent"),
        ({"azimuth_free_embedding": True}, "needs periodic_embedding"),
        ({"layer_scale": "small"}, "layer_scale in model config must be a number"),
        ({"wrap_padding": 1}, "wrap_padding in model config must be true or false"),
    ],
)
def test_contradictions(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        dataclasses.replace(PRESETS["large"], **changes)
    assert "\n" not in str(caught.value)
