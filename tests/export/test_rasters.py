"""Distance, normals and preview files, read back by other people's readers."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import plyfile
import pytest
import tifffile
from PIL import Image

from panodepth.export import save
from panodepth.export.colour import NO_SURFACE, distance_table
from panodepth.export.mark import stated
from panodepth.export.metadata import FORMAT_VERSION
from panodepth.export.rasters.legend import legend
from panodepth.types import Prediction


def _check_meta(meta: dict, quantity: str, unit: str = "m") -> None:
    assert meta["frame"] == "x right, y down, z forward"
    assert meta["unit"] == unit
    assert quantity in meta["quantity"]
    assert (meta["height"], meta["width"]) == (64, 128)
    assert meta["prediction"]["model"] == "truth"


def test_npz(room: Prediction, tmp_path: Path) -> None:
    assert save(room, tmp_path, ["npz"]) == [tmp_path / "room_distance.npz"]
    with np.load(tmp_path / "room_distance.npz", allow_pickle=False) as file:
        assert set(file) == {"distance", "mask", "sky", "meta"}
        assert file["distance"].dtype == np.float32
        assert np.array_equal(file["distance"], room.distance)
        assert np.array_equal(file["mask"], room.mask)
        _check_meta(json.loads(str(file["meta"])), "along the ray")
    with zipfile.ZipFile(tmp_path / "room_distance.npz") as archive:
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}


def test_exr(room: Prediction, tmp_path: Path) -> None:
    save(room, tmp_path, ["exr"])
    file = OpenEXR.File(str(tmp_path / "room_distance.exr"))
    header, channels = file.header(), file.channels()
    assert list(channels) == ["A", "Y"]
    assert channels["Y"].pixels.dtype == np.float32
    assert np.array_equal(channels["Y"].pixels, np.where(room.mask, room.distance, 0))
    assert np.array_equal(channels["A"].pixels, room.mask)
    assert header["compression"] == OpenEXR.ZIP_COMPRESSION
    assert (header["unit"], header["frame"]) == ("m", "x right, y down, z forward")
    assert header["scale"] == 1
    meta = json.loads(header["panodepth"])
    _check_meta(meta, "along the ray")
    assert meta["invalid"] == 0


def test_every_key_of_the_metadata_is_explained(room: Prediction, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/conventions.md").read_text(encoding="utf-8")
    rows = page.split("## What files say about themselves")[1].split("\n## ")[0]
    explained = set(re.findall(r"`([a-z_]+)`", rows))
    save(room, tmp_path, ["npz", "preview", "normals-png", "ply"])
    said = [json.loads(str(np.load(tmp_path / "room_distance.npz")["meta"]))]
    for name in ("room_preview.png", "room_normals.png"):
        with Image.open(tmp_path / name) as image:
            said.append(json.loads(image.text["panodepth"]))
    comments = plyfile.PlyData.read(tmp_path / "room_points.ply").comments
    pieces = [text.removeprefix("panodepth ") for text in comments if text.startswith("panodepth ")]
    said.append(json.loads("".join(pieces)))
    for values in said:
        assert set(values) <= explained
        assert values["format_version"] == FORMAT_VERSION == 2


def test_png_has_16_bits_and_its_scale_twice(room: Prediction, tmp_path: Path) -> None:
    files = save(room, tmp_path, ["png"])
    assert [f.name for f in files] == ["room_distance.png", "room_distance.png.json"]
    values = cv2.imread(str(files[0]), cv2.IMREAD_UNCHANGED)
    assert values.dtype == np.uint16
    with Image.open(files[0]) as image:
        assert np.array_equal(np.asarray(image), values)
        text = image.text
    meta = json.loads(files[1].read_text())
    assert json.loads(text["panodepth"]) == meta
    assert float(text["scale"]) == meta["scale"]
    assert (text["unit"], text["invalid"]) == ("m", "0")
    _check_meta(meta, "along the ray")
    assert ((values == 0) == ~room.mask).all()
    assert values.max() == 65535
    assert np.abs(values * meta["scale"] - room.distance)[room.mask].max() <= 0.51 * meta["scale"]


def test_png_keeps_a_very_near_surface_valid(make_room: Callable, tmp_path: Path) -> None:
    room = make_room(masked=False)
    room.distance[3, 4], room.distance[5, 6] = 1e-6, 1e4
    save(room, tmp_path / "d.png")
    values = cv2.imread(str(tmp_path / "d.png"), cv2.IMREAD_UNCHANGED)
    assert (values > 0).all()
    assert (tmp_path / "d.png.json").exists()


def test_tiff(room: Prediction, tmp_path: Path) -> None:
    save(room, tmp_path, ["tiff"])
    with tifffile.TiffFile(tmp_path / "room_distance.tiff") as file:
        values = file.asarray()
        description = file.pages[0].tags["ImageDescription"].value
    assert values.dtype == np.float32
    assert np.array_equal(values, np.where(room.mask, room.distance, 0))
    _check_meta(json.loads(description), "along the ray")


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        *((kind, "Non-Color") for kind in ("png", "tiff", "normals-png", "confidence-png", "mask")),
        *((kind, None) for kind in ("exr", "normals", "preview", "preview-plain", "npz")),
    ],
)
def test_numbers_that_tools_take_for_colours_say_that_they_are_none(
    kind: str, told: str | None, room: Prediction, tmp_path: Path
) -> None:
    for file in save(room, tmp_path, [kind]):
        said = stated(file)
        assert said is not None
        assert said.get("color_space") == told
        if file.suffix == ".png":
            with Image.open(file) as image:
                assert image.text.get("color_space") == told


def test_normals(room: Prediction, tmp_path: Path) -> None:
    save(room, tmp_path, ["normals", "normals-png"])
    file = OpenEXR.File(str(tmp_path / "room_normals.exr"), separate_channels=True)
    channels = file.channels()
    read = np.stack([channels[axis].pixels for axis in "XYZ"], axis=-1)
    expected = np.where(room.mask[..., None], room.normals, 0)
    assert np.abs(read - expected).max() <= 2.0**-15
    assert (read[~room.mask] == 0).all()
    assert file.header()["compression"] == OpenEXR.ZIP_COMPRESSION
    assert (tmp_path / "room_normals.exr").stat().st_size < 0.8 * expected.nbytes
    _check_meta(json.loads(file.header()["panodepth"]), "normal", "1")
    floor = read[-1, 10]  # seen from above it points up, which is -y
    assert floor == pytest.approx([0, -1, 0], abs=0.02)

    coded = cv2.imread(str(tmp_path / "room_normals.png"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    assert coded.dtype == np.uint16
    with Image.open(tmp_path / "room_normals.png") as image:
        meta = json.loads(image.text["panodepth"])
    decoded = coded * meta["scale"] + meta["offset"]
    assert np.abs(decoded - expected)[room.mask].max() < 2e-5
    assert (coded[~room.mask] == 0).all()


def test_preview_plain(room: Prediction, tmp_path: Path) -> None:
    save(room, tmp_path, ["preview-plain"])
    with Image.open(tmp_path / "room_preview-plain.png") as image:
        assert (image.mode, image.size) == ("RGB", (128, 64))
        picture, meta = np.asarray(image), json.loads(image.text["panodepth"])
    assert ((picture == NO_SURFACE).all(axis=-1) == ~room.mask).all()
    near, far = np.percentile(room.distance[room.mask], (1, 99))
    assert (meta["near"], meta["far"]) == pytest.approx((near, far))
    nearest = np.unravel_index(np.where(room.mask, room.distance, np.inf).argmin(), room.mask.shape)
    assert picture[nearest][0] > picture[nearest][2]  # warm


def test_preview_is_photograph_map_and_legend(room: Prediction, tmp_path: Path) -> None:
    save(room, tmp_path, ["preview", "preview-plain"])
    with Image.open(tmp_path / "room_preview.png") as image:
        picture, meta = np.asarray(image), json.loads(image.text["panodepth"])
    plain = np.asarray(Image.open(tmp_path / "room_preview-plain.png"))
    assert np.array_equal(picture[:64], room.image)
    assert np.array_equal(picture[64:128], plain)
    bar = legend(128, meta["near"], meta["far"], "m")
    assert np.array_equal(picture[128:], bar)


@pytest.mark.parametrize("width", [64, 256, 1024, 2048])
@pytest.mark.parametrize(("near", "far"), [(0.2, 1.1), (1.0, 1.0), (0.5, 5000.0), (3e-6, 4e-6)])
def test_legend_shows_the_whole_table_and_text(width: int, near: float, far: float) -> None:
    bar = legend(width, near, far, "relative")
    assert bar.shape[1] == width
    middle = bar[len(bar) // 4].astype(int)
    for end in (0, 255):  # both ends of the table, nearest first
        assert (np.abs(middle - distance_table()[end]).max(1) < 30).any()
    dark = (bar[-len(bar) // 4 :, : width // 3] < 100).all(-1)
    assert dark.any() == (width >= 256)
    if width >= 1024 and far > near:  # the far end says how far, whatever stands before it
        assert (bar[-len(bar) // 2 :, int(0.75 * width) : int(0.86 * width)] < 100).all(-1).any()


def test_a_wide_preview_is_thinned(make_room: Callable, tmp_path: Path) -> None:
    room = make_room(8, 9000, masked=False)
    save(room, tmp_path, ["preview"])
    with Image.open(tmp_path / "room_preview.png") as image:
        assert image.size[0] == 1800
