"""Where files go, what they are called, and that none is ever half written."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from panodepth.atomic import atomic
from panodepth.errors import OutputError
from panodepth.export import DEFAULT_FORMATS, WRITERS, output_paths, parse_formats, save
from panodepth.export.formats import OTHER_NAMES
from panodepth.export.registry import ENDINGS
from panodepth.types import Prediction

NAMES = {
    "npz": ["room_distance.npz"],
    "exr": ["room_distance.exr"],
    "png": ["room_distance.png", "room_distance.png.json"],
    "tiff": ["room_distance.tiff"],
    "pfm": ["room_distance.pfm", "room_distance.pfm.json"],
    "mask": ["room_mask.png"],
    "normals": ["room_normals.exr"],
    "normals-png": ["room_normals.png"],
    "preview": ["room_preview.png"],
    "preview-plain": ["room_preview-plain.png"],
    **{f"confidence-{kind}": [f"room_confidence.{kind}"] for kind in ("npz", "exr", "png")},
    "ply": ["room_points.ply"],
    "points-glb": ["room_points.glb"],
    "points-usdz": ["room_points.usdz"],
    "pcd": ["room_points.pcd"],
    "las": ["room_points.las"],
    "laz": ["room_points.laz"],
    "e57": ["room_points.e57"],
    "glb": ["room.glb"],
    "laserscan": ["room_scan.json"],
    "occupancy": ["room_map.png", "room_map.png.yaml"],
    "pointcloud2": ["room_points.cdr", "room_points.cdr.json"],
    "octomap": ["room.bt"],
    "mcap": ["room.mcap", "room.mcap.json"],
    "rosbag2": ["room_bag/bag.db3", "room_bag/bag.db3.json", "room_bag/metadata.yaml"],
    "birdseye": ["room_birdseye.npz"],
    **{name: [f"room_{name}.zip"] for name in ("views", "colmap", "nerfstudio")},
    "gdepth": ["room_gdepth.jpg"],
    "ods": ["room_360_TB.png"],
    "ods-jpeg": ["room_360_TB.jpg"],
    "vr180": ["room.vr.jpg"],
    "disparity": ["room_depth.png"],
    "dome": ["room_dome.glb", "room_dome.glb.exr"],
    "light-dome": ["room_light.glb"],
    "obj": ["room.obj", "room.obj.mtl", "room.obj.jpg"],
    "ply-mesh": ["room_mesh.ply", "room_mesh.ply.jpg"],
    "stl": ["room.stl"],
    "usdz": ["room.usdz"],
    "usdc": ["room.usdc", "room.usdc.jpg", "room.usdc.json"],
    "light-dome-usd": ["room_light.usdz"],
    "splat": ["room_splat.ply", "room_splat.ply.json"],
    "splat-binary": ["room.splat", "room.splat.json"],
    "gltf-splat": ["room_splat.glb"],
    "html": ["room.html"],
}


def test_every_format_writes_the_files_it_promises(room: Prediction, tmp_path: Path) -> None:
    assert set(WRITERS) == set(NAMES)
    written = save(room, tmp_path / "out", list(WRITERS))
    out = tmp_path / "out"
    assert [p.relative_to(out).as_posix() for p in written] == [
        name for names in NAMES.values() for name in names
    ]
    assert sorted(p for p in out.rglob("*") if p.is_file()) == sorted(written)
    promised = output_paths(tmp_path / "out", "room", list(WRITERS))
    assert [p for paths in promised.values() for p in paths] == written
    reference = tmp_path / "reference"
    reference.touch()
    for path in written:  # ordinary permissions, though made under a temporary name
        assert path.stat().st_mode == reference.stat().st_mode, path.name


def test_default_formats_and_default_name(room: Prediction, tmp_path: Path) -> None:
    nameless = Prediction(room.distance, room.mask, room.image)
    names = [p.name for p in save(nameless, f"{tmp_path}/new/folder/")]
    assert names == ["panorama_distance.npz", "panorama_preview.png", "panorama_points.ply"]
    assert DEFAULT_FORMATS == ("npz", "preview", "ply")


def test_names_with_slashes_stay_in_the_folder(room: Prediction, tmp_path: Path) -> None:
    evil = Prediction(room.distance, room.mask, room.image, {"name": "../a/b"})
    assert save(evil, tmp_path, ["preview"]) == [tmp_path / ".._a_b_preview.png"]


@pytest.mark.parametrize(
    ("name", "starts"),
    [
        ("a.npz", b"PK"),
        ("a.exr", b"\x76\x2f\x31\x01"),
        ("a.png", b"\x89PNG"),
        ("a.tiff", b"II*\0"),
        ("a.tif", b"II*\0"),
        ("a.PLY", b"ply\n"),
        ("a.glb", b"glTF"),
        ("a.html", b"<!doctype html>"),
    ],
)
def test_the_ending_of_a_file_chooses_the_format(
    room: Prediction, tmp_path: Path, name: str, starts: bytes
) -> None:
    files = save(room, tmp_path / "made" / name)
    assert files[0] == tmp_path / "made" / name
    assert files[0].read_bytes().startswith(starts)


def test_a_file_with_a_format_of_its_ending(room: Prediction, tmp_path: Path) -> None:
    save(room, tmp_path / "n.exr", ["normals"])
    save(room, tmp_path / "c.glb", ["points-glb"])
    assert (tmp_path / "c.glb").stat().st_size != (save(room, tmp_path / "m.glb")[0]).stat().st_size
    for formats in (["ply"], ["exr", "normals"]):
        with pytest.raises(OutputError, match=r"n\.exr: a \.exr file cannot hold"):
            save(room, tmp_path / "n.exr", formats)


@pytest.mark.parametrize(
    ("name", "format_name"),
    [("s.json", "laserscan"), ("c.zip", "colmap"), ("g.JPEG", "gdepth"), ("o.bt", "octomap")],
)
def test_a_named_format_gives_a_file_of_its_ending(
    room: Prediction, tmp_path: Path, name: str, format_name: str
) -> None:
    files = save(room, tmp_path / name, [format_name])
    assert files == [tmp_path / name]
    assert files[0].is_file()
    with pytest.raises(OutputError, match=rf"a \.{name[2:].lower()} file cannot hold npz"):
        save(room, tmp_path / f"2{name}", ["npz"])
    bag = save(room, tmp_path / "a.db3", ["rosbag2"])[0]  # several files, so a folder
    assert bag.relative_to(tmp_path) == Path("a.db3/room_bag/bag.db3")


def test_every_format_of_one_file_can_be_given_its_place() -> None:
    endings = {Path(f"x{row.ending}").suffix for row in WRITERS.values()} - {".db3"}  # a folder's
    assert endings <= set(ENDINGS)


def test_a_folder_is_a_folder_whatever_its_name(room: Prediction, tmp_path: Path) -> None:
    (tmp_path / "results.png").mkdir()
    assert save(room, tmp_path / "results.png", ["npz"])[0].parent.name == "results.png"
    assert save(room, tmp_path / "v1.2", ["npz"])[0].parent.name == "v1.2"
    with pytest.raises(OutputError, match=r"room\.fbx: unknown ending '\.fbx'; .*\.glb"):
        save(room, tmp_path / "room.fbx")


def test_without_confidence_the_file_is_named(room: Prediction, tmp_path: Path) -> None:
    for kind in ("npz", "exr", "png"):
        with pytest.raises(OutputError, match=rf"room_confidence\.{kind}: .* --confidence"):
            save(replace(room, confidence=None), tmp_path, [f"confidence-{kind}"])
    assert not list(tmp_path.iterdir())


def test_unknown_formats_are_answered_with_the_list(room: Prediction, tmp_path: Path) -> None:
    with pytest.raises(
        OutputError, match=r"unknown format 'fbx' \(perhaps glb, .*; there are: npz, exr, png"
    ) as caught:
        save(room, tmp_path / "o", ["npz", "fbx"])
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "o").exists()
    with pytest.raises(OutputError, match="no format named"):
        parse_formats([])
    for name, says in (("lasr-scan", r" \(perhaps laserscan, "), ("qqq", "; there are: npz")):
        with pytest.raises(OutputError, match=f"unknown format '{name}'{says}"):
            parse_formats([name])
    assert set(OTHER_NAMES.values()) <= set(WRITERS)
    assert not set(OTHER_NAMES) & set(WRITERS)
    assert parse_formats(["NPZ, ply", "npz"]) == ("npz", "ply")
    assert parse_formats("glb") == ("glb",)


@pytest.mark.parametrize("format_name", list(WRITERS))
def test_unwritable_places_are_one_clear_line(
    room: Prediction, tmp_path: Path, format_name: str
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written") as caught:
        save(room, tmp_path / "file" / "sub", [format_name])
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "file") in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_read_only_folder_is_one_clear_line(room: Prediction, tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(OutputError, match="cannot be written"):
        save(room, tmp_path, ["npz"])


@pytest.mark.parametrize("format_name", list(WRITERS))
def test_a_full_disk_leaves_nothing_and_spoils_nothing(
    room: Prediction, tmp_path: Path, format_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.read_bytes() for path in save(room, tmp_path, [format_name])}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    changed = replace(room, distance=room.distance * 2)
    with pytest.raises(OutputError, match="No space left on device"):
        save(changed, tmp_path, [format_name])
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("format_name", list(WRITERS))
@pytest.mark.usefixtures("small_bands")
def test_a_disk_that_fills_in_the_middle_of_a_file_leaves_nothing(
    room: Prediction, tmp_path: Path, format_name: str
) -> None:
    resource = pytest.importorskip("resource")
    before = {path: path.read_bytes() for path in save(room, tmp_path, [format_name])}
    largest = max(map(len, before.values()))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest // 2, hard))  # real writes fail there
    try:
        with pytest.raises(OutputError, match="cannot be written") as caught:
            save(room, tmp_path, [format_name])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)  # by which a run tells a full disk
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_any_failure_removes_the_temporary_files(tmp_path: Path) -> None:
    def fail() -> None:
        with atomic(tmp_path / "a", tmp_path / "b") as (first, _):
            first.write_text("half")
            assert len(list(tmp_path.iterdir())) == 2
            raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        fail()
    assert not list(tmp_path.iterdir())


def test_metadata_takes_numpy_values_and_paths(room: Prediction, tmp_path: Path) -> None:
    meta = {
        "unit": "m",
        "scale": np.float32(2),
        "size": np.array([1, 2]),
        "source": Path("a/b"),
        "é": "ü",
    }
    odd = replace(room, meta=meta)
    assert len(save(odd, tmp_path, list(WRITERS))) == sum(map(len, NAMES.values()))
