"""Reads what make_files.py wrote by other programs, in an environment of its own, and prints a
table: `python tests/tools/read_files.py FOLDER [docs/formats.md]`. A reader that is not there is
named in it. Exit code 1 when a file reads otherwise than it should.

The points of each file have the room's bounds in the file's frame, and the red mark lies where left
is, the green one where right is: then text reads unmirrored from within.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from read_elsewhere import (
    blender_picture,
    blender_scene,
    blender_version,
    splat_transform,
)
from read_pictures import (
    Found,
    exiftool_depth,
    exiftool_eyes,
    open3d_views,
    pillow_eyes,
    pillow_grey,
    pycolmap,
    trimesh_dome,
)

LOW, HIGH = np.array([-2.5, -0.9, -1.5]), np.array([2.0, 1.6, 3.0])
HOUSE, Y_UP, Z_UP, ROS = (
    np.array(rows)
    for rows in (
        np.eye(3),
        np.diag([1, -1, -1]),
        [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
        [[0, 0, 1], [-1, 0, 0], [0, -1, 0]],
    )
)
MARKS = ("<!-- readers -->", "<!-- end of readers -->")
STAMP = 1764370000.25
TOLERANCE = 1e-3  # m
PACKAGES = {  # of npm
    "gltf-validator": "gltf-validator",
    "splat-transform": "@playcanvas/splat-transform",
}
EXTENSION = "KHR_gaussian_splatting"


def open3d_cloud(path: Path) -> Found:
    import open3d

    cloud = open3d.io.read_point_cloud(str(path))
    return np.asarray(cloud.points), np.asarray(cloud.colors), f"{len(cloud.points)} points"


def meshlab(path: Path) -> Found:
    import pymeshlab

    meshes = pymeshlab.MeshSet()
    meshes.load_new_mesh(str(path))
    mesh = meshes.current_mesh()
    told = f"{mesh.vertex_number()} points"
    if mesh.face_number():
        meshes.apply_filter("meshing_merge_close_vertices", threshold=pymeshlab.PureValue(1e-5))
        facts = meshes.apply_filter("get_topological_measures")
        genus, holes = facts["genus"], facts["number_holes"]
        assert (genus, holes) == (0, 0), f"genus {genus}, {holes} holes"
        told = f"{mesh.face_number()} faces, closed, Euler {2 - 2 * genus}"
    colours = mesh.vertex_color_matrix()[:, :3] if mesh.has_vertex_color() else None
    return mesh.vertex_matrix(), colours, told


def meshlab_cloud(path: Path) -> Found:
    import pymeshlab

    meshes = pymeshlab.MeshSet()
    meshes.load_new_mesh(str(path))
    mesh = meshes.current_mesh()
    colours = mesh.vertex_color_matrix()[:, :3]
    return mesh.vertex_matrix(), colours, f"{mesh.vertex_number()} points"


def trimesh_mesh(path: Path) -> Found:
    import trimesh

    mesh: Any = trimesh.load_mesh(path, process=False)
    colours = None
    if mesh.visual.kind == "texture":
        picture = mesh.visual.material
        texture = (
            getattr(picture, "baseColorTexture", None)
            or getattr(picture, "emissiveTexture", None)
            or picture.image
        )
        pixels = np.asarray(texture.convert("RGB"))
        height, width = pixels.shape[:2]
        u, v = mesh.visual.uv.T
        row = np.clip(((1 - v) * height).astype(int), 0, height - 1)
        colours = pixels[row, (u * width).astype(int) % width] / 255
    points = np.array(mesh.vertices)
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    assert mesh.is_watertight
    assert mesh.euler_number == 2
    assert mesh.volume < 0, "not seen from within"
    return points, colours, f"{len(mesh.faces)} faces, closed, Euler 2"


def laspy_laszip(path: Path) -> Found:
    import laspy

    with laspy.open(path, laz_backend=laspy.LazBackend.Laszip) as file:
        data = file.read()
    colours = np.stack([data.red, data.green, data.blue], axis=1) / 65535
    return np.array(data.xyz), colours, f"{len(data.xyz)} points"


def usd(path: Path) -> Found:
    from pxr import Usd, UsdGeom, UsdValidation

    stage = Usd.Stage.Open(str(path))
    known = UsdValidation.ValidationRegistry()
    found = UsdValidation.ValidationContext(known.GetOrLoadAllValidators()).Validate(stage)
    wrong = [e for e in found if e.GetType() == UsdValidation.ValidationErrorType.Error]
    assert not wrong, wrong[0].GetMessage()
    (shown,) = filter(None, map(UsdGeom.PointBased, stage.Traverse()))
    return np.array(shown.GetPointsAttr().Get()), None, "0 errors of UsdValidation"


def gsply(path: Path) -> Found:
    import gsply

    data = gsply.plyread(str(path))
    colours = 0.5 + 0.28209479 * np.asarray(data.sh0)
    return np.asarray(data.means), colours, f"{len(data.means)} splats"


def open3d_in_zip(path: Path) -> Found:
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as whole:
        whole.extractall(folder)
        told = json.loads(Path(folder, "transforms.json").read_text())
        return open3d_cloud(Path(folder, told["ply_file_path"]))


def gltf_validator(path: Path) -> Found:
    """The Khronos validator by npm, in the folder GLTF_VALIDATOR."""
    script = (
        "const v=require(process.argv[1]),f=require('fs');"
        "v.validateBytes(new Uint8Array(f.readFileSync(process.argv[2])))"
        ".then(r=>console.log(JSON.stringify(r)))"
    )
    done = subprocess.run(
        ["node", "-e", script, _validator(), str(path)], capture_output=True, text=True, check=True
    )
    said = json.loads(done.stdout)["issues"]
    # It does not know the attributes of an extension younger than itself.
    wrong = [m for m in said["messages"] if m["severity"] == 0 and EXTENSION not in m["pointer"]]
    assert not wrong, wrong[0]
    return np.zeros((0, 3)), None, f"0 errors, {said['numWarnings']} warnings"


def _validator() -> str:
    place = Path(sys.prefix) / "node_modules/gltf-validator"
    if shutil.which("node") is None or not place.is_dir():
        raise ImportError("no gltf-validator")
    return str(place)


def ros_cloud(message: Any) -> Found:
    """Points, and colours, of a PointCloud2."""
    assert [(f.name, f.offset, f.datatype, f.count) for f in message.fields] == [
        ("x", 0, 7, 1),
        ("y", 4, 7, 1),
        ("z", 8, 7, 1),
        ("rgb", 12, 7, 1),
    ]
    assert (message.header.frame_id, stamp_of(message)) == ("panorama", STAMP)
    assert message.row_step * message.height == len(message.data)
    points = np.frombuffer(message.data, "<f4").reshape(-1, 4)[:, :3]
    colours = np.frombuffer(message.data, np.uint8).reshape(-1, 16)[:, 14:11:-1] / 255
    return points, colours, f"{len(points)} points"


def stamp_of(message: Any) -> float:
    return message.header.stamp.sec + message.header.stamp.nanosec / 1e9


def check_bag(messages: dict[str, Any]) -> Found:
    """All under one stamp, the scan's walls where they are, the camera over the floor."""
    scan, image = messages["/panorama/scan"], messages["/panorama/image"]
    assert stamp_of(scan) == stamp_of(image) == STAMP
    assert (image.width, image.height, image.encoding) == (512, 256, "rgb8")
    step = scan.angle_increment
    for angle, wall in ((0, HIGH[2]), (np.pi / 2, -LOW[0]), (-np.pi / 2, HIGH[0])):
        beam = round((angle - scan.angle_min) / step)
        near = [scan.ranges[i] for i in range(beam - 3, beam + 4)]
        assert abs(min(near) - wall) < 2e-3, f"{min(near)} at {angle}"
    (place,) = messages["/tf_static"].transforms
    assert (place.header.frame_id, place.child_frame_id) == ("map", "panorama")
    assert abs(place.transform.translation.z - HIGH[1]) < 2e-3
    points, colours, told = ros_cloud(messages["/panorama/points"])
    return points, colours, f"{told}, scan, image, {len(messages)} topics"


def mcap_file(path: Path) -> Found:
    from mcap_ros2.reader import read_ros2_messages

    return check_bag({m.channel.topic: m.ros_msg for m in read_ros2_messages(str(path))})


def decoder(name: str, definition: str) -> Callable[[bytes], Any]:
    from mcap_ros2._dynamic import generate_dynamic

    return generate_dynamic(name, definition)[name]


def cdr_file(path: Path) -> Found:
    """The message alone, by the definition that the MCAP file has."""
    from mcap.reader import make_reader

    name = "sensor_msgs/msg/PointCloud2"
    with (path.parent / "box.mcap").open("rb") as file:
        schemas = make_reader(file).get_summary().schemas.values()
    (definition,) = (s.data.decode() for s in schemas if s.name == name)
    return ros_cloud(decoder(name, definition)(path.read_bytes()))


def sqlite_bag(path: Path) -> Found:
    """The folder that ros2 bag takes: what metadata.yaml names, as SQLite."""
    about = (path.parent / "metadata.yaml").read_text(encoding="utf-8")
    assert f"relative_file_paths:\n  - {path.name}\n" in about
    with contextlib.closing(sqlite3.connect(path)) as data:
        kinds = "select topic_type, encoded_message_definition from message_definitions"
        read = {kind: decoder(kind, text) for kind, text in data.execute(kinds)}
        rows = "select name, type, data from messages join topics on topic_id = topics.id"
        return check_bag({topic: read[kind](raw) for topic, kind, raw in data.execute(rows)})


def octomap(path: Path) -> Found:
    """OctoMap's own programs: convert_octree opens the file, bt2vrml lists the occupied cubes. What
    is returned are the sides of the cubes that face the room, in the camera's frame.
    """
    if shutil.which("convert_octree") is None:
        raise ImportError("no octomap-tools")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copy(path, folder))
        done = subprocess.run(
            ["convert_octree", copy, copy.with_suffix(".ot")], capture_output=True, text=True
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        assert not re.search("error|mismatch", said, re.IGNORECASE), said
        assert copy.with_suffix(".ot").stat().st_size > path.stat().st_size
        subprocess.run(["bt2vrml", copy], capture_output=True, check=True)
        text = Path(f"{copy}.wrl").read_text(encoding="ascii")
    middles = np.array(re.findall(r"translation (\S+) (\S+) (\S+)", text), float)
    sides = np.array(re.findall(r"Box \{ size (\S+) ", text), float)[:, None]
    camera = np.array([0, 0, HIGH[1]])
    room = np.stack([LOW, HIGH]).mean(0) @ ROS.T + camera
    inner = middles - np.sign(middles - room) * sides / 2
    return inner - camera, None, f"{len(middles)} occupied leaves, 0 errors"


FILES: list[tuple[str, str, np.ndarray, str, Callable[[Path], Found]]] = [
    ("ply", "box_points.ply", HOUSE, "open3d", open3d_cloud),
    ("ply", "box_points.ply", HOUSE, "pymeshlab", meshlab_cloud),
    ("ply", "box_points.ply", HOUSE, "blender", blender_scene),
    ("pcd", "box_points.pcd", ROS, "open3d", open3d_cloud),
    ("las", "box_points.las", ROS, "laszip", laspy_laszip),
    ("laz", "box_points.laz", ROS, "laszip", laspy_laszip),
    ("e57", "box_points.e57", ROS, "pymeshlab", meshlab_cloud),
    ("points-glb", "box_points.glb", Y_UP, "gltf-validator", gltf_validator),
    ("points-usdz", "box_points.usdz", Y_UP, "usd-core", usd),
    ("points-usdz", "box_points.usdz", Z_UP, "blender", blender_scene),
    ("glb", "box.glb", Y_UP, "trimesh", trimesh_mesh),
    ("glb", "box.glb", Y_UP, "pymeshlab", meshlab),
    ("glb", "box.glb", Y_UP, "gltf-validator", gltf_validator),
    ("glb", "box.glb", Z_UP, "blender", blender_scene),
    ("light-dome", "box_light.glb", Y_UP, "trimesh", trimesh_mesh),
    ("light-dome", "box_light.glb", Y_UP, "gltf-validator", gltf_validator),
    ("obj", "box.obj", Y_UP, "trimesh", trimesh_mesh),
    ("obj", "box.obj", Y_UP, "pymeshlab", meshlab),
    ("obj", "box.obj", Z_UP, "blender", blender_scene),
    ("ply-mesh", "box_mesh.ply", HOUSE, "pymeshlab", meshlab),
    ("ply-mesh", "box_mesh.ply", HOUSE, "blender", blender_scene),
    ("stl", "box.stl", Z_UP, "pymeshlab", meshlab),
    ("stl", "box.stl", Z_UP, "blender", blender_scene),
    ("usdz", "box.usdz", Y_UP, "usd-core", usd),
    ("usdz", "box.usdz", Z_UP, "blender", blender_scene),
    ("usdc", "box.usdc", Y_UP, "usd-core", usd),
    ("usdc", "box.usdc", Z_UP, "blender", blender_scene),
    ("light-dome-usd", "box_light.usdz", Y_UP, "usd-core", usd),
    ("exr", "box_distance.exr", HOUSE, "blender", blender_picture),
    ("tiff", "box_distance.tiff", HOUSE, "blender", blender_picture),
    ("png", "box_distance.png", HOUSE, "blender", blender_picture),
    ("splat", "box_splat.ply", HOUSE, "gsply", gsply),
    ("splat-binary", "box.splat", HOUSE, "splat-transform", splat_transform),
    ("views", "box_views.zip", HOUSE, "open3d", open3d_views),
    ("colmap", "box_colmap.zip", HOUSE, "pycolmap", pycolmap),
    ("colmap", "whole/box_colmap.zip", HOUSE, "pycolmap", pycolmap),
    ("pointcloud2", "box_points.cdr", ROS, "mcap-ros2-support", cdr_file),
    ("mcap", "box.mcap", ROS, "mcap-ros2-support", mcap_file),
    ("rosbag2", "box_bag/bag.db3", ROS, "mcap-ros2-support", sqlite_bag),
    ("octomap", "box.bt", ROS, "octomap-tools", octomap),
    ("nerfstudio", "box_nerfstudio.zip", Z_UP, "open3d", open3d_in_zip),
    ("ods", "box_360_TB.png", HOUSE, "pillow", pillow_eyes),
    ("vr180", "box.vr.jpg", HOUSE, "exiftool", exiftool_eyes),
    ("gdepth", "box_gdepth.jpg", HOUSE, "exiftool", exiftool_depth),
    ("disparity", "box_depth.png", HOUSE, "pillow", pillow_grey),
    ("dome", "box_dome.glb", Y_UP, "trimesh", trimesh_dome),
    ("dome", "box_dome.glb", Y_UP, "gltf-validator", gltf_validator),
    ("gltf-splat", "box_splat.glb", Y_UP, "gltf-validator", gltf_validator),
]


def bounds_error(points: np.ndarray, frame: np.ndarray) -> float:
    """How far the bounds are from the room's, in metres."""
    true = np.sort(np.stack([LOW, HIGH]) @ frame.T, axis=0)
    return float(np.abs(np.stack([points.min(axis=0), points.max(axis=0)]) - true).max())


def check_marks(points: np.ndarray, colours: np.ndarray, frame: np.ndarray) -> None:
    """Red lies to the left of straight ahead, green to the right."""
    house = points @ frame  # the frame's matrix is a rotation
    for channel, side in ((0, -1), (1, 1)):
        other = colours[:, 1 - channel]
        marked = house[(colours[:, channel] > 0.6) & (other < 0.35)]
        assert len(marked), "a mark is missing"
        x, _, z = marked.mean(axis=0)
        assert x * side > 0.5, "mirrored"
        assert z > 0.5, "turned round"


def version_of(reader: str) -> str:
    """Of a package, or of a program that says so; "" where neither does."""
    if reader == "exiftool" and shutil.which(reader):
        return subprocess.run([reader, "-ver"], capture_output=True, text=True).stdout.strip()
    if reader == "blender":
        return blender_version()
    if reader in PACKAGES:
        package = Path(sys.prefix) / "node_modules" / PACKAGES[reader] / "package.json"
        return str(json.loads(package.read_text())["version"]) if package.exists() else ""
    try:
        return importlib.metadata.version(reader)
    except importlib.metadata.PackageNotFoundError:
        return ""


def main(folder: Path, page: Path | None = None) -> int:
    """Read all, print the table, and write it into a page between the lines MARKS."""
    failed = 0
    rows = ["| format | reader | found | bounds off by [mm] | marks |", "|---|---|---|---|---|"]
    for name, file, frame, reader, read in FILES:
        try:
            points, colours, told = read(folder / file)
            off, marks = "–", "–"
            if len(points):
                error = bounds_error(points, frame)
                off = f"{error * 1000:.2f}"
                assert error < TOLERANCE, f"bounds off by {off} mm"
            if colours is not None and len(colours):
                check_marks(points, colours, frame)
                marks = "unmirrored"
        except ImportError as error:
            told, off, marks = f"skipped: {error}", "", ""
        except Exception as error:
            failed += 1
            told, off, marks = f"WRONG: {type(error).__name__} {error}"[:160], "", ""
        version = version_of(reader)
        rows.append(f"| `{name}` | {reader} {version} | {told} | {off} | {marks} |")
    table = "\n".join(rows)
    print(table)
    if page is not None and not failed and "skipped" not in table:
        before, rest = page.read_text(encoding="utf-8").split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        text = f"{before}{MARKS[0]}\n{table}\n{MARKS[1]}{after}"
        page.write_text(text, encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
