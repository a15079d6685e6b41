"""What near things hide: on a room whose every wall is known."""

from __future__ import annotations

import json
import re
import struct
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from panodepth.errors import ConfigError
from panodepth.export.meshes.hidden import behind, front_and_behind
from panodepth.export.meshes.mesh import MeshOptions, made_mesh
from panodepth.geometry.grid import erp_rays
from panodepth.types import Prediction

LOW, HIGH = np.array([-2.0, -1.1, -3.0]), np.array([2.5, 1.6, 4.0])  # x right, y down [m]
PANEL_Z, PANEL = 1.6, np.array([[-0.5, -0.25], [0.5, 0.35]])  # in front of the wall z = 4
WALL, PANEL_COLOUR = np.array([40, 90, 200]), np.array([220, 60, 30])
HEIGHT = 128


def room(height: int = HEIGHT) -> Prediction:
    """A panel hangs in the middle of the picture, in front of a wall of one colour."""
    rays = np.asarray(erp_rays(height, 2 * height, dtype=np.float64))
    walls = np.where(rays > 0, HIGH / rays, LOW / rays)
    distance, colours = walls.min(-1), np.zeros((*rays.shape[:2], 3), np.uint8)
    colours[:] = np.where(walls.argmin(-1)[..., None] == 2, WALL, [120, 120, 120])
    on_panel = (rays[..., 2] > 0) & np.all(
        np.abs(rays[..., :2] * (PANEL_Z / rays[..., 2:]) - PANEL.mean(0))
        < np.ptp(PANEL, axis=0) / 2,
        axis=-1,
    )
    distance[on_panel] = PANEL_Z / rays[..., 2][on_panel]
    colours[on_panel] = PANEL_COLOUR
    mask = np.ones(distance.shape, np.bool_)
    return Prediction(distance.astype(np.float32), mask, colours, {"unit": "m"})


def guessed(seen: Prediction, found: Prediction) -> NDArray[np.bool_]:
    """(H, W) where the result is much farther than what is seen, as its ring is not."""
    return found.mask & (found.distance > 1.15 * seen.distance)


def rolled(prediction: Prediction, columns: int) -> Prediction:
    names = ("distance", "mask", "image")
    return replace(
        prediction, **{n: np.roll(getattr(prediction, n), columns, axis=1) for n in names}
    )


def test_a_wall_goes_on_behind_what_hangs_before_it() -> None:
    seen = room()
    found = behind(seen, 6)
    assert found is not None
    assert found.unit == "m"
    hidden = guessed(seen, found)
    panel = (seen.image == PANEL_COLOUR).all(-1)
    assert not (hidden & ~panel).any()
    z_depth = found.points[..., 2][hidden]
    np.testing.assert_allclose(z_depth, HIGH[2], rtol=0.02)
    off = np.abs(found.image[hidden].astype(int) - WALL).max(-1)
    assert np.median(off) <= 2
    assert found.image[hidden][:, 0].max() <= 122  # the floor's at most, and nothing of the panel's


def test_it_reaches_as_far_as_asked() -> None:
    seen = room()
    panel = (seen.image == PANEL_COLOUR).all(-1)
    rays = np.asarray(erp_rays(HEIGHT, 2 * HEIGHT, dtype=np.float64))
    outside = rays[~panel]
    nearest = np.rad2deg(np.arccos(np.clip(rays[panel] @ outside.T, -1, 1).max(axis=1)))
    shares = []
    for reach in (3.0, 6.0, 12.0, 30.0):
        found = behind(seen, reach)
        assert found is not None
        hidden = guessed(seen, found)[panel]
        assert nearest[hidden].max() <= reach
        assert hidden[nearest < reach - 1.5].all()
        shares.append(hidden.mean())
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_from_the_camera_nothing_changes() -> None:
    """What is seen lies in front of what is guessed, ring and all."""
    seen = room()
    found = behind(seen, 8)
    assert found is not None
    assert (found.distance[found.mask] >= seen.distance[found.mask] * 1.001).all()


def test_without_a_mask_or_an_edge_there_is_nothing_behind() -> None:
    seen = room()
    ball = replace(seen, distance=np.full_like(seen.distance, 2))
    assert behind(ball, 10) is None
    empty = replace(seen, mask=np.zeros_like(seen.mask))
    assert behind(empty, 10) is None
    panel = (seen.image == PANEL_COLOUR).all(-1)
    alone = replace(seen, mask=panel, sky_mask=~panel)
    assert behind(alone, 10) is None  # before the sky


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2 * HEIGHT - 1))
def test_it_turns_with_the_panorama(columns: int) -> None:
    seen = room()
    found, turned = behind(seen, 6), behind(rolled(seen, columns), 6)
    assert found is not None
    assert turned is not None
    np.testing.assert_array_equal(turned.mask, np.roll(found.mask, columns, axis=1))
    back = rolled(turned, -columns)
    np.testing.assert_allclose(back.distance, found.distance, rtol=1e-4)
    assert np.abs(back.image.astype(int) - found.image).max() <= 2


def holes(place: NDArray[Any], *meshes: Any) -> float:
    """Share of directions to the wall behind the panel where a mesh is not met, from a place."""
    target = np.stack(np.meshgrid(np.linspace(-1.2, 1.2, 41), np.linspace(-0.8, 0.8, 31)), -1)
    goal = np.concatenate([target, np.full((*target.shape[:2], 1), HIGH[2])], -1).reshape(-1, 3)
    met = np.zeros(len(goal), np.bool_)
    for mesh in meshes:
        a, b, c = (mesh.positions[mesh.faces[:, i]].astype(float) - place for i in range(3))
        for number, way in enumerate(goal - place):
            signs = [np.einsum("ij,j->i", np.cross(p, q), way) for p, q in ((a, b), (b, c), (c, a))]
            ahead = (a + b + c) @ way > 0
            within = np.all(np.array(signs) >= -1e-9, 0) | np.all(np.array(signs) <= 1e-9, 0)
            met[number] |= bool((within & ahead).any())
    return float(1 - met.mean())


def test_the_mesh_has_no_hole_from_beside_the_camera() -> None:
    seen, place = room(64), np.array([0.35, -0.1, 0.0])
    front, hidden = front_and_behind(seen, Path("room.glb"), MeshOptions(faces="all"), 15)
    assert hidden is not None
    assert holes(place, front) > 0.05
    assert holes(place, front, hidden[1]) == 0


def test_a_number_of_faces_is_shared() -> None:
    seen = room(256)
    path = Path("room.glb")
    front, hidden = front_and_behind(seen, path, MeshOptions(faces=4000), 8)
    assert hidden is not None
    assert len(hidden[1].faces) <= 800
    assert len(front.faces) == len(made_mesh(seen, path, MeshOptions(faces=3200)).faces)


@pytest.mark.parametrize("reach", [-1, 31, float("nan"), "far", True])
def test_a_reach_that_cannot_be_is_refused(reach: object, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="behind"):
        room(32).save(tmp_path / "room.glb", behind=reach)
    assert not list(tmp_path.iterdir())


def glb_tree(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    (length,) = struct.unpack_from("<I", content, 12)
    tree: dict[str, Any] = json.loads(content[20 : 20 + length])
    return tree


def test_glb_has_it_as_a_primitive_with_a_material(tmp_path: Path) -> None:
    seen = room(64)
    plain, filled = (seen.save(tmp_path / f"room{reach}.glb", behind=reach)[0] for reach in (0, 8))
    tree = glb_tree(filled)
    assert [material["name"] for material in tree["materials"]] == ["panorama", "behind"]
    first, second = tree["meshes"][0]["primitives"]
    assert [first["material"], second["material"]] == [0, 1]
    assert tree["asset"]["extras"]["behind_deg"] == 8
    assert "behind_deg" not in glb_tree(plain)["asset"]["extras"]
    assert len(glb_tree(plain)["meshes"][0]["primitives"]) == 1


def test_splats_have_it_within_their_number(tmp_path: Path) -> None:
    seen, counts = room(64), []
    for reach in (0, 8):
        file = seen.save(tmp_path / f"{reach}", ["splat"], behind=reach, max_points=9000)[0]
        header = file.read_bytes()[:200].decode("latin-1")
        counts.append(int(re.findall(r"vertex (\d+)", header)[0]))
    assert counts[1] - counts[0] > 0
    assert counts[1] <= 9000


def test_the_viewer_has_it_as_a_second_surface(tmp_path: Path) -> None:
    seen = room(64)
    pages = [
        seen.save(tmp_path / f"room{reach}.html", behind=reach)[0].read_text(encoding="utf-8")
        for reach in (0, 8)
    ]
    infos = [json.loads(re.findall(r'id="rooms">(.*?)</script>', page)[0]) for page in pages]
    assert "behind" not in infos[0][0]
    assert 'id="behind-0"' not in pages[0]
    back = infos[1][0]["behind"]
    assert back["colours"] == infos[1][0]["colours"]
    assert infos[1][0]["about"].endswith(" · what is hidden: guessed")
    assert 'id="behind-0"' in pages[1]
    assert 'id="behind-photo-0"' in pages[1]


def check_colours(places: NDArray[Any], uv: NDArray[Any], picture: Path) -> None:
    """What lies on the wall is of its colour in the picture. places: (N, 3), y up. uv: (N, 2)."""
    pixels = np.asarray(Image.open(picture)).astype(int)
    row = np.floor((1 - uv[:, 1]) * len(pixels)).astype(int).clip(0, len(pixels) - 1)
    column = np.floor(uv[:, 0] * pixels.shape[1]).astype(int) % pixels.shape[1]
    on_wall = np.abs(places[:, 2] + HIGH[2]) < 0.1
    assert on_wall.mean() > 0.5
    found = pixels[row, column][on_wall]
    assert np.median(np.abs(found - WALL)) <= 6
    assert (np.abs(found - PANEL_COLOUR).max(1) > 60).all()


def numbers(key: str, text: str) -> NDArray[Any]:
    """(N, C) of the lines of an OBJ that begin with a key."""
    rows = re.findall(f"^{key} (.*)$", text.replace("/", " "), re.MULTILINE)
    return np.array([row.split() for row in rows], np.float64)


def test_obj_has_it_as_an_object_with_a_material(tmp_path: Path) -> None:
    """And its picture below the panorama, upside down."""
    seen = room()
    plain, _, before = seen.save(tmp_path / "plain.obj")
    filled, look, picture = seen.save(tmp_path / "room.obj", behind=8)
    text, (front, back) = filled.read_text(), filled.read_text().split("o behind")
    assert re.findall("\\n((?:o|usemtl) .*)", text) == [
        *("o panorama", "usemtl panorama", "o behind", "usemtl behind")
    ]
    assert re.findall(r"\n(?:newmtl|map_Kd) (.*)", look.read_text()) == [
        *("panorama", picture.name, "behind", picture.name)
    ]
    assert '"behind_deg":8' in text
    assert "behind" not in plain.read_text()
    first = np.asarray(Image.open(before)).astype(int)
    shown = np.asarray(Image.open(picture)).astype(int)
    assert shown.shape == (2 * len(first), *first.shape[1:])
    assert np.median(np.abs(shown[: len(first)] - first)) <= 2
    start = len(numbers("v", front))
    assert numbers("f", front).max() == start
    assert numbers("f", back).min() == start + 1
    assert numbers("f", back).max() == start + len(numbers("v", back))
    check_colours(numbers("v", back), numbers("vt", back), picture)


def test_ply_mesh_has_it_behind_the_rest(tmp_path: Path) -> None:
    file, picture = room().save(tmp_path / "room.ply", ["ply-mesh"], behind=8, up="y")
    head, _, body = file.read_bytes().partition(b"end_header\n")
    count, faces = (int(re.findall(rb"%s (\d+)" % kind, head)[0]) for kind in (b"vertex", b"face"))
    fields = [(name, "<f4") for name in "xyzst"] + [
        (name, "u1") for name in ("r", "g", "b", "back")
    ]
    table = np.frombuffer(body, fields, count)
    assert len(body) == table.nbytes + 13 * faces
    assert re.findall(rb"property uchar (\w+)\n", head)[-1] == b"behind"
    guessed = table["back"] == 1
    assert 0 < guessed.sum() < guessed.argmax()
    assert guessed[guessed.argmax() :].all()
    hidden = table[guessed]
    places, uv = (np.stack([hidden[axis] for axis in axes], -1) for axes in ("xyz", "st"))
    check_colours(places, uv, picture)
    on_wall = np.abs(places[:, 2] + HIGH[2]) < 0.1
    colours = np.stack([hidden[axis] for axis in "rgb"], -1)[on_wall]
    assert np.median(np.abs(colours.astype(int) - WALL)) <= 2


def test_usdc_has_it_as_a_mesh_with_the_same_picture(tmp_path: Path) -> None:
    pytest.importorskip("pxr")
    from pxr import Usd

    file, picture, told = room().save(tmp_path / "room.usdc", behind=8)
    assert json.loads(told.read_text())["behind_deg"] == 8
    stage = Usd.Stage.Open(str(file))  # held: its prims end with it
    prims = list(stage.Traverse())
    meshes = [prim for prim in prims if prim.GetTypeName() == "Mesh"]
    assert [prim.GetName() for prim in meshes] == ["mesh", "behind"]
    shown = [p.GetAttribute("inputs:file").Get() for p in prims if p.HasAttribute("inputs:file")]
    assert [Path(asset.resolvedPath) for asset in shown] == [picture, picture]
    places, uv = (
        np.array(meshes[1].GetAttribute(name).Get()) for name in ("points", "primvars:st")
    )
    check_colours(places, uv, picture)


def test_usdz_has_it_as_a_second_mesh(tmp_path: Path) -> None:
    pytest.importorskip("pxr")
    from pxr import Usd

    file = room(64).save(tmp_path / "room.usdz", behind=8)[0]
    assert zipfile.ZipFile(file).namelist() == ["panorama.usdc", "panorama.jpg", "behind.jpg"]
    stage = Usd.Stage.Open(str(file))
    meshes = [prim.GetName() for prim in stage.Traverse() if prim.GetTypeName() == "Mesh"]
    assert meshes == ["mesh", "behind"]
    shown = [
        prim.GetAttribute("inputs:file").Get()
        for prim in stage.Traverse()
        if prim.HasAttribute("inputs:file")
    ]
    assert all(asset.resolvedPath for asset in shown)
    assert len(shown) == 2
