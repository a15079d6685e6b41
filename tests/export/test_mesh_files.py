"""Meshes as OBJ, PLY, STL and USDZ, splats, PFM and light, read back by trimesh and by formula."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenEXR
import plyfile
import pytest
import trimesh

from panodepth.export.frames import FRAMES
from panodepth.export.mark import is_result
from panodepth.export.meshes.light import coded
from panodepth.export.splats.files import SH0
from panodepth.types import Prediction


@pytest.fixture
def whole(make_room: Callable[..., Prediction]) -> Prediction:
    return make_room(64, 128, masked=False)


@pytest.mark.parametrize("name", ["m.obj", "m.stl", "m.ply"])
@pytest.mark.parametrize("up", list(FRAMES))
def test_bounds_and_sense(
    whole: Prediction, room_corners: tuple, tmp_path: Path, name: str, up: str
) -> None:
    formats = ["ply-mesh"] if name == "m.ply" else None
    whole.save(tmp_path / name, formats, up=up)
    mesh = trimesh.load_mesh(tmp_path / name, process=False)
    corners = np.array(room_corners) @ FRAMES[up].matrix.T
    assert mesh.bounds == pytest.approx(np.sort(corners, axis=0), rel=0.03)
    if name == "m.stl":  # nothing else says of a unit that it is not the distance's
        said = json.loads((tmp_path / name).read_bytes()[:80])
        assert said.get("scale", 1) == pytest.approx(1 / FRAMES[up].per_unit)
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    assert mesh.is_watertight
    assert mesh.euler_number == 2
    assert mesh.volume < 0  # seen from within, in a left-handed frame too


def test_obj_names_its_files_and_its_texture_is_where_it_belongs(
    whole: Prediction, tmp_path: Path
) -> None:
    files = whole.save(tmp_path / "my room.obj")
    assert [file.name for file in files] == ["my room.obj", "my room.obj.mtl", "my room.obj.jpg"]
    text = files[0].read_text()
    assert "mtllib my room.obj.mtl\n" in text
    assert "map_Kd my room.obj.jpg\n" in files[1].read_text()
    mesh = trimesh.load_mesh(files[0], process=False)
    x, y, z = (mesh.vertices * [1, -1, -1]).T
    assert mesh.visual.uv[:, 1] == pytest.approx(
        0.5 - np.arctan2(y, np.hypot(x, z)) / np.pi, abs=1e-5
    )
    assert cv2.imread(str(files[2])).shape == (64, 128, 3)


def test_a_picture_beside_begins_as_jfif_has_it(whole: Prediction, tmp_path: Path) -> None:
    """APP0 comes first, the metadata behind it."""
    for name in ("obj", "ply-mesh"):
        picture = whole.save(tmp_path, [name])[-1]
        assert picture.read_bytes()[2:11] == b"\xff\xe0\0\x10JFIF\0"
        assert is_result(picture)


def test_obj_lines_are_whole_whatever_the_name(whole: Prediction, tmp_path: Path) -> None:
    mesh, material, _ = whole.save(tmp_path / "a\nb.obj")
    words = {line.split(" ")[0] for line in (mesh.read_text() + material.read_text()).splitlines()}
    known = {
        "",
        "#",
        "mtllib",
        "o",
        "usemtl",
        "v",
        "vt",
        "f",
        "newmtl",
        "Ka",
        "Kd",
        "illum",
        "map_Kd",
    }
    assert words <= known


@pytest.mark.parametrize("name", ["my room", "全天球写真" * 8, 'a"b', "caf\udce9", "a\nb"])
def test_ply_meshes_find_their_texture_whatever_their_name(
    whole: Prediction, tmp_path: Path, name: str
) -> None:
    path, picture = whole.save(tmp_path / f"{name}.ply", ["ply-mesh"])
    head = path.read_bytes().split(b"end_header")[0].split(b"\n")
    assert f"comment TextureFile {picture.name}".encode("ascii") in head
    assert max(map(len, head)) <= 400
    assert picture.parent == path.parent
    if name.isprintable():  # trimesh itself cannot encode others
        assert trimesh.load_mesh(path, process=False).visual.material.image.size == (128, 64)
    if name == "my room":
        assert picture.name == f"{path.name}.jpg"


def test_usd_is_written_where_its_library_still_holds_its_file(
    whole: Prediction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows removes nothing that is held."""
    pytest.importorskip("pxr.Usd")

    def unlink(path: Any, **more: Any) -> None:
        if str(path).endswith("panorama.usdc"):
            raise PermissionError(13, "The process cannot access the file")
        remove(path, **more)

    remove = os.unlink
    monkeypatch.setattr(os, "unlink", unlink)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in ("room.usdz", "room.usdc"):
        assert whole.save(tmp_path / name)[0].stat().st_size


def test_usdz(whole: Prediction, room_corners: tuple, tmp_path: Path) -> None:
    usd = pytest.importorskip("pxr.Usd")
    from pxr import UsdGeom

    relative = replace(whole, meta={**whole.meta, "unit": "relative"})
    for prediction, name in ((whole, "panorama"), (relative, "panorama_relative")):
        (file,) = prediction.save(tmp_path / f"{name}.usdz")
        with zipfile.ZipFile(file) as archive:
            assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
        stage = usd.Stage.Open(str(file))
        assert stage.GetDefaultPrim().GetName() == name
        assert UsdGeom.GetStageUpAxis(stage) == "Y"
        assert UsdGeom.GetStageMetersPerUnit(stage) == 1
        mesh = UsdGeom.Mesh(stage.GetPrimAtPath(f"/{name}/mesh"))
        points = np.array(mesh.GetPointsAttr().Get()) * [1, -1, -1]
        assert points.min(axis=0) == pytest.approx(room_corners[0], abs=0.05)
        assert np.array(mesh.GetExtentAttr().Get())[0] == pytest.approx(
            (points * [1, -1, -1]).min(axis=0)
        )


def test_usdc_names_the_picture_beside_it(whole: Prediction, tmp_path: Path) -> None:
    usd = pytest.importorskip("pxr.Usd")
    from pxr import UsdGeom, UsdShade

    told = replace(whole, meta={**whole.meta, "metres_per_unit": np.float32(2)})  # not JSON's
    files = told.save(tmp_path / "my room.usdc")
    assert [f.name for f in files] == ["my room.usdc", "my room.usdc.jpg", "my room.usdc.json"]
    assert json.loads(files[2].read_text())["bytes"] == files[0].stat().st_size
    stage = usd.Stage.Open(str(files[0]))
    assert UsdGeom.GetStageUpAxis(stage) == "Y"
    texture = UsdShade.Shader(stage.GetPrimAtPath("/panorama/material/texture"))
    asset = texture.GetInput("file").Get()
    assert Path(asset.resolvedPath) == files[1]
    assert cv2.imread(asset.resolvedPath).shape == (64, 128, 3)
    assert texture.GetInput("sourceColorSpace").Get() == "sRGB"


@pytest.mark.parametrize("limit", [8192, 64])
def test_a_light_dome_of_usd_keeps_the_light(limit: int, whole: Prediction, tmp_path: Path) -> None:
    usd = pytest.importorskip("pxr.Usd")
    from pxr import UsdShade

    light = np.random.default_rng(2).uniform(0, 1, (64, 128, 3)) ** 8 * 3000
    hdr = replace(whole, light=light.astype(np.float32))
    for prediction, name, space in ((hdr, "light.exr", "raw"), (whole, "light.jpg", "sRGB")):
        (file,) = prediction.save(tmp_path / space, ["light-dome-usd"], max_texture_width=limit)
        assert file.name == "room_light.usdz"
        stage = usd.Stage.Open(str(file))
        texture = UsdShade.Shader(stage.GetPrimAtPath("/panorama/material/texture"))
        assert texture.GetInput("file").Get().path.endswith(name)
        assert texture.GetInput("sourceColorSpace").Get() == space
        with zipfile.ZipFile(file) as archive:
            (member,) = (entry for entry in archive.namelist() if entry.endswith(name))
            content = archive.read(member)
        if name == "light.exr":
            (tmp_path / "kept.exr").write_bytes(content)
            kept = OpenEXR.File(str(tmp_path / "kept.exr")).channels()["RGB"].pixels
            expected = light if limit > 128 else light.reshape(32, 2, 64, 2, 3).mean(axis=(1, 3))
            assert kept == pytest.approx(expected, rel=1e-5)


def test_splats(room: Prediction, tmp_path: Path) -> None:
    (ply, _), (binary, _) = (room.save(tmp_path, [key]) for key in ("splat", "splat-binary"))
    vertices = plyfile.PlyData.read(ply)["vertex"]
    points = room.points[room.mask]
    assert np.stack([vertices[a] for a in "xyz"], axis=1) == pytest.approx(points, abs=1e-6)
    colour = np.stack([vertices[f"f_dc_{i}"] for i in range(3)], axis=1) * SH0 + 0.5
    assert colour * 255 == pytest.approx(room.image[room.mask], abs=0.01)
    w, x, y, z = (vertices[f"rot_{i}"] for i in range(4))
    normal = np.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)], axis=1)
    assert normal == pytest.approx(room.normals[room.mask], abs=1e-4)
    sigma = np.exp(np.stack([vertices[f"scale_{i}"] for i in range(3)], axis=1))
    assert (sigma[:, 2] < sigma[:, 0] / 5).all()
    length = np.linalg.norm(points, axis=1)
    assert (sigma[:, 0] < 2 * length * np.pi / 64).all()
    content = binary.read_bytes()
    assert len(content) == 32 * len(points)
    assert struct.unpack("<3f", content[:12]) == pytest.approx(tuple(points[0]))
    assert list(content[24:27]) == room.image[room.mask][0].tolist()


def test_gltf_splats(room: Prediction, tmp_path: Path) -> None:
    (file,) = room.save(tmp_path, ["gltf-splat"])
    tree = json.loads(
        file.read_bytes()[20 : 20 + struct.unpack_from("<I", file.read_bytes(), 12)[0]]
    )
    assert tree["extensionsUsed"] == ["KHR_gaussian_splatting"]
    (primitive,) = tree["meshes"][0]["primitives"]
    assert primitive["extensions"]["KHR_gaussian_splatting"]["kernel"] == "ellipse"
    names = {key.partition(":")[2] for key in primitive["attributes"] if ":" in key}
    assert names == {"ROTATION", "SCALE", "OPACITY", "SH_DEGREE_0_COEF_0"}
    for index in primitive["attributes"].values():
        assert tree["accessors"][index]["count"] == room.mask.sum()


def test_pfm_and_mask(room: Prediction, tmp_path: Path) -> None:
    pfm, _, mask = room.save(tmp_path, ["pfm", "mask"])
    read = cv2.imread(str(pfm), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(read, np.where(room.mask, room.distance, 0))
    assert np.array_equal(cv2.imread(str(mask), cv2.IMREAD_UNCHANGED) > 0, room.mask)


def test_light_is_strength_times_texture() -> None:
    light = np.random.default_rng(0).uniform(0, 1, (64, 128, 3)).astype(np.float32) ** 4 * 50
    texture, strength = coded(light, np.zeros((64, 128, 3), np.uint8))
    shown = texture.astype(np.float64) / 255
    linear = np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4) * strength
    inside = light < strength
    assert inside.mean() > 0.999
    assert linear[inside] == pytest.approx(light[inside], rel=0.05, abs=strength / 3000)
    image = np.full((64, 128, 3), 9, np.uint8)
    assert coded(None, image)[0] is image


def test_a_light_dome_emits_and_reflects_nothing(whole: Prediction, tmp_path: Path) -> None:
    light = np.full((64, 128, 3), 7.0, np.float16)
    (file,) = replace(whole, light=light).save(tmp_path, ["light-dome"])
    content = file.read_bytes()
    tree = json.loads(content[20 : 20 + struct.unpack_from("<I", content, 12)[0]])
    (material,) = tree["materials"]
    strength = material["extensions"]["KHR_materials_emissive_strength"]["emissiveStrength"]
    assert strength == pytest.approx(7)
    assert material["emissiveFactor"] == [1, 1, 1]
    assert material["pbrMetallicRoughness"]["baseColorFactor"][:3] == [0, 0, 0]


@pytest.mark.parametrize("name", ["usdz", "light-dome-usd"])
def test_a_package_does_not_say_when_it_was_made(
    name: str, whole: Prediction, tmp_path: Path
) -> None:
    pytest.importorskip("pxr")
    one, two = (whole.save(tmp_path / folder, [name])[0] for folder in ("a/", "b/"))
    with zipfile.ZipFile(one) as package:
        for entry in package.infolist():
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)
            header = one.read_bytes()[entry.header_offset :]
            assert struct.unpack_from("<4s6x2H", header) == (b"PK\3\4", 0, 1 << 5 | 1)
        assert package.testzip() is None
    assert one.read_bytes() == two.read_bytes()
