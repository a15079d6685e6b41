"""What the files hold, against the plain formulas: whole arrays, one step after the other."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest

from panodepth.export import save
from panodepth.export.colour import NO_SURFACE, colourise, distance_range, distance_table
from panodepth.geometry.bands import normal_bands
from panodepth.geometry.grid import axis_angles
from panodepth.geometry.points import distance_to_normals
from panodepth.images import srgb_to_linear
from panodepth.types import Prediction

pytestmark = pytest.mark.usefixtures("small_bands")


def slow_points(prediction: Prediction) -> np.ndarray:
    """(N, 3) float32, of the valid pixels."""
    lon, lat = axis_angles(*prediction.distance.shape)
    sin_lon, cos_lon = np.sin(lon).astype(np.float32), np.cos(lon).astype(np.float32)
    sin_lat, cos_lat = (f(lat).astype(np.float32)[:, None] for f in (np.sin, np.cos))
    level = prediction.distance * cos_lat
    whole = np.stack([level * sin_lon, prediction.distance * sin_lat, level * cos_lon], axis=-1)
    return whole[prediction.mask]


def test_ply(rough_or_whole: Prediction, tmp_path: Path) -> None:
    save(rough_or_whole, tmp_path / "c.ply")
    _, body = (tmp_path / "c.ply").read_bytes().split(b"end_header\n", 1)
    kind = np.dtype([("position", "<f4", 3), ("colour", "u1", 3)])
    records = np.frombuffer(body, kind)
    assert np.array_equal(records["position"], slow_points(rough_or_whole))
    assert np.array_equal(records["colour"], rough_or_whole.image[rough_or_whole.mask])


def test_points_glb(rough_or_whole: Prediction, tmp_path: Path) -> None:
    save(rough_or_whole, tmp_path, ["points-glb"])
    tree, binary = read_glb(tmp_path / "rough_points.glb")
    points = slow_points(rough_or_whole) * np.array([1, -1, -1], np.float32)
    linear = srgb_to_linear(rough_or_whole.image[rough_or_whole.mask] / np.float32(255))
    colours = np.full((len(points), 4), 65535, np.uint16)
    colours[:, :3] = np.rint(linear * 65535)
    assert binary[: points.nbytes] == points.tobytes()
    assert binary[points.nbytes :] == colours.tobytes()
    assert tree["accessors"][0]["min"] == points.min(axis=0).tolist()
    assert tree["accessors"][0]["max"] == points.max(axis=0).tolist()


def read_glb(path: Path) -> tuple[dict, bytes]:
    content = path.read_bytes()
    (length,) = struct.unpack("<I", content[12:16])
    return json.loads(content[20 : 20 + length]), content[28 + length :]


def test_preview(rough_or_whole: Prediction, tmp_path: Path) -> None:
    save(rough_or_whole, tmp_path, ["preview-plain"])
    near, far = distance_range(rough_or_whole.distance, rough_or_whole.mask)
    steps = np.float32(255 / (np.log(far) - np.log(near)))
    place = (np.log(rough_or_whole.distance) - np.float32(np.log(near))) * steps
    expected = distance_table()[np.clip(np.rint(place), 0, 255).astype(np.intp)]
    expected[~rough_or_whole.mask] = NO_SURFACE
    read = cv2.imread(str(tmp_path / "rough_preview-plain.png"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    assert np.array_equal(read, expected)
    assert np.array_equal(colourise(rough_or_whole.distance, rough_or_whole.mask), expected)


def test_distance_png(rough_or_whole: Prediction, tmp_path: Path) -> None:
    save(rough_or_whole, tmp_path / "d.png")
    surface = np.where(rough_or_whole.mask, rough_or_whole.distance, 0)
    scale = float(surface.max()) / 65535
    levels = np.clip(np.rint(surface / np.float32(scale)), 1, 65535)
    expected = np.where(rough_or_whole.mask, levels, 0)
    assert np.array_equal(cv2.imread(str(tmp_path / "d.png"), cv2.IMREAD_UNCHANGED), expected)
    assert json.loads((tmp_path / "d.png.json").read_text())["scale"] == scale


def test_distance_exr(rough_or_whole: Prediction, tmp_path: Path) -> None:
    save(rough_or_whole, tmp_path / "d.exr")
    with OpenEXR.File(str(tmp_path / "d.exr"), separate_channels=True) as file:
        read = file.channels()["Y"].pixels
    assert np.array_equal(read, np.where(rough_or_whole.mask, rough_or_whole.distance, 0))


@pytest.mark.parametrize("known", [False, True])
def test_normals_are_the_same_whether_asked_for_before_or_not(
    rough_or_whole: Prediction, tmp_path: Path, known: bool
) -> None:
    expected = np.where(
        rough_or_whole.mask[..., None], distance_to_normals(rough_or_whole.distance), 0
    )
    if known:
        assert rough_or_whole.normals.shape == expected.shape
    save(rough_or_whole, tmp_path, ["normals", "normals-png"])
    with OpenEXR.File(str(tmp_path / "rough_normals.exr"), separate_channels=True) as file:
        read = np.stack([file.channels()[axis].pixels for axis in "XYZ"], axis=-1)
    assert np.abs(read - expected).max() <= 2.0**-15  # half a step of the file
    coded = np.rint((expected + np.float32(1)) * np.float32(65535 / 2)).astype(np.uint16)
    coded[~rough_or_whole.mask] = 0
    read = cv2.imread(str(tmp_path / "rough_normals.png"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    assert np.array_equal(read, coded)
    assert ("normals" in vars(rough_or_whole)) == known  # writing keeps no array of its own


def test_bands_of_normals_make_up_the_whole(rough: Prediction) -> None:
    bands = list(normal_bands(rough.distance))
    assert [rows.start for rows, _ in bands[1:]] == [rows.stop for rows, _ in bands[:-1]]
    whole = np.concatenate([planes for _, planes in bands], axis=1)
    assert np.array_equal(whole.transpose(1, 2, 0), distance_to_normals(rough.distance))


def test_whatever_masked_pixels_hold_is_written_as_0(rough: Prediction, tmp_path: Path) -> None:
    anything = np.resize(np.array([np.nan, -np.inf, -1, 0], np.float32), rough.mask.shape)
    distance = np.where(rough.mask, rough.distance, anything)
    spoiled = Prediction(distance, rough.mask, rough.image, rough.meta)
    rasters = ["exr", "png", "preview", "tiff"]
    for prediction, folder in ((rough, "clean"), (spoiled, "spoiled")):
        save(prediction, tmp_path / folder, rasters)
    for file in (tmp_path / "clean").iterdir():
        assert (tmp_path / "spoiled" / file.name).read_bytes() == file.read_bytes(), file.name

    normals = distance_to_normals(rough.distance)
    normals[~rough.mask] = np.nan
    vars(spoiled)["normals"] = normals  # as if asked for before
    save(spoiled, tmp_path, ["normals"])
    with OpenEXR.File(str(tmp_path / "rough_normals.exr"), separate_channels=True) as file:
        read = np.stack([file.channels()[axis].pixels for axis in "XYZ"], axis=-1)
    assert np.abs(read - np.where(rough.mask[..., None], normals, 0)).max() <= 2.0**-15


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 4), (3, 5)])
def test_normals_of_the_smallest_panoramas_are_numbers(shape: tuple[int, int]) -> None:
    distance = np.random.default_rng(1).uniform(1, 2, shape).astype(np.float32)
    length = np.linalg.norm(distance_to_normals(distance), axis=-1)
    np.testing.assert_allclose(length, 0 if shape[0] == 1 else 1, atol=1e-6)
