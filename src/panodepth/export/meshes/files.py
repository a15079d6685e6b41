"""The mesh as OBJ, PLY and STL."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from panodepth.atomic import atomic
from panodepth.export.formats import Reach, Up, ascii_name
from panodepth.export.frames import FRAMES, stored
from panodepth.export.glb import node_name
from panodepth.export.jpeg import COMMENT, jpeg, with_segments
from panodepth.export.meshes.hidden import front_and_behind
from panodepth.export.meshes.mesh import MeshOptions, made_mesh
from panodepth.export.meshes.surface import Mesh
from panodepth.export.metadata import metadata, ply_comments, to_json
from panodepth.export.reprojection import as_panorama, levelled
from panodepth.types import FloatArray, Prediction

STL_HEADER = 80  # bytes
COMMENT_BYTES = 65000


@dataclass(frozen=True, kw_only=True)
class FilledOptions(MeshOptions):
    """behind: surfaces go on behind nearer ones, a guess, up to this angle from the edge [deg],
    told apart from what is seen; 0 = not.
    """

    behind: Reach = 0.0


@dataclass(frozen=True, kw_only=True)
class ObjOptions(FilledOptions):
    """up: the frame, see `frames.FRAMES`."""

    up: Up = "y"


@dataclass(frozen=True, kw_only=True)
class PlyMeshOptions(FilledOptions):
    """up: the frame, see `frames.FRAMES`."""

    up: Up = "house"


@dataclass(frozen=True, kw_only=True)
class StlOptions(MeshOptions):
    """up: the frame, see `frames.FRAMES`."""

    up: Up = "z"


@dataclass(frozen=True)
class Turned:
    """A mesh in the frame of a file. positions: (N, 3). faces: (M, 3), seen from within they run
    counterclockwise, clockwise in a left-handed frame. meta: of the file.
    """

    picture: Prediction
    mesh: Mesh
    positions: FloatArray
    faces: npt.NDArray[np.uint32]
    meta: dict[str, Any]


def turned(prediction: Prediction, path: Path, options: MeshOptions, up: str) -> Turned:
    """The mesh that the options ask for, in a frame. OutputError for an empty one."""
    panorama = as_panorama(prediction)
    return placed(panorama, made_mesh(panorama, path, options), up)


def placed(panorama: Prediction, mesh: Mesh, up: str) -> Turned:
    """A panorama's mesh in a frame."""
    frame = FRAMES[up]
    faces = mesh.faces[:, ::-1] if frame.left_handed else mesh.faces
    points = frame.points(levelled(panorama, mesh.positions))
    meta = metadata(panorama, "surface", stride=mesh.stride, **stored(up))
    return Turned(panorama, mesh, points, faces, meta)


def filled(
    prediction: Prediction, path: Path, options: FilledOptions, up: str
) -> tuple[Turned, ...]:
    """As `turned`, and behind it the mesh of what is hidden, if that is wanted and anything is.

    Both show one picture then, the first one's: the panorama, and below it, upside down, that of
    what is hidden. They meet at their nadirs, which are alike, and so nothing shows at the border.
    """
    panorama = as_panorama(prediction)
    mesh, hidden = front_and_behind(panorama, path, options, options.behind)
    if hidden is None:
        return (placed(panorama, mesh, up),)
    seen, back = hidden
    height, width = panorama.image.shape[:2]
    below = cv2.resize(seen.image, (width, height), interpolation=cv2.INTER_LINEAR)[::-1]
    both = replace(panorama, image=np.concatenate([panorama.image, below.astype(np.uint8)]))
    upper, lower = mesh.uv * [1, 0.5], back.uv * [1, -0.5] + [0, 1]
    halves = (
        replace(mesh, uv=upper.astype(np.float32)),
        replace(back, uv=lower.astype(np.float32)),
    )
    front, guessed = (placed(panorama, half, up) for half in halves)
    front.meta["behind_deg"] = options.behind
    return replace(front, picture=both), replace(guessed, picture=both)


def write_obj(prediction: Prediction, path: Path, options: ObjOptions = ObjOptions()) -> list[Path]:
    """Wavefront OBJ with its material, PATH.mtl, and the panorama, PATH.jpg. What is hidden is an
    object with a material of its own, `behind`.

    No name in it holds a line break: files with one are to be chosen by hand.
    """
    found, *hidden = filled(prediction, path, options, options.up)
    material, picture = (path.with_name(path.name + end) for end in (".mtl", ".jpg"))
    said = [line.replace("comment", "#", 1) for line in ply_comments(found.meta)]
    said.sort(key=lambda line: not line.startswith("# panodepth"))
    lines = [*said, f"mtllib {_on_a_line(material.name)}"]
    lines += _object(found, node_name(found.meta), "panorama", 1)
    for part in hidden:
        lines += _object(part, "behind", "behind", 1 + len(found.positions))
    look = said
    for name in ("panorama", "behind")[: 1 + len(hidden)]:
        look = [*look, f"newmtl {name}", "Ka 1 1 1", "Kd 1 1 1", "illum 0"]
        look.append(f"map_Kd {_on_a_line(picture.name)}\n")
    with atomic(path, material, picture) as (mesh_file, material_file, picture_file):
        mesh_file.write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))
        material_file.write_bytes("\n".join(look).encode("utf-8", "surrogateescape"))
        picture_file.write_bytes(told_jpeg(found, options.max_texture_width))
    return [path, material, picture]


def write_ply_mesh(
    prediction: Prediction, path: Path, options: PlyMeshOptions = PlyMeshOptions()
) -> list[Path]:
    """Binary PLY: x, y, z, s, t float32 and the panorama's colour of each vertex; its picture is
    PATH.jpg, which MeshLab and Blender show at s, t. A header is ASCII: where the name is not, the
    picture is called by letters, digits and its checksum. Where surfaces are guessed, their
    vertices come last, and `behind` is 1 in them.
    """
    found, *hidden = parts = filled(prediction, path, options, options.up)
    picture = path.with_name(ascii_name(path.name) + ".jpg")
    names = (*"xyz", "s", "t", "red", "green", "blue", *(["behind"] if hidden else []))
    kinds = [(name, "<f4" if len(name) == 1 else "u1") for name in names]
    blocks = [np.zeros(len(part.positions), kinds) for part in parts]
    for number, (part, block) in enumerate(zip(parts, blocks, strict=True)):
        columns = [*part.positions.T, part.mesh.uv[:, 0], 1 - part.mesh.uv[:, 1], *_colours(part).T]
        for name, column in zip(names, [*columns, number], strict=False):
            block[name] = column
    vertices = np.concatenate(blocks)
    corners = [found.faces, *(part.faces + len(found.positions) for part in hidden)]
    faces = np.empty(sum(map(len, corners)), [("count", "u1"), ("corners", "<u4", 3)])
    faces["count"], faces["corners"] = 3, np.concatenate(corners)
    header = [
        "ply",
        "format binary_little_endian 1.0",
        *ply_comments(found.meta),
        f"comment TextureFile {picture.name}",
        f"element vertex {len(vertices)}",
        *(f"property {'float' if kind == '<f4' else 'uchar'} {name}" for name, kind in kinds),
        f"element face {len(faces)}",
        "property list uchar uint vertex_indices",
        "end_header\n",
    ]
    with atomic(path, picture) as (mesh_file, picture_file):
        content = "\n".join(header).encode("ascii")
        mesh_file.write_bytes(content + vertices.tobytes() + faces.tobytes())
        picture_file.write_bytes(told_jpeg(found, options.max_texture_width))
    return [path, picture]


def write_stl(prediction: Prediction, path: Path, options: StlOptions = StlOptions()) -> list[Path]:
    """Binary STL: the surface alone. Its header of 80 bytes says unit and scale."""
    found = turned(prediction, path, options, options.up)
    said = {"generator": found.meta["generator"], "prediction": {}, "unit": found.meta["unit"]}
    corners = found.positions[found.faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1), 1e-30)[:, None]
    kind = [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("more", "<u2")]
    records = np.zeros(len(corners), kind)
    records["normal"], records["corners"] = normal, corners
    text = json.dumps(said)
    if found.meta["scale"] != 1:
        text = json.dumps({**said, "scale": found.meta["scale"]}, separators=(",", ":"))
    header = text.encode().ljust(STL_HEADER)[:STL_HEADER]
    with atomic(path) as (temporary,), temporary.open("wb") as file:
        file.write(header + np.uint32(len(corners)).tobytes())
        file.write(records.data)
    return [path]


def _object(part: Turned, name: str, material: str, first: int) -> list[str]:
    """Lines of an object whose vertices are counted from `first` on."""
    uv = part.mesh.uv * [1, -1] + [0, 1]  # v counts from below
    corners = np.repeat(part.faces.astype(np.int64) + first, 2, axis=1)
    return [
        f"o {name}",
        f"usemtl {material}",
        _rows("v %.7g %.7g %.7g\n", part.positions) + _rows("vt %.7g %.7g\n", uv),
        _rows("f %d/%d %d/%d %d/%d\n", corners),
    ]


def _on_a_line(name: str) -> str:
    return re.sub("[\0-\x1f]", "_", name)


def short_json(meta: Mapping[str, Any]) -> str:
    """The metadata, at most COMMENT_BYTES long: comments of JPEG and ZIP files end there."""
    said = to_json(meta)
    return said if len(said) <= COMMENT_BYTES else to_json({**meta, "prediction": {}})


def told_jpeg(found: Turned, max_width: int) -> bytes:
    """The panorama as a JPEG whose first comment holds the metadata."""
    picture = jpeg(found.picture.image, max_width)
    return with_segments(picture, [(COMMENT, short_json(found.meta).encode("ascii"))])


def _rows(line: str, values: npt.NDArray[Any]) -> str:
    """One line of text for each row of (N, C) values."""
    return (line * len(values)) % tuple(values.ravel().tolist())


def _colours(found: Turned) -> npt.NDArray[np.uint8]:
    """(N, 3) the panorama's colours at the vertices."""
    height, width = found.picture.image.shape[:2]
    u, v = found.mesh.uv.T
    column = np.floor(u * width).astype(int) % width
    row = np.floor(v * height).astype(int).clip(0, height - 1)
    return np.ascontiguousarray(found.picture.image[row, column])
