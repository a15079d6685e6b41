"""Where the sky is, in arrays and in each kind of file, by other people's readers."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import plyfile
import pytest
import tifffile
import trimesh
from PIL import Image

from panodepth.export import save
from panodepth.export.views.cameras import ViewOptions, shots
from panodepth.lab.data.distances import DistanceFile
from panodepth.types import BEHIND, Prediction, push_back

UNKNOWN = np.s_[20:24, 7:30]  # masked by the user
SKY = np.s_[:20]


@pytest.fixture
def outdoors(room: Prediction) -> Prediction:
    """The room with the sky in its upper rows, where the network drew a near ceiling."""
    mask = np.ones_like(room.mask)
    mask[SKY], mask[UNKNOWN] = False, False
    sky = np.zeros_like(mask)
    sky[SKY] = True
    distance = push_back(room.distance, sky, mask)
    return Prediction(distance, mask, room.image, room.meta, room.distance, sky_mask=sky)


def test_the_arrays(outdoors: Prediction) -> None:
    assert outdoors.sky[SKY].all()
    assert outdoors.sky.sum() == outdoors.sky[SKY].size
    assert not (outdoors.sky & outdoors.mask).any()
    assert np.isfinite(outdoors.distance).all()
    assert outdoors.distance[SKY].min() >= outdoors.distance[outdoors.mask].max()
    assert np.array_equal(outdoors.distance[~outdoors.sky], outdoors.raw[~outdoors.sky])
    assert np.isfinite(outdoors.points).all()


def test_infinity_in_arrays_of_others_is_sky(outdoors: Prediction) -> None:
    distance = np.where(outdoors.sky, np.inf, outdoors.distance)
    made = Prediction(distance, outdoors.mask, outdoors.image)
    assert np.array_equal(made.sky, outdoors.sky)


def test_normals_do_not_see_the_infinity(outdoors: Prediction, room: Prediction) -> None:
    assert np.array_equal(outdoors.normals, room.normals)
    infinite = np.where(outdoors.sky, np.float32(np.inf), outdoors.distance)
    read_back = Prediction(infinite, outdoors.mask, outdoors.image)
    assert np.isfinite(read_back.normals).all()
    inside = np.s_[30:]  # away from the rim, nothing changes
    assert np.allclose(read_back.normals[inside], room.normals[inside], atol=1e-6)


def test_other_cameras_see_nothing_far_off_beside_an_infinite_sky(
    room: Prediction,
) -> None:
    sky = np.zeros_like(room.mask)
    sky[:30, :50] = True
    mask = ~sky
    endless = Prediction(np.where(sky, np.inf, room.distance), mask, room.image, room.meta)
    farthest = room.distance[mask].max()
    for shot in shots(endless, ViewOptions()):
        assert shot.distance.max() <= farthest * 1.001, shot.camera.name


def test_npz(outdoors: Prediction, tmp_path: Path) -> None:
    save(outdoors, tmp_path / "d.npz")
    with np.load(tmp_path / "d.npz") as file:
        assert set(file) == {"distance", "mask", "sky", "meta"}
        assert np.array_equal(file["sky"], outdoors.sky)
        assert np.array_equal(file["distance"], outdoors.distance)
        assert json.loads(str(file["meta"]))["sky"] == "sky is True"


@pytest.mark.parametrize(("given", "value"), [({}, BEHIND), ({"sky": "infinity"}, np.inf)])
def test_float_files(outdoors: Prediction, tmp_path: Path, given: dict, value: float) -> None:
    outdoors.save(tmp_path, ["exr", "tiff"], **given)
    channels = OpenEXR.File(str(tmp_path / "room_distance.exr"), separate_channels=True).channels()
    assert np.array_equal(channels["A"].pixels, outdoors.mask)
    tiff = tifffile.imread(tmp_path / "room_distance.tiff")
    for values in (channels["Y"].pixels, tiff):
        assert (values[SKY] == np.float32(value)).all()
        assert (values[UNKNOWN] == 0).all()
        assert np.array_equal(values[outdoors.mask], outdoors.distance[outdoors.mask])
    with tifffile.TiffFile(tmp_path / "room_distance.tiff") as file:
        assert file.pages[0].tags[42113].value == "0"
        said = json.loads(file.pages[0].tags["ImageDescription"].value)
    assert (said["invalid"], said["sky"]) == (0, "inf" if given else BEHIND)


def test_exr_without_alpha(outdoors: Prediction, tmp_path: Path) -> None:
    outdoors.save(tmp_path / "d.exr", alpha=False)
    file = OpenEXR.File(str(tmp_path / "d.exr"))
    assert list(file.channels()) == ["Y"]


def test_in_a_composite_the_sky_lies_behind(outdoors: Prediction, tmp_path: Path) -> None:
    """A ball 100 units away is in front of the sky and behind the room."""
    outdoors.save(tmp_path / "d.exr")
    y = OpenEXR.File(str(tmp_path / "d.exr"), separate_channels=True).channels()["Y"].pixels
    assert (y > 100)[SKY].all()
    assert not (y > 100)[outdoors.mask].any()
    assert np.isfinite(cv2.blur(y, (5, 5))).all()


def test_png_has_no_value_in_the_sky(outdoors: Prediction, tmp_path: Path) -> None:
    outdoors.save(tmp_path / "d.png")
    values = cv2.imread(str(tmp_path / "d.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(values == 0, ~outdoors.mask)
    with Image.open(tmp_path / "d.png") as image:
        assert (image.text["invalid"], image.text["sky"]) == ("0", "0")


@pytest.mark.parametrize("ending", ["npz", "exr", "tiff", "png"])
def test_our_own_reader_finds_the_same(outdoors: Prediction, tmp_path: Path, ending: str) -> None:
    outdoors.save(tmp_path / f"d.{ending}")
    found = DistanceFile()(tmp_path / f"d.{ending}")
    assert found.unit == "m"
    assert (found.distance[UNKNOWN] == 0).all()
    assert (found.distance[SKY] == (0 if ending == "png" else np.inf)).all()
    error = np.abs(found.distance[outdoors.mask] - outdoors.distance[outdoors.mask])
    assert error.max() < (1e-4 if ending == "png" else 1e-9)


@pytest.mark.parametrize("ending", ["_points.ply", "_points.glb", ".glb"])
def test_no_point_lies_in_the_sky(outdoors: Prediction, tmp_path: Path, ending: str) -> None:
    save(outdoors, tmp_path, ["ply", "points-glb", "glb"])
    path = tmp_path / f"room{ending}"
    if ending == "_points.ply":
        vertex = plyfile.PlyData.read(path)["vertex"]
        points = np.stack([vertex[axis] for axis in "xyz"], axis=-1)
        assert len(points) == outdoors.mask.sum()
    else:
        geometry = trimesh.load(path, force="mesh" if ending == ".glb" else None)
        points = np.asarray(
            geometry.to_geometry().vertices if ending != ".glb" else geometry.vertices
        ) * [1, -1, -1]
    assert np.isfinite(points).all()
    latitude = np.arcsin(points[:, 1] / np.linalg.norm(points, axis=1))
    assert latitude.min() > (19.9 / 64 - 0.5) * np.pi
