"""The tiled ray-caster against closed forms and against a plain loop over rays and primitives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from tests.drawn import drawn

from panodepth.geometry.grid import erp_rays
from panodepth.lab.worlds.render.primitives import Scene, Solid, pack, yaw_matrix
from panodepth.lab.worlds.render.raycast import (
    cast,
    from_tiles,
    panorama_rays,
    parallel_rays,
    square_axes,
    tile_size,
    to_tiles,
)
from panodepth.lab.worlds.render.shapes import BOX, CYLINDER, ELLIPSOID
from panodepth.lab.worlds.render.surfaces import surface_table, surfaces

H, W = 28, 56


def look(packed, rays, pixel_rad):
    """What scene 0 shows: point, normal (R, 3) and the rest of `Surface` for its R tiled rays."""
    hits = cast(packed, rays)
    distance, place = (x[:1].flatten(1) for x in (hits.distance, hits.index))
    directions = rays.direction.reshape(-1, 3).T.contiguous()
    seen = surfaces(surface_table(packed), distance, place, directions, pixel_rad)
    return replace(seen, point=seen.point.permute(1, 2, 0), normal=seen.normal.permute(1, 2, 0))


def distance_map(scene: Scene, height: int = H, width: int = W) -> torch.Tensor:
    hits = cast(pack([scene]), panorama_rays(height, width))
    tile = tile_size(height, width)
    return from_tiles(hits.distance, (height, width), tile)[0]


def slow_distance(scene: Scene, rays: np.ndarray) -> np.ndarray:
    """Nearest hit by sampling nothing: one ray and one primitive at a time, in float64."""
    packed = pack([scene])
    best = np.full(len(rays), np.inf)
    for k in range(len(scene)):
        matrix = packed.to_local[0, k].double().numpy()
        start = -matrix @ packed.centre[0, k].double().numpy()
        taper = float(packed.taper[0, k])
        for i, ray in enumerate(rays):
            d = matrix @ ray
            for t in _roots(int(packed.kind[0, k]), start, d, taper):
                if 1e-3 < t < best[i]:
                    best[i] = t
    return best


def _roots(kind: int, o: np.ndarray, d: np.ndarray, taper: float) -> list[float]:
    found = []
    if kind == BOX:
        for axis in range(3):
            for side in (-1, 1):
                t = (side - o[axis]) / d[axis]
                p = o + t * d
                if all(abs(p[j]) <= 1 + 1e-9 for j in range(3) if j != axis):
                    found.append(t)
    elif kind == ELLIPSOID:
        r = np.roots([d @ d, 2 * o @ d, o @ o - 1])
        found += [float(x) for x in r[np.isreal(r)].real]
    else:
        slope, middle = (taper - 1) / 2, (taper + 1) / 2
        ro, rd = middle + slope * o[1], slope * d[1]
        a = d[0] ** 2 + d[2] ** 2 - rd**2
        b = 2 * (o[0] * d[0] + o[2] * d[2] - ro * rd)
        r = np.roots([a, b, o[0] ** 2 + o[2] ** 2 - ro**2])
        found += [float(t) for t in r[np.isreal(r)].real if abs(o[1] + t * d[1]) <= 1]
        for cap in (-1, 1):
            t = (cap - o[1]) / d[1]
            if np.hypot(o[0] + t * d[0], o[2] + t * d[2]) <= middle + slope * cap:
                found.append(t)
    return found


def box_room(half=(2.0, 1.5, 3.0), wall=0.1) -> Scene:
    """Six slabs around the camera, their inner faces at ±half metres."""
    scene = Scene(indoor=True, camera=np.zeros(3))
    for axis in range(3):
        for side in (-1.0, 1.0):
            centre, size = np.zeros(3), np.asarray(half) + wall
            centre[axis], size[axis] = side * (half[axis] + wall), wall
            scene.add(Solid(BOX, size), centre)
    return scene


def test_box_room_is_exact():
    half = np.array([2.0, 1.5, 3.0])
    rays = erp_rays(H, W, dtype=torch.float64).numpy()
    truth = (half / np.abs(rays)).min(-1)
    np.testing.assert_allclose(distance_map(box_room(half)).numpy(), truth, rtol=2e-6)


def test_sphere_is_exact():
    scene = Scene(indoor=False, camera=np.zeros(3))
    scene.add(Solid(ELLIPSOID, (1.0, 1.0, 1.0)), (0.0, 0.0, 5.0))  # straight ahead, radius 1
    rays = erp_rays(H, W, dtype=torch.float64).numpy()
    along = 5 * rays[..., 2]
    root = along**2 - 24
    with np.errstate(invalid="ignore"):
        truth = np.where((root > 0) & (along > 0), along - np.sqrt(root), np.inf)
    got = distance_map(scene).numpy()
    assert (np.isfinite(got) == np.isfinite(truth)).all()
    assert np.isfinite(got).sum() > 10
    np.testing.assert_allclose(got[np.isfinite(got)], truth[np.isfinite(truth)], rtol=1e-5)


numbers = st.floats(-1, 1, width=32)


@drawn(25, seed=(0, 2**31 - 1), kind=[BOX, ELLIPSOID, CYLINDER])
def test_tiles_agree_with_the_plain_loop(seed, kind):
    rng = np.random.default_rng(seed)
    scene = Scene(indoor=False, camera=np.zeros(3), camera_rotation=yaw_matrix(rng.uniform(0, 6)))
    for _ in range(4):
        tilt = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        centre, half = rng.normal(0, 3, 3), rng.uniform(0.05, 1.5, 3)
        solid = Solid(kind, half, taper=rng.uniform(0.1, 1.5))
        scene.add(solid, centre, tilt * np.linalg.det(tilt))
    rays = erp_rays(14, 28, dtype=torch.float64).reshape(-1, 3).numpy()
    slow = slow_distance(scene, rays)
    fast = distance_map(scene, 14, 28).reshape(-1).numpy()
    # Rays that graze a silhouette may differ in float32; they are few.
    different = ~np.isclose(fast, slow, rtol=1e-3, atol=1e-4)
    assert different.mean() < 0.01


@pytest.mark.parametrize("size", [(14, 28), (84, 168), (126, 252), (30, 60), (34, 68)])
def test_tiles_round_trip_and_cover_their_rays(size):
    height, width = size
    tile = tile_size(height, width)
    assert height % tile[0] == 0
    assert width % tile[1] == 0
    image = torch.rand(2, height, width)
    assert torch.equal(from_tiles(to_tiles(image[..., None], tile)[..., 0], size, tile), image)
    rays = panorama_rays(height, width)
    beyond = torch.einsum("tpc,tqc->tpq", rays.direction, rays.planes)
    assert float(beyond.max()) <= 0  # no ray is outside its own tile's pyramid


def test_turning_the_camera_rolls_the_panorama():
    scene = box_room()
    scene.add(Solid(ELLIPSOID, (0.3, 0.5, 0.2)), (1.0, 0.2, 1.2), 0.4)
    before = distance_map(scene)
    columns = 9
    scene.camera_rotation = yaw_matrix(2 * np.pi * columns / W)
    after = distance_map(scene)
    torch.testing.assert_close(after, torch.roll(before, -columns, 1), rtol=1e-4, atol=1e-4)


def test_normals_are_unit_face_the_camera_and_match_the_walls():
    scene = box_room()
    rays = panorama_rays(H, W)
    packed = pack([scene])
    seen = look(packed, rays, 2 * np.pi / W)
    normal, ray = seen.normal[0], rays.direction.reshape(-1, 3)
    torch.testing.assert_close(normal.norm(dim=-1), torch.ones(len(normal)), rtol=1e-5, atol=1e-5)
    assert float((normal * ray).sum(-1).max()) < 0
    half = torch.tensor([2.0, 1.5, 3.0])
    face = (seen.point[0].abs() / half).argmax(-1)
    expected = -torch.sign(seen.point[0].gather(1, face[:, None]))[:, 0]
    torch.testing.assert_close(normal.gather(1, face[:, None])[:, 0], expected)


def test_frustum_normals_agree_with_differences_of_position():
    scene = Scene(indoor=False, camera=np.zeros(3))
    scene.add(Solid(CYLINDER, (1.0, 1.5, 1.0), taper=0.4), (0, 0, 4.0))
    height = 560
    rays = panorama_rays(height, 2 * height)
    packed = pack([scene])
    seen = look(packed, rays, np.pi / height)
    tile = tile_size(height, 2 * height)

    def picture(x):
        planes = x.reshape(*rays.direction.shape[:2], -1).unbind(-1)
        return torch.stack([from_tiles(p, (height, 2 * height), tile) for p in planes], -1)

    point, normal, hit = picture(seen.point), picture(seen.normal), picture(seen.hit)[..., 0]
    rows, columns = slice(250, 310), slice(550, 570)  # the side wall, straight ahead
    assert bool(hit[rows, columns].all())
    p = point[rows, columns]
    across = torch.linalg.cross(p[1:, :-1] - p[:-1, :-1], p[:-1, 1:] - p[:-1, :-1])
    across = torch.nn.functional.normalize(across, dim=-1)
    n = normal[rows, columns]
    middle = (n[1:, :-1] + n[:-1, 1:]) / 2  # the differences belong to the middle of the pixels
    cosine = (across * middle).sum(-1).abs()
    assert float(cosine.min()) > 0.999


def test_parallel_rays_see_a_box_from_above():
    scene = Scene(indoor=False, camera=np.zeros(3))
    scene.add(Solid(BOX, (0.5, 0.25, 0.5)), (1.0, -2.0, 0.5))
    down = torch.tensor([0.0, 1.0, 0.0])  # camera frame: y is down
    rays = parallel_rays(down, 4.0, 64)
    hits = cast(pack([scene]), rays)
    point = rays.origin + hits.distance[0][..., None] * rays.direction
    hit = torch.isfinite(hits.distance[0])
    assert abs(float(hit.float().mean()) - 1.0 / 64.0) < 0.004  # 1 m² of 8 m × 8 m
    torch.testing.assert_close(point[hit][:, 1], torch.full((int(hit.sum()),), 1.75))
    u, v = square_axes(down)
    gram = torch.stack([down, u, v]) @ torch.stack([down, u, v]).T
    torch.testing.assert_close(gram, torch.eye(3), atol=1e-6, rtol=0)
