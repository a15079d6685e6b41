"""The same projections by an independent library, within that library's own grid error."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from panodepth.geometry.cubemap import cube_rays, erp_to_cubemap
from panodepth.geometry.lens import ERP, Pinhole, View
from panodepth.geometry.resampling import resample
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll

py360convert = pytest.importorskip("py360convert")


@pytest.mark.parametrize(("yaw", "pitch", "roll"), [(0, 0, 0), (50, 20, 0), (-120, -60, 0)])
def test_perspective_views_agree(
    yaw: float, pitch: float, roll: float, ray_image: Tensor, error_px: Callable[..., Tensor]
) -> None:
    """py360convert's view corners are pixel centres: 0.28 px off in the mean; bound 0.5 px."""
    r = rotation_from_yaw_pitch_roll(*(math.radians(a) for a in (yaw, pitch, roll)))
    view = View(Pinhole.from_fov(math.radians(90), (256, 256)), (256, 256), r)
    ours = resample(ray_image, ERP(), view)[0].movedim(0, -1)
    image = np.ascontiguousarray(ray_image.movedim(0, -1).numpy())
    theirs = py360convert.e2p(image, (90, 90), yaw, pitch, (256, 256), in_rot_deg=roll)
    error = error_px(ours, torch.from_numpy(np.asarray(theirs)), 1024)
    assert error.mean() < 0.5
    assert error.max() < 1.5


def test_cube_faces_agree(ray_image: Tensor, error_px: Callable[..., Tensor]) -> None:
    """Its faces come in the order F R B L U D, R and B mirrored, U flipped; bound 1 px."""
    ours = erp_to_cubemap(ray_image, 128).movedim(-3, -1)
    image = np.ascontiguousarray(ray_image.movedim(0, -1).numpy())
    theirs = py360convert.e2c(image, 128, cube_format="list")
    for index, face in enumerate(theirs):
        face_error = error_px(ours[index], torch.from_numpy(np.ascontiguousarray(face)), 1024)
        assert face_error.mean() < 1, index
    assert cube_rays(128, dtype=torch.float32).shape == ours.shape
