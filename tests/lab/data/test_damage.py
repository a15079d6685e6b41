"""Damaged bytes give a sample that keeps the rule, or one clear line; never anything else."""

from __future__ import annotations

import random
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest

from panodepth.errors import PanodepthError
from panodepth.export import save
from panodepth.images import arrays
from panodepth.lab.data import open_folder, open_shards, write_shards
from panodepth.lab.data.distances import DistanceFile
from panodepth.lab.data.shard_index import index_path
from panodepth.types import Prediction

from .conftest import H, W, make_distance, make_image, write_image


def damaged(content: bytes, seed: int) -> bytes:
    """Cut, with bytes changed, or with a stretch of zeros."""
    dice = random.Random(seed)
    changed = bytearray(content)
    kind = dice.randrange(3)
    if kind == 0:
        return bytes(changed[: dice.randrange(len(changed))])
    start = dice.randrange(len(changed))
    for i in range(start, min(start + (1 if kind == 1 else 40), len(changed))):
        changed[i] = dice.randrange(256) if kind == 1 else 0
    return bytes(changed)


def check(read) -> bool:
    """True when a sample came, which then keeps the rule; False for one clear line."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of decoders
        try:
            sample = read()
        except PanodepthError as error:
            if "\n" in str(error):
                pytest.fail(f"more than one line: {error}")
            return False
    assert sample.image.shape == (*sample.distance.shape, 3)
    assert sample.image.min() >= 0
    assert sample.image.max() <= 1
    np.testing.assert_array_equal(sample.mask, np.isfinite(sample.distance) & (sample.distance > 0))
    assert (sample.distance[~sample.mask] >= 0).all()
    return True


@pytest.mark.parametrize("suffix", ["npz", "npy", "exr", "tiff", "png"])
def test_distance_files(tmp_path, suffix):
    if suffix == "exr":
        pytest.importorskip("OpenEXR")
    write_image(tmp_path / "x.png", make_image())
    file = tmp_path / f"x_distance.{suffix}"
    if suffix == "npy":
        np.save(file, make_distance())
    else:
        mask = np.ones((H, W), bool)
        save(Prediction(make_distance(), mask, make_image(), {}), file)
    source = open_folder(tmp_path)
    assert check(lambda: source[0])
    content = file.read_bytes()
    results = []
    for seed in range(60):
        file.write_bytes(damaged(content, seed))
        results.append(check(lambda: source[0]))
    assert not all(results)


def test_shards(tmp_path):
    assert cv2.imwrite(str(tmp_path / "x.jpg"), make_image())
    np.save(tmp_path / "x_distance.npy", make_distance())
    write_shards(open_folder(tmp_path), tmp_path / "out")
    (tar,) = Path(tmp_path / "out").glob("*.tar")
    index = index_path(tar)
    tar_bytes, index_bytes = tar.read_bytes(), index.read_bytes()
    for seed in range(60):  # the index tells
        tar.write_bytes(tar_bytes[:3000] + damaged(tar_bytes[3000:6000], seed) + tar_bytes[6000:])
        check(lambda: open_shards(tar)[0])
    tar.write_bytes(tar_bytes)
    for seed in range(60):  # the index itself
        index.write_bytes(damaged(index_bytes, seed))
        check(lambda: open_shards(tar)[0])
    index.unlink()
    for seed in range(60):  # nothing tells but the files
        tar.write_bytes(damaged(tar_bytes, seed))
        check(lambda: open_shards(tar)[0])


@pytest.mark.parametrize("ending", ["npz", "npy"])
def test_too_little_memory_is_no_damage(tmp_path: Path, ending, monkeypatch) -> None:
    path = tmp_path / f"a.{ending}"
    np.savez(path, distance=np.ones((H, W))) if ending == "npz" else np.save(path, np.ones((H, W)))

    def read(*_):
        raise MemoryError

    monkeypatch.setattr(arrays, "read_array", read)
    with pytest.raises(MemoryError, match=f"a.{ending}: not enough memory to read it"):
        DistanceFile()(path)
