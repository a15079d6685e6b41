"""VR180, GDepth, disparity and the dome, read back without the package's own code."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import shutil
import struct
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import OpenEXR
import pytest
import trimesh
from PIL import Image

from panodepth.errors import ConfigError, OutputError
from panodepth.export.stereo.dome import sphere
from panodepth.export.stereo.ods import LEFT, RIGHT, eye_picture
from panodepth.geometry.lens import Pinhole
from panodepth.types import Prediction

DESCRIPTION = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description"


@pytest.fixture
def room(make_room: Callable[..., Prediction]) -> Prediction:
    """With smooth colours, which JPEG keeps."""
    room = make_room(128, 256, masked=False)
    directions = room.points / np.linalg.norm(room.points, axis=-1, keepdims=True)
    return replace(room, image=np.rint((directions + 1) * 127.5).astype(np.uint8))


def xmp(content: bytes) -> dict[str, str]:
    """All values of a JPEG's XMP, of its extended packet too, by name without namespace."""
    packet, pieces, at = b"", {}, 2
    while content[at + 1] != 0xDA:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        body = content[at + 4 : at + 2 + length]
        if marker == 0xE1 and body.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
            packet = body.partition(b"\0")[2]
        if marker == 0xE1 and body.startswith(b"http://ns.adobe.com/xmp/extension/\0"):
            name, body = body.partition(b"\0")[2][:32], body.partition(b"\0")[2][32:]
            whole, place = struct.unpack(">II", body[:8])
            pieces[place] = name, whole, body[8:]
        at += 2 + length
    values = _attributes(re.sub(rb"<\?xpacket[^>]*\?>", b"", packet))
    extended = b"".join(piece for _, (_, _, piece) in sorted(pieces.items()))
    told = values.pop("HasExtendedXMP")
    assert told == hashlib.md5(extended).hexdigest().upper()
    assert {(name.decode(), whole) for name, whole, _ in pieces.values()} == {(told, len(extended))}
    return values | _attributes(extended)


def _attributes(packet: bytes) -> dict[str, str]:
    (found,) = ElementTree.fromstring(packet).iter(DESCRIPTION)
    return {key.partition("}")[2]: value for key, value in found.attrib.items()}


def opened(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content))).astype(int)


def test_vr180_holds_both_eyes(room: Prediction, tmp_path: Path) -> None:
    (path,) = room.save(tmp_path, ["vr180"])
    assert path.name == "room.vr.jpg"
    told = xmp(path.read_bytes())
    right = base64.b64decode(told["Data"])
    assert told["Mime"] == "image/jpeg"
    for content, side in ((path.read_bytes(), LEFT), (right, RIGHT)):
        expected = eye_picture(room, side)[:, 64:192].astype(int)
        assert np.abs(opened(content) - expected).mean() < 1
    area = {k: int(v) for k, v in told.items() if k.endswith("Pixels")}
    assert area == {
        "FullPanoWidthPixels": 256,
        "FullPanoHeightPixels": 128,
        "CroppedAreaLeftPixels": 64,
        "CroppedAreaTopPixels": 0,
        "CroppedAreaImageWidthPixels": 128,
        "CroppedAreaImageHeightPixels": 128,
    }


def test_vr180_can_look_elsewhere(room: Prediction, tmp_path: Path) -> None:
    (path,) = room.save(tmp_path, ["vr180"], heading=90.0, ipd=0.0)
    np.testing.assert_allclose(opened(path.read_bytes()), room.image[:, 128:].astype(int), atol=12)


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_exiftool_extracts_the_right_eye_and_the_depth(room: Prediction, tmp_path: Path) -> None:
    files = room.save(tmp_path, ["vr180", "gdepth"])

    def extracted(tag: str, path: Path) -> bytes:
        return subprocess.run(
            ["exiftool", "-b", f"-XMP:{tag}", path], capture_output=True, check=True
        ).stdout

    right = opened(extracted("ImageData", files[0]))
    assert np.abs(right - eye_picture(room, RIGHT)[:, 64:192]).mean() < 1
    depth = opened(extracted("DepthImage", files[1]))
    assert depth.shape == (128, 256)
    assert depth.max() == 65535
    said = subprocess.run(["exiftool", "-warning", *files], capture_output=True, text=True)
    assert "Warning" not in said.stdout


@pytest.mark.parametrize(("bits", "share"), [(16, 0.0005), (8, 0.02)])
def test_gdepth_is_decoded_by_google_s_formula(
    room: Prediction, tmp_path: Path, bits: int, share: float
) -> None:
    (path,) = room.save(tmp_path, ["gdepth"], bits=bits)
    told = xmp(path.read_bytes())
    expected = {"Format": "RangeInverse", "Units": "m", "MeasureType": "OpticRay"}
    assert expected.items() <= told.items()
    assert told["ProjectionType"] == "equirectangular"
    near, far = float(told["Near"]), float(told["Far"])
    value = opened(base64.b64decode(told["Data"])) / ((1 << bits) - 1)
    distance = far * near / (far - value * (far - near))
    # The formula's n runs from Near, 0, to Far, 1.
    np.testing.assert_allclose(distance, room.distance, rtol=share)
    assert np.abs(opened(path.read_bytes()) - room.image).mean() < 1


def test_gdepth_of_a_photograph_is_no_panorama(room: Prediction, tmp_path: Path) -> None:
    photo = replace(room, lens=Pinhole.from_fov(1.0, (128, 256)), meta={"name": "photo"})
    told = xmp(photo.save(tmp_path, ["gdepth"])[0].read_bytes())
    assert "ProjectionType" not in told
    assert "Units" not in told  # relative
    assert (told["ImageWidth"], told["ImageHeight"]) == ("256", "128")


def test_the_sky_is_far_and_black(room: Prediction, tmp_path: Path) -> None:
    sky = np.zeros(room.mask.shape, bool)
    sky[:40] = True
    open_air = replace(room, mask=~sky, sky_mask=sky)
    depth, grey = open_air.save(tmp_path, ["gdepth", "disparity"])
    assert (opened(base64.b64decode(xmp(depth.read_bytes())["Data"]))[:40] == 65535).all()
    assert grey.name == "room_depth.png"
    shown = opened(grey.read_bytes())
    assert not shown[:40].any()
    near, far = (room.distance[80] == pick(room.distance[80]) for pick in (np.min, np.max))
    assert shown[80][near].min() > shown[80][far].max()
    order = np.argsort(room.distance[80])
    assert (np.diff(shown[80][order]) <= 0).all()
    assert (shown.min(), shown.max()) == (0, 255)


def test_the_dome_pushed_out_is_the_room(
    room: Prediction, room_corners: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    files = room.save(tmp_path, ["dome"], columns=128)
    assert [path.name for path in files] == ["room_dome.glb", "room_dome.glb.exr"]
    mesh = trimesh.load_mesh(files[0], process=False)
    with OpenEXR.File(str(files[1]), separate_channels=True) as file:
        displacement = file.channels()["Y"].pixels
    np.testing.assert_allclose(np.linalg.norm(mesh.vertices, axis=-1), 1, atol=1e-6)
    u, v = mesh.visual.uv[:, 0] * 256 - 0.5, (1 - mesh.visual.uv[:, 1]) * 128 - 0.5
    corners = [
        displacement[np.clip(row, 0, 127).astype(int), np.mod(column, 256).astype(int)]
        for row in (np.floor(v), np.ceil(v))
        for column in (np.floor(u), np.ceil(u))
    ]
    pushed = mesh.vertices * (1 + np.mean(corners, 0))[:, None]
    low, high = room_corners  # y up, z back
    np.testing.assert_allclose(pushed.min(0), [low[0], -high[1], -high[2]], atol=0.01)
    np.testing.assert_allclose(pushed.max(0), [high[0], -low[1], -low[2]], atol=0.01)
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    assert mesh.is_watertight
    assert mesh.euler_number == 2
    assert mesh.volume == pytest.approx(4 / 3 * np.pi, rel=0.01)  # > 0: corners from outside


def test_the_dome_s_sky_is_the_farthest_surface_whatever_the_network_says(
    room: Prediction, tmp_path: Path
) -> None:
    sky = np.zeros_like(room.mask)
    sky[:30] = True
    farthest = room.distance[~sky].max()
    outdoors = replace(
        room,
        distance=np.where(sky, farthest, room.distance),
        mask=~sky,
        raw=np.where(sky, np.float32(0.5), room.distance),
        sky_mask=sky,
    )
    with OpenEXR.File(str(outdoors.save(tmp_path, ["dome"])[1]), separate_channels=True) as file:
        displacement = file.channels()["Y"].pixels
    np.testing.assert_allclose(displacement[sky], farthest - 1)


def test_a_sphere_s_picture_lies_where_it_is_seen() -> None:
    positions, uv, faces = sphere(16)
    ahead = positions[:, 2] < -0.999
    np.testing.assert_allclose(uv[ahead], [[0.5, 0.5]])
    right = positions[:, 0] > 0.999
    np.testing.assert_allclose(uv[right], [[0.75, 0.5]])
    up = positions[:, 1] > 0.999
    assert (uv[up][:, 1] == 0).all()
    assert len(faces) == 2 * 16 * 7


def test_relative_distances_and_no_surface_at_all(room: Prediction, tmp_path: Path) -> None:
    relative = replace(room, meta={"name": "r", "unit": "relative"})
    with pytest.raises(OutputError, match=r"--camera-height, --scale learned"):
        relative.save(tmp_path, ["vr180"])
    files = relative.save(tmp_path, ["gdepth", "disparity", "dome"])
    assert len(files) == 4
    for path in files:
        path.unlink()
    empty = replace(room, mask=np.zeros_like(room.mask))
    for name in ("gdepth", "disparity"):
        with pytest.raises(OutputError, match="no pixel is valid"):
            empty.save(tmp_path, [name])
    with pytest.raises(ConfigError, match="bits must be 8 or 16, not 12"):
        room.save(tmp_path, ["gdepth"], bits=12)
    with pytest.raises(ConfigError, match="heading"):
        room.save(tmp_path, ["vr180"], heading=200.0)
    assert list(tmp_path.iterdir()) == []


def test_long_metadata_still_fit(room: Prediction, tmp_path: Path) -> None:
    long = replace(room, meta={**room.meta, "source": "x" * 80_000})
    (path,) = long.save(tmp_path, ["gdepth"])
    comment = re.search(rb"\{\"generator\".*?\"prediction\": \{\}\}", path.read_bytes())
    assert comment is not None
    assert json.loads(comment[0])["unit"] == "m"
