"""Constant and box, through the same door as any other predictor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from panodepth.errors import ConfigError
from panodepth.lab.evaluation.run.predictors import load_file
from panodepth.types import Panorama

BASELINES = Path(__file__).parents[2] / "baselines"
PICTURE = Panorama(np.zeros((64, 128, 3), np.float32), meta={"name": "x"})


def test_constant():
    assert (load_file(str(BASELINES / "constant.py"))(PICTURE).distance == 1).all()


def test_box_is_a_box():
    sizes = {"floor": 1.6, "ceiling": 1.0, "side": 2.0, "depth": 3.0}
    distance = load_file(str(BASELINES / "box.py"), sizes)(PICTURE).distance
    import torch

    from panodepth.geometry.points import distance_to_points

    points = np.abs(distance_to_points(torch.from_numpy(distance)).numpy().astype(np.float64))
    rows = np.arange(64)[:, None] >= 32
    limits = np.stack(np.broadcast_arrays(2.0, np.where(rows, 1.6, 1.0), 3.0), -1)
    touching = np.isclose(points, limits, rtol=1e-4).any(-1)
    assert touching.all()
    assert (points <= limits + 1e-4).all()
    # straight down, up, right and ahead
    assert distance[-1, 0] == pytest.approx(1.6, rel=1e-2)
    assert distance[0, 0] == pytest.approx(1.0, rel=1e-2)
    assert distance[32, 96] == pytest.approx(2.0, rel=1e-2)
    assert distance[32, 64] == pytest.approx(3.0, rel=1e-2)


def test_a_box_without_room_is_refused():
    with pytest.raises(ConfigError, match="must be above 0"):
        load_file(str(BASELINES / "box.py"), {"floor": 0})
