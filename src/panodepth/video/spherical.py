"""What a video's tags say of its frames: projection, part of the sphere, pose, and two eyes.

FFmpeg tells of MP4's (Google's Spherical Video, Apple's) and Matroska's tags with each frame, in
the numbers of its libavutil/spherical.h and stereo3d.h; `boxes` of what it leaves out.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from panodepth.errors import InputError
from panodepth.images.gpano import pano_tags
from panodepth.video.boxes import Said, said

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.stream import VideoStream

EYES = {1: "left-right", 2: "top-bottom"}  # AVStereo3DType
INTERLEAVED = (3, 4, 5, 6, 7)  # of that: frames in turn, checkerboards, rows, columns
MODES = {1: "top-bottom", 2: "left-right", 4: "left-right"}  # of `st3d`
RIGHT_LEFT, CUSTOM = 4, 3
CUBEMAP, HALF = 1, 3  # AVSphericalProjection; 0 and 2 are the whole sphere and a part of it
OTHERS = {4: "rectilinear", 5: "fisheye", 6: "immersive (a lens of its own)"}
ONE = 1 << 32  # of the shares that are cropped
Shares = tuple[float, float, float, float]
NOTHING: Shares = (0.0, 0.0, 0.0, 0.0)
QUARTER: Shares = (0.25, 0.0, 0.25, 0.0)  # what half a sphere lacks: left, top, right, bottom
MOST = 0.99  # of the sphere's width or height that may be lacking
USE = "--projection and --stereo say what took it"


@dataclass(frozen=True)
class Tags:
    """What is said of the frames of a video.

    projection: "erp", "cubemap", or "" = nothing is said. stereo: of `EYES`, or "none". second:
    whether the left eye's picture is the second of the two. lacks: left, top, right, bottom: shares
    of the whole sphere's width and height that are not in a picture. pose_deg: 0, pitch, roll.
    """

    projection: str = ""
    stereo: str = "none"
    second: bool = False
    lacks: Shares = NOTHING
    pose_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __str__(self) -> str:
        parts = []
        if self.stereo != "none":
            parts.append(f"of two eyes ({self.stereo}) the left one is read")
        if any(self.lacks):
            left, top, right, bottom = self.lacks
            across, down = 360 * (1 - left - right), 180 * (1 - top - bottom)
            parts.append(f"it is {across:.4g}°x{down:.4g}° of the sphere, the rest is masked")
        if self.projection == "cubemap":
            parts.append("it is a cubemap")
        return "; ".join(parts)


def tags_of(path: Path, stream: VideoStream, frame: VideoFrame) -> Tags:
    """What is said of the frames of a stream. frame: its first.

    Raises InputError for what cannot be read, and for what cannot be.
    """
    mp4 = "mp4" in stream.container.format.name
    more = said(path, stream.id) if mp4 else Said()
    data = side_data(frame)
    tags = _eyes(path, data.get("STEREO3D", b""), more)
    if more.projection not in (b"", b"equi", b"cbmp"):
        raise _unread(path, "a mesh" if more.projection == b"mshp" else "an unknown kind")
    if more.xml and not more.projection:
        return _of_v1(path, more.xml, tags)
    if "SPHERICAL" in data:
        return _of_ffmpeg(path, data["SPHERICAL"], tags)
    return tags


def side_data(frame: VideoFrame) -> dict[str, bytes]:
    """What FFmpeg tells of a frame beside its picture, by name."""
    held: Any = frame.side_data  # PyAV's types take it for a mapping alone
    return {each.type.name: bytes(each) for each in held}


def _eyes(path: Path, data: bytes, more: Said) -> Tags:
    """The tags of two eyes alone. data: AVStereo3D."""
    if more.stereo is not None:
        if more.stereo == CUSTOM:
            raise InputError(f"{path}: its tags say two eyes in a way of its own; {USE}")
        stereo = MODES.get(more.stereo, "none")
        return Tags(stereo=stereo, second=more.stereo == RIGHT_LEFT)
    kind, flags = struct.unpack_from("=2i", data) if len(data) >= 8 else (0, 0)
    if kind in INTERLEAVED:
        raise InputError(
            f"{path}: its tags say that frames or pixels are of both eyes in turn, which is not "
            "read: save the left eye's picture alone"
        )
    return Tags(stereo=EYES.get(kind, "none"), second=kind in EYES and bool(flags & 1))


def _of_ffmpeg(path: Path, data: bytes, tags: Tags) -> Tags:
    """data: AVSphericalMapping."""
    kind, _, pitch, roll, *bounds, padding = struct.unpack_from("=4i5I", data)
    if kind in OTHERS or (kind == CUBEMAP and padding):
        raise _unread(path, OTHERS.get(kind, f"a cubemap with a padding of {padding} pixels"))
    left, top, right, bottom = (bound / ONE for bound in bounds)
    lacks = {CUBEMAP: NOTHING, HALF: QUARTER}.get(kind, (left, top, right, bottom))
    projection = "cubemap" if kind == CUBEMAP else "erp"
    pose = (0.0, pitch / 65536, roll / 65536)
    return _checked(path, replace(tags, projection=projection, lacks=lacks, pose_deg=pose))


def _of_v1(path: Path, xml: bytes, tags: Tags) -> Tags:
    """xml: of V1, whose names are those of GPano; it has no pose, only where a viewer looks."""
    if _field(xml, b"Spherical") != "true":
        return tags
    told = pano_tags(xml.replace(b"GSpherical:", b"GPano:"), str(path))
    projection = str(told.get("ProjectionType", "equirectangular"))
    if projection.lower() != "equirectangular":
        raise _unread(path, projection[:40])
    names = ("FullPanoWidth", "FullPanoHeight", "CroppedAreaImageWidth", "CroppedAreaImageHeight")
    width, height, across, down = (int(told.get(f"{name}Pixels", 0)) for name in names)
    lacks = NOTHING
    if min(width, height, across, down) > 0:
        left, top = (int(told.get(f"CroppedArea{side}Pixels", 0)) for side in ("Left", "Top"))
        right, bottom = width - left - across, height - top - down
        lacks = (left / width, top / height, right / width, bottom / height)
    mode = _field(xml, b"StereoMode")
    if tags.stereo == "none" and mode in EYES.values():
        tags = replace(tags, stereo=mode)
    return _checked(path, replace(tags, projection="erp", lacks=lacks))


def _field(xml: bytes, name: bytes) -> str:
    found = re.search(rb"GSpherical:" + name + rb">([^<]*)", xml)
    return found[1].decode("ascii", "replace").strip().lower() if found else ""


def _checked(path: Path, tags: Tags) -> Tags:
    """The tags, if there can be such a part of the sphere and such a pose."""
    left, top, right, bottom = tags.lacks
    if min(tags.lacks) < 0 or left + right > MOST or top + bottom > MOST:
        told = ", ".join(f"{share:.3g}" for share in tags.lacks)
        raise InputError(
            f"{path}: its tags contradict each other (cropped by {told} at left, top, right, "
            "bottom); correct or remove them"
        )
    _, pitch, roll = tags.pose_deg
    if abs(pitch) > 90 or abs(roll) > 180:
        raise InputError(f"{path}: its tags say a pose of pitch {pitch:g}°, roll {roll:g}°")
    return tags


def _unread(path: Path, what: str) -> InputError:
    return InputError(
        f"{path}: its tags say that its projection is {what}, not read by tags; {USE}"
    )
