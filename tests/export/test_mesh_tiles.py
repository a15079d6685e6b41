"""A photograph that is larger than a viewer takes becomes several images on parts of one mesh."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pygltflib
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from panodepth.errors import ConfigError
from panodepth.export.meshes.gltf import GlbOptions, write_mesh
from panodepth.export.meshes.mesh import MeshOptions, made_mesh
from panodepth.export.meshes.tiles import MARGIN, tiles
from panodepth.types import Prediction


@pytest.fixture(scope="module")
def gradient() -> np.ndarray:
    """(200, 400, 3): red goes round once, green from top to bottom."""
    lon, lat = (np.arange(400) + 0.5) / 400, (np.arange(200) + 0.5) / 200
    image = np.zeros((200, 400, 3), np.uint8)
    image[..., 0] = np.rint(127 + 100 * np.cos(2 * np.pi * lon))
    image[..., 1] = np.rint(20 + 200 * lat)[:, None]
    return image


@pytest.mark.parametrize(("limit", "count"), [(0, 1), (400, 1), (256, 2), (110, 15)])
def test_every_image_fits_and_shows_its_part(
    limit: int, count: int, gradient: np.ndarray, make_room: Callable, tmp_path: Path
) -> None:
    room = replace(make_room(200, 400, masked=False), image=gradient)
    write_mesh(room, tmp_path / "m.glb", GlbOptions(max_texture=limit))
    scene = trimesh.load_scene(tmp_path / "m.glb")
    parts = list(scene.geometry.values())
    assert len(parts) == count
    gltf = pygltflib.GLTF2().load(str(tmp_path / "m.glb"))
    wraps = {pygltflib.REPEAT} if count == 1 else {pygltflib.CLAMP_TO_EDGE}
    assert {sampler.wrapS for sampler in gltf.samplers} == wraps
    assert len({material.name for material in gltf.materials}) == count
    for part in parts:
        image = np.asarray(part.visual.material.baseColorTexture, np.float32)
        assert max(image.shape) <= (limit or 400)
        u, v = part.visual.uv[:, 0], 1 - part.visual.uv[:, 1]
        if count > 1:
            assert min(u.min(), v.min()) >= 0
            assert max(u.max(), v.max()) <= 1
        x, y, z = (part.vertices * [1, -1, -1]).T
        inside = np.hypot(x, z) > 0.3
        row, column = v * image.shape[0] - 0.5, (u % 1 if count == 1 else u) * image.shape[1] - 0.5
        at = column.astype(np.float32), row.astype(np.float32)
        found = cv2.remap(image, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        shown = found.reshape(-1, 3)
        red = 127 - 100 * np.cos(np.arctan2(x, z))
        green = 20 + 200 * (np.arctan2(y, np.hypot(x, z)) / np.pi + 0.5)
        assert np.abs(shown[:, 0] - red)[inside].max() < 5
        assert np.abs(shown[:, 1] - green)[inside].max() < 5
    # Each open side of a part lies on an open side of another, or on the seam.
    whole = scene.to_geometry()
    sides = np.sort(whole.edges, axis=1)
    kinds, times = np.unique(sides, axis=0, return_counts=True)
    middle = np.array(whole.vertices)[kinds[times == 1]].mean(axis=1)
    near, _ = cKDTree(middle).query(middle, k=2)
    assert len(middle) > 100
    assert near[:, 1].max() < 1e-5


@settings(max_examples=10, deadline=None)
@given(limit=st.integers(64, 300), seed=st.integers(0, 99))
def test_nothing_is_lost_or_doubled(limit: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    distance = np.exp(rng.normal(0, 0.1, (8, 16))).repeat(8, axis=0).repeat(8, axis=1)
    image = rng.integers(0, 256, (64, 128, 3), dtype=np.uint8)
    prediction = Prediction(distance.astype(np.float32), np.ones((64, 128), bool), image)
    mesh = made_mesh(prediction, Path("m.glb"), MeshOptions(faces="all"))
    parts = list(tiles(mesh, image, limit))
    area = [trimesh.Trimesh(m.positions, m.faces, process=False).area for m in (mesh, *parts)]
    assert sum(area[1:]) == pytest.approx(area[0], rel=1e-5)
    own = [(p.image.shape[0] - 2 * MARGIN) * (p.image.shape[1] - 2 * MARGIN) for p in parts]
    assert sum(own) == 64 * 128


def test_a_limit_below_any_use_is_refused() -> None:
    with pytest.raises(ConfigError, match="max_texture must be 0 or at least 64 px"):
        GlbOptions(max_texture=63)
