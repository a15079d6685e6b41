"""Saved predictions read back, of this program and of others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

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
