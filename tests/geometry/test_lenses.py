"""The lenses in `geometry/lenses`: against readers not ours, and what each alone promises."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

from panodepth.geometry.lens import ERP, View
from panodepth.geometry.lenses import KB4, BrownConrady, Cubemap, DualFisheye, OrthographicFisheye
from panodepth.geometry.lenses.cube import CUBE_FACES, CubeFace, face_to_world
from panodepth.geometry.lenses.cubemap import LAYOUTS
from panodepth.geometry.lenses.dual import THETA_SC, THETA_SC_SIZE
from panodepth.geometry.resampling import resample

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
from v360_reference import angles_deg, projections


class TestOthers:
    """Readers that are not ours: cv2.fisheye, and FFmpeg's v360 by the rays that it gave."""

    def test_the_calibrated_fisheye_is_that_of_opencv(self) -> None:
        import cv2

        lens = KB4(310.5, 305.2, 322.1, 239.4, 2.6, 0.031, -0.012, 0.004, -0.0007)
        rays = np.random.default_rng(0).standard_normal((500, 3)) * [1, 1, 0.3] + [0, 0, 1.2]
        pixels, _ = lens.project(rays, (2000, 2000))
        matrix, turn = lens.matrix(), np.zeros(3)
        distortion = np.array([lens.k1, lens.k2, lens.k3, lens.k4])
        theirs = cv2.fisheye.projectPoints(rays[:, None], turn, turn, matrix, distortion)[0][:, 0]
        inside = np.arctan2(np.hypot(rays[:, 0], rays[:, 1]), rays[:, 2]) < 1.3
        assert inside.sum() > 300
        np.testing.assert_allclose(pixels[inside], theirs[inside], atol=1e-9, rtol=0)
        there = rays[inside] / np.linalg.norm(rays[inside], axis=-1, keepdims=True)
        np.testing.assert_allclose(lens.unproject(theirs, (480, 640))[inside], there, atol=1e-12)

    @pytest.mark.parametrize(
        "bent",
        [
            (-0.31, 0.12, 0.0011, -0.0023, -0.018),
            (0.12, -0.03, -0.004, 0.002, 0.004),
            (-0.2, 0.0, 0.0, 0.0, 0.0),
            (0.0, 0.0, 0.01, -0.02, 0.0),
        ],
    )
    def test_the_calibrated_pinhole_is_that_of_opencv(self, bent: tuple[float, ...]) -> None:
        import cv2

        lens = BrownConrady(910.5, 905.2, 642.1, 359.4, *bent)
        size = (720, 1280)
        slopes = np.random.default_rng(0).uniform(-0.7, 0.7, (500, 2))
        rays = np.column_stack((slopes, np.ones(500))) * np.linspace(0.5, 9, 500)[:, None]
        pixels, _ = lens.project(rays, (9999, 9999))
        theirs = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), lens.matrix(), np.array(bent))
        np.testing.assert_allclose(pixels, theirs[0][:, 0], atol=1e-9, rtol=0)
        there = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
        back = lens.unproject(pixels, size)
        np.testing.assert_allclose(back, there, atol=1e-9)
        assert lens.rays(size).any(-1).mean() > 0.9

    def test_a_pinhole_s_distortion_ends_where_it_folds(self) -> None:
        """Beyond it, two rays meet one pixel: only the inner one is seen."""
        lens = BrownConrady(100, 100, 100, 100, -0.3)  # r - 0.3 r³ turns at r = 1.054
        rays = np.array([[1.0, 0, 1], [1.1, 0, 1], [1.5, 0, 1], [0.2, 0, -1]])
        pixels, seen = lens.project(rays, (200, 200))
        assert seen.tolist() == [True, False, False, False]
        assert np.isfinite(pixels).all()
        outside = lens.unproject(np.array([[100 + 100 * 0.71, 100.0]]), (200, 200))
        assert not outside.any()  # the largest radius is 0.7027 focal lengths

    def test_a_calibration_that_does_not_reach_so_far_is_refused(self) -> None:
        with pytest.raises(ValueError, match="hold for less than 148°, not for 180°"):
            KB4(300, 300, 320, 240, math.pi, -0.2)
        KB4(300, 300, 320, 240, math.radians(140), -0.2)
        with pytest.raises(ValueError, match="180° at most"):
            OrthographicFisheye(1, 1, 0, 0, 4)

    @pytest.mark.parametrize("name", projections())
    def test_v360_puts_the_same_rays_into_the_pixels(self, name: str) -> None:
        """v360.npz is written by benchmarks/v360_reference.py, which also prints all pixels'."""
        _, lens, size = projections()[name]
        with np.load(Path(__file__).with_name("v360.npz")) as kept:
            places, theirs = kept[f"{name} places"], kept[f"{name} rays"].astype(np.float64)
        off = angles_deg(theirs, lens.rays(size, dtype=np.float64).reshape(-1, 3)[places])
        assert len(off) > 300
        assert off.mean() < 0.06
        assert off.max() < 0.12


class TestCubemap:
    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_every_cell_is_a_face_of_the_cube(self, layout: str) -> None:
        """Its corner pixels too, whichever way the face is turned."""
        lens, side = Cubemap(layout), 6
        form = LAYOUTS[layout]
        size = (
            form.rows * (side + 2 * form.padding),
            form.columns * side + 2 * form.padding,
        )
        rays = lens.rays(size, dtype=np.float64)
        assert np.linalg.norm(rays, axis=-1).sum() == pytest.approx(6 * side * side)
        faces = [CubeFace(face).rays((side, side), dtype=np.float64) for face in CUBE_FACES]
        if layout == "eac":
            spread = np.tan((np.arange(side) + 0.5) / side * np.pi / 2 - np.pi / 4)
            plane = np.stack((*np.meshgrid(spread, spread), np.ones((side, side))), -1)
            plane /= np.linalg.norm(plane, axis=-1, keepdims=True)
            faces = [face_to_world(face, plane) for face in CUBE_FACES]
        expected = {tuple(np.round(ray, 9)) for face in faces for ray in face.reshape(-1, 3)}
        found = {tuple(np.round(ray, 9)) for ray in rays.reshape(-1, 3) if ray.any()}
        assert {tuple(np.add(ray, 0.0)) for ray in found} == {
            tuple(np.add(ray, 0.0)) for ray in expected
        }

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_a_face_does_not_bleed_into_its_neighbour_in_the_picture(self, layout: str) -> None:
        """One colour per face: between two only the two themselves are found."""
        lens, form = Cubemap(layout), LAYOUTS[layout]
        size = (form.rows * (24 + 2 * form.padding), form.columns * 24 + 2 * form.padding)
        image = np.zeros((1, *size), np.float32)
        owner = np.abs(lens.rays(size)).argmax(-1)  # the axis of each pixel's face
        image[0] = np.where(lens.rays(size).any(-1), np.array([1, 10, 100])[owner], -50)
        back, seen = resample(image, lens, View(ERP(), (64, 128)))
        assert seen.all()
        assert set(np.unique(np.round(back))) == {1, 10, 100}

    def test_what_is_no_layout_is_refused(self) -> None:
        for wrong, says in (
            (("2x3",), "no cubemap layout '2x3'"),
            (("3x2", "rludff"), "each of the letters"),
            (("3x2", "", "01230"), "six digits"),
        ):
            with pytest.raises(ValueError, match=says):
                Cubemap(*wrong)


def test_a_ray_that_both_fisheyes_see_is_taken_from_the_nearer_axis() -> None:
    size = (64, 128)
    lens = DualFisheye.from_fov(math.radians(210), size)
    rays = np.random.default_rng(0).standard_normal((500, 3))
    pixels, valid = lens.project(rays, size)
    assert valid.all()
    np.testing.assert_array_equal(pixels[:, 0] > 64, rays[:, 2] > 0)
    unit = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    np.testing.assert_allclose(lens.unproject(pixels, size), unit, atol=1e-9)


def test_the_measured_camera_sees_all_round() -> None:
    rays = np.random.default_rng(0).standard_normal((2000, 3))
    assert THETA_SC.project(rays, THETA_SC_SIZE)[1].all()
    left = THETA_SC.unproject(np.array([[480.0, 480.0]]), THETA_SC_SIZE)[0]
    right = THETA_SC.unproject(np.array([[1440.0, 480.0]]), THETA_SC_SIZE)[0]
    np.testing.assert_allclose(right, [0, 0, 1])
    assert math.degrees(math.acos(-left[2])) == pytest.approx(1.63, abs=0.01)  # hypot(1.2, 1.1)
