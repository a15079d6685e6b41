"""Whatever is wrong with a file, the line about it has none of a library's own words."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from panodepth.errors import PanodepthError
from panodepth.export.saved import read_saved
from panodepth.images import read_image
from panodepth.lab.data.distances import DistanceFile
from panodepth.lab.data.source import read_json
from panodepth.predict.lenses.rig import read_rig
from panodepth.predict.metric.files import read_anchor, read_points, read_pose
from panodepth.scene.poses import read_poses
from panodepth.strict import read_toml

PIXELS = np.random.default_rng(3).integers(0, 256, (16, 32, 3), np.uint8)
MAP = np.linspace(1, 5, 512, dtype=np.float32).reshape(16, 32)
# Of Python, NumPy, Pillow, OpenCV, zipfile, json, tomllib: what their messages are made of.
FOREIGN = re.compile(
    r"unpack|buffer|struct|codec|decoder error|NoneType|object|argument|attribute|index out|"
    r"magic|BadZip|zip file|CRC|reshape|cannot identify|unsupported operand|'utf-8'|np\.|dtype|"
    r"0x[0-9a-f]{5}|Expecting|literal|Errno|tuple|subscript|iterable|bytes-like|broken|Traceback|[a-z]\("
)


def saved(save: Callable[[io.BytesIO], Any]) -> bytes:
    file = io.BytesIO()
    save(file)
    return file.getvalue()


def by_pillow(kind: str, **how: Any) -> bytes:
    return saved(lambda file: Image.fromarray(PIXELS).save(file, kind, **how))


PLY = "ply\nformat {}\nelement vertex 60\nproperty float x\nproperty float y\nproperty float z\n"
POINTS = np.random.default_rng(0).random((60, 3)).astype("<f4")
META = json.dumps({"unit": "m", "prediction": {"name": "a"}})
CAMERA = {"image": "a.jpg", "model": "pinhole", "width": 10, "height": 8, "yaw_deg": 0}
CAMERA |= {"fx": 9, "fy": 9, "cx": 5, "cy": 4}
GOOD: dict[str, bytes] = {
    "a.jpg": by_pillow("JPEG"),
    "scans.jpg": by_pillow("JPEG", progressive=True),
    "a.png": by_pillow("PNG"),
    "deep.png": cv2.imencode(".png", PIXELS.astype(np.uint16) * 257)[1].tobytes(),
    "a.webp": by_pillow("WEBP", lossless=True),
    "a.tif": saved(lambda file: tifffile.imwrite(file, PIXELS, photometric="rgb")),
    "lzw.tif": by_pillow("TIFF", compression="tiff_lzw"),
    "deep.tif": saved(lambda file: tifffile.imwrite(file, PIXELS.astype(np.uint16))),
    "a.hdr": cv2.imencode(".hdr", PIXELS.astype(np.float32))[1].tobytes(),
    "a.avif": by_pillow("AVIF"),
    "a.npz": saved(lambda file: np.savez(file, distance=MAP, mask=MAP > 2, meta=META)),
    "packed.npz": saved(lambda file: np.savez_compressed(file, distance=MAP)),
    "a.npy": saved(lambda file: np.save(file, MAP)),
    "a.csv": b"x,y,z\n" + b"".join(b"%f,%f,%f\n" % tuple(row) for row in POINTS.tolist()),
    "a.ply": PLY.format("binary_little_endian 1.0").encode() + b"end_header\n" + POINTS.tobytes(),
    "pose.json": json.dumps(np.eye(4).tolist()).encode(),
    "poses.json": b'{"rooms": [{"name": "a", "yaw_deg": 3, "position": [1, 2, 3]}]}',
    "rig.json": json.dumps({"cameras": [CAMERA]}).encode(),
    "side.json": b'{"scale": 0.001, "unit": "m"}',
    "recipe.toml": b'seed = 3\n[data]\nbatch = 4\nname = "a"\n',
}
OF_NAME: dict[str, list[Callable[[Path], object]]] = {
    "pose.json": [read_pose],
    "poses.json": [read_poses],
    "rig.json": [read_rig],
    "side.json": [lambda path: read_json(path, '{"scale": 0.001}')],
    "recipe.toml": [read_toml],
}
OF_ENDING: dict[str, list[Callable[[Path], object]]] = {
    ".npz": [DistanceFile(), read_saved, read_anchor],
    ".npy": [DistanceFile()],
    ".csv": [read_points],
    ".ply": [read_points],
    ".tif": [read_image, DistanceFile(scale=0.001)],
    ".png": [read_image, DistanceFile(scale=0.001), read_anchor],
}


def check(name: str, content: bytes, path: Path) -> None:
    path.write_bytes(content)
    for read in OF_NAME.get(name) or OF_ENDING.get(path.suffix, [read_image]):
        try:
            read(path)
        except PanodepthError as error:
            text = str(error)
            assert str(path) in text
            told = text.replace(str(path), "").replace("(4,", "").replace("--", "")
            assert "\n" not in told
            found = FOREIGN.search(told)
            assert found is None, f"{found}: {told}"


@pytest.mark.parametrize("name", GOOD)
def test_files_that_end_early(name: str, tmp_path: Path) -> None:
    content = GOOD[name]
    check(name, content, tmp_path / f"whole{Path(name).suffix}")
    for length in sorted({*range(0, min(64, len(content)), 3), len(content) // 2}):
        check(name, content[:length], tmp_path / f"cut{Path(name).suffix}")


@pytest.mark.parametrize("name", GOOD)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_files_that_say_something_else(name: str, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(GOOD[name])
    early = st.integers(0, min(200, len(content)) - 1)
    for at in data.draw(st.lists(early | st.integers(0, len(content) - 1), min_size=1, max_size=3)):
        new = data.draw(
            st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\x80", b"\xff\xff\xff\x7f", b" "])
        )
        content[at : at + len(new)] = new
    check(name, bytes(content), tmp_path / f"other{Path(name).suffix}")
