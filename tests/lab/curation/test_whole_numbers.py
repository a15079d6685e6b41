"""Frames whose depth is an array: what its numbers are, and what the file is."""

from __future__ import annotations

import numpy as np
import pytest
from tests.lab.curation.conftest import SIZE, Made
from tests.lab.curation.frames import first, refusal

from panodepth.geometry.points import z_depth_to_distance
from panodepth.lab.curation.sources import open_frame_source


@pytest.mark.parametrize("ending", ["npz", "npy"])
def test_plain_arrays_of_whole_numbers_take_the_scale(made: Made, ending: str) -> None:
    codes = np.full(SIZE, 1500, np.uint16)
    codes[0] = 65535
    made.image("x.jpg")
    file = made.path(f"x_depth.{ending}")
    np.savez(file, depth=codes) if ending == "npz" else np.save(file, codes)
    made.json("camera.json", {"x_fov_deg": 90, "unit": "m", "scale": 0.001})
    frame = first("frames", made)
    assert frame.z_depth is not None
    assert np.isinf(frame.z_depth[0]).all()
    np.testing.assert_allclose(frame.z_depth[1:], 1.5, rtol=1e-6)
    made.json("camera.json", {"x_fov_deg": 90, "unit": "m", "scale": "small"})
    assert (
        "scale of its whole numbers is small"
        in refusal(open_frame_source("frames", made.root)).detail
    )


def test_plain_arrays_of_whole_numbers_without_a_scale_are_refused(made: Made) -> None:
    codes = np.full(SIZE, 1500, np.uint16)
    made.image("x.jpg")
    np.savez(made.path("x_depth.npz"), depth=codes)
    made.json("camera.json", {"x_fov_deg": 90, "unit": "m"})
    refused = refusal(open_frame_source("frames", made.root))
    assert "scale of its whole numbers is unknown" in refused.detail
    np.savez(made.path("x_depth.npz"), depth=codes // 500, meta='{"unit": "m"}')
    frame = first("frames", made)
    assert frame.z_depth is not None
    assert frame.z_depth.max() == 3


def test_plain_arrays_are_read_by_what_the_file_holds(made: Made) -> None:
    made.image("x.jpg")
    made.json("camera.json", {"x_fov_deg": 90})
    with made.path("x_depth.npz").open("wb") as file:
        np.save(file, np.full(SIZE, 2.5, np.float32))
    frame = first("frames", made)
    assert frame.z_depth is not None
    assert (frame.z_depth == 2.5).all()


def test_whole_numbers_are_no_sky_before_they_are_scaled(made: Made) -> None:
    """Nanometres: 1.5 m are beyond what stands for sky among floats. Both maps are scaled."""
    from panodepth.lab.curation.frame import pinhole_from_fov

    z_depth = np.full(SIZE, 1.5, np.float32)
    distance = z_depth_to_distance(z_depth, pinhole_from_fov(90, SIZE))
    z_codes, codes = (np.rint(values.astype(np.float64) * 1e9) for values in (z_depth, distance))
    made.image("x.jpg")
    whole = {"z_depth": z_codes.astype(np.int64), "distance": codes.astype(np.int64)}
    np.savez(made.path("x_depth.npz"), **whole)
    made.json("camera.json", {"x_fov_deg": 90, "unit": "m", "scale": 1e-9})
    frame = first("frames", made)
    assert frame.z_depth is not None
    np.testing.assert_allclose(frame.z_depth, 1.5, rtol=1e-6)
