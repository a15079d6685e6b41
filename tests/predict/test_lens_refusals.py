"""Lenses that cannot be, and numbers that would change nothing: one line each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from tests.painted_world import PREDICTOR, picture

from panodepth.errors import ConfigError, InputError
from panodepth.geometry.lens import ERP
from panodepth.geometry.lenses import EquidistantFisheye

DEG = math.radians
THETA: dict[str, Any] = {"projection": "dual-fisheye", "camera": "theta-sc"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"projection": "mercator"}, "unknown --projection 'mercator': use auto, erp"),
        ({"out_projection": "eac"}, "unknown --out-projection 'eac'"),
        ({"projection": "fisheye"}, "needs --fov"),
        ({"projection": "perspective"}, "needs --fov or --focal"),
        ({"projection": "perspective", "fov": (190.0,)}, "between 0 and 180"),
        ({"projection": "perspective", "fov": (90.0,), "focal": (9.0,)}, "not both"),
        ({"projection": "perspective", "focal": (0.0,)}, "positive number of pixels"),
        ({"projection": "perspective", "layout": "eac"}, "--layout says nothing about"),
        ({"projection": "fisheye", "fov": (400.0,)}, "sees 400°"),
        (
            {"projection": "fisheye", "fisheye": "orthographic", "fov": (200.0,)},
            "sees 180° at most",
        ),
        (
            {"projection": "fisheye", "fisheye": "stereographic", "fov": (360.0,)},
            "sees 360°",
        ),
        ({"projection": "fisheye", "fisheye": "kb4", "fov": (90.0,)}, "needs --distortion"),
        (
            {"projection": "perspective", "fov": (90.0,), "distortion": (0.1, 0.0, 0.0, 0.0)},
            "--distortion of a perspective picture needs --focal",
        ),
        (
            {"projection": "perspective", "focal": (90.0,), "distortion": (0.1,) * 8},
            "4 or 5 numbers",
        ),
        ({"projection": "perspective", "focal": (90.0,) * 4}, "--focal of one lens"),
        (
            {"projection": "dual-fisheye", "fisheye": "kb4", "distortion": (0.1, 0.0, 0.0, 0.0)},
            "need --focal, and --centre CX,CY,CX,CY",
        ),
        (
            {"projection": "dual-fisheye", "focal": (90.0,), "centre": (45.0, 45.0)},
            "need --focal, and --centre CX,CY,CX,CY",
        ),
        ({"projection": "cubemap", "layout": "2x2"}, "no cubemap layout '2x2'"),
        ({"projection": "cubemap", "layout": "6x1"}, "no square faces as --layout 6x1"),
        ({"projection": "dual-fisheye", "circle": (1.0, 2.0, 3.0)}, "CX,CY,R,CX,CY,R"),
        ({"projection": "dual-fisheye", "camera": "gopro"}, "unknown --camera 'gopro'"),
        ({**THETA, "centre": (45.0, 45.0, 135.0, 45.0)}, "--camera theta-sc says all"),
        ({**THETA, "fisheye": "equisolid"}, "--camera theta-sc says all"),
        (
            {"projection": "dual-fisheye", "centre": (45.0, 45.0, 135.0, 45.0)},
            "--centre of two fisheyes needs --focal",
        ),
        (
            {"projection": "dual-fisheye", "distortion": (0.1, 0.0, 0.0, 0.0)},
            "kb4 needs --distortion, and no other has one",
        ),
        (
            {"projection": "fisheye", "fov": (180.0,), "circle": (45.0,) * 3, "centre": (4.0, 5.0)},
            "give --centre or --circle, not both",
        ),
        ({"projection": "fisheye", "fov": (180.0, 90.0)}, "--fov of a fisheye is one angle"),
        ({"projection": "dual-fisheye", "fov": (190.0, 90.0)}, "--fov of a fisheye is one angle"),
        ({"out_projection": "cubemap", "out_fov": 90.0}, "nothing about a cubemap"),
        ({"top": 95.0}, "both within 90°"),
        ({"top": 50.0, "bottom": -50.0, "fov": (300.0, 60.0)}, "100° apart"),
        ({"lens": "fisheye"}, "a lens is one of"),
        ({"lens": ERP(), "fov": (90.0,)}, "says nothing about a lens of its own"),
        ({"out_fov": 90.0}, "needs --out-projection"),
        ({"out_projection": "perspective", "out_fov": 180.0}, "less than 180"),
        ({"out_projection": "perspective", "out_fov": 0.0}, "more than 0"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        PREDICTOR.predict(picture(ERP(), (90, 180)), sky="none", **options)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_lens_that_sees_nothing_of_the_picture() -> None:
    lens = EquidistantFisheye(10, 10, -500, -500, DEG(60))
    with pytest.raises(InputError, match="sees nothing of the picture"):
        PREDICTOR.predict(picture(ERP(), (90, 180)), lens=lens)


def test_a_strip_too_wide_to_be_laid_on_the_sphere_is_told() -> None:
    strip = np.zeros((100, 33_000, 3), np.uint8)
    with pytest.raises(InputError, match="more than 32,766 pixels"):
        PREDICTOR.predict(strip, sky="none", fov=(360.0,))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"out_size": (0, 0)}, "--out-size 0x0: sides of 1 to"),
        ({"out_size": (10, 40_000)}, "--out-size 10x40000: sides of 1 to"),
        ({"out_size": (30_000, 30_000)}, "pixels, 134,217,728 in all"),
        ({"out_fov": 200.0}, "--out-fov 200: more than 0 and less than 180"),
        (
            {"out_projection": "cubemap", "out_size": (100, 200)},
            "--out-size 100x200: a cubemap is 2 square faces high and 3 wide, such as 100x150",
        ),
    ],
)
def test_a_result_that_cannot_be_is_refused_before_the_network_runs(
    options: dict[str, Any], words: str
) -> None:
    from panodepth.predict.folder.options import RunOptions

    with pytest.raises(ConfigError, match=words):
        RunOptions(**{"out_projection": "perspective", **options})
