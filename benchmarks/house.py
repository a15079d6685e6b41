"""Panoramas of a furnished flat with exact distance, of any size, by path tracing.

Writes OUT/house_NN.png and OUT/house_NN_distance.npz (distance [m], float32, NaN where there is
only sky); what a stopped run finished is kept. Runs in an environment with Blender as a module:
`pip install bpy==4.2.0`, Python 3.11. SCENE is a checkout of
https://github.com/aws-robotics/aws-robomaker-small-house-world (MIT-0).

    python benchmarks/house.py SCENE OUT [--size 2048x4096] [--samples 4] [--views 2]
"""

from __future__ import annotations

import argparse
import math
import re
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Euler, Matrix

VIEWS = ((2.6, 0.3, 1.5), (6.6, -1.6, 1.4), (-5.0, 0.2, 1.6), (1.5, 3.0, 1.3))
"""Where cameras stand: x, y, height above the floor [m]."""
CEILING = 3.0  # [m]; the world has none of its own
HALF = (9.7, 5.8)  # of the ceiling [m]
LAMP_W, SKY = 60.0, 1.5
SHARP = 0.01  # width of the pixel filter for distance [px]: rays through pixel centres


def place(text: str) -> Matrix:
    """The transformation of an SDF pose: x y z roll pitch yaw."""
    numbers = [float(number) for number in text.split()]
    return Matrix.Translation(numbers[:3]) @ Euler(numbers[3:]).to_matrix().to_4x4()


def build(scene: Path) -> None:
    """The meshes, lamps and ceiling of the world, in metres, z up."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    text = (scene / "worlds" / "small_house.world").read_text()
    world = ET.fromstring(re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)).find("world")
    assert world is not None
    for model in world.iter("model"):
        folder = scene / "models" / model.findtext("include/uri", "").removeprefix("model://")
        add(folder, place(model.findtext("pose", "")))
    for number, light in enumerate(world.iter("light")):
        lamp = bpy.data.lights.new(f"lamp {number}", "POINT")
        lamp.energy, lamp.shadow_soft_size = LAMP_W, 0.15
        link(lamp).matrix_world = place(light.findtext("pose", ""))
    (x, y), z = HALF, CEILING
    mesh = bpy.data.meshes.new("ceiling")
    mesh.from_pydata([(-x, -y, z), (-x, y, z), (x, y, z), (x, -y, z)], [], [(0, 1, 2, 3)])
    link(mesh)
    sky = bpy.data.worlds.new("sky")
    sky.use_nodes = True
    sky.node_tree.nodes["Background"].inputs["Color"].default_value = (0.8, 0.9, 1, 1)
    sky.node_tree.nodes["Background"].inputs["Strength"].default_value = SKY
    bpy.context.scene.world = sky


def link(data: Any) -> Any:
    """A new object of the scene."""
    thing = bpy.data.objects.new(data.name, data)
    bpy.context.scene.collection.objects.link(thing)
    return thing


def add(folder: Path, pose: Matrix) -> None:
    """The meshes that a model shows."""
    root = ET.parse(folder / "model.sdf").getroot()
    for visual in root.findall("model/link/visual"):
        size = [float(number) for number in visual.findtext(".//scale", "1 1 1").split()]
        moved = pose @ place(visual.findtext("pose", "0 0 0 0 0 0")) @ Matrix.Diagonal([*size, 1])
        uri = visual.findtext("geometry/mesh/uri", "").strip().removeprefix("model://")
        if uri:  # two balls have none
            Collada(folder.parent / uri).add(moved)


class Collada:
    """A COLLADA file whose z is up, with names that Blender's own importer does not find."""

    def __init__(self, path: Path) -> None:
        self.path, self.root = path, ET.parse(path).getroot()
        for element in self.root.iter():
            element.tag = element.tag.rpartition("}")[2]
        self.named = {found.get("id"): found for found in self.root.iter() if found.get("id")}
        self.geometries = {found.get("id"): found for found in self.root.iter("geometry")}
        self.images = {found.get("id"): found for found in self.root.iter("image")}

    def add(self, pose: Matrix) -> None:
        metres = float(self.root.find("asset/unit").get("meter"))  # type: ignore[union-attr, arg-type]
        for node in self.root.findall(".//visual_scene/node"):
            self.add_node(node, pose @ Matrix.Scale(metres, 4))

    def add_node(self, node: ET.Element, pose: Matrix) -> None:
        for text in node.findall("matrix"):
            pose = pose @ Matrix(np.array((text.text or "").split(), float).reshape(4, 4))
        for use in node.findall("instance_geometry"):
            materials = {
                m.get("symbol"): m.get("target", "") for m in use.iter("instance_material")
            }
            geometry = self.geometries[use.get("url", "")[1:]]
            for kind in ("triangles", "polylist"):
                for part in geometry.findall(f"mesh/{kind}"):
                    thing = link(self.mesh(part))
                    thing.matrix_world = pose
                    thing.data.materials.append(self.material(materials[part.get("material")][1:]))
        for child in node.findall("node"):
            self.add_node(child, pose)

    def array(self, name: str, columns: int) -> np.ndarray:
        found = self.named[name[1:]]
        while found.find("float_array") is None:  # <vertices> names where positions are
            found = self.named[found.find("input").get("source", "")[1:]]  # type: ignore[union-attr]
        return np.array(found.findtext("float_array", "").split(), np.float32).reshape(-1, columns)

    def mesh(self, part: ET.Element) -> Any:
        inputs = part.findall("input")
        stride = 1 + max(int(found.get("offset", 0)) for found in inputs)
        corners = np.array(part.findtext("p", "").split(), int).reshape(-1, stride)
        first = {found.get("semantic"): found for found in reversed(inputs)}
        points = self.array(first["VERTEX"].get("source", ""), 3)
        uv = self.array(first["TEXCOORD"].get("source", ""), 2)
        ends = np.cumsum([int(n) for n in part.findtext("vcount", "").split()])
        ends = ends if len(ends) else np.arange(3, len(corners) + 1, 3)
        faces = [face.tolist() for face in np.split(corners[:, 0], ends[:-1])]
        mesh = bpy.data.meshes.new(self.path.stem)
        mesh.from_pydata(points, [], faces)
        texture = mesh.uv_layers.new()
        places = uv[corners[:, int(first["TEXCOORD"].get("offset", 0))]]
        texture.data.foreach_set("uv", places.ravel())
        mesh.validate()  # some faces have a corner twice, which Cycles does not bear
        return mesh

    def material(self, name: str) -> Any:
        """Matte, of the diffuse texture, or of the diffuse colour where there is no such file."""
        effect = self.named[self.named[name].find("instance_effect").get("url", "")[1:]]  # type: ignore[union-attr]
        made = bpy.data.materials.new(name)
        made.use_nodes = True
        nodes = made.node_tree.nodes
        nodes.clear()
        matte, out = nodes.new("ShaderNodeBsdfDiffuse"), nodes.new("ShaderNodeOutputMaterial")
        made.node_tree.links.new(matte.outputs[0], out.inputs["Surface"])
        colour = effect.findtext(".//diffuse/color", "0.6 0.6 0.6 1").split()
        matte.inputs["Color"].default_value = [float(number) for number in colour]
        texture = effect.find(".//diffuse/texture")
        if texture is not None:
            image = self.images[texture.get("texture")]
            file = self.path.parent / (image.findtext("init_from") or "")
            if file.is_file():
                shown = nodes.new("ShaderNodeTexImage")
                shown.image = bpy.data.images.load(str(file.resolve()), check_existing=True)
                made.node_tree.links.new(shown.outputs["Color"], matte.inputs["Color"])
        return made


def camera(size: tuple[int, int]) -> Any:
    """A panoramic camera that looks along +y, and the picture's settings."""
    scene = bpy.context.scene
    data = bpy.data.cameras.new("camera")
    data.type, data.panorama_type = "PANO", "EQUIRECTANGULAR"
    data.clip_start, data.clip_end = 0.01, 1000.0
    scene.camera = link(data)
    scene.camera.rotation_euler = (math.pi / 2, 0, 0)
    scene.render.engine = "CYCLES"
    scene.render.resolution_y, scene.render.resolution_x = size
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.sample_clamp_indirect = 4.0
    scene.cycles.denoiser = "OPENIMAGEDENOISE"
    scene.view_settings.view_transform = "Standard"
    scene.view_layers[0].use_pass_z = True
    return scene.camera


def picture(path: Path, samples: int) -> None:
    """Path traced and denoised."""
    scene = bpy.context.scene
    scene.use_nodes, scene.cycles.filter_width, scene.cycles.max_bounces = False, 1.0, 2
    scene.cycles.samples, scene.cycles.use_denoising = samples, True
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGB"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)


def distance(folder: Path) -> np.ndarray:
    """(H, W) metres along the rays through pixel centres; NaN where nothing is."""
    scene = bpy.context.scene
    scene.use_nodes, scene.cycles.filter_width, scene.cycles.max_bounces = True, SHARP, 0
    scene.cycles.samples, scene.cycles.use_denoising = 1, False
    nodes = scene.node_tree.nodes
    nodes.clear()
    out = nodes.new("CompositorNodeOutputFile")
    out.base_path, out.format.file_format = str(folder), "OPEN_EXR"
    out.format.color_depth = "32"
    layers = nodes.new("CompositorNodeRLayers")
    scene.node_tree.links.new(layers.outputs["Depth"], out.inputs[0])
    bpy.ops.render.render()
    (file,) = folder.glob("*.exr")
    image = bpy.data.images.load(str(file))
    image.colorspace_settings.name = "Non-Color"
    pixels = np.empty(image.size[0] * image.size[1] * image.channels, np.float32)
    image.pixels.foreach_get(pixels)
    metres = pixels.reshape(image.size[1], image.size[0], -1)[::-1, :, 0]
    return np.where(metres < 1000, metres, np.nan).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scene", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", default="2048x4096", help="HxW")
    parser.add_argument("--samples", type=int, default=4, help="paths per pixel")
    parser.add_argument("--views", type=int, default=2, choices=range(1, len(VIEWS) + 1))
    arguments = parser.parse_args()
    height, width = (int(number) for number in arguments.size.split("x"))
    arguments.out.mkdir(parents=True, exist_ok=True)
    build(arguments.scene)
    eye = camera((height, width))
    for number, where in enumerate(VIEWS[: arguments.views]):
        eye.location = where
        name = f"house_{number:02d}"
        if (arguments.out / f"{name}.png").is_file():  # of a run that was stopped
            continue
        with tempfile.TemporaryDirectory() as folder:
            metres = distance(Path(folder))
        np.savez_compressed(arguments.out / f"{name}_distance.npz", distance=metres)
        picture(arguments.out / f"{name}.png", arguments.samples)
        print(f"{name}: floor {np.nanmedian(metres[-1]):.3f} m below, camera at {where[2]} m")


if __name__ == "__main__":
    main()
