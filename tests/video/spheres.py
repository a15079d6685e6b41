"""Videos with tags of a sphere, written box by box."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE = 10
QUARTER = 1 << 30  # of what is cropped, in parts of 2^32
V1_ID = bytes.fromhex("ffcc8263f8554a938814587a02521fdd")
TO_ENTRY = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")


def write(
    path: Path, images: list[np.ndarray], begins: int = 0, codec: str = "libx264", **of: object
) -> Path:
    """A video of pictures (H, W, 3) uint8; its index comes last. of: facts of its stream."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, RATE, {"crf": "10"} if codec == "libx264" else {})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for name, value in of.items():
            setattr(stream.codec_context, name, value)
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = begins + number, Fraction(1, RATE)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def box(kind: bytes, *content: bytes) -> bytes:
    whole = b"".join(content)
    return struct.pack(">I4s", 8 + len(whole), kind) + whole


def full(kind: bytes, *content: bytes) -> bytes:
    return box(kind, bytes(4), *content)


def sphere(
    kind: bytes = b"equi",
    numbers: tuple[int, ...] = (0, 0, 0, 0),
    pose: tuple[float, float, float] = (0, 0, 0),
) -> bytes:
    """`sv3d`. numbers: of an `equi`: cropped at top, bottom, left, right; of a `cbmp`: layout and
    padding. pose: yaw, pitch, roll [deg].
    """
    header = full(b"prhd", struct.pack(">3i", *(round(angle * 65536) for angle in pose)))
    projection = full(kind, struct.pack(f">{len(numbers)}I", *numbers))
    return box(b"sv3d", full(b"svhd", b"test\0"), box(b"proj", header, projection))


def eyes(mode: int) -> bytes:
    return full(b"st3d", bytes([mode]))


def v1(**tags: object) -> bytes:
    """The XML of Google's first version."""
    said = {"Spherical": "true", "Stitched": "true", "StitchingSoftware": "test", **tags}
    inside = "".join(f"<GSpherical:{key}>{value}</GSpherical:{key}>" for key, value in said.items())
    spaces = (
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
        'xmlns:GSpherical="http://ns.google.com/videos/1.0/spherical/"'
    )
    return (
        f'<?xml version="1.0"?><rdf:SphericalVideo {spaces}>{inside}</rdf:SphericalVideo>'.encode()
    )


def tagged(path: Path, entry: bytes = b"", xml: bytes = b"") -> Path:
    """An MP4 with boxes added to its sample entry, and V1's to its track."""
    data = path.read_bytes()
    index = data.find(b"moov") - 4
    path.write_bytes(data[:index] + _added(data[index:], TO_ENTRY, entry, xml))
    return path


def _added(data: bytes, way: tuple[bytes, ...], entry: bytes, xml: bytes) -> bytes:
    out, place = b"", 0
    while place < len(data):
        size, kind = struct.unpack(">I4s", data[place : place + 8])
        content = data[place + 8 : place + size]
        if way and kind == way[0] == b"stsd":
            content = content[:8] + box(content[12:16], content[16:], entry)
        elif way and kind == way[0]:
            content = _added(content, way[1:], entry, xml)
            content += box(b"uuid", V1_ID, xml) if kind == b"trak" and xml else b""
        out, place = out + box(kind, content), place + size
    return out
