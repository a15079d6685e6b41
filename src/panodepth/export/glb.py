"""The glTF 2.0 binary container: JSON and one buffer, written piece by piece."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.atomic import atomic
from panodepth.export.metadata import to_json
from panodepth.types import FloatArray

# glTF 2.0 constants: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html
COMPONENT = {"float32": 5126, "uint32": 5125, "uint16": 5123}
SHAPE = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
POINTS, TRIANGLES = 0, 4
REPEAT, CLAMP_TO_EDGE = 10497, 33071
LINEAR, LINEAR_MIPMAP_LINEAR = 9729, 9987


def node_name(meta: Mapping[str, Any]) -> str:
    """What a scene and its object are called; a relative prediction says so."""
    return "panorama" if meta["unit"] == "m" else "panorama (relative, not metres)"


def node_facts(meta: Mapping[str, Any]) -> dict[str, Any]:
    """What users ask first: the unit, how it was found, and how high the camera stood."""
    said = meta["prediction"]
    keys = ("metres_per_unit", "metres_by", "camera_height_m")
    known = {key: said[key] for key in keys if said.get(key) is not None}
    found: dict[str, Any] = json.loads(to_json({"unit": meta["unit"], **known}))
    return found  # of plain values: USD takes no others


class Glb:
    """A scene of one node and one primitive, gathered, then written at once."""

    def __init__(self, extras: dict[str, Any]) -> None:
        """extras: the file's metadata, for asset.extras. What a user wants to see at once stands in
        the extras of the node and the scene too, where Blender and three.js show it.
        """
        name, facts = node_name(extras), node_facts(extras)
        self._pieces: list[Iterable[bytes | memoryview]] = []
        self._length = 0
        self._tree: dict[str, Any] = {
            "asset": {"version": "2.0", "generator": extras["generator"], "extras": extras},
            "scene": 0,
            "scenes": [{"nodes": [0], "name": name, "extras": facts}],
            "nodes": [{"mesh": 0, "name": name, "extras": facts}],
            "accessors": [],
            "bufferViews": [],
        }

    def _view(self, length: int, pieces: Iterable[bytes | memoryview], **more: Any) -> int:
        """Append `length` bytes as a buffer view, padded to 4; returns its index."""
        views = self._tree["bufferViews"]
        views.append({"buffer": 0, "byteOffset": self._length, "byteLength": length, **more})
        padding = bytes(-length % 4)
        self._pieces += [pieces, [padding]]
        self._length += length + len(padding)
        return len(views) - 1

    def accessor(self, values: npt.NDArray[Any], target: int = ARRAY_BUFFER) -> int:
        """Add (N, C) values, C = 1 to 4, float32, uint32 or uint16; returns the accessor's index.

        target: glTF's bufferView.target.
        """
        return self.streamed([values], values.shape, values.dtype, target=target)

    def streamed(
        self,
        parts: Iterable[npt.NDArray[Any]],
        shape: tuple[int, ...],
        dtype: npt.DTypeLike,
        *,
        target: int = ARRAY_BUFFER,
        more: Mapping[str, Any] | None = None,
    ) -> int:
        """Add an array (N, C), C = 1 to 4, that comes in parts when the file is written.

        parts: (n, C) each. shape: (N, C) of the whole. more: further keys of the accessor. Returns
        its index.
        """
        kind, size = np.dtype(dtype), math.prod(shape) * np.dtype(dtype).itemsize
        pieces = (np.ascontiguousarray(part, kind).data.cast("B") for part in parts if len(part))
        self._tree["accessors"].append(
            {
                "bufferView": self._view(size, pieces, target=target),
                "componentType": COMPONENT[kind.name],
                "count": shape[0],
                "type": SHAPE[shape[1]],
                **(more or {}),
            }
        )
        return len(self._tree["accessors"]) - 1

    def positions(
        self, parts: Iterable[FloatArray], count: int, low: Sequence[float], high: Sequence[float]
    ) -> int:
        """Add `count` > 0 points, (n, 3) float32 in parts; low, high: smallest, largest x, y, z."""
        limits = {"min": [float(x) for x in low], "max": [float(x) for x in high]}
        return self.streamed(parts, (count, 3), np.float32, more=limits)

    def points(self, values: FloatArray) -> int:
        """Add (N, 3) points, N > 0, and their limits; returns the accessor's index."""
        # By column: numpy is slow at an axis next to one of length 3.
        low, high = ([limit(column) for column in values.T] for limit in (np.min, np.max))
        return self.positions([values], len(values), low, high)

    def triangles(
        self,
        positions: FloatArray,
        uv: FloatArray,
        faces: npt.NDArray[np.uint32],
        normals: FloatArray | None = None,
    ) -> dict[str, Any]:
        """Add a mesh: (N, 3), (N, 2), (M, 3), (N, 3); what its primitive says of it."""
        attributes = {"POSITION": self.points(positions)}
        if normals is not None:
            attributes["NORMAL"] = self.accessor(normals)
        attributes["TEXCOORD_0"] = self.accessor(uv)
        indices = self.accessor(faces.reshape(-1, 1), ELEMENT_ARRAY_BUFFER)
        return {"attributes": attributes, "indices": indices}

    def uses(self, extension: str) -> None:
        """Say that the file uses an extension."""
        self._tree.setdefault("extensionsUsed", []).append(extension)

    def light(self, jpeg: bytes, strength: float) -> int:
        """Add a panorama as a material that emits it, `strength` times. Returns its index."""
        index = self.photograph(jpeg)
        material = self._tree["materials"][index]
        shown = material["pbrMetallicRoughness"].pop("baseColorTexture")
        material["pbrMetallicRoughness"]["baseColorFactor"] = [0, 0, 0, 1]
        material |= {"name": "light", "emissiveTexture": shown, "emissiveFactor": [1, 1, 1]}
        material["extensions"] = {"KHR_materials_emissive_strength": {"emissiveStrength": strength}}
        self._tree["extensionsUsed"] = ["KHR_materials_emissive_strength"]
        return 0

    def photograph(self, jpeg: bytes, wrap: int = REPEAT, name: str = "panorama") -> int:
        """Add a panorama as an unlit, double-sided material (light is in the picture already).

        wrap: in u; where it repeats, a triangle may run on across the seam. Returns its index.
        """
        image = {"bufferView": self._view(len(jpeg), [jpeg]), "mimeType": "image/jpeg"}
        sampler = {
            "wrapS": wrap,
            "wrapT": CLAMP_TO_EDGE,
            "magFilter": LINEAR,
            "minFilter": LINEAR_MIPMAP_LINEAR,
        }
        index = len(self._tree.get("materials", []))
        texture = {"baseColorTexture": {"index": index}, "metallicFactor": 0, "roughnessFactor": 1}
        material = {
            "name": name,
            "pbrMetallicRoughness": texture,
            "doubleSided": True,
            "extensions": {"KHR_materials_unlit": {}},
        }
        kinds = {"images": image, "samplers": sampler, "materials": material}
        for kind, entry in (*kinds.items(), ("textures", {"source": index, "sampler": index})):
            self._tree.setdefault(kind, []).append(entry)
        self._tree["extensionsUsed"] = ["KHR_materials_unlit"]
        return index

    def write(self, path: Path, *primitives: dict[str, Any]) -> None:
        """Write the file. primitives: glTF's mesh.primitive, with indices of what was added."""
        name = self._tree["nodes"][0]["name"]
        self._tree["meshes"] = [{"name": name, "primitives": list(primitives)}]
        self._tree["buffers"] = [{"byteLength": self._length}]
        text = to_json(self._tree, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        total = 12 + 8 + len(text) + 8 + self._length
        with atomic(path) as (temporary,), temporary.open("wb") as file:
            file.write(struct.pack("<4sII", b"glTF", 2, total))
            file.write(struct.pack("<I4s", len(text), b"JSON") + text)
            file.write(struct.pack("<I4s", self._length, b"BIN\0"))
            for pieces in self._pieces:
                file.writelines(pieces)
