"""Pinhole views of the same worlds: RGB-D frames with intrinsics and pose, exact as the panoramas.

A view is the world packed for a turned and moved camera, so all views of one call share their rays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from panodepth.errors import ConfigError
from panodepth.geometry import intrinsics_from_fov, rotation_from_yaw_pitch_roll
from panodepth.geometry import perspective_rays as pinhole_rays
from panodepth.lab.worlds.camera.photograph import Camera, draw_camera, plain_camera
from panodepth.lab.worlds.panoramas import PixelGrid, make_scene, render_scenes
from panodepth.lab.worlds.render.primitives import Scene
from panodepth.lab.worlds.render.raycast import Rays, tile_size, to_tiles
from panodepth.lab.worlds.render.shapes import Array

_FLIP = np.diag([1.0, -1.0, 1.0])  # y-up world axes to the y-down axes of cameras
KEEP_CLEAR = 0.25  # metres between a moved camera and everything
_PATHS = 20  # directions tried for a moved camera


@dataclass(frozen=True)
class ViewSpec:
    """Which views of a world, all of one size and one field of view.

    size: (h, w) pixels. x_fov_rad: full horizontal angle, square pixels. Angles of the V views as
    yaw, pitch, roll (V, 3) [rad] in the panorama's frame; None = V = `count` views whose yaw goes
    once round from a random start, with a little pitch and roll. move_m: camera positions are drawn
    within this distance of the panorama's place, at its height ± 20 % of that.
    """

    size: tuple[int, int] = (240, 320)
    x_fov_rad: float = np.pi / 2
    angles: Sequence[Sequence[float]] | None = None
    count: int = 1
    move_m: float = 0.0

    def __post_init__(self) -> None:
        if min(self.size) < 4:
            raise ConfigError(f"view size is {self.size[0]}x{self.size[1]}; at least 4x4")
        if not 0.01 < self.x_fov_rad < 0.95 * np.pi:
            raise ConfigError(
                f"field of view is {np.degrees(self.x_fov_rad):.3g}°; between 1° and 170°"
            )
        if self.angles is None and self.count < 1:
            raise ConfigError("count of views must be at least 1")


@dataclass(frozen=True)
class ViewBatch:
    """V views of each of B worlds.

    image: (B, V, 3, h, w) sRGB in [0, 1]. distance: (B, V, h, w) metres along the ray and z_depth:
    the same along the axis, 0 in the sky. normals: (B, V, h, w, 3) unit, in the view's frame, 0 in
    the sky. sky: (B, V, h, w) bool. label: (B, V, h, w) int64. intrinsics: (3, 3) pixels. pose:
    (B, V, 4, 4) view to panorama: a point of the view's frame (x right, y down, z forward) times
    this is the point in the frame of the world's panorama, metres. indoor: (B,) bool.
    """

    image: Tensor
    distance: Tensor
    z_depth: Tensor
    normals: Tensor
    sky: Tensor
    label: Tensor
    intrinsics: Tensor
    pose: Tensor
    indoor: Tensor


@lru_cache(maxsize=8)
def perspective_grid(size: tuple[int, int], x_fov_rad: float, device: str = "cpu") -> PixelGrid:
    """The pixels of a centred pinhole view that looks along z."""
    height, width = size
    fov = torch.tensor(x_fov_rad, dtype=torch.float64)
    intrinsics = intrinsics_from_fov(fov, height, width)
    direction = pinhole_rays(intrinsics, height, width)
    tile = tile_size(height, width)
    rays = perspective_rays(to_tiles(direction, tile), device)
    pixel_rad = x_fov_rad / width
    planes = direction.permute(2, 0, 1).float().contiguous().to(device)
    return PixelGrid(rays, planes, tile, pixel_rad, wrap=False)


def perspective_rays(direction: Tensor, device: str = "cpu") -> Rays:
    """Tiled rays (T, P, 3) in front of a camera, with the pyramid through each tile's border."""
    flat = direction[..., :2] / direction[..., 2:]  # where the plane z = 1 is met
    low, high = flat.amin(1) - 1e-6, flat.amax(1) + 1e-6
    planes = []
    for axis in (0, 1):
        for edge, sign in ((high, 1.0), (low, -1.0)):
            plane = torch.zeros(len(flat), 3, dtype=direction.dtype)
            plane[:, axis] = sign
            plane[:, 2] = -sign * edge[:, axis]
            planes.append(plane / plane.norm(dim=-1, keepdim=True))
    stacked = torch.stack(planes, 1).float()
    limits = torch.zeros(stacked.shape[:2])
    return Rays(direction.float().to(device), None, stacked.to(device), limits.to(device))


def render_views(
    seed: int,
    indices: Sequence[int],
    spec: ViewSpec,
    *,
    kind: str = "mixed",
    device: torch.device | str = "cpu",
    camera: bool = True,
) -> ViewBatch:
    """Views of the worlds `indices` of `seed`, the same worlds that `render_batch` shows.

    All views of a world share its camera; each is metered for itself. camera: as for
    `render_batch`, without what only stitched panoramas have. Raises ConfigError for another kind.
    """
    worlds = [make_scene(seed, i, kind) for i in indices]
    poses = [
        _poses(w, spec, np.random.default_rng([seed, i, 10]))
        for w, i in zip(worlds, indices, strict=True)
    ]
    views = [moved(w, pose) for w, some in zip(worlds, poses, strict=True) for pose in some]
    count = len(poses[0])
    cameras = [c for i in indices for c in _cameras(seed, i, count, camera)]
    grid = perspective_grid(spec.size, float(spec.x_fov_rad), str(device))
    film = render_scenes(views, grid, cameras)

    def grouped(x: Tensor) -> Tensor:
        return x.view(len(worlds), count, *x.shape[1:])

    fov = torch.tensor(spec.x_fov_rad, dtype=torch.float64)
    return ViewBatch(
        image=grouped(film.image),
        distance=grouped(film.distance),
        z_depth=grouped(film.distance * grid.direction[2]),
        normals=grouped(film.normals),
        sky=grouped(film.sky),
        label=grouped(film.label),
        intrinsics=intrinsics_from_fov(fov, *spec.size).float().to(device),
        pose=torch.tensor(np.array(poses), dtype=torch.float32, device=device),
        indoor=grouped(film.indoor)[:, 0],
    )


def _cameras(seed: int, index: int, count: int, faults: bool) -> list[Camera]:
    """One camera for all views of a world; its grain differs from view to view."""
    if not faults:
        return [plain_camera(seed, index)] * count
    one = draw_camera(seed, index, panorama=False)
    return [replace(one, grain_start=one.grain_start + 77_777 * k) for k in range(count)]


def moved(scene: Scene, pose: Array) -> Scene:
    """The same world seen by a camera at `pose` (4, 4), view to the frame of the scene's camera."""
    rotation = scene.camera_rotation @ _FLIP @ pose[:3, :3] @ _FLIP
    position = scene.camera + scene.camera_rotation @ (_FLIP @ pose[:3, 3])
    return replace(scene, camera=position, camera_rotation=rotation)


def _poses(scene: Scene, spec: ViewSpec, rng: np.random.Generator) -> Array:
    """(V, 4, 4) poses of the views of one world."""
    start, around = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.1, (spec.count, 2))
    if spec.angles is not None:
        angles = np.asarray(spec.angles, float).reshape(-1, 3)
    else:
        yaw = start + np.arange(spec.count) / spec.count * 2 * np.pi
        angles = np.column_stack([yaw, around * [1.0, 0.3]])
    out = np.tile(np.eye(4), (len(angles), 1, 1))
    turns = rotation_from_yaw_pitch_roll(*torch.from_numpy(angles).unbind(-1))
    out[:, :3, :3] = turns.numpy()
    if spec.move_m > 0:
        out[:, :3, 3] = [_place(scene, spec.move_m, rng) for _ in angles]
    return out


def _place(scene: Scene, reach: float, rng: np.random.Generator) -> Array:
    """(3,) a free place near the camera, in its frame [m]; the camera's own when none is found.

    The way there is free too, so that a view never lies behind a wall.
    """
    for _ in range(_PATHS):
        turn, far = rng.uniform(0, 2 * np.pi), reach * np.sqrt(rng.random())
        step = np.array([np.cos(turn), 0.2 * rng.uniform(-1, 1), np.sin(turn)]) * far
        steps = max(2, int(np.ceil(far / KEEP_CLEAR)) + 1)
        path = [scene.camera + step * t for t in np.linspace(0, 1, steps)[1:]]
        if all(scene.clearance(p) > KEEP_CLEAR for p in path[-1:]) and all(
            scene.clearance(p) > 0.5 * KEEP_CLEAR for p in path
        ):
            return np.asarray(_FLIP @ scene.camera_rotation.T @ step)
    return np.zeros(3)
