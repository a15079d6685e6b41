"""What a file says about itself is read back from every format, and from no other file."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import plyfile
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from panodepth.export import WRITERS, output_paths, save
from panodepth.export.clouds.ply import write_ply
from panodepth.export.mark import foreign, is_result, stated
from panodepth.types import Prediction

BY_SIDECAR = ("pfm", "splat", "splat-binary", "usdc", "pointcloud2", "mcap", "rosbag2")
MAX_LINE = 400  # bytes; MeshLab refuses lines from 510 on, Open3D ends its process at 1024


def header_lines(path: Path) -> list[bytes]:
    return path.read_bytes().partition(b"end_header\n")[0].split(b"\n")


@pytest.mark.parametrize("key", WRITERS)
def test_every_format_says_what_was_predicted(
    key: str, make_room: Callable[..., Prediction], tmp_path: Path
) -> None:
    name = "全天球写真 \udce9\n" * 3
    source = f"{name}]]>" * 9
    room = make_room(name=name, source=source, model="m" * 700, share=np.float32(0.5))
    files = save(room, f"{tmp_path}/", [key])
    assert files == output_paths(tmp_path, name, [key])[key]
    for path in files:
        renamed = path if key in BY_SIDECAR else path.rename(tmp_path / "no ending at all")
        told = stated(renamed)
        assert told is not None
        expected = {} if key == "stl" else {**room.meta, "share": 0.5}  # 80 bytes are its header
        assert told["prediction"] == expected
        assert is_result(renamed)
        assert not foreign([renamed, tmp_path / "nothing"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    name=st.text(max_size=900),
    spaces=st.integers(0, 900),
    unit=st.sampled_from(["m", "meter\nend_header\n", "米" * 300, " " * 600]),
)
def test_no_ply_line_is_long_whatever_it_says(
    name: str, spaces: int, unit: str, make_room: Callable[..., Prediction], tmp_path: Path
) -> None:
    room = make_room(8, 16, name=name + spaces * " " + name, unit=unit)
    write_ply(room, tmp_path / "c.ply")
    lines = header_lines(tmp_path / "c.ply")
    assert max(map(len, lines)) < MAX_LINE
    assert all(
        line.isascii() and line == line.strip() for line in lines[1:-1] if b"unit" not in line
    )
    told = stated(tmp_path / "c.ply")
    assert told is not None
    assert told["prediction"] == room.meta
    assert plyfile.PlyData.read(tmp_path / "c.ply")["vertex"].count == room.mask.sum()


def test_ply_files_of_the_first_version_are_known(room: Prediction, tmp_path: Path) -> None:
    text = json.dumps({"generator": "panodepth 0.1.0", "prediction": room.meta})
    (tmp_path / "old.ply").write_text(f"ply\ncomment panodepth {text}\nend_header\n")
    assert is_result(tmp_path / "old.ply")


def others(folder: Path) -> dict[str, Any]:
    """Files of anybody else, and what is no file."""
    Image.fromarray(np.zeros((8, 16, 3), np.uint8)).save(folder / "a_preview.png")
    Image.fromarray(np.zeros((8, 16, 3), np.uint8)).save(folder / "b.jpg")
    np.savez(folder / "a_distance.npz", distance=np.ones((8, 16)), meta=np.array("{}"))
    np.savez(folder / "objects.npz", meta=np.array([{}], dtype=object))
    (folder / "a.json").write_text('{"generator": "panodepth 1"}')
    (folder / "deep.json").write_text('{"a":' * 100_000)
    (folder / "cut.glb").write_bytes(b"glTF\2\0\0\0")
    (folder / "cut.exr").write_bytes(b"\x76\x2f\x31\x01")
    (folder / "folder").mkdir()
    (folder / "ring").symlink_to("ring")
    os.mkfifo(folder / "pipe.png")
    return {path.name: path for path in folder.iterdir()}


def test_files_of_others_are_not_ours(tmp_path: Path) -> None:
    for path in others(tmp_path).values():
        assert stated(path) is None
        assert foreign([path]) == path
    assert stated(tmp_path / "nothing") is None
    assert foreign([tmp_path / "nothing"]) is None


@pytest.mark.parametrize("length", [0, 1])
def test_a_jpeg_comment_without_a_length_is_not_read(tmp_path: Path, length: int) -> None:
    path = tmp_path / "c.jpg"
    said = json.dumps({"generator": "panodepth 1.0", "prediction": {}}).encode()
    path.write_bytes(b"\xff\xd8\xff\xfe" + struct.pack(">H", length) + said)
    assert stated(path) is None
    whole = struct.pack(">H", 2 + len(said)) + said
    path.write_bytes(b"\xff\xd8\xff\xfe" + whole + bytes(99))
    assert stated(path) is not None
