"""The table of formats: name -> what follows NAME in the file's name, the writer as
"module:function" below `panodepth.export`, the file in a word or two, and what follows the file's
name in further files beside it (/NAME: they are called so; ~END: with `ascii_name` of the file's).
"""

import os
import re
import zlib
from collections.abc import Sequence
from typing import Annotated, Literal

from panodepth.errors import ConfigError, require
from panodepth.strict import Range

FORMATS: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "npz": ("_distance.npz", "rasters.npz:write_npz", "NumPy arrays", ()),
    "exr": ("_distance.exr", "rasters.distance:write_exr", "float distance", ()),
    "png": ("_distance.png", "rasters.distance:write_png", "16-bit distance", (".json",)),
    "tiff": ("_distance.tiff", "rasters.distance:write_tiff", "float distance", ()),
    "pfm": ("_distance.pfm", "rasters.pfm:write_pfm", "float distance", (".json",)),
    "mask": ("_mask.png", "rasters.pfm:write_mask", "white = surface", ()),
    "normals": ("_normals.exr", "rasters.normals:write_normals", "float normals", ()),
    "normals-png": ("_normals.png", "rasters.normals:write_normals_png", "16-bit normals", ()),
    "preview": ("_preview.png", "rasters.preview:write_preview", "photo, coloured map", ()),
    "preview-plain": (
        "_preview-plain.png",
        "rasters.preview:write_preview_plain",
        "coloured map",
        (),
    ),
    "confidence-npz": ("_confidence.npz", "rasters.confidence:write_npz", "confidence", ()),
    "confidence-exr": ("_confidence.exr", "rasters.confidence:write_exr", "confidence", ()),
    "confidence-png": ("_confidence.png", "rasters.confidence:write_png", "confidence", ()),
    "ply": ("_points.ply", "clouds.ply:write_ply", "point cloud", ()),
    "points-glb": ("_points.glb", "clouds.points_glb:write_points_glb", "point cloud", ()),
    "points-usdz": ("_points.usdz", "clouds.points_usd:write_points_usdz", "point cloud", ()),
    "pcd": ("_points.pcd", "clouds.pcd:write_pcd", "point cloud", ()),
    "las": ("_points.las", "clouds.las:write_las", "point cloud", ()),
    "laz": ("_points.laz", "clouds.las:write_laz", "compressed point cloud", ()),
    "e57": ("_points.e57", "clouds.e57:write_e57", "point cloud", ()),
    "glb": (".glb", "meshes.gltf:write_mesh", "textured mesh", ()),
    "laserscan": ("_scan.json", "robots.scan:write_laserscan", "laser scan", ()),
    "occupancy": ("_map.png", "robots.maps:write_occupancy", "map for robots", (".yaml",)),
    "pointcloud2": ("_points.cdr", "robots.messages.files:write_pointcloud2", "cloud", (".json",)),
    "octomap": (".bt", "robots.octomap:write_octomap", "cubes for OctoMap", ()),
    "mcap": (".mcap", "robots.messages.files:write_mcap", "image, cloud, scan", (".json",)),
    "rosbag2": (
        "_bag/bag.db3",
        "robots.messages.files:write_rosbag2",
        "image, cloud, scan",
        (".json", "/metadata.yaml"),
    ),
    "birdseye": ("_birdseye.npz", "robots.maps:write_birdseye", "heights from above", ()),
    "views": ("_views.zip", "views.files:write_views", "pinhole views, distance", ()),
    "colmap": ("_colmap.zip", "views.colmap:write_colmap", "COLMAP model", ()),
    "nerfstudio": ("_nerfstudio.zip", "views.nerfstudio:write_nerfstudio", "for nerfstudio", ()),
    "gdepth": ("_gdepth.jpg", "stereo.gdepth:write_gdepth", "photograph with its depth", ()),
    "ods": ("_360_TB.png", "stereo.ods:write_ods", "360° stereo", ()),
    "ods-jpeg": ("_360_TB.jpg", "stereo.ods:write_ods_jpeg", "360° stereo", ()),
    "vr180": (".vr.jpg", "stereo.vr180:write_vr180", "180° stereo", ()),
    "disparity": ("_depth.png", "stereo.gdepth:write_disparity", "grey, near is white", ()),
    "dome": ("_dome.glb", "stereo.dome:write_dome", "sphere, displacement", (".exr",)),
    "light-dome": ("_light.glb", "meshes.light:write_light_dome", "mesh that emits light", ()),
    "obj": (".obj", "meshes.files:write_obj", "textured mesh", (".mtl", ".jpg")),
    "ply-mesh": ("_mesh.ply", "meshes.files:write_ply_mesh", "coloured mesh", ("~.jpg",)),
    "stl": (".stl", "meshes.files:write_stl", "mesh", ()),
    "usdz": (".usdz", "meshes.usd:write_usdz", "textured mesh", ()),
    "usdc": (".usdc", "meshes.usd:write_usdc", "textured mesh", (".jpg", ".json")),
    "light-dome-usd": ("_light.usdz", "meshes.usd:write_light_usdz", "mesh that emits light", ()),
    "splat": ("_splat.ply", "splats.files:write_splat_ply", "Gaussian splats", (".json",)),
    "splat-binary": (".splat", "splats.files:write_splat", "Gaussian splats", (".json",)),
    "gltf-splat": ("_splat.glb", "splats.files:write_gltf_splat", "Gaussian splats", ()),
    "html": (".html", "html.page:write_html", "viewer, one file", ()),
}

# What formats are called elsewhere, or what is wanted where a format is not written.
OTHER_NAMES = {
    **dict.fromkeys(("gltf", "fbx", "mesh", "blend"), "glb"),
    **dict.fromkeys(("usd", "usda"), "usdz"),
    **dict.fromkeys(("3dgs", "gs", "gaussians"), "splat"),
    **dict.fromkeys(("cloud", "pointcloud", "xyz", "asc", "pts", "ptx"), "ply"),
    **dict.fromkeys(("bag", "rosbag", "ros2"), "rosbag2"),
    **dict.fromkeys(("jpg", "jpeg"), "preview"),
    "npy": "npz",
    "tif": "tiff",
    "scan": "laserscan",
    "map": "occupancy",
    "stereo": "ods",
}

# Which extra of the package a format needs, and the modules that are then there.
NEEDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("las", "laz"), ("las", "laspy", "lazrs")),
    "e57": ("e57", "pye57"),
    **dict.fromkeys(("usdz", "usdc", "light-dome-usd", "points-usdz"), ("usd", "pxr")),
    **dict.fromkeys(("pointcloud2", "mcap", "rosbag2"), ("ros", "rosbags")),
}

IN_METRES = ("laserscan", "occupancy", "birdseye", "octomap", "pointcloud2", "mcap", "rosbag2")
NO_METRES = (
    "distances are relative, and robots need metres: give --camera-height, --known-distance or "
    "another cue (docs/cookbook.md, Metres)"
)
EYES_IN_METRES = ("ods", "ods-jpeg", "vr180")
NO_METRES_EYES = (
    "distances are relative, and the distance between the eyes is in metres: give --camera-height, "
    "--scale learned or another cue (docs/cookbook.md, Metres)"
)

# Metres by their standards, so that other tools take what is relative for metres.
TAKEN_FOR_METRES = ("glb", "points-glb", "las", "laz", "e57", "usdz", "usdc", "points-usdz")

Up = Literal["house", "y", "z", "ros", "blender", "unity", "unreal"]  # see `frames.FRAMES`
Reach = Annotated[float, Range(at_least=0, at_most=30)]  # [deg], behind depth edges


def unknown_format(name: str) -> str:
    """What is said of an unknown name, with the format that it is likely to mean."""
    import difflib

    near = difflib.get_close_matches(name, FORMATS, n=1)
    found = OTHER_NAMES.get(name) or (near[0] if near else "")
    likely = f" (perhaps {found}, {FORMATS[found][2]})" if found else ""
    return f"unknown format {name!r}{likely}"


def ascii_name(name: str) -> str:
    """The name, or what a header of ASCII can hold of it with a checksum of the whole."""
    if re.fullmatch(r"[ !#-.0-9:;=@-\[\]-~]+", name):  # no quotes, slashes, angles or wildcards
        return name
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name)
    return f"{zlib.crc32(os.fsencode(name)):08x}_{plain[-60:]}"


def check_installed(formats: Sequence[str]) -> None:
    """Raise ConfigError, which says what to install, where a format's packages are not there."""
    for name in formats:
        if name in NEEDS:
            extra, *modules = NEEDS[name]
            require(f"format {name}", extra, *modules)


def relative_note(formats: Sequence[str]) -> str:
    """What to know of those that relative distances are written in as if in metres; "" = none."""
    named = ", ".join(name for name in formats if name in TAKEN_FOR_METRES)
    return named and (
        f"distances are relative, and {named} {'have' if ',' in named else 'has'} no unit but "
        "metres: tools will take 1 for 1 m; --camera-height, --scale learned or another cue gives "
        "metres (docs/cookbook.md, Metres)"
    )


def check_metres(formats: Sequence[str]) -> None:
    """Raise ConfigError, which names the ways to metres, for formats that relative distances cannot
    be written in.
    """
    for name in formats:
        if name in (*IN_METRES, *EYES_IN_METRES):
            raise ConfigError(
                f"format {name}: {NO_METRES if name in IN_METRES else NO_METRES_EYES}"
            )
