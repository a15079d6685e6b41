"""Blender's spherical stereo of a room with marks on its walls: where each eye sees them.

Cycles renders both eyes; the centres of the marks are written for tests/export/stereo, which draws
the same room as one panorama and asks `panodepth.export.stereo` for the eyes. That runs in an
environment with Blender as a module (`pip install bpy==5.0.1 opencv-python-headless`); with
--compare the eyes of `panodepth` are compared to what was written, in its own environment.

    python benchmarks/ods_reference.py tests/export/stereo/blender.json [--compare]
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

# The room in the frame x right, y down, z forward, the camera at the origin [m].
LOW, HIGH = np.array([-2.5, -0.9, -1.5]), np.array([2.0, 1.6, 3.0])
SIZE = (512, 1024)  # of an eye's picture
IPD, FADE_DEG = 0.064, (60.0, 75.0)  # Blender's fade by default
RADIUS = 0.05  # of a mark [rad], as seen from the camera
BACKGROUND = 0.02  # light between the marks at most


def marks() -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) unit directions of the marks, and (N, 3) where they are on the walls [m]."""
    places = [
        (np.radians(lon), np.radians(lat))
        for lat in (-66, -50, -30, -10, 10, 30, 50, 66)
        for lon in range(-172 + abs(lat) // 3, 180, 30 if abs(lat) < 40 else 60)
    ]
    lon, lat = np.array(places).T
    rays = np.stack([np.cos(lat) * np.sin(lon), np.sin(lat), np.cos(lat) * np.cos(lon)], -1)
    distance = np.where(rays > 0, HIGH / rays, LOW / rays).min(-1)
    return rays, rays * distance[:, None]


def render(folder: Path) -> np.ndarray:
    """(2, H, W) light that Blender's left and right eye see."""
    import bpy
    import cv2

    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    for point in marks()[1]:
        x, y, z = point
        bpy.ops.mesh.primitive_uv_sphere_add(
            segments=48,
            ring_count=24,
            radius=RADIUS * float(np.linalg.norm(point)),
            location=(x, z, -y),
        )
        bpy.context.object.data.materials.append(emission(bpy))
    camera = bpy.data.cameras.new("eye")
    holder = bpy.data.objects.new("eye", camera)
    holder.rotation_euler = (np.pi / 2, 0, 0)  # looks along +y, Blender's z is up
    scene.collection.objects.link(holder)
    scene.camera = holder
    camera.type, camera.panorama_type = "PANO", "EQUIRECTANGULAR"
    stereo = camera.stereo
    stereo.use_spherical_stereo, stereo.use_pole_merge = True, True
    stereo.convergence_mode, stereo.interocular_distance = "PARALLEL", IPD
    stereo.pole_merge_angle_from, stereo.pole_merge_angle_to = np.radians(FADE_DEG)
    scene.render.engine, scene.cycles.samples = "CYCLES", 64
    scene.cycles.use_denoising = False
    scene.render.resolution_y, scene.render.resolution_x = SIZE
    scene.render.resolution_percentage = 100
    scene.render.use_multiview, scene.render.views_format = True, "STEREO_3D"
    settings = scene.render.image_settings
    settings.file_format, settings.color_depth = "PNG", "16"
    settings.color_mode, settings.views_format = "RGB", "INDIVIDUAL"
    scene.view_settings.view_transform = "Raw"
    scene.render.filepath = str(folder / "eye")
    bpy.ops.render.render(write_still=True)
    pictures = [cv2.imread(str(folder / f"eye_{side}.png"), cv2.IMREAD_UNCHANGED) for side in "LR"]
    return np.stack(pictures)[..., 0] / 65535


def emission(bpy: Any) -> Any:
    """A material that shines white, whatever falls on it."""
    material = bpy.data.materials.new("mark")
    material.use_nodes = True
    nodes = material.node_tree.nodes
    nodes.clear()
    shine = nodes.new("ShaderNodeEmission")
    out = nodes.new("ShaderNodeOutputMaterial")
    material.node_tree.links.new(shine.outputs["Emission"], out.inputs["Surface"])
    return material


def centres(light: np.ndarray, guesses: np.ndarray) -> np.ndarray:
    """(N, 2) u, v of the middles of the marks in one eye's picture (H, W); NaN where one is not.

    guesses: (N, 2) about where; what belongs to a mark hangs together.
    """
    import cv2

    width = light.shape[1]
    wide = np.concatenate([light, light[:, : width // 4]], 1)  # marks may lie on the seam
    _, labels = cv2.connectedComponents((wide > BACKGROUND).astype(np.uint8))
    found = np.full((len(guesses), 2), np.nan)
    for number, (u, v) in enumerate(guesses):
        label = labels[int(v), int(u if u > width / 8 else u + width)]
        if label:
            rows, columns = np.nonzero(labels == label)
            weight = wide[rows, columns]
            middle = np.average(columns + 0.5, weights=weight) % width
            found[number] = middle, np.average(rows + 0.5, weights=weight)
    return found


def expected(directions: np.ndarray) -> np.ndarray:
    """(N, 2) u, v of directions in a panorama of SIZE."""
    x, y, z = directions.T
    lon, lat = np.arctan2(x, z), np.arctan2(y, np.hypot(x, z))
    return np.stack([(lon / (2 * np.pi) + 0.5) * SIZE[1], (lat / np.pi + 0.5) * SIZE[0]], -1)


def rays_at(height: int, width: int, right: float = 0.0, down: float = 0.0) -> np.ndarray:
    """(height, width, 3) unit rays through places so far from the pixel centres [px]."""
    lon = ((np.arange(width) + 0.5 + right) / width - 0.5) * 2 * np.pi
    lat = (((np.arange(height) + 0.5 + down) / height - 0.5) * np.pi)[:, None]
    x, y, z = np.cos(lat) * np.sin(lon), np.sin(lat) + 0 * lon, np.cos(lat) * np.cos(lon)
    return np.stack([x, y, z], -1)


def seen(rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) distance along rays, of the marks and of walls three times as far, and whether a mark
    is there.
    """
    directions, points = marks()
    distance = 3 * np.where(rays > 0, HIGH / rays, LOW / rays).min(-1)
    marked = np.zeros(distance.shape, bool)
    height, width = distance.shape
    for direction, point, (u, v) in zip(directions, points, expected(directions), strict=True):
        # The part of the picture that holds the mark, with a margin of a third.
        down = 4 / 3 * RADIUS * height / np.pi
        across = int(down / np.hypot(direction[0], direction[2]) + 2)
        rows = np.arange(int(v - down), int(v + down) + 2)[:, None]
        columns = np.arange(int(u) - across, int(u) + across + 1) % width
        along = rays[rows, columns] @ point
        inside = along**2 - (1 - RADIUS**2) * (point @ point)
        hit = (inside > 0) & (along > 0)
        near = along - np.sqrt(np.maximum(inside, 0))
        distance[rows, columns] = np.where(hit, near, distance[rows, columns])
        marked[rows, columns] |= hit
    return distance, marked


def compared(kept: dict[str, Any], fine: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """(2N, 2) how far panodepth's marks are from Blender's, and (N,) Blender's disparities [px]."""
    from panodepth.export.stereo.ods import StereoOptions, ods_pair
    from panodepth.types import Prediction

    steps = (np.arange(fine) + 0.5) / fine - 0.5
    light = sum(seen(rays_at(*SIZE, a, b))[1] for a in steps for b in steps) / fine**2
    image = np.repeat(np.rint(light * 255).astype(np.uint8)[..., None], 3, -1)
    distance = seen(rays_at(*SIZE))[0].astype(np.float32)
    room = Prediction(distance, distance > 0, image, {"unit": "m"})
    pair = ods_pair(room, StereoOptions(ipd=kept["ipd_m"]))
    left, right = (np.array(kept[side]) for side in ("left", "right"))
    guesses, off = expected(marks()[0]), []
    for eye, theirs in zip(pair, (left, right), strict=True):
        off.append(around(centres(eye[..., 0] / 255, guesses) - theirs))
    return np.concatenate(off), np.abs(around(left - right)[:, 0])


def around(moved: np.ndarray) -> np.ndarray:
    """(N, 2) differences of places the shorter way round."""
    width = SIZE[1]
    across = np.remainder(moved[:, 0] + width / 2, width) - width / 2
    return np.stack([across, moved[:, 1]], -1)


def main(out: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        eyes = render(Path(name))
    guesses = expected(marks()[0])
    found = {side: centres(eye, guesses) for side, eye in zip(("left", "right"), eyes, strict=True)}
    told = {"ipd_m": IPD, "fade_deg": FADE_DEG, "size": SIZE}
    told |= {side: np.round(places, 3).tolist() for side, places in found.items()}
    out.write_text(json.dumps(told) + "\n")
    print(f"{len(guesses)} marks", {k: int(np.isnan(v).any(1).sum()) for k, v in found.items()})
    print(f"moved by up to {np.abs(found['left'] - found['right'])[:, 0].max():.2f} px")


if __name__ == "__main__":
    place = Path(sys.argv[1])
    if sys.argv[2:] == ["--compare"]:
        away, apart = compared(json.loads(place.read_text()))
        worst = np.abs(away).max(0)
        print(f"off by up to {worst[0]:.2f} px across, {worst[1]:.2f} px down")
        print(f"disparity up to {apart.max():.1f} px, {len(apart)} marks")
    else:
        main(place)
