"""The glTF 2.0 binary container: JSON and one buffer, written piece by piece."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.export.atomic import atomic

# glTF 2.0 constants: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html
COMPONENT = {"float32": 5126, "uint32": 5125, "uint16": 5123}
SHAPE = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
POINTS, TRIANGLES = 0, 4
REPEAT, CLAMP_TO_EDGE = 10497, 33071
LINEAR, LINEAR_MIPMAP_LINEAR = 9729, 9987
ROWS_AT_ONCE = 1024


class Glb:
    """A scene of one node and one primitive, gathered, then written at once."""

    def __init__(self, name: str, extras: dict[str, Any]) -> None:
        """name: of the node and its mesh. extras: JSON values for asset.extras."""
        self._pieces: list[bytes | memoryview] = []
        self._length = 0
        self._tree: dict[str, Any] = {
            "asset": {"version": "2.0", "generator": extras["generator"], "extras": extras},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0, "name": name}],
            "accessors": [],
            "bufferViews": [],
        }

    def _view(self, data: bytes | memoryview, **more: Any) -> int:
        """Append bytes as a buffer view, padded to 4; returns its index."""
        views = self._tree["bufferViews"]
        views.append({"buffer": 0, "byteOffset": self._length, "byteLength": len(data), **more})
        padding = bytes(-len(data) % 4)
        self._pieces += [data, padding]
        self._length += len(data) + len(padding)
        return len(views) - 1

    def accessor(self, values: npt.NDArray[Any], **more: Any) -> int:
        """Add an (N, 1 to 4) float32, uint32 or uint16 array; returns the accessor's index."""
        data = np.ascontiguousarray(values)
        view = self._view(data.data.cast("B"), **more.pop("view", {}))
        self._tree["accessors"].append(
            {
                "bufferView": view,
                "componentType": COMPONENT[data.dtype.name],
                "count": len(data),
                "type": SHAPE[data.shape[1]],
                **more,
            }
        )
        return len(self._tree["accessors"]) - 1

    def positions(self, points: npt.NDArray[np.float32]) -> int:
        """Add (N, 3) float32 points of the house frame, turned into glTF's (x, -y, -z)."""
        turned = np.empty(points.shape, np.float32)
        turned[:, 0] = points[:, 0]
        np.negative(points[:, 1:].T, out=turned[:, 1:].T)
        low, high = (limit.tolist() for limit in _extent(turned))
        return self.accessor(turned, min=low, max=high, view={"target": ARRAY_BUFFER})

    def photograph(self, jpeg: bytes) -> int:
        """Add a panorama as an unlit, double-sided material (light is in the picture already).

        The texture repeats in u, so a triangle may run on across the seam. Returns its index.
        """
        image = {"bufferView": self._view(jpeg), "mimeType": "image/jpeg"}
        sampler = {
            "wrapS": REPEAT,
            "wrapT": CLAMP_TO_EDGE,
            "magFilter": LINEAR,
            "minFilter": LINEAR_MIPMAP_LINEAR,
        }
        texture = {"baseColorTexture": {"index": 0}, "metallicFactor": 0, "roughnessFactor": 1}
        material = {
            "name": "panorama",
            "pbrMetallicRoughness": texture,
            "doubleSided": True,
            "extensions": {"KHR_materials_unlit": {}},
        }
        self._tree |= {
            "images": [image],
            "samplers": [sampler],
            "textures": [{"source": 0, "sampler": 0}],
            "materials": [material],
            "extensionsUsed": ["KHR_materials_unlit"],
        }
        return 0

    def write(self, path: Path, primitive: dict[str, Any]) -> None:
        """Write the file. primitive: glTF's mesh.primitive, with indices of what was added."""
        name = self._tree["nodes"][0]["name"]
        self._tree["meshes"] = [{"name": name, "primitives": [primitive]}]
        self._tree["buffers"] = [{"byteLength": self._length}]
        text = json.dumps(self._tree, separators=(",", ":"), default=str).encode()
        text += b" " * (-len(text) % 4)
        total = 12 + 8 + len(text) + 8 + self._length
        with atomic(path) as (temporary,), temporary.open("wb") as file:
            file.write(struct.pack("<4sII", b"glTF", 2, total))
            file.write(struct.pack("<I4s", len(text), b"JSON") + text)
            file.write(struct.pack("<I4s", self._length, b"BIN\0"))
            file.writelines(self._pieces)


def _extent(points: npt.NDArray[np.float32]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The smallest and largest of each column of (N, 3), N > 0.

    In long rows first: over an axis next to one of length 3 it takes thirty times as long.
    """
    whole = len(points) // ROWS_AT_ONCE * ROWS_AT_ONCE
    rows = points[:whole].reshape(-1, 3 * ROWS_AT_ONCE)
    limits = []
    for reduce in (np.minimum.reduce, np.maximum.reduce):
        parts = [points[whole:]]
        if whole:
            parts.append(reduce(rows, axis=0).reshape(-1, 3))
        limits.append(reduce(np.concatenate(parts), axis=0))
    return limits[0], limits[1]
