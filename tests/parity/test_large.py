"""The released architecture at its own size: names, shapes and output."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from panodepth.device import cpu_has_bfloat16
from panodepth.model import PRESETS, SphereViT, scale_invariant_distance
from panodepth.model.checkpoint import released_keys
from panodepth.model.fast.int8 import int8_works
from panodepth.predict import load

HERE = Path(__file__).parent
LIMIT = 5e-6
DISK_BYTES = 1.5e9
MEAN_RELATIVE = {"float32": 1e-5, "bfloat16": 0.005, "int8": 0.02}


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
    """Of what `panodepth.load` makes in every precision of this machine; one file for all."""
    if shutil.disk_usage(tmp_path).free < DISK_BYTES:
        pytest.skip(f"the weights take 1.4 GB, more than is free in {tmp_path}")
    shapes = json.loads((HERE / "large_keys.json").read_text())
    weights = deterministic.weights(shapes)
    save_file(weights, tmp_path / "model.safetensors")
    del weights
    expected = np.load(HERE / "large_seed0_546x1092.npz")["distance_3_6"]
    image = deterministic.panorama(546, 1092)
    errors = {}
    for precision in precisions():
        network = load(tmp_path, device="cpu", dtype=precision).model
        assert network.config == PRESETS["large"]
        with torch.inference_mode():
            distance = scale_invariant_distance(network(image).log_distance)
        sampled = distance[0, 3::6, 3::6].numpy()
        errors[precision] = np.abs(sampled - expected).max()
        if precision != "float32":
            errors[precision] = np.abs(sampled / expected - 1).mean()
    assert errors["float32"] <= LIMIT
    assert all(error <= MEAN_RELATIVE[name] for name, error in errors.items()), errors
    assert len(set(errors.values())) == len(errors)  # each went its own way


def precisions() -> list[str]:
    """float32, and those that run fast on this CPU."""
    bfloat16 = ["bfloat16"] if cpu_has_bfloat16() else []
    return ["float32", *bfloat16, *(["int8"] if int8_works() else [])]
