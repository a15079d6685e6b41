"""OctoMap's binary tree of a room whose walls are known, read by a plain recursive parser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panodepth.errors import OutputError
from panodepth.export.mark import stated
from panodepth.export.robots.ground import camera_height
from panodepth.export.robots.octomap import (
    FREE,
    INNER,
    OCCUPIED,
    Cubes,
    OctomapOptions,
    occupied_cubes,
    tree_bytes,
)
from panodepth.types import Prediction

# Inside of conftest.py's room in ROS's frame, the floor at 0.
LOW, HIGH = np.array([-3.0, -2.5, 0.0]), np.array([4.0, 2.0, 2.7])


@pytest.fixture
def room(make_room: Callable[..., Prediction]) -> Prediction:
    return make_room(256, 512)


def leaves(tree: bytes) -> Iterator[tuple[tuple[int, ...], int, int]]:
    """First cube, edge in cubes and state of each leaf, as the format's description says."""
    words = iter(np.frombuffer(tree, "<u2").tolist())

    def read(corner: tuple[int, ...], edge: int) -> Iterator[tuple[tuple[int, ...], int, int]]:
        word, half = next(words), edge // 2
        for child in range(8):
            state = word >> 2 * child & 3
            start = tuple(c + half * (child >> axis & 1) for axis, c in enumerate(corner))
            if state == INNER:
                yield from read(start, half)
            elif state:
                yield start, half, state

    yield from read((-(1 << 15),) * 3, 1 << 16)
    assert next(words, None) is None


def all_cubes(tree: bytes) -> dict[tuple[int, ...], int]:
    found = {}
    for start, edge, state in leaves(tree):
        assert edge <= 64
        for offset in np.ndindex(edge, edge, edge):
            found[tuple(a + b for a, b in zip(start, offset, strict=True))] = state
    return found


cube = st.tuples(*[st.integers(-3, 4)] * 3)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(cube, st.booleans(), min_size=1, max_size=400), st.booleans())
def test_what_is_written_is_what_is_read(given_cubes: dict, full: bool) -> None:
    if full:  # eight children alike become one leaf
        given_cubes |= dict.fromkeys(np.ndindex(4, 4, 4), True)
    numbers, states = np.array(list(given_cubes)), np.array(list(given_cubes.values()))
    tree, nodes = tree_bytes(Cubes(0.1, numbers, states))
    expected = {key: OCCUPIED if value else FREE for key, value in given_cubes.items()}
    assert all_cubes(tree) == expected
    words = np.frombuffer(tree, "<u2")
    children = words[:, None] >> np.arange(0, 16, 2) & 3
    assert nodes == 1 + np.count_nonzero(children)
    if full:
        assert any(edge >= 4 for _, edge, _ in leaves(tree))


def test_the_room_is_free_and_its_walls_are_occupied(room: Prediction, tmp_path: Path) -> None:
    (path,) = room.save(tmp_path, ["octomap"], resolution=0.1)
    content = path.read_bytes()
    assert content.startswith(b"# Octomap OcTree binary file\n")
    header, tree = content.split(b"\ndata\n", 1)
    told = dict(line.split(b" ", 1) for line in header.split(b"\n") if not line.startswith(b"#"))
    assert (told[b"id"], told[b"res"]) == (b"OcTree", b"0.1")
    assert int(told[b"size"]) == tree_bytes(occupied_cubes(room))[1]
    found = all_cubes(tree)
    numbers, states = np.array(list(found)), np.array(list(found.values()))
    wall = numbers[states == OCCUPIED] * 0.1
    np.testing.assert_allclose(wall.max(0), HIGH, atol=1e-6)  # they lie behind the walls
    np.testing.assert_allclose(wall.min(0) + 0.1, LOW, atol=1e-6)
    middles = (numbers[states == FREE] + 0.5) * 0.1
    assert (middles > LOW).all()
    assert (middles < HIGH).all()
    assert len(middles) > 0.8 * np.prod((HIGH - LOW) / 0.1)
    assert stated(path)["unit"] == "1"


def test_a_cube_is_occupied_where_a_point_is(room: Prediction) -> None:
    options = OctomapOptions(resolution=0.3, range_max=3.0)  # some walls are farther
    found = occupied_cubes(room, options)
    camera = np.array([0, 0, camera_height(room, Path("cubes"), options)])
    seen = room.points[room.mask][:, [2, 0, 1]].astype(np.float64) * [1, -1, -1]
    near = np.linalg.norm(seen, axis=1) <= 3.0
    points = camera + seen[near] + seen[near] / np.linalg.norm(seen[near], axis=1)[:, None] * 3e-4
    expected = set(map(tuple, np.floor(points / 0.3).astype(int).tolist()))
    assert set(map(tuple, found.cubes[found.occupied].tolist())) == expected


def test_behind_something_is_unknown_and_sky_is_free(room: Prediction) -> None:
    distance, mask = room.distance.copy(), np.ones_like(room.mask)
    distance[120:136, 250:262] = 1.0  # straight ahead
    mask[:20] = False
    sky = ~mask
    options = OctomapOptions(resolution=0.2, camera_height=1.6)
    found = occupied_cubes(replace(room, distance=distance, mask=mask, sky_mask=sky), options)
    states = dict(zip(map(tuple, found.cubes.tolist()), found.occupied, strict=True))
    assert states[5, 0, 8] or states[4, 0, 8]
    assert (12, 0, 8) not in states
    assert not states[-10, 0, 8]
    assert not states[0, 0, 12]  # straight up


def test_what_cannot_be(room: Prediction, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="larger resolution"):
        room.save(tmp_path, ["octomap"], resolution=0.005)
    with pytest.raises(OutputError, match="range_max"):
        room.save(tmp_path, ["octomap"], range_max=0.1)
    assert list(tmp_path.iterdir()) == []
