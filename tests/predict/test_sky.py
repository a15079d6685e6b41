"""The classical sky mask: finds an outdoor sky, and never takes a white ceiling for one."""

from __future__ import annotations

import numpy as np
import pytest

from panodepth.predict.sky.classical import classical_sky

H, W = 128, 256
LAT = (((np.arange(H) + 0.5) / H - 0.5) * np.pi)[:, None]
LON = (((np.arange(W) + 0.5) / W - 0.5) * 2 * np.pi)[None]
X, Y, Z = np.cos(LAT) * np.sin(LON), np.sin(LAT) + 0 * LON, np.cos(LAT) * np.cos(LON)
BLUE, GREY, WHITE = (0.4, 0.6, 0.9), (0.75, 0.76, 0.78), (0.92, 0.92, 0.9)
ALBEDO = np.array([(0.93, 0.93, 0.92), (0.5, 0.35, 0.2), (0.9, 0.9, 0.88), (0.9, 0.9, 0.88)])


def along(component: np.ndarray, offset: float) -> np.ndarray:
    return np.where(component > 1e-6, offset / np.maximum(component, 1e-6), np.inf)


def street(wall: float, top: float, far: float) -> tuple[np.ndarray, np.ndarray]:
    """Distance and true sky of a street along z: walls at x = ±wall end `top` above the eye."""
    facade = wall / np.maximum(np.abs(X), 1e-6)
    facade = np.where(-Y * facade < top, facade, np.inf)
    surface = np.minimum(facade, along(Y, 1.6))
    return np.minimum(surface, far).astype(np.float32), (surface >= far) & (Y < 0)


def room(up: float, sides: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Distance and surface (0 ceiling, 1 floor, 2 and 3 walls) of a room."""
    hits = np.stack(
        [along(-Y, up), along(Y, 1.5), along(np.abs(X), sides[0]), along(np.abs(Z), sides[1])]
    )
    return hits.min(0).astype(np.float32), hits.argmin(0)


@pytest.mark.parametrize("colour", [BLUE, GREY, WHITE])
@pytest.mark.parametrize("wall", [3.0, 8.0, 60.0])
def test_finds_the_sky_of_a_street(colour: tuple[float, ...], wall: float) -> None:
    distance, sky = street(wall, 4.0, 40.0)
    image = np.where(sky[..., None], colour, (0.35, 0.3, 0.25)).astype(np.float32)
    found = classical_sky(image, distance)
    assert (found & sky).sum() > 0.95 * sky.sum()
    assert (found & ~sky).sum() < 0.01 * (~sky).sum()


def test_works_on_bytes_and_at_other_sizes() -> None:
    distance, sky = street(5.0, 4.0, 40.0)
    image = np.where(sky[..., None], BLUE, (0.35, 0.3, 0.25)).astype(np.float32)
    reference = classical_sky(image, distance)
    as_bytes = classical_sky((image * 255).astype(np.uint8), distance[::2, ::2])
    assert (reference != as_bytes).mean() < 0.02
    large = classical_sky(image.repeat(6, 0).repeat(6, 1), distance)
    assert large.shape == (6 * H, 6 * W)
    assert (large[3::6, 3::6] != reference).mean() < 0.02


def test_the_seam_is_no_edge() -> None:
    distance, sky = street(5.0, 4.0, 40.0)
    image = np.where(sky[..., None], GREY, (0.35, 0.3, 0.25)).astype(np.float32)
    found = classical_sky(image, distance)
    rolled = classical_sky(np.roll(image, 50, 1), np.roll(distance, 50, 1))
    np.testing.assert_array_equal(np.roll(found, 50, 1), rolled)


@pytest.mark.parametrize("up", [0.9, 1.3, 2.5, 5.0])
@pytest.mark.parametrize("sides", [(1.5, 2.0), (2.5, 4.0), (6.0, 9.0)])
def test_a_white_ceiling_is_a_surface(up: float, sides: tuple[float, float]) -> None:
    distance, surface = room(up, sides)
    for colours in (ALBEDO, np.array([WHITE, (0.5, 0.4, 0.3), (0.7, 0.6, 0.4), (0.7, 0.6, 0.4)])):
        image = colours[surface].astype(np.float32)
        assert not classical_sky(image, distance).any()


def test_a_bright_window_is_a_surface() -> None:
    distance, surface = room(1.3, (2.5, 4.0))
    image = np.where(surface[..., None] == 0, (0.45, 0.4, 0.35), (0.5, 0.35, 0.25))
    window = (np.abs(LON) < 0.5) & (LAT > -0.4) & (LAT < 0.1)
    image = np.where(window[..., None], 1.0, image).astype(np.float32)
    assert not classical_sky(image, np.where(window, 20, distance).astype(np.float32)).any()


def test_what_stands_before_the_sky_stays() -> None:
    distance, sky = street(60.0, 4.0, 40.0)
    image = np.where(sky[..., None], GREY, (0.35, 0.3, 0.25)).astype(np.float32)
    tower = sky & (np.abs(LON) < 0.3) & (LAT > -0.8)  # as grey as the sky, but near
    found = classical_sky(image, np.where(tower, 10, distance).astype(np.float32))
    assert found[sky & ~tower].mean() > 0.95
    assert found[tower].mean() < 0.1


def test_a_clear_blue_sky_may_be_predicted_near() -> None:
    distance, sky = street(5.0, 4.0, 40.0)
    near = np.where(sky, 3.0, distance).astype(np.float32)
    for colour, share in (((0.3, 0.5, 0.85), 0.95), (GREY, 0.0)):
        image = np.where(sky[..., None], colour, (0.35, 0.3, 0.25)).astype(np.float32)
        found = classical_sky(image, near)
        assert (found & sky).sum() >= share * sky.sum()
        assert found.any() == (share > 0)


def test_a_blue_ceiling_or_room_is_a_surface() -> None:
    distance, surface = room(1.3, (2.5, 4.0))
    blue = (0.3, 0.5, 0.85)
    for walls in (blue, (0.7, 0.6, 0.4)):
        image = np.array([blue, (0.5, 0.4, 0.3), walls, walls])[surface].astype(np.float32)
        assert not classical_sky(image, distance).any()


def test_an_open_blue_sky_may_be_predicted_as_a_low_ceiling() -> None:
    distance, _ = room(1.5, (1e4, 1e4))
    image = np.where((LAT < 0)[..., None], (0.3, 0.5, 0.85), (0.2, 0.3, 0.1)) + 0 * X[..., None]
    found = classical_sky(image.astype(np.float32), distance.clip(0, 20))
    np.testing.assert_array_equal(found, np.broadcast_to(LAT < 0, (H, W)))


def test_white_walls_above_a_dark_panelling_are_surfaces() -> None:
    """They end at the horizon as a sky does, and are farther than the floor: but not far enough."""
    distance, surface = room(2.2, (3.5, 4.0))
    dark = (LAT > 0) | (surface == 1)
    image = np.where(dark[..., None], (0.4, 0.3, 0.2), WHITE).astype(np.float32)
    assert not classical_sky(image, distance).any()
