"""Saved predictions read back, of this program and of others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from panodepth.errors import InputError
from panodepth.export.saved import read_saved


@pytest.mark.parametrize("far", [1e10, 3.4e38, np.inf, 65504.0, 65535.0])
def test_what_others_write_for_the_sky_is_the_sky(tmp_path: Path, far: float) -> None:
    distance = np.full((8, 16), 2, np.float32)
    distance[:2], distance[7] = far, np.nan
    np.savez(tmp_path / "a_distance.npz", distance=distance)
    found = read_saved(tmp_path / "a_distance.npz")
    assert found.sky[:2].all()
    assert np.array_equal(found.mask, np.isin(np.arange(8), range(2, 7))[:, None].repeat(16, 1))
    assert found.distance[found.mask].max() == 2


@pytest.mark.parametrize("source", ["/", ".", "..", "a\0b", "x" * 5000, "é" * 200, "/etc/passwd"])
def test_a_name_that_is_none_finds_no_picture(tmp_path: Path, source: str) -> None:
    meta = json.dumps({"prediction": {"source": source}, "unit": "m"})
    file = tmp_path / "a_distance.npz"
    np.savez(file, distance=np.full((8, 16), 2, np.float32), meta=np.array(meta))
    assert read_saved(file).mask.all()


@pytest.mark.parametrize(
    ("name", "array", "says"),
    [
        ("distance", np.zeros((0, 0), np.float32), "0×0 is no whole panorama"),
        ("distance", np.full((8, 16), 2500, np.uint16), "whole numbers (uint16)"),
        ("mask", np.zeros((8, 16), [("a", "f4")]), "mask [('a', '<f4')] (8, 16) does not match"),
        ("sky", np.full((8, 16), "no"), "sky <U2 (8, 16) does not match"),
    ],
)
def test_arrays_that_are_no_map(tmp_path: Path, name: str, array: np.ndarray, says: str) -> None:
    arrays = {"distance": np.full((8, 16), 2, np.float32)} | {name: array}
    np.savez(tmp_path / "a_distance.npz", **arrays)
    with pytest.raises(InputError) as caught:
        read_saved(tmp_path / "a_distance.npz")
    assert says in str(caught.value)
