"""Opens a file in Blender, which runs as the Python module bpy in an environment of its own, and
writes what is there then: `read_blender.py FILE OUT.npz`.

Meshes: `points` (N, 3) in the world of the scene, of the corners of faces, `colours` (N, 3) of its
picture there, and `told`. Pictures: `plain` and `data`, (H, W) its first channel from the top, with
the colour space that Blender chose, and as Non-Color.
"""

from __future__ import annotations

import sys
from pathlib import Path

import bpy
import numpy as np

IMPORTERS = {
    ".glb": lambda name: bpy.ops.import_scene.gltf(filepath=name),
    ".obj": lambda name: bpy.ops.wm.obj_import(filepath=name),
    ".ply": lambda name: bpy.ops.wm.ply_import(filepath=name),
    ".stl": lambda name: bpy.ops.wm.stl_import(filepath=name),
    ".usdz": lambda name: bpy.ops.wm.usd_import(filepath=name, import_textures_mode="IMPORT_PACK"),
    ".usdc": lambda name: bpy.ops.wm.usd_import(filepath=name),
}
CLOSE = 1e-5  # m


def scene(path: Path) -> dict[str, np.ndarray]:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    IMPORTERS[path.suffix](str(path))
    (thing,) = (found for found in bpy.data.objects if found.type in ("MESH", "POINTCLOUD"))
    mesh = thing.data
    if thing.type == "POINTCLOUD":
        places = np.empty(3 * len(mesh.points), np.float32)
        mesh.attributes["position"].data.foreach_get("vector", places)
        turned = places.reshape(-1, 3) @ np.array(thing.matrix_world.to_3x3()).T
        return {"points": turned, "told": np.array(f"{len(turned)} points")}
    places = np.array([thing.matrix_world @ vertex.co for vertex in mesh.vertices])
    corners = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", corners)
    found = {"points": places[corners] if len(corners) else places}
    if mesh.uv_layers and bpy.data.images:
        places = np.empty(2 * len(corners), np.float32)
        mesh.uv_layers.active.data.foreach_get("uv", places)
        found["colours"] = _sampled(places.reshape(-1, 2))
    found["told"] = np.array(_shape(mesh))
    return found


def _sampled(uv: np.ndarray) -> np.ndarray:
    """(N, 3) of the scene's picture, whose first row Blender has at the bottom."""
    (picture,) = (image for image in bpy.data.images if image.size[0])
    width, height = picture.size
    pixels = np.empty(width * height * 4, np.float32)
    picture.pixels.foreach_get(pixels)
    row = (uv[:, 1] * height).astype(int).clip(0, height - 1)
    return pixels.reshape(height, width, 4)[row, (uv[:, 0] * width).astype(int) % width, :3]


def _shape(mesh: bpy.types.Mesh) -> str:
    if not mesh.polygons:
        return f"{len(mesh.vertices)} points"
    import bmesh  # bpy brings it

    joined = bmesh.new()
    joined.from_mesh(mesh)
    bmesh.ops.remove_doubles(joined, verts=joined.verts, dist=CLOSE)
    assert all(edge.is_manifold for edge in joined.edges), "open edges"
    euler = len(joined.verts) - len(joined.edges) + len(joined.faces)
    return f"{len(mesh.polygons)} faces, closed, Euler {euler}"


def picture(path: Path) -> dict[str, np.ndarray]:
    image = bpy.data.images.load(str(path))
    found = {}
    for name in ("plain", "data"):
        if name == "data":
            image.colorspace_settings.name = "Non-Color"
            image.reload()
        pixels = np.empty(image.size[0] * image.size[1] * image.channels, np.float32)
        image.pixels.foreach_get(pixels)
        found[name] = pixels.reshape(image.size[1], image.size[0], -1)[::-1, :, 0]
    return found


if __name__ == "__main__":
    file, out = map(Path, sys.argv[1:])
    read = scene if file.suffix in IMPORTERS else picture
    np.savez(out, version=np.array(bpy.app.version_string), **read(file))
