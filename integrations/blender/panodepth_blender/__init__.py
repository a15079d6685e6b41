"""File > Import > 360° picture as 3D: a textured mesh around the picture's camera."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty
from bpy_extras.io_utils import ImportHelper
from mathutils import Euler, Matrix

from .command import Request, Run, RunError

PICTURES = "*.jpg;*.jpeg;*.png;*.webp;*.avif;*.tif;*.tiff;*.exr;*.hdr;*.heic;*.insp"
HIGH_RANGE = (".exr", ".hdr")
CHECK_S = 0.25  # how often it is looked whether panodepth has ended [s]


class PanodepthPreferences(bpy.types.AddonPreferences):
    """Where panodepth is."""

    bl_idname = __package__

    program: StringProperty(
        name="panodepth",
        description="The program, a Python that has it, or its environment's folder; "
        "empty: looked for on PATH",
        subtype="FILE_PATH",
    )

    def draw(self, context: Any) -> None:
        """Its one line."""
        self.layout.prop(self, "program")


class ImportPanorama(bpy.types.Operator, ImportHelper):
    """Import a 360° picture as a textured mesh around its camera"""

    bl_idname = "import_scene.panodepth"
    bl_label = "Import 360° picture as 3D"
    bl_options = {"UNDO"}  # noqa: RUF012

    filter_glob: StringProperty(default=PICTURES, options={"HIDDEN"})
    quality: EnumProperty(
        name="Quality",
        description="Best costs seconds, and has the edges of things where the picture has them",
        items=[
            ("best", "Best", "Twelve looks, at details too"),
            ("balanced", "Balanced", "Edges where the picture has them"),
            ("standard", "Standard", "Two looks"),
            ("fast", "Fast", "One look"),
        ],
        default="best",
    )
    metres: EnumProperty(
        name="Metres",
        items=[
            ("learned", "Estimated", "By what is seen; off by 10 to 20 % as a rule"),
            ("height", "By camera height", "By how high over the floor the camera was"),
            ("none", "None", "Most surfaces are nearer than 1"),
        ],
        default="learned",
    )
    camera_height: FloatProperty(
        name="Camera height",
        description="Of the camera over the floor, in metres",
        default=1.6,
        min=0.01,
        soft_max=10,
    )
    faces: IntProperty(name="Triangles", description="0: chosen", default=0, min=0)
    behind: FloatProperty(
        name="Fill behind edges",
        description="How far surfaces continue behind nearer ones, in degrees: a guess, with the "
        "material 'behind', that fills holes seen from beside the camera. 0: nothing is filled",
        default=0.0,
        min=0.0,
        max=30.0,
    )
    camera: BoolProperty(
        name="Camera",
        description="Add a panoramic camera where the picture's was, for Cycles",
        default=True,
    )
    world: BoolProperty(
        name="Light by the picture",
        description="Set the world's background to the picture, turned as the mesh is",
        default=False,
    )
    more: StringProperty(
        name="More options", description="Of panodepth predict, such as --level none"
    )

    def draw(self, context: Any) -> None:
        """The file browser's column."""
        self.layout.use_property_split = True
        names = ("quality", "metres", "camera_height", "faces", "behind", "camera", "world", "more")
        for name in names:
            if name != "camera_height" or self.metres == "height":
                self.layout.prop(self, name)

    def execute(self, context: Any) -> set[str]:
        """Start panodepth; without a window, wait for it."""
        request = Request(
            bpy.path.abspath(self.filepath),
            self.quality,
            self.metres,
            self.camera_height,
            self.faces,
            self.behind,
            self.more,
        )
        preferences = context.preferences.addons.get(__package__)
        told = preferences.preferences.program if preferences else ""
        try:
            check_importer()
            self._run = Run(request, bpy.path.abspath(told) if told.startswith("//") else told)
        except RunError as error:
            return self._failed(error)
        if bpy.app.background or context.window is None:
            self._run.wait()
            return self._place(context)
        self._timer = context.window_manager.event_timer_add(CHECK_S, window=context.window)
        context.window_manager.modal_handler_add(self)
        context.window.cursor_modal_set("WAIT")
        self._say(context, "panodepth is at work (Esc: stop)")
        return {"RUNNING_MODAL"}

    def modal(self, context: Any, event: Any) -> set[str]:
        """Look whether it has ended; Esc ends it."""
        if event.type == "ESC" and event.value == "PRESS":  # the release may be of another's press
            self._quiet(context)
            self._run.close()
            self.report({"INFO"}, "panodepth was stopped")
            return {"CANCELLED"}
        if event.type == "TIMER" and self._run.ended():
            self._quiet(context)
            return self._place(context)
        return {"PASS_THROUGH"}

    def cancel(self, context: Any) -> None:
        """No file is chosen; or Blender closes or opens another while panodepth is at work."""
        if hasattr(self, "_run"):
            self._quiet(context)
            self._run.close()

    def _place(self, context: Any) -> set[str]:
        with self._run as run:
            try:
                mesh, facts = run.result()
                placed = import_mesh(mesh)
            except RunError as error:
                return self._failed(error)
        name = Path(self.filepath).stem
        home = bpy.data.collections.new(name)
        context.scene.collection.children.link(home)
        move(placed, name, home)
        turn = levelling(facts)
        if self.camera:
            context.scene.camera = panoramic_camera(name, home, turn)
        if self.world:
            lens = Request(self.filepath, more=self.more).through_lens
            file = "" if lens else bpy.path.abspath(self.filepath)
            light(context.scene, picture_of(placed, file), turn)
        context.view_layer.objects.active = placed
        self.report({"INFO"}, f"{name}: {told_size(facts)}")
        return {"FINISHED"}

    def _failed(self, error: RunError) -> set[str]:
        self.report({"ERROR"}, str(error))
        return {"CANCELLED"}

    def _quiet(self, context: Any) -> None:
        context.window_manager.event_timer_remove(self._timer)
        context.window.cursor_modal_restore()
        self._say(context, None)

    @staticmethod
    def _say(context: Any, text: str | None) -> None:
        if context.workspace is not None:
            context.workspace.status_text_set(text)


def check_importer() -> None:
    """Raise RunError where Blender has no importer of meshes."""
    if not hasattr(bpy.types, "IMPORT_SCENE_OT_gltf"):
        raise RunError("Blender's add-on glTF 2.0 is off: switch it on in Preferences > Add-ons")


def import_mesh(file: str) -> Any:
    """The object of a GLB file; x right, y forward, z up. Raises RunError where there is none."""
    before = set(bpy.data.objects)
    try:
        bpy.ops.import_scene.gltf(filepath=file)
        (placed,) = (o for o in bpy.data.objects if o not in before and o.type == "MESH")
    except (RuntimeError, ValueError) as error:  # an importer of another version, or memory ended
        said = [line for line in str(error).splitlines() if not line.startswith("Location:")]
        raise RunError(f"Blender's add-on glTF 2.0 failed on the mesh: {said[-1]}") from None
    return placed


def move(placed: Any, name: str, home: Any) -> None:
    """Name an object and its mesh, and put it into the collection `home` alone."""
    for holder in placed.users_collection:
        holder.objects.unlink(placed)
    home.objects.link(placed)
    placed.name = placed.data.name = name


def levelling(facts: dict[str, Any]) -> Matrix:
    """(3, 3) how panodepth turned the mesh of a tilted picture."""
    axes = Matrix(((1, 0, 0), (0, 0, 1), (0, -1, 0)))  # from x right, y down, z forward
    turn = facts.get("rotation_to_level")
    return Matrix.Identity(3) if turn is None else axes @ Matrix(turn) @ axes.transposed()


def panoramic_camera(name: str, home: Any, turn: Matrix) -> Any:
    """A camera at the origin that sees, in Cycles, what the picture shows. turn: of the mesh."""
    data = bpy.data.cameras.new(f"{name} camera")
    data.type = "PANO"
    # Blender 5 has it for every engine, those before for Cycles, which may be switched off.
    holder = data if hasattr(data, "panorama_type") else getattr(data, "cycles", None)
    if holder is not None:
        holder.panorama_type = "EQUIRECTANGULAR"
    camera = bpy.data.objects.new(data.name, data)
    ahead = Euler((math.pi / 2, 0, 0)).to_matrix()  # level, its middle forward
    camera.rotation_euler = (turn @ ahead).to_euler()
    home.objects.link(camera)
    return camera


def picture_of(placed: Any, file: str) -> Any:
    """The image that lights: of high dynamic range the file's, else what is on the mesh.

    The mesh's is equirectangular whatever the file holds, and Blender reads it always.
    file: "" where it is no panorama by itself.
    """
    if Path(file).suffix.lower() in HIGH_RANGE:
        return bpy.data.images.load(file, check_existing=True)
    nodes = placed.data.materials[0].node_tree.nodes
    return next(node.image for node in nodes if node.type == "TEX_IMAGE")


def light(scene: Any, image: Any, turn: Matrix) -> None:
    """A world whose background is an equirectangular image; its middle forward, as the mesh's.

    turn: of the mesh.
    """
    scene.world = bpy.data.worlds.new(image.name)
    if bpy.app.version < (5, 0, 0):
        scene.world.use_nodes = True
    tree = scene.world.node_tree
    tree.nodes.clear()
    kinds = ("TexCoord", "Mapping", "TexEnvironment", "Background", "OutputWorld")
    nodes = [tree.nodes.new(f"ShaderNode{kind}") for kind in kinds]
    seen = Euler((0, 0, TURN_RAD)).to_matrix() @ turn.transposed()
    nodes[1].inputs["Rotation"].default_value = seen.to_euler()
    nodes[2].image = image
    outlets = ("Generated", "Vector", "Color", "Background")
    inlets = ("Vector", "Vector", "Color", "Surface")
    for k, (outlet, inlet) in enumerate(zip(outlets, inlets, strict=True)):
        tree.links.new(nodes[k].outputs[outlet], nodes[k + 1].inputs[inlet])
        nodes[k + 1].location.x = nodes[k].location.x + 250


TURN_RAD = -math.pi / 2  # Blender has the middle of such a picture along x, the mesh along y


def told_size(facts: dict[str, Any]) -> str:
    """What the mesh's lengths are, in words."""
    if facts["unit"] != "m":
        return "lengths are relative"
    if facts["metres_by"] == "learned":
        return f"metres are estimated, give or take {100 * facts['metres_spread']:.0f} %"
    return f"metres by {facts['metres_by'].replace('_', ' ')}"


def menu(self: Any, context: Any) -> None:
    """A line of File > Import."""
    self.layout.operator(ImportPanorama.bl_idname, text="360° picture as 3D (panodepth)")


CLASSES = (PanodepthPreferences, ImportPanorama)


def register() -> None:
    """Called by Blender."""
    for each in CLASSES:
        bpy.utils.register_class(each)
    bpy.types.TOPBAR_MT_file_import.append(menu)


def unregister() -> None:
    """Called by Blender."""
    bpy.types.TOPBAR_MT_file_import.remove(menu)
    for each in reversed(CLASSES):
        bpy.utils.unregister_class(each)
