"""The glTF 2.0 binary container: JSON and one buffer, written piece by piece."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
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
TURN = np.array([1, -1, -1], np.float32)  # from the house frame: (x, -y, -z)
PART = 1 << 13  # vertices turned at a time


class Glb:
    """A scene of one node and one primitive, gathered, then written at once."""

    def __init__(self, name: str, extras: dict[str, Any]) -> None:
        """name: of the node and its mesh. extras: JSON values for asset.extras."""
        self._pieces: list[Iterable[bytes | memoryview]] = []
        self._length = 0
        self._tree: dict[str, Any] = {
            "asset": {"version": "2.0", "generator": extras["generator"], "extras": extras},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0, "name": name}],
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

    def accessor(
        self,
        values: npt.NDArray[Any],
        *,
        target: int,
        parts: Iterable[npt.NDArray[Any]] | None = None,
        **more: Any,
    ) -> int:
        """Add (N, 1 to 4) float32, uint32 or uint16 values; returns the accessor's index.

        target: glTF's bufferView.target. parts: what is written instead of the values, in parts of
        their shape and type, made when the file is written. more: further keys of the accessor.
        """
        count, width = values.shape
        pieces = (
            np.ascontiguousarray(part).data.cast("B")
            for part in ([values] if parts is None else parts)
        )
        self._tree["accessors"].append(
            {
                "bufferView": self._view(values.nbytes, pieces, target=target),
                "componentType": COMPONENT[values.dtype.name],
                "count": count,
                "type": SHAPE[width],
                **more,
            }
        )
        return len(self._tree["accessors"]) - 1

    def positions(self, points: npt.NDArray[np.float32]) -> int:
        """Add (N, 3) float32 points of the house frame, N > 0, turned into glTF's (x, -y, -z)."""
        # By column: numpy reduces the first axis next to one of length 3 twenty times as slowly.
        low, high = ([float(f(points[:, i])) for i in range(3)] for f in (np.min, np.max))
        low[1:], high[1:] = [-value for value in high[1:]], [-value for value in low[1:]]
        turned = (points[top : top + PART] * TURN for top in range(0, len(points), PART))
        return self.accessor(points, target=ARRAY_BUFFER, parts=turned, min=low, max=high)

    def photograph(self, jpeg: bytes) -> int:
        """Add a panorama as an unlit, double-sided material (light is in the picture already).

        The texture repeats in u, so a triangle may run on across the seam. Returns its index.
        """
        image = {"bufferView": self._view(len(jpeg), [jpeg]), "mimeType": "image/jpeg"}
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
            for pieces in self._pieces:
                file.writelines(pieces)
