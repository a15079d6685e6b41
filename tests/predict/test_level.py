"""Up from distance, and pictures turned upright: rooms whose distance is written in the picture."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.drawn import drawn

from panodepth.errors import ConfigError
from panodepth.export.reprojection import reprojected
from panodepth.geometry.grid import erp_rays
from panodepth.geometry.lens import View
from panodepth.geometry.lenses.fisheyes import EquidistantFisheye
from panodepth.geometry.level.up import Up, estimate_up
from panodepth.geometry.rotation import (
    rotate_vectors,
    rotation_from_yaw_pitch_roll,
    rotation_to_up,
)
from panodepth.model import ModelConfig, ModelOutput
from panodepth.predict.level.turning import MOST_DEG, SHRINKAGE, _unshrunk
from panodepth.predict.options import PredictOptions
from panodepth.predict.torch_backend import TorchPredictor
from panodepth.types import Prediction

SIZE = (70, 140)
Map = npt.NDArray[np.float64]


def room(height: int, pitch_deg: float = 0.0, roll_deg: float = 0.0, yaw_deg: float = 0.0) -> Map:
    """Distance (H, 2H) in a box room, camera 1.6 m above its floor and held as said."""
    turn = rotation_from_yaw_pitch_roll(*np.radians([yaw_deg, pitch_deg, roll_deg]).tolist())
    rays = rotate_vectors(turn, erp_rays(height, 2 * height, dtype=np.float64))
    low, high = np.array([-2.0, -1.0, -1.5]), np.array([3.0, 1.6, 4.0])
    with np.errstate(divide="ignore"):
        return np.asarray(np.where(rays > 0, high / rays, low / rays).min(-1))


def true_up(pitch_deg: float, roll_deg: float) -> Map:
    turn = rotation_from_yaw_pitch_roll(0.0, *np.radians([pitch_deg, roll_deg]).tolist())
    return np.asarray(turn.T @ [0.0, -1.0, 0.0])


def angle_deg(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    return math.degrees(math.acos(min(1.0, float(np.dot(one, other)))))


@drawn(25, pitch=(-30.0, 30), roll=(-30.0, 30), yaw=(-180.0, 180), unit=(0.01, 100))
def test_up_of_a_room(pitch: float, roll: float, yaw: float, unit: float) -> None:
    distance = room(96, pitch, roll, yaw) * unit
    found = estimate_up(distance, np.ones(distance.shape, np.bool_))
    assert found is not None
    assert angle_deg(found.direction, true_up(pitch, roll)) < 0.5
    assert found.spread_deg < 1


def test_what_has_no_floor_is_no_tilt() -> None:
    everywhere = np.ones((64, 128), np.bool_)
    ball = np.full((64, 128), 3.0)
    noise = np.exp(np.random.default_rng(0).normal(size=(64, 128)))
    for distance, valid in ((ball, everywhere), (noise, everywhere), (ball, ~everywhere)):
        found = estimate_up(distance, valid)
        assert found is None or not found.is_sure()


class Painted(torch.nn.Module):
    """log distance = 3 · red, sky where blue > 0.5; keeps what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))
        self.config = ModelConfig(size=SIZE, sky_head=True)
        self.seen: list[torch.Tensor] = []

    def forward(self, image: torch.Tensor) -> ModelOutput:
        self.seen.append(image)
        return ModelOutput(3 * image[:, 0], image[:, 2] - 0.5)


class Stubborn(Painted):
    """Sees the same tilted room in every picture."""

    def forward(self, image: torch.Tensor) -> ModelOutput:
        super().forward(image)
        tilted = torch.from_numpy(np.log(room(SIZE[0], 25.0))).float()
        return ModelOutput(tilted.expand(len(image), -1, -1), torch.full_like(image[:, 2], -1))


def picture(pitch_deg: float, roll_deg: float) -> npt.NDArray[np.float32]:
    """A room whose every pixel says its distance, with a window to the sky high on one wall."""
    distance = room(192, pitch_deg, roll_deg)
    turn = rotation_from_yaw_pitch_roll(0.0, *np.radians([pitch_deg, roll_deg]).tolist())
    rays = rotate_vectors(turn, erp_rays(192, 384, dtype=np.float64))
    image = np.zeros((192, 384, 3), np.float32)
    image[..., 0] = np.log(distance) / 3
    image[..., 2] = rays @ [0.6, 0.0, 0.8] > 0.97
    return image


def predicted(network: Painted, image: npt.NDArray[np.float32], **options: object) -> Prediction:
    return TorchPredictor(network).predict(image, **options)  # type: ignore[arg-type]


def test_a_level_picture_goes_through_once_and_stays_as_it_is() -> None:
    network, image = Painted(), picture(0, 2)
    one, other = (predicted(network, image, level=level) for level in ("auto", "none"))
    assert len(network.seen) == 2
    assert one.distance.tobytes() == other.distance.tobytes()
    assert one.mask.tobytes() == other.mask.tobytes()
    assert other.level is None
    assert one.level is not None
    assert one.level.tilt_deg == pytest.approx(2, abs=0.5)
    assert one.meta["level"]["turned"] is False


@pytest.mark.parametrize("shrinkage", [0.0, SHRINKAGE])
@pytest.mark.parametrize(("pitch", "roll"), [(20, -15), (-30, 0), (0, 32)])
def test_a_tilted_picture_is_seen_upright_and_comes_back_as_it_was(
    pitch: int, roll: int, shrinkage: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panodepth.predict.level.turning.SHRINKAGE", shrinkage)
    network, image = Painted(), picture(pitch, roll)
    got = predicted(network, image)
    assert len(network.seen) == 2
    # This network sees tilts as they are: what others are thought to miss is left over.
    tilt = math.degrees(math.acos(-true_up(pitch, roll)[1]))
    assert tilt_seen(network.seen[1]) == pytest.approx(shrinkage * tilt**2, abs=1.2)
    assert got.level is not None
    assert got.meta["level"]["turned"] is True
    assert angle_deg(got.level.direction, true_up(pitch, roll)) < 1
    np.testing.assert_allclose(got.up, got.level.direction, atol=1e-9)
    truth, sky = np.exp(3 * image[..., 0]), image[..., 2] > 0.5
    ratio = (got.solid / truth)[~sky]
    assert np.quantile(np.abs(ratio / np.median(ratio) - 1), 0.95) < 0.03
    assert (got.mask == ~sky).mean() > 0.995


def test_upright_edges_say_how_far_to_turn() -> None:
    """What is added for networks that miss a part of the tilt, 6° here, is then taken off again."""
    network, image = Painted(), picture(-28, 8)
    turn = rotation_from_yaw_pitch_roll(0.0, *np.radians([-28, 8]).tolist())
    rays = rotate_vectors(turn, erp_rays(192, 384, dtype=np.float64))
    x, y, z = np.moveaxis(np.exp(3 * image[..., :1]) * rays, -1, 0)
    wall = (y < 1.55) & (y > -0.95)
    image[..., 1] = 0.5 + 0.4 * np.where(wall, np.tanh(4 * np.sin(4 * (x + z))), 0)
    got = predicted(network, image)
    assert len(network.seen) == 2
    assert tilt_seen(network.seen[1]) < 2
    assert got.level is not None
    assert angle_deg(got.level.direction, true_up(-28, 8)) < 1


@given(st.floats(-44, 44), st.floats(-44, 44))
def test_a_first_up_is_tilted_more_to_the_same_side(pitch: float, roll: float) -> None:
    seen = Up(tuple(true_up(pitch, roll).tolist()))
    turned = _unshrunk(seen)
    assert np.linalg.norm(turned.direction) == pytest.approx(1, abs=1e-6)
    more = min(seen.tilt_deg * (1 + SHRINKAGE * seen.tilt_deg), MOST_DEG)
    assert turned.tilt_deg == pytest.approx(max(more, seen.tilt_deg), abs=1e-3)
    across = seen.direction[0] * turned.direction[2] - seen.direction[2] * turned.direction[0]
    assert across == pytest.approx(0, abs=1e-6)


def tilt_seen(pixels: torch.Tensor) -> float:
    """Of the room in what a network was shown, (1, 3, h, w) [deg]."""
    level = estimate_up(np.exp(3 * pixels[0, 0].numpy()), np.ones(SIZE, np.bool_))
    assert level is not None
    return level.tilt_deg


def test_a_turn_that_levels_nothing_is_dropped() -> None:
    network = Stubborn()
    got = predicted(network, picture(0, 0))
    assert len(network.seen) == 2
    assert got.meta["level"]["turned"] is False
    assert (
        got.distance.tobytes() == predicted(network, picture(0, 0), level="none").distance.tobytes()
    )


class Slow(Painted):
    """Of 30° of tilt a part is left after every turn."""

    def forward(self, image: torch.Tensor) -> ModelOutput:
        super().forward(image)
        left = (30.0, 21.0, 14.0, 9.0, 6.0)[len(self.seen) - 1]
        shown = torch.from_numpy(np.log(room(SIZE[0], left))).float()
        return ModelOutput(shown.expand(len(image), -1, -1), torch.full_like(image[:, 2], -1))


@pytest.mark.parametrize(("level", "passes"), [("none", 0), ("auto", 1), ("best", 3)])
def test_so_many_further_passes_at_most(level: str, passes: int) -> None:
    network = Slow()
    predicted(network, picture(0, 0), level=level)
    assert len(network.seen) == 1 + passes


def test_what_the_user_says_of_the_camera_counts() -> None:
    network, image = Painted(), picture(40, 10)
    mask = np.ones(image.shape[:2], np.bool_)
    mask[150:] = False
    got = TorchPredictor(network).predict(image, mask, pitch=40, roll=10)  # type: ignore[arg-type]
    assert len(network.seen) == 1
    assert got.level is not None
    assert got.level.source == "given"
    assert angle_deg(got.up, true_up(40, 10)) < 1e-4
    assert not got.mask[150:].any()
    assert tilt_seen(network.seen[0]) < 1
    assert PredictOptions(roll=5).up is not None
    assert PredictOptions().up is None


@pytest.mark.parametrize("bad", [{"level": "on"}, {"pitch": 91.0}, {"roll": math.nan}])
def test_bad_options(bad: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        PredictOptions(**bad)  # type: ignore[arg-type]


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 1))
def test_the_turn_to_an_up_is_a_rotation_that_takes_it_there(x: float, y: float, z: float) -> None:
    length = math.hypot(x, y, z)
    if length < 1e-3:
        return
    up = np.array([x, y, z]) / length
    turn = rotation_to_up(up.tolist())
    np.testing.assert_allclose(turn @ [0, -1, 0], up, atol=1e-6)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-6)
    assert np.linalg.det(turn) == pytest.approx(1)
    angle = math.degrees(math.acos(max(-1.0, min(1.0, (np.trace(turn) - 1) / 2))))
    assert angle == pytest.approx(angle_deg(up, [0, -1, 0]), abs=0.1)  # and the least one


def test_a_fisheye_of_a_tilted_camera_comes_back_as_it_was() -> None:
    """The result keeps the picture's orientation; its rotation says where level is."""
    panorama = predicted(Painted(), picture(25, 0), level="none")
    view = reprojected(panorama, View(EquidistantFisheye.from_fov(math.pi, (192, 192)), (192, 192)))
    got = predicted(
        Painted(),
        view.image.astype(np.float32) / 255,
        projection="fisheye",
        fov=(180.0,),
        out_projection="input",
        pitch=25,
    )
    assert angle_deg(got.up, true_up(25, 0)) < 1e-4
    both = got.mask & view.mask
    ratio = (got.solid / view.solid)[both]
    assert np.quantile(np.abs(ratio / np.median(ratio) - 1), 0.9) < 0.05
