"""Files of what other lenses than a panorama's see, and of panoramas that are tilted."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from panodepth.export.reprojection import as_panorama, reprojected
from panodepth.export.splats.gaussians import SIGMA, SplatOptions, gaussians
from panodepth.geometry.lens import ERP, Lens, Pinhole, View
from panodepth.geometry.lenses import Cubemap, EquidistantFisheye
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.types import Prediction

TURN = np.asarray(rotation_from_yaw_pitch_roll(0.4, 0.7, -0.2))
FISHEYE = EquidistantFisheye.from_fov(math.pi, (128, 128))
SPHERE = 4 * math.pi


def ball(radius: float = 1.0) -> Prediction:
    """A hollow ball seen from its middle."""
    distance = np.full((128, 256), radius, np.float32)
    image = np.full((*distance.shape, 3), 200, np.uint8)
    return Prediction(distance, np.ones_like(distance, bool), image, {"name": "ball", "unit": "m"})


@pytest.mark.parametrize(
    ("lens", "size", "view"),
    [
        (ERP(), (128, 256), SPHERE),
        (Pinhole.from_fov(math.pi / 2, (96, 96)), (96, 96), SPHERE / 6),
        (FISHEYE, (128, 128), SPHERE / 2),
        (Cubemap("3x2"), (128, 192), SPHERE),
    ],
)
@pytest.mark.parametrize("most", [1 << 20, 3000])
def test_discs_cover_the_view_once_whatever_the_lens(
    lens: Lens, size: tuple[int, int], view: float, most: int
) -> None:
    seen = reprojected(ball(), View(lens, size, TURN))
    found = gaussians(seen, Path("a"), SplatOptions(max_points=most), "y")
    assert ((found.sigma[:, 0] / SIGMA) ** 2).sum() == pytest.approx(view, rel=0.06)


def test_the_rim_of_a_fisheye_is_as_far_away_as_what_it_sees_there() -> None:
    seen = reprojected(ball(5.0), View(FISHEYE, (128, 128), TURN))
    panorama = as_panorama(seen)
    assert panorama.mask.mean() == pytest.approx(0.5, abs=0.02)
    assert np.allclose(panorama.distance[panorama.mask], 5, rtol=1e-5)
    assert (panorama.image[panorama.mask] == 200).all()
