"""The glTF 2.0 binary container: JSON and one buffer, written piece by piece."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
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
ROWS_AT_ONCE, PART = 1024, 1 << 13  # vertices


@dataclass(frozen=True)
class Stream:
    """An array of `shape` and `dtype` that comes in parts, when the file is written."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    parts: Iterable[npt.NDArray[Any]]


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

    def accessor(self, values: npt.NDArray[Any] | Stream, **more: Any) -> int:
        """Add (N, 1 to 4) float32, uint32 or uint16 values; returns the accessor's index."""
        if not isinstance(values, Stream):
            values = Stream((values.shape[0], values.shape[1]), values.dtype, [values])
        count, width = values.shape
        pieces = (np.ascontiguousarray(part).data.cast("B") for part in values.parts if len(part))
        view = self._view(count * width * values.dtype.itemsize, pieces, **more.pop("view", {}))
        self._tree["accessors"].append(
            {
                "bufferView": view,
                "componentType": COMPONENT[values.dtype.name],
                "count": count,
                "type": SHAPE[width],
                **more,
            }
        )
        return len(self._tree["accessors"]) - 1

    def positions(self, points: npt.NDArray[np.float32]) -> int:
        """Add (N, 3) float32 points of the house frame, turned into glTF's (x, -y, -z)."""
        low, high = ((limit * TURN).tolist() for limit in _extent(points))
        low[1:], high[1:] = high[1:], low[1:]
        stream = Stream((len(points), 3), points.dtype, _turned(points))
        return self.accessor(stream, min=low, max=high, view={"target": ARRAY_BUFFER})

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


def _turned(points: npt.NDArray[np.float32]) -> Iterator[npt.NDArray[np.float32]]:
    """(N, 3) points of the house frame in glTF's, part by part."""
    for top in range(0, len(points), PART):
        part = points[top : top + PART].copy()
        np.negative(part[:, 1], out=part[:, 1])
        np.negative(part[:, 2], out=part[:, 2])
        yield part


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
