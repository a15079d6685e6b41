"""Print the largest difference from the released network: `python benchmarks/parity.py [--large]`.

The oracle in tests/parity holds reference tensors computed with the released code and deterministic
weights, a small twin in full and the large network's output at 546×1092.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np
from safetensors.torch import load_file, save_file

import panodepth

ORACLE = Path(__file__).parents[1] / "tests" / "parity"


def oracle() -> ModuleType:
    spec = importlib.util.spec_from_file_location("deterministic", ORACLE / "deterministic.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compare(keys: str, size: tuple[int, int], expected: np.ndarray, step: slice) -> None:
    """Write a checkpoint in the released format, load and predict it as a user does."""
    made = oracle()
    image = made.panorama(*size)[0].permute(1, 2, 0).numpy()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.safetensors"
        save_file(made.weights(json.loads((ORACLE / keys).read_text())), file)
        for dtype in ("float32", "bfloat16"):
            predictor = panodepth.load(file, device="cpu", dtype=dtype)
            found = predictor.predict(image, size=size, level="none").solid[step, step]
            largest = np.abs(found - expected).max()
            relative = np.abs(found / expected - 1).mean()
            print(
                f"{keys:16} {dtype:8}  max |difference| {largest:.1e}  mean relative {relative:.2e}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="the large network too (a minute)")
    tiny = load_file(ORACLE / "tiny.safetensors")["distance"].reshape(112, 224).numpy()
    arguments = parser.parse_args()
    compare("tiny_keys.json", (112, 224), tiny, slice(None))
    if arguments.large:
        large = np.load(ORACLE / "large_seed0_546x1092.npz")["distance_3_6"]
        compare("large_keys.json", (546, 1092), large, slice(3, None, 6))


if __name__ == "__main__":
    main()
