"""The add-on of integrations/blender in Blender, as its Python module, from a script."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from panodepth.geometry.grid import erp_rays
from panodepth.geometry.rotation import rotate_vectors, rotation_from_yaw_pitch_roll
from panodepth.geometry.sampling import sample_erp

ROOT = Path(__file__).parents[2]
BLENDER = ROOT / ".venv-blender/bin/python"
PICTURE = ROOT / "examples/interior.jpg"
SIZE = (256, 128)
SCRIPT = """
import math
import sys
import bpy

folder, picture, home, width, height = sys.argv[1:]
sys.path.insert(0, home)
bpy.ops.wm.read_factory_settings(use_empty=True)
import panodepth_blender as addon

addon.register()
call = bpy.ops.import_scene.panodepth
assert call(
    filepath=picture, quality="fast", metres="height", camera_height=1.5, world=True,
    more="--device cpu",
) == {"FINISHED"}
mesh, camera = bpy.data.objects["interior"], bpy.data.objects["interior camera"]
assert mesh["unit"] == "m" and mesh["metres_by"] == "camera_height", dict(mesh)
heights = [(mesh.matrix_world @ vertex.co).z for vertex in mesh.data.vertices]
assert -2.2 < sorted(heights)[len(heights) // 50] < -1.2, "the floor is not 1.5 below"
scene = bpy.context.scene
assert scene.camera is camera and set(bpy.data.collections["interior"].objects) == {mesh, camera}
scene.render.engine, scene.cycles.samples = "CYCLES", 4
scene.render.resolution_x, scene.render.resolution_y = int(width), int(height)
scene.view_settings.view_transform = "Standard"
for name in ("mesh", "world"):
    scene.render.filepath = f"{folder}/{name}.png"
    bpy.ops.render.render(write_still=True)
    if name == "mesh":
        bpy.data.objects.remove(mesh)
# A tilted picture's mesh is turned upright, and so are the camera and the light.
assert call(
    filepath=f"{folder}/tilted.png", quality="fast", metres="none", world=True,
    more="--device cpu",
) == {"FINISHED"}
upright = bpy.data.objects["tilted camera"].matrix_world.to_3x3()
assert abs(math.degrees(math.acos(upright[2][1])) - 18) < 2.5, upright
for name in ("tilted mesh", "tilted world"):
    scene.render.filepath = f"{folder}/{name}.png"
    bpy.ops.render.render(write_still=True)
    if name == "tilted mesh":
        bpy.data.objects.remove(bpy.data.objects["tilted"])
try:
    call(filepath=f"{folder}/no.jpg")
except RuntimeError as error:
    assert "no.jpg" in str(error)
else:
    raise AssertionError("a picture that is not there was imported")

broken = set(bpy.data.objects), set(bpy.data.collections)
with open(f"{folder}/broken.glb", "wb") as file:
    file.write(b"glTF")
try:
    addon.import_mesh(f"{folder}/broken.glb")
except addon.RunError as error:
    assert "glTF 2.0 failed on the mesh" in str(error) and "\\n" not in str(error), error
else:
    raise AssertionError("there was a mesh")
assert broken == (set(bpy.data.objects), set(bpy.data.collections))

# What a fisheye saw of high range is no light by itself.
assert call(
    filepath=f"{folder}/circle.hdr", quality="fast", metres="none", world=True, camera=False,
    more="--device cpu --projection fisheye --fov 180",
) == {"FINISHED"}
nodes = scene.world.node_tree.nodes
(shown,) = (node.image for node in nodes if node.type == "TEX_ENVIRONMENT")
assert shown.size[0] == 2 * shown.size[1] and "circle.hdr" not in shown.filepath, shown.filepath

# With a window it goes on beside Blender; there is none here, so one is stood in for.
import types

told = []
window = types.SimpleNamespace(
    cursor_modal_set=told.append, cursor_modal_restore=lambda: told.append("restored"),
)
manager = types.SimpleNamespace(
    event_timer_add=lambda seconds, window: "timer", event_timer_remove=told.append,
    modal_handler_add=told.append,
)
context = types.SimpleNamespace(
    window=window, window_manager=manager, preferences=bpy.context.preferences,
    workspace=types.SimpleNamespace(status_text_set=told.append), scene=scene,
    view_layer=bpy.context.view_layer,
)
kind = addon.ImportPanorama
for key, wanted in (("ESC", {"CANCELLED"}), ("TIMER", {"FINISHED"})):
    operator = types.SimpleNamespace(
        filepath=picture, quality="fast", metres="none", camera_height=1.6, faces=0, behind=0.0,
        more="",
        camera=False, world=False, report=lambda kind, text: told.append(text),
    )
    for name in ("_place", "_quiet", "_failed"):
        setattr(operator, name, getattr(kind, name).__get__(operator))
    operator._say = kind._say
    addon.bpy = types.SimpleNamespace(
        app=types.SimpleNamespace(background=False, version=bpy.app.version),
        path=bpy.path, types=bpy.types, data=bpy.data, ops=bpy.ops,
    )
    assert kind.execute(operator, context) == {"RUNNING_MODAL"}
    happens = lambda key, value="PRESS": kind.modal(
        operator, context, types.SimpleNamespace(type=key, value=value)
    )
    assert happens("MOUSEMOVE") == {"PASS_THROUGH"}
    assert happens("ESC", "RELEASE") == {"PASS_THROUGH"}  # of a key that stopped something else
    if key == "TIMER":
        assert happens(key) == {"PASS_THROUGH"}
        operator._run.wait()
    assert happens(key) == wanted
    assert operator._run.ended() and "restored" in told and told[-1] != "timer"
assert told[-1] == "interior: lengths are relative" and "interior" in bpy.data.objects
assert kind.execute(operator, context) == {"RUNNING_MODAL"}
del told[:]
kind.cancel(types.SimpleNamespace(), context)  # of the file browser, before anything ran
kind.cancel(operator, context)
assert operator._run.ended() and told == ["timer", "restored", None], told
addon.bpy = bpy
import addon_utils

addon_utils.disable("io_scene_gltf2")
kept = set(bpy.data.collections)
try:
    call(filepath=picture)
except RuntimeError as error:
    assert "glTF 2.0 is off" in str(error) and "Traceback" not in str(error), error
else:
    raise AssertionError("there was no importer")
assert set(bpy.data.collections) == kept
addon.unregister()
"""


@pytest.mark.skipif(not BLENDER.exists(), reason="make test-readers installs Blender")
def test_the_camera_and_the_world_see_the_picture_again(tmp_path: Path) -> None:
    if subprocess.run([BLENDER, "-c", "import bpy"], capture_output=True).returncode:
        pytest.skip("Blender has no wheel for this Python")
    with Image.open(PICTURE) as picture:
        pixels = np.asarray(picture.convert("RGB").resize((512, 256)), np.float32)
    turn = rotation_from_yaw_pitch_roll(0.3, math.radians(15), math.radians(10))
    rays = rotate_vectors(turn, erp_rays(256, 512, dtype=np.float64))
    tilted = np.moveaxis(sample_erp(np.moveaxis(pixels, -1, 0), rays), 0, -1)
    Image.fromarray(tilted.clip(0, 255).astype(np.uint8)).save(tmp_path / "tilted.png")
    cv2.imwrite(str(tmp_path / "circle.hdr"), np.full((128, 128, 3), 0.5, np.float32))
    done = subprocess.run(
        [BLENDER, "-c", SCRIPT, tmp_path, PICTURE, ROOT / "integrations/blender", *map(str, SIZE)],
        capture_output=True,
        text=True,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with Image.open(PICTURE) as picture:
        level = np.asarray(picture.convert("RGB").resize(SIZE, Image.Resampling.BOX), float)
    with Image.open(tmp_path / "tilted.png") as picture:
        tilted = np.asarray(picture.resize(SIZE, Image.Resampling.BOX), float)
    for name in ("mesh", "world", "tilted mesh", "tilted world"):
        wanted = tilted if "tilted" in name else level
        with Image.open(tmp_path / f"{name}.png") as rendered:
            seen = np.asarray(rendered.convert("RGB"), float)
        off = np.abs(seen - wanted).mean()
        turned = min(np.abs(np.roll(seen, s, 1) - wanted).mean() for s in range(8, SIZE[0] - 8, 8))
        most = 12 if name == "tilted mesh" else 8  # of a smaller picture, whose grid is coarser
        assert off < min(most, turned / 3), (name, off, turned)
