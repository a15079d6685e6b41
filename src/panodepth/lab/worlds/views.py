"""Pinhole views of the same worlds: RGB-D frames with intrinsics and pose, exact as the panoramas.

A view is the world packed for a turned and moved camera, so all views of one call share their rays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from panodepth.errors import ConfigError
from panodepth.geometry.lens import Pinhole
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.lab.worlds.camera.photograph import Camera
from panodepth.lab.worlds.draws import Draws
from panodepth.lab.worlds.panoramas import PixelGrid, SceneBatch, render_scenes
from panodepth.lab.worlds.priors import USUAL, Priors
from panodepth.lab.worlds.render.primitives import FLIP, Scene
from panodepth.lab.worlds.render.raycast import Rays, tile_size, to_tiles
from panodepth.lab.worlds.render.shapes import Array
from panodepth.lab.worlds.scenes import make_camera, make_scene

KEEP_CLEAR = 0.25  # metres between a moved camera and everything
_PATHS = 20  # directions tried for a moved camera


@dataclass(frozen=True)
class ViewSpec:
    """Which views of a world, all of one size and one field of view.

    size: (h, w) pixels. x_fov_rad: full horizontal angle; pixels are square. angles: (V, 3) yaw,
    pitch, roll [rad] of V views in the panorama's frame. Without them there are `count` views; they
    look all around from a random yaw, with a little pitch and roll. move_m: how far from the
    panorama's place views are taken at most, at its height ± 20 % of that.
    """

    size: tuple[int, int] = (240, 320)
    x_fov_rad: float = np.pi / 2
    angles: Sequence[Sequence[float]] | None = None
    count: int = 1
    move_m: float = 0.0

    def __post_init__(self) -> None:
        if min(self.size) < 4:
            raise ConfigError(f"view size is {self.size[0]}x{self.size[1]}; at least 4x4")
        degrees = np.degrees(self.x_fov_rad)
        if not 0.01 < self.x_fov_rad < 0.95 * np.pi:
            raise ConfigError(f"field of view is {degrees:.3g}°; between 1° and 170°")
        if self.angles is None and self.count < 1:
            raise ConfigError("count of views must be at least 1")


@dataclass(frozen=True)
class ViewBatch(SceneBatch):
    """V views of each of B worlds: what a `SceneBatch` holds, (B, V, ...), and more.

    normals are in each view's frame; indoor: (B,) bool. z_depth: (B, V, h, w) metres along the
    view's axis, 0 in the sky. intrinsics: (3, 3) pixels. pose: (B, V, 4, 4) view to panorama: a
    point of the view's frame (x right, y down, z forward) times this is the point in the frame of
    the world's panorama, metres.
    """

    z_depth: Tensor
    intrinsics: Tensor
    pose: Tensor


@lru_cache(maxsize=8)
def perspective_grid(size: tuple[int, int], x_fov_rad: float, device: str = "cpu") -> PixelGrid:
    """The pixels of a centred pinhole view that looks along z."""
    tile = tile_size(*size)
    direction = Pinhole.from_fov(x_fov_rad, size).rays(size, dtype=torch.float64)
    rays = perspective_rays(to_tiles(direction, tile), device)
    planes = direction.permute(2, 0, 1).float().contiguous().to(device)
    return PixelGrid(rays, planes, tile, x_fov_rad / size[1], wrap=False)


def perspective_rays(direction: Tensor, device: str = "cpu") -> Rays:
    """Rays in front of a camera, with the pyramid through each tile's border.

    direction: (T, P, 3) unit, z > 0.
    """
    flat = direction[..., :2] / direction[..., 2:]  # where the plane z = 1 is met
    low, high = flat.amin(1) - 1e-6, flat.amax(1) + 1e-6
    # A ray is right of the left border where x > low z: the plane through the camera with the
    # outward normal (−1, 0, low), and so on for the other three.
    planes = torch.zeros(len(flat), 4, 3, dtype=direction.dtype)
    for k, (axis, edge, sign) in enumerate(
        ((0, high, 1.0), (0, low, -1.0), (1, high, 1.0), (1, low, -1.0))
    ):
        planes[:, k, axis] = sign
        planes[:, k, 2] = -sign * edge[:, axis]
    return Rays.from_origin(direction, planes / planes.norm(dim=-1, keepdim=True), device)


def render_views(
    seed: int,
    indices: Sequence[int],
    spec: ViewSpec,
    *,
    kind: str = "mixed",
    device: torch.device | str = "cpu",
    camera: bool = True,
    priors: Priors = USUAL,
) -> ViewBatch:
    """Views of the worlds `indices` of `seed`, the same worlds that `render_batch` shows.

    All views of a world share its camera; each is metered for itself. camera: as for
    `render_batch`, without what only stitched panoramas have. priors: as for
    `render_batch`. Raises ConfigError for another kind.
    """
    worlds = [make_scene(seed, i, kind, priors) for i in indices]
    rngs = [Draws.of(seed, i, 10) for i in indices]
    poses = np.array([_poses(w, spec, rng) for w, rng in zip(worlds, rngs, strict=True)])
    count = poses.shape[1]
    views = [moved(w, pose) for w, some in zip(worlds, poses, strict=True) for pose in some]
    ones = [make_camera(seed, i, priors, camera, panorama=False) for i in indices]
    cameras = [c for one in ones for c in _cameras(one, count)]
    x_fov_rad = float(spec.x_fov_rad)
    lens = Pinhole.from_fov(x_fov_rad, spec.size)
    grid = perspective_grid(spec.size, x_fov_rad, str(device))
    # Every view is a world of its own with a turned and moved camera, so that all share their rays.
    film = render_scenes(views, grid, cameras)
    grouped = {
        f.name: getattr(film, f.name).unflatten(0, (len(worlds), count)) for f in fields(film)
    }
    grouped["indoor"] = grouped["indoor"][:, 0]
    return ViewBatch(
        **grouped,
        z_depth=grouped["distance"] * grid.direction[2],
        intrinsics=torch.from_numpy(lens.matrix()).float().to(device),
        pose=torch.tensor(poses, dtype=torch.float32, device=device),
    )


def _cameras(one: Camera, count: int) -> list[Camera]:
    """One camera for all views of a world; its grain differs from view to view."""
    return [replace(one, grain_start=one.grain_start + 77_777 * k) for k in range(count)]


def moved(scene: Scene, pose: Array) -> Scene:
    """The same world seen by a camera at `pose` (4, 4), view to the frame of the scene's camera."""
    # The pose is in y-down axes, the world in y-up ones: flip, turn, flip back.
    rotation = scene.camera_rotation @ FLIP @ pose[:3, :3] @ FLIP
    position = scene.camera + scene.camera_rotation @ (FLIP @ pose[:3, 3])
    return replace(scene, camera=position, camera_rotation=rotation)


def _poses(scene: Scene, spec: ViewSpec, rng: Draws) -> Array:
    """(V, 4, 4) poses of the views of one world."""
    start, around = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.1, (spec.count, 2))
    if spec.angles is not None:
        angles = np.asarray(spec.angles, float).reshape(-1, 3)
    else:
        yaw = start + np.arange(spec.count) / spec.count * 2 * np.pi
        angles = np.column_stack([yaw, around * [1.0, 0.3]])
    out = np.tile(np.eye(4), (len(angles), 1, 1))
    out[:, :3, :3] = rotation_from_yaw_pitch_roll(*torch.from_numpy(angles).unbind(-1)).numpy()
    if spec.move_m > 0:
        out[:, :3, 3] = [free_place(scene, spec.move_m, rng) for _ in angles]
    return out


def free_place(scene: Scene, reach: float, rng: Draws) -> Array:
    """(3,) a free place near the camera, in its frame [m]; the camera's own when none is found.

    The way there is free too, so that a view never lies behind a wall.
    """
    for _ in range(_PATHS):
        # The root spreads places evenly over the disc.
        turn, far = rng.uniform(0, 2 * np.pi), reach * np.sqrt(rng.random())
        step = np.array([np.cos(turn), 0.2 * rng.uniform(-1, 1), np.sin(turn)]) * far
        steps = max(2, int(np.ceil(far / KEEP_CLEAR)) + 1)
        path = [scene.camera + step * t for t in np.linspace(0, 1, steps)[1:]]
        clear = [scene.clearance(p) for p in path]
        if clear[-1] > KEEP_CLEAR and min(clear) > 0.5 * KEEP_CLEAR:
            return np.asarray(FLIP @ scene.camera_rotation.T @ step)
    return np.zeros(3)
