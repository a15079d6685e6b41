"""What the network is shown where a lens saw nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from panodepth.geometry.lens import ERP
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.predict.lenses.filling import continued, extended

DEG = math.radians


class TestContinued:
    """What the network is shown where a lens saw nothing."""

    @pytest.mark.parametrize("yaw_deg", [0, 70, 180])
    def test_half_a_sphere_becomes_its_mirror_image(self, yaw_deg: float) -> None:
        turn = rotation_from_yaw_pitch_roll(DEG(yaw_deg))
        rays = ERP().rays((64, 128)) @ turn  # in the frame of a camera that looks there
        mirrored = rays * np.array([1, 1, -1])
        seen = rays[..., 2] > 0
        world = 0.5 + 0.3 * rays
        shown = continued(np.moveaxis(world * seen[..., None], -1, 0).astype(np.float32), seen)
        expected = np.where(seen[..., None], world, 0.5 + 0.3 * mirrored)
        assert np.abs(np.moveaxis(shown, 0, -1) - expected).max() < 0.03

    @pytest.mark.parametrize("fov_deg", [80, 140, 220])
    def test_there_is_no_edge_where_a_field_ends(self, fov_deg: float) -> None:
        """Steps across it are no larger than the picture's own, stretched."""
        rays = ERP().rays((64, 128))
        seen = rays[..., 2] > math.cos(DEG(fov_deg / 2))
        image = np.moveaxis((0.5 + 0.3 * rays) * seen[..., None], -1, 0).astype(np.float32)
        shown = continued(image, seen)
        level = shown[:, 24:40]
        assert np.abs(np.diff(level, axis=2)).max() < 0.05
        np.testing.assert_array_equal(shown[:, seen], image[:, seen])

    def test_a_field_all_round_and_a_whole_one_are_smoothed_over(self) -> None:
        rays = ERP().rays((64, 128))
        image = np.moveaxis(0.5 + 0.3 * rays, -1, 0).astype(np.float32)
        strip = np.abs(rays[..., 1]) < 0.7
        np.testing.assert_array_equal(continued(image, np.ones_like(strip)), image)
        shown = continued(image * strip, strip)
        assert np.isfinite(shown).all()
        assert 0.1 < shown.min() < shown.max() < 0.9

    @pytest.mark.parametrize("step", [1, 40])
    def test_it_turns_with_the_picture(self, step: int) -> None:
        rays = ERP().rays((64, 128))
        image = np.moveaxis(0.5 + 0.3 * rays, -1, 0).astype(np.float32)
        seen = (np.abs(rays[..., 1]) < 0.5 + 0.2 * rays[..., 0]) | (rays[..., 2] > 0.9)
        shown = extended(image * seen, seen)
        turned = extended(np.roll(image * seen, step, 2), np.roll(seen, step, 1))
        np.testing.assert_allclose(turned, np.roll(shown, step, 2), atol=0.02)
        assert np.isfinite(shown).all()
        np.testing.assert_array_equal(shown[:, seen], image[:, seen])

    def test_a_border_s_colours_go_on(self) -> None:
        """A floor goes on below, a ceiling above: no mixture of both."""
        seen = np.zeros((64, 128), bool)
        seen[20:44] = True
        image = np.zeros((3, 64, 128), np.float32)
        image[:, 20:30], image[:, 30:44] = 0.9, 0.2
        shown = continued(image, seen)
        assert shown[:, :18] == pytest.approx(0.9, abs=0.01)
        assert shown[:, 46:] == pytest.approx(0.2, abs=0.01)
