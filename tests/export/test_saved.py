"""Saved predictions read back, of this program and of others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from panodepth.errors import InputError
from panodepth.export.saved import read_saved
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll


@pytest.mark.parametrize("far", [1e10, 3.4e38, np.inf, 65504.0, 65535.0])
def test_what_others_write_for_the_sky_is_the_sky(tmp_path: Path, far: float) -> None:
    distance = np.full((8, 16), 2, np.float32)
    distance[:2], distance[7] = far, np.nan
    np.savez(tmp_path / "a_distance.npz", distance=distance)
    found = read_saved(tmp_path / "a_distance.npz")
    assert found.sky[:2].all()
    assert np.array_equal(found.mask, np.isin(np.arange(8), range(2, 7))[:, None].repeat(16, 1))
    assert found.distance[found.mask].max() == 2


@pytest.mark.parametrize("source", ["/", ".", "..", "a\0b", "x" * 5000, "é" * 200, "/etc/passwd"])
def test_a_name_that_is_none_finds_no_picture(tmp_path: Path, source: str) -> None:
    meta = json.dumps({"prediction": {"source": source}, "unit": "m"})
    file = tmp_path / "a_distance.npz"
    np.savez(file, distance=np.full((8, 16), 2, np.float32), meta=np.array(meta))
    assert read_saved(file).mask.all()


@pytest.mark.parametrize(
    ("name", "array", "says"),
    [
        ("distance", np.zeros((0, 0), np.float32), "0×0 is no whole panorama"),
        ("distance", np.full((8, 16), 2500, np.uint16), "whole numbers (uint16)"),
        ("mask", np.zeros((8, 16), [("a", "f4")]), "mask [('a', '<f4')] (8, 16) does not match"),
        ("sky", np.full((8, 16), "no"), "sky <U2 (8, 16) does not match"),
    ],
)
def test_arrays_that_are_no_map(tmp_path: Path, name: str, array: np.ndarray, says: str) -> None:
    arrays = {"distance": np.full((8, 16), 2, np.float32)} | {name: array}
    np.savez(tmp_path / "a_distance.npz", **arrays)
    with pytest.raises(InputError) as caught:
        read_saved(tmp_path / "a_distance.npz")
    assert says in str(caught.value)


def written(path: Path, size: tuple[int, int] = (8, 16), **said: object) -> Path:
    """A saved prediction that says so much of itself."""
    meta = json.dumps({"prediction": said, "unit": "m"})
    np.savez(path, distance=np.full(size, 2, np.float32), meta=np.array(meta))
    return path


@pytest.mark.parametrize("size", [(8, 16), (8, 10)])
def test_what_another_lens_sees_is_no_panorama_though_it_is_twice_as_wide(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    file = written(tmp_path / "a_distance.npz", size, lens={"name": "ERPPart", "top": -1})
    with pytest.raises(InputError, match=r"another lens sees \(ERPPart\).*--out-projection"):
        read_saved(file)


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"projection": "dual-fisheye"}, False),
        ({"stereo": "left-right", "fov": "(180.0,)"}, False),
        ({"projection": "erp", "quality": "best"}, True),
        ({}, True),
        (["none"], True),
    ],
)
def test_a_picture_that_is_no_panorama_itself_is_not_shown_as_one(
    tmp_path: Path, options: object, shown: bool
) -> None:
    Image.fromarray(np.full((8, 16, 3), (200, 10, 90), np.uint8)).save(tmp_path / "a.png")
    found = read_saved(written(tmp_path / "a_distance.npz", source="a.png", options=options))
    assert (found.image == (200, 10, 90)).all() == shown


def test_a_saved_prediction_is_turned_as_it_was(tmp_path: Path) -> None:
    """The tags' turn goes before what was found of what they had turned."""
    turn = rotation_from_yaw_pitch_roll(0.0, 0.3, 0.1)
    found = {"turned": True, "up": [0.0, -0.6, 0.8]}
    stated = {"rotation_to_level": np.asarray(turn).tolist()}
    for said in (stated, {**stated, "level": found}):
        assert np.allclose(read_saved(written(tmp_path / "a.npz", **said)).up, [0, -1, 0] @ turn)
    assert np.allclose(read_saved(written(tmp_path / "b.npz", level=found)).up, found["up"])
    for said in ({}, {"level": {**found, "turned": False}}):
        assert read_saved(written(tmp_path / "c.npz", **said)).rotation is None


@pytest.mark.parametrize(
    "said",
    [
        {"rotation_to_level": [[1, 0, 0], [0, 2, 0], [0, 0, 1]]},
        {"rotation_to_level": "no"},
        {"level": "no"},
        {"level": {"turned": True}},
        {"level": {"turned": True, "up": [0, 0, 0]}},
        {"level": {"turned": True, "up": ["x", 0, 0]}},
    ],
)
def test_a_turn_that_is_none_is_told(tmp_path: Path, said: dict[str, object]) -> None:
    with pytest.raises(InputError, match="its metadata say how it is turned"):
        read_saved(written(tmp_path / "a_distance.npz", **said))
