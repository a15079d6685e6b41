"""Miniature trees of the public datasets, in their own file layout and units."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from panodepth.errors import ConfigError, InputError
from panodepth.lab.data import open_source, open_structured3d
from panodepth.lab.data.layouts import MATTERPORT3D, PANOSUNCG, STANFORD2D3D
from panodepth.lab.data.registry import kind_of
from panodepth.lab.data.splits import read_split, select

from .conftest import H, W, make_image, write_image

STANFORD = "area_5a/pano/{0}/camera_0{1}_office_1_frame_equirectangular_domain_{0}.png"


def codes(first: list[int]) -> np.ndarray:
    """(H, W) uint16 of 1000 with some values in front."""
    values = np.full((H, W), 1000, np.uint16)
    values[0, : len(first)] = first
    return values


def stanford(root: Path) -> None:
    for i in range(3):
        write_image(root / STANFORD.format("rgb", i), make_image(i))
        write_image(root / STANFORD.format("depth", i), codes([0, 65535, 512 * (i + 1)]))


def matterport(root: Path) -> None:
    for scan in ("jtcxE69GiFV", "ARNzJeq3xxb"):
        write_image(root / scan / "pano_skybox_color/0a.jpg", make_image())
        write_image(root / scan / "pano_depth/0a.png", codes([0, 4000, 65535]))


def suncg(root: Path) -> None:
    values = np.full((H, W, 3), 40, np.uint8)
    values[0, :2] = [[9, 9, 0], [9, 9, 20]]
    write_image(root / "1844210a/3.txt/16_color.png", make_image())
    write_image(root / "1844210a/3.txt/16_depth.png", values)


def structured(root: Path) -> None:
    for scene in ("scene_00001", "scene_00000"):
        for configuration in ("full", "empty"):
            here = root / scene / "2D_rendering/485142/panorama" / configuration
            for light in ("raw", "warm"):
                write_image(here / f"rgb_{light}light.png", make_image())
            write_image(here / "depth.png", codes([0, 2500, 65535]))
            write_image(here / "semantic.png", make_image())


def test_stanford2d3d(tmp_path):
    stanford(tmp_path)
    (tmp_path / STANFORD.format("rgb", 0)).with_name("._camera_00_rgb.png").touch()
    source = open_source("stanford2d3d", tmp_path)
    assert len(source) == 3
    sample = source[1]
    assert sample.meta["unit"] == "m"
    assert sample.meta["image"] == STANFORD.format("rgb", 1)
    assert sample.mask[0, :3].tolist() == [False, False, True]
    assert sample.distance[0, :3].tolist() == [0, 0, 2]
    assert not np.isinf(sample.distance).any()
    released = STANFORD2D3D.open(tmp_path, released_units=True)[1]
    np.testing.assert_allclose(released.distance[0, 2], 1.024)
    np.testing.assert_array_equal(released.mask, sample.mask)


def test_3d60(tmp_path):
    openexr = pytest.importorskip("OpenEXR")
    values = np.full((H, W), 2.5, np.float32)
    values[0, :3] = [np.inf, np.nan, 0]
    stem = "Matterport3D/92_fa5f164b48f043c6b2b0bb9e8631a4821"
    for folder, name in (("Center_Left_Down", "Left_Down"), ("Up", "Up")):
        image = f"{folder}/{stem}_color_0_{name}_0.0.png"
        write_image(tmp_path / image, make_image())
        header = {"type": openexr.scanlineimage, "compression": openexr.ZIP_COMPRESSION}
        with openexr.File(header, {"Y": values}) as file:
            file.write(str(tmp_path / f"{folder}/{stem}_depth_0_{name}_0.0.exr"))
    source = open_source("3d60", tmp_path)
    assert [pair.name.split("/")[0] for pair in source.pairs] == ["Center_Left_Down", "Up"]
    sample = source[0]
    assert sample.meta["unit"] == "m"
    assert sample.distance[0, :4].tolist() == [0, 0, 0, 2.5]  # a hole is no sky
    assert sample.mask[0, :4].tolist() == [False, False, False, True]
    listed = tmp_path / "centre.txt"
    listed.write_text("Center_Left_Down\n")
    assert len(open_source("3d60", tmp_path, split=listed)) == 1
    (tmp_path / source.pairs[1].distance).unlink()
    with pytest.raises(InputError, match=r"Up_0\.0\.exr: no such file"):
        source[1]


def tartan(root: Path) -> None:
    """As its tools write it: float32 seen as four bytes, which OpenCV takes for B, G, R and A."""
    values = np.full((H, W), 2.5, np.float32)
    values[0, :4] = [0, 65504, 1e-3, 123.456]
    for name in ("image", "depth"):
        (root / f"Hospital/Data_easy/P000/{name}_lcam_equirect").mkdir(parents=True)
    for number in range(2):
        place = str(
            root / "Hospital/Data_easy/P000/{0}_lcam_equirect/00000{1}_lcam_equirect_{0}.png"
        )
        write_image(Path(place.format("image", number)), make_image())
        cv2.imwrite(place.format("depth", number), values.view(np.uint8).reshape(H, W, 4))


def test_tartanair2(tmp_path):
    tartan(tmp_path)
    source = open_source("tartanair2", tmp_path)
    assert len(source) == 2
    sample = source[1]
    assert sample.meta["unit"] == "m"
    assert sample.distance[0, :5].tolist() == [0, np.inf, *np.float32([1e-3, 123.456, 2.5])]
    assert sample.mask[0, :5].tolist() == [False, False, True, True, True]
    depth = tmp_path / source.pairs[0].distance
    content = depth.read_bytes()
    depth.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"depth\.png.*damaged|depth\.png.*cut short"):
        source[0]
    write_image(depth, make_image())
    with pytest.raises(InputError, match=r"depth\.png: expected four channels of 8 bits"):
        source[0]


def test_matterport3d(tmp_path):
    matterport(tmp_path)
    source = open_source("matterport3d", tmp_path)
    assert [pair.name.split("/")[0] for pair in source.pairs] == ["ARNzJeq3xxb", "jtcxE69GiFV"]
    assert source[0].distance[0, :3].tolist() == [0, 1, np.float32(65535 / 4000)]
    released = MATTERPORT3D.open(tmp_path, released_units=True)
    assert released[0].distance[0, 1] == np.float32(4000 / 2560)


def test_panosuncg(tmp_path):
    suncg(tmp_path)
    sample = open_source("panosuncg", tmp_path)[0]
    assert sample.distance[0, :3].tolist() == [0, 1, 2]
    assert sample.mask[0, :3].tolist() == [False, True, True]


def test_structured3d(tmp_path):
    structured(tmp_path)
    source = open_source("structured3d", tmp_path)
    assert [pair.image for pair in source.pairs] == [
        f"{scene}/2D_rendering/485142/panorama/{c}/rgb_rawlight.png"
        for scene in ("scene_00000", "scene_00001")
        for c in ("empty", "full")
    ]
    assert source[0].distance[0, :3].tolist() == [0, 2.5, np.float32(65.535)]
    one = open_structured3d(tmp_path, configurations=["full"], lights=["raw", "warm", "cold"])
    assert len(one) == 4
    with pytest.raises(ConfigError, match="full, simple, empty"):
        open_structured3d(tmp_path, configurations=["tidy"])
    archives = tmp_path / "unpacked"
    structured(archives / "Structured3D")
    assert len(open_structured3d(archives)) == 4


def test_a_list_of_pairs_chooses_and_orders(tmp_path):
    stanford(tmp_path)
    rows = [f"{STANFORD.format('rgb', i)} {STANFORD.format('depth', i)}" for i in (2, 0, 7)]
    file = tmp_path / "list.txt"
    file.write_text("\n".join(rows) + "\n\n")
    source = open_source("stanford2d3d", tmp_path, split=file)
    assert [pair.image for pair in source.pairs] == [row.split()[0] for row in rows]
    assert source[0].distance[0, 2] == 3
    with pytest.raises(InputError, match="no such file"):
        source[2]


def test_a_list_of_scenes_selects(tmp_path):
    structured(tmp_path)
    file = tmp_path / "list.txt"
    file.write_text("# validation\nscene_00001\n")
    source = open_source("structured3d", tmp_path, split=file)
    assert {pair.image.split("/")[0] for pair in source.pairs} == {"scene_00001"}
    file.write_text("scene_00001\nscene_03000\n")
    with pytest.raises(ConfigError, match="list's names 1 match nothing, first scene_0"):
        open_source("structured3d", tmp_path, split=file)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("# only this\n", "is empty"),
        ("a.png a_depth.png\nb.png\n", "line 2: 1 names"),
        ("a b c\n", "line 1: 3 names"),
        ("../a.png ../b.png\n", "relative to the dataset's folder"),
        ("/a.png /b.png\n", "relative to the dataset's folder"),
        ("a.png a_depth.png\n", "none of the 1 pictures"),
    ],
)
def test_bad_lists(tmp_path, text, said):
    stanford(tmp_path)
    file = tmp_path / "list.txt"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said):
        open_source("stanford2d3d", tmp_path, split=file)


def test_a_list_that_is_not_there(tmp_path):
    stanford(tmp_path)
    with pytest.raises(ConfigError, match="split list cannot be read"):
        open_source("stanford2d3d", tmp_path, split=tmp_path / "nowhere.txt")


@pytest.mark.parametrize("kind", ["stanford2d3d", "matterport3d", "panosuncg", "structured3d"])
def test_an_empty_folder_says_what_was_looked_for(tmp_path, kind):
    with pytest.raises(ConfigError, match="looked for"):
        open_source(kind, tmp_path)
    with pytest.raises(ConfigError, match="no such folder"):
        open_source(kind, tmp_path / "nowhere")


def test_the_released_lists_pair_what_the_layouts_pair():
    """One line of each released list; the names themselves say how they pair."""
    for layout, image, distance in (
        (STANFORD2D3D, STANFORD.format("rgb", 2), STANFORD.format("depth", 2)),
        (
            MATTERPORT3D,
            "jtcxE69GiFV/pano_skybox_color/001ad2ad14234e06b2d996d71bb96fc4.jpg",
            "jtcxE69GiFV/pano_depth/001ad2ad14234e06b2d996d71bb96fc4.png",
        ),
        (
            PANOSUNCG,
            "1844210a82c56df9282040d12eb8908d/3.txt/16_color.png",
            "1844210a82c56df9282040d12eb8908d/3.txt/16_depth.png",
        ),
    ):
        assert re.sub(*layout.distance_file, image) == distance
        assert any(Path(image).match(pattern) for pattern in layout.pictures)


# ---------------------------------------------------------------- curated sets


def curated(root: Path, content: object, scale: float | None = None) -> None:
    for i in range(2):
        write_image(root / f"vkitti_pano/rgb/{i}.jpg", make_image(i))
        values = np.full((H, W), np.nan, np.float32)
        values[4:12, 8:24] = i + 1
        (root / "vkitti_pano/depth").mkdir(exist_ok=True)
        np.savez(root / f"vkitti_pano/depth/{i}.npz", distance=values)
    (root / "vkitti_pano.json").write_text(json.dumps(content))


RECORDS = [{"rgb": f"rgb/{i}.jpg", "depth": f"depth/{i}.npz", "id": i} for i in range(2)]


@pytest.mark.parametrize(
    "content",
    [
        RECORDS,
        {"data": RECORDS},
        {str(i): record for i, record in enumerate(RECORDS)},
        [[r["rgb"], r["depth"]] for r in RECORDS],
        [
            {"image": f"vkitti_pano/rgb/{i}.jpg", "depth": f"vkitti_pano/depth/{i}.npz"}
            for i in (0, 1)
        ],
    ],
)
def test_curated_sets(tmp_path, content):
    curated(tmp_path, content)
    source = open_source("curated", tmp_path)
    assert [pair.name for pair in source.pairs] == ["vkitti_pano/rgb/0", "vkitti_pano/rgb/1"]
    sample = source[1]
    assert sample.mask.sum() == 8 * 16
    assert (sample.distance[sample.mask] == 2).all()
    assert sample.meta["licence"] == "Apache-2.0"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([{"photo": "a", "disparity": "b"}], "record 0 holds photo, disparity"),
        ([["a"]], "record 0 holds list"),
        ([{"rgb": "../x.jpg", "depth": "x.npz"}], "record 0"),
        ([], "lists no panorama"),
        ("text", "expected a list of records, found str"),
    ],
)
def test_curated_lists_of_another_form(tmp_path, content, said):
    curated(tmp_path, content)
    with pytest.raises(ConfigError, match=said):
        open_source("curated", tmp_path)


def test_curated_sets_that_are_not_unpacked(tmp_path):
    with pytest.raises(ConfigError, match=r"no NAME_pano\.json"):
        open_source("curated", tmp_path)
    (tmp_path / "vkitti_pano.json").write_text("[]")
    with pytest.raises(ConfigError, match="no such folder"):
        open_source("curated", tmp_path)
    (tmp_path / "vkitti_pano").mkdir()
    (tmp_path / "vkitti_pano/part_aa").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"cat vkitti_pano/part_\* | tar -xz"):
        open_source("curated", tmp_path)


def test_a_list_may_begin_with_a_mark_of_the_byte_order(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbfa.png a_distance.npz\r\nb.png b_distance.npz\r\n")
    assert read_split(path) == [("a.png", "a_distance.npz"), ("b.png", "b_distance.npz")]


def test_names_may_be_written_as_find_prints_them(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("./rooms//a.png\n./rooms/\n")
    assert read_split(path) == [("rooms/a.png",), ("rooms",)]


def test_a_pair_that_is_named_twice_counts_once():
    rows = [("a.png", "a_distance.npz"), ("b.png", "b_distance.npz"), ("a.png", "a_distance.npz")]
    assert [pair.name for pair in select([], rows, "list")] == ["a", "b"]


def test_a_tab_parts_names_that_hold_spaces(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("my room.png\tmy room_distance.npz\na.png a_distance.npz\n")
    assert read_split(path) == [
        ("my room.png", "my room_distance.npz"),
        ("a.png", "a_distance.npz"),
    ]


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (stanford, "stanford2d3d"),
        (matterport, "matterport3d"),
        (structured, "structured3d"),
        (tartan, "tartanair2"),
        (suncg, "folder"),  # its tree has no mark
    ],
)
def test_a_published_tree_is_known_by_its_folders(tmp_path, make, kind):
    make(tmp_path)
    assert kind_of(tmp_path) == kind
