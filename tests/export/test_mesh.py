"""The textured mesh: closed, seen from within, cut where it should be, its picture in place."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pygltflib
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from panodepth.errors import OutputError
from panodepth.export import save
from panodepth.export.meshes.gltf import GlbOptions, write_mesh
from panodepth.export.meshes.mesh import build_mesh
from panodepth.types import Prediction


def _prediction(distance: np.ndarray, mask: np.ndarray | None = None) -> Prediction:
    mask = np.ones(distance.shape, bool) if mask is None else mask
    image = np.random.default_rng(0).integers(0, 256, (*distance.shape, 3), dtype=np.uint8)
    return Prediction(distance.astype(np.float32), mask, image)


def _area(prediction: Prediction) -> float:
    mesh = build_mesh(prediction)
    return float(trimesh.Trimesh(mesh.positions, mesh.faces, process=False).area)


@pytest.mark.parametrize("shape", [(32, 64), (33, 67), (8, 16)])
def test_a_sphere_is_watertight_and_seen_from_within(
    shape: tuple[int, int], tmp_path: Path
) -> None:
    _prediction(np.full(shape, 2.0)).save(tmp_path / "ball.glb", faces="all")
    mesh = trimesh.load_mesh(tmp_path / "ball.glb")
    height, width = shape
    assert len(mesh.faces) == 2 * (height - 1) * width + 2 * width
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    assert len(mesh.vertices) == height * width + 2
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.euler_number == 2
    assert np.linalg.norm(mesh.vertices, axis=1) == pytest.approx(2, abs=1e-5)
    # Negative: the front of every face is the one that the camera at the origin sees.
    ratio = -mesh.volume / (4 / 3 * np.pi * 8)
    assert 1 - 30 / height**2 < ratio < 1
    assert ((mesh.face_normals * mesh.triangles_center).sum(axis=1) < 0).all()


def test_every_vertex_has_the_texture_coordinate_of_its_direction(tmp_path: Path) -> None:
    distance = np.random.default_rng(1).uniform(1.9, 2, (32, 64))
    _prediction(distance).save(tmp_path / "m.glb", faces="all")
    mesh = trimesh.load_mesh(tmp_path / "m.glb")
    x, y, z = (mesh.vertices * [1, -1, -1]).T  # back into the house frame
    u, v = mesh.visual.uv[:, 0], 1 - mesh.visual.uv[:, 1]  # trimesh counts v from below
    assert np.arctan2(y, np.hypot(x, z)) / np.pi + 0.5 == pytest.approx(v, abs=1e-5)
    off_pole = np.hypot(x, z) > 1e-6
    turn = np.arctan2(x, z) / (2 * np.pi) + 0.5 - u
    assert turn[off_pole] == pytest.approx(np.rint(turn[off_pole]), abs=1e-5)
    assert (~off_pole).sum() == 2 * 64
    # No triangle runs backwards across the picture: the seam has its own vertices, with u > 1.
    assert np.ptp(u[mesh.faces], axis=1).max() < 1.5 / 64
    assert u.min() >= 0
    assert 1 < u.max() < 1 + 1 / 64


def test_texture_is_the_panorama_and_stays_bounded(make_room: Callable, tmp_path: Path) -> None:
    room = make_room(64, 128)
    smooth = cv2.resize(room.image[:2, :4], (128, 64), interpolation=cv2.INTER_CUBIC)
    room = Prediction(room.distance, room.mask, smooth, room.meta)
    for limit, size in ((4096, (128, 64)), (32, (32, 16))):
        write_mesh(room, tmp_path / "t.glb", GlbOptions(max_texture_width=limit))
        mesh = trimesh.load_mesh(tmp_path / "t.glb")
        texture = mesh.visual.material.baseColorTexture
        assert texture.size == size
        expected = cv2.resize(smooth, size, interpolation=cv2.INTER_AREA)
        assert np.abs(np.asarray(texture, np.float32) - expected).mean() < 3


def test_file_is_well_formed_and_says_what_it_is(room: Prediction, tmp_path: Path) -> None:
    assert save(room, tmp_path, ["glb"]) == [tmp_path / "room.glb"]
    content = (tmp_path / "room.glb").read_bytes()
    magic, version, total, json_length, kind = struct.unpack("<4s4I", content[:20])
    assert (magic, version, total) == (b"glTF", 2, len(content))
    assert (kind, json_length % 4) == (0x4E4F534A, 0)
    tree = json.loads(content[20 : 20 + json_length])
    assert tree["buffers"][0]["byteLength"] % 4 == 0
    assert all(view["byteOffset"] % 4 == 0 for view in tree["bufferViews"])
    extras = tree["asset"]["extras"]
    assert extras["unit"] == "m"
    assert extras["scale"] == 1
    assert "(x, -y, -z)" in extras["frame"]
    gltf = pygltflib.GLTF2().load(str(tmp_path / "room.glb"))
    assert gltf.materials[0].doubleSided
    image = gltf.bufferViews[gltf.images[0].bufferView]
    assert gltf.binary_blob()[image.byteOffset :].startswith(b"\xff\xd8\xff")
    assert gltf.samplers[0].wrapS == pygltflib.REPEAT
    positions = gltf.accessors[gltf.meshes[0].primitives[0].attributes.POSITION]
    vertices = trimesh.load_mesh(tmp_path / "room.glb").vertices
    assert positions.min == pytest.approx(vertices.min(axis=0))
    assert positions.max == pytest.approx(vertices.max(axis=0))


@pytest.mark.parametrize("unit", ["m", "relative"])
def test_node_and_scene_say_unit_and_camera_height(
    unit: str, make_room: Callable, tmp_path: Path
) -> None:
    known = {"camera_height_m": 1.6, "metres_per_unit": 2.5, "metres_by": "camera height"}
    room = make_room(unit=unit, **(known if unit == "m" else {}))
    room.save(tmp_path / "m.glb")
    gltf = pygltflib.GLTF2().load(str(tmp_path / "m.glb"))
    told = {"unit": unit, **(known if unit == "m" else {})}
    name = "panorama" if unit == "m" else "panorama (relative, not metres)"
    for thing in (gltf.nodes[0], gltf.scenes[0]):
        assert (thing.name, thing.extras) == (name, told)
    assert gltf.meshes[0].name == name


def test_a_plain_room_is_not_cut_and_its_area_is_right(
    make_room: Callable, room_corners: tuple[np.ndarray, np.ndarray]
) -> None:
    room = make_room(128, 256, masked=False)
    mesh = build_mesh(room)
    assert len(mesh.faces) == 2 * 127 * 256 + 2 * 256
    a, b, c = room_corners[1] - room_corners[0]
    # A little less than the room's own area: the grid cuts its corners off.
    assert _area(room) == pytest.approx(2 * (a * b + b * c + c * a), rel=0.02)


def test_a_floor_runs_far_out_uncut(rays: Callable) -> None:
    down = rays(256, 512)[..., 1]
    mask = down > np.sin(np.deg2rad(7))
    mesh = build_mesh(_prediction(1.6 / np.maximum(down, 0.01), mask))
    rows = int(mask[:, 0].sum())
    assert len(mesh.faces) == 2 * (rows - 1) * 512 + 512


@pytest.mark.parametrize("shift", [0, 32, 60])
def test_depth_edges_are_cut_also_on_the_seam(shift: int) -> None:
    near = np.zeros((32, 64), bool)
    near[10:20, 20:40] = True
    near = np.roll(near, shift, axis=1)
    mesh = build_mesh(_prediction(np.where(near, 1.5, 3.0)), follow_edges=False)
    lengths = np.linalg.norm(mesh.positions, axis=1)[mesh.faces]
    assert np.ptp(lengths, axis=1).max() < 1e-4  # no triangle spans the edge
    inside, whole = 2 * 9 * 19, 2 * 31 * 64 + 2 * 64
    ring = 2 * (11 * 21) - inside  # the cells that touch both sides
    corners = 4  # there three of the four pixels are far: half of the cell stays
    assert len(mesh.faces) == whole - ring + corners
    assert (lengths[:, 0] < 2).sum() == inside


@settings(max_examples=15, deadline=None)
@given(shift=st.integers(0, 63), seed=st.integers(0, 9))
def test_heading_changes_nothing_but_the_heading(shift: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    distance = np.exp(rng.normal(0, 0.4, (8, 16))).repeat(4, axis=0).repeat(4, axis=1)
    mask = (rng.random((8, 16)) > 0.2).repeat(4, axis=0).repeat(4, axis=1)
    still = _prediction(distance, mask)
    turned = _prediction(np.roll(distance, shift, axis=1), np.roll(mask, shift, axis=1))
    assert len(build_mesh(turned).faces) == len(build_mesh(still).faces)
    assert _area(turned) == pytest.approx(_area(still), rel=1e-4)


def test_masked_pixels_are_not_in_the_mesh(room: Prediction) -> None:
    mesh = build_mesh(room)
    column = np.rint(mesh.uv[:, 0] * 128 - 0.5).astype(int) % 128
    row = np.rint(mesh.uv[:, 1] * 64 - 0.5).astype(int)
    pole = (mesh.uv[:, 1] == 0) | (mesh.uv[:, 1] == 1)
    assert room.mask[row[~pole], column[~pole]].all()
    assert np.array_equal(np.unique(mesh.faces), np.arange(len(mesh.positions)))  # all are used
    sky = room.mask.copy()
    sky[:40] = False
    open_above = build_mesh(Prediction(room.distance, sky, room.image))
    assert (open_above.uv[:, 1] > 40 / 64).all()


def test_impossible_values_under_the_mask_do_no_harm(room: Prediction) -> None:
    spoiled = np.where(room.mask, room.distance, np.nan)
    mesh = build_mesh(Prediction(spoiled, room.mask, room.image))
    assert len(mesh.faces) == len(build_mesh(room).faces)
    assert np.isfinite(mesh.positions).all()


def test_the_grid_is_thinned_and_stays_closed(make_room: Callable) -> None:
    waves = 2 + 0.1 * np.sin(np.arange(128) * (2 * np.pi / 128)) + np.linspace(0, 0.3, 64)[:, None]
    mesh = build_mesh(_prediction(waves), max_columns=32)
    assert mesh.stride == 4
    assert len(mesh.faces) == 2 * 15 * 32 + 2 * 32
    merged = trimesh.Trimesh(mesh.positions, mesh.faces)
    merged.merge_vertices()
    assert merged.is_watertight
    assert build_mesh(make_room(16, 1092, masked=False)).stride == 1
    assert build_mesh(make_room(16, 2048, masked=False)).stride == 2


def test_nothing_to_connect_is_an_error(room: Prediction, tmp_path: Path) -> None:
    lonely = np.zeros_like(room.mask)
    lonely[10, 10] = True
    with pytest.raises(OutputError, match=r"m\.glb: no three neighbouring pixels"):
        save(Prediction(room.distance, lonely, room.image), tmp_path / "m.glb")
