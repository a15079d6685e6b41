"""Files of measured points, poses and coarse maps: what is read of them, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from panodepth.errors import InputError
from panodepth.export.reprojection import reprojected
from panodepth.export.saved import read_saved
from panodepth.geometry.lens import Pinhole, View
from panodepth.predict.metric.files import read_anchor, read_points, read_pose
from panodepth.types import Prediction

PLY = "ply\nformat {} 1.0\nelement vertex {}\n" + "".join(f"property float {x}\n" for x in "xyz")


@pytest.mark.parametrize(
    "text",
    [
        "1,2,3\n4,5,6.5\n",
        "x,y,z\r\n1,2,3\r\n4,5,6.5\r\n",
        "\n# by a scanner, in metres; two points\n\n1 2 3\n4 5 6.5 # the last\n",
        "# a b c\n1,2,3,red\n4,5,6.5,blue\n",
        "X;Y;Z\n1;2;3\n4;5;6,5\n",
        'id,"x","y","z"\n10,1,2,3\n11,4,5,6.5\n',
        "z\ty\tred\tx\n3 2 255 1\n6.5 5 0 4\n",
        "# 3D point list:\n#   POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[] as (IMAGE_ID, ...)\n"
        "63 1 2 3 9 9 9 0.5 1 2\n64 4 5 6.5 9 9 9 0.5 1 2\n",
        "id,x [m],y (m),z_m\n10,1,2,3\n11,4,5,6.5\n",
        "Point;X (m);Y (m);Z (m)\n10;1;2;3\n11;4;5;6,5\n",
        "id X [m] Y [m] Z [m]\n10 1 2 3\n11 4 5 6.5\n",
        "//X,Y,Z,R,G,B\n1,2,3,9,9,9\n4,5,6.5,9,9,9\n",
        "# id x y z\n10 1 2 3\n11 4 5 6.5\n",
        "# by a scanner\n#id,x,y,z\n# of a room\n10,1,2,3\n11,4,5,6.5\n",
        "# x right, y down, z forward\n1 2 3 9 9 9\n4 5 6.5 9 9 9\n",
        "2\n1 2 3 9\n4 5 6.5 9\n",
        "id z_m x_m y_m\n10 3 1 2\n11 6.5 4 5\n",
        "time,pos_x,pos_y,pos_z,normal_x\n10,1,2,3,0\n11,4,5,6.5,0\n",
        '"Normals:0","Normals:1","Normals:2","Points:0","Points:1","Points:2"\n'
        "9,9,9,1,2,3\n9,9,9,4,5,6.5\n",
        "# z,y,x\n# of a room\n\n3,2,1\n6.5,5,4\n",
        "//X Y Z R G B\n2\n1 2 3 9 9 9\n4 5 6.5 9 9 9\n",  # CloudCompare
        "2\n1 2 3 9 9 9\n4 5 6.5 9 9 9\n",  # PTS
        '"1","2","3"\n"4","5","6.5"\n',
    ],
)
def test_rows_of_numbers_in_whatever_is_between_them(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text, newline="")
    assert read_points(tmp_path / "a.csv").tolist() == [[1, 2, 3], [4, 5, 6.5]]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("id,x [mm],y [mm],z [mm]\n1,1000,2000,3000\n", "its columns are in mm, and metres"),
        ("# x_ft y_ft z_ft\n1 2 3\n", "its columns are in ft, and metres"),
        ("u,v,distance\n512,300,2.4\n", "its columns are called u, v, distance; call three"),
        ("Easting;Northing;Height\n1;2;3\n", "its columns are called easting, northing, height"),
    ],
)
def test_columns_that_are_no_x_y_z_in_metres_are_told(text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=f"points: .*a.csv: {why}"):
        read_points(tmp_path / "a.csv")


@pytest.mark.parametrize(
    "content",
    [
        "# caf\xe9\n1,2,3\n4,5,6.5\n".encode("latin-1"),
        "x\ty\tz\n1\t2\t3\n4\t5\t6.5".encode("utf-16"),
    ],
)
def test_rows_in_other_codes(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    assert read_points(tmp_path / "a.txt").tolist() == [[1, 2, 3], [4, 5, 6.5]]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"id,easting,northing,height\n1,2,3,4\n", "call three of them x, y and z"),
        (b"id,x_mm,y_mm,z_mm\n1,2,3,4\n", "its columns are in mm, and metres are needed"),
        (b"2\n1\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n1 2 3 0.5\n", "it is PTX"),
        (b"OFF\n2 1 0\n1 2 3\n4 5 6\n3 0 1 0\n", "it is OFF; save its points as PLY or CSV"),
        (b"LASF" + bytes(300), "it is LAS or LAZ; save"),
        (b"ASTM-E57" + bytes(300), "it is E57; save"),
        (b"# .PCD v0.7 - Point Cloud Data\nVERSION 0.7\n", "it is PCD; save"),
    ],
)
def test_what_holds_points_otherwise_is_refused(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(InputError, match=says):
        read_points(tmp_path / "a.csv")


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian"])
def test_vertices_with_lists_are_refused(form: str, tmp_path: Path) -> None:
    header = PLY.format(form, 1).replace("property", "property list uchar int seen\nproperty", 1)
    (tmp_path / "a.ply").write_text(header + "end_header\n2 7 8 1.5 2.5 3.5\n")
    with pytest.raises(InputError, match="a PLY with lists among its vertices"):
        read_points(tmp_path / "a.ply")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("1,2,3\n\n4,5\n", 3),
        ("# a; b\n1 2 3\n4 x 6\n", 3),
        ("a\nb\n", 2),
        ("id,x,y,z\n1,2,3,4\n5,6,7\n", 3),
        ("1,2,3\n4,1_6,6\n", 2),
    ],
)
def test_the_line_that_is_no_point_is_named(text: str, line: int, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=f"line {line}: expected three numbers"):
        read_points(tmp_path / "a.csv")


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian"])
@pytest.mark.parametrize("count", [2, 10**9, 10**30])
def test_more_vertices_than_there_are(form: str, count: int, tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_text(PLY.format(form, count) + "end_header\n1 2 3\n")
    with pytest.raises(InputError, match=f"fewer vertices than the {count:,} it says"):
        read_points(tmp_path / "a.ply")


@pytest.mark.parametrize(
    "pose",
    [
        [[1, 0, 0, np.nan], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
        [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1]],  # a mirror image
    ],
)
def test_a_pose_that_is_none(pose: list[list[float]], tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(pose))
    with pytest.raises(InputError, match="not 4 rows of 4 numbers with a rotation"):
        read_pose(tmp_path / "a.json")


def test_a_coarse_map_of_nothing_and_of_more_than_float32_holds(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", distance=np.zeros((0, 0)))
    with pytest.raises(InputError, match="is not a whole sphere"):
        read_anchor(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", distance=np.array([[1e300, 2.0]]))
    with np.errstate(all="raise"):
        assert read_anchor(tmp_path / "a.npz").tolist() == [[0, 2]]


def test_the_sky_of_a_coarse_map_is_not_known(tmp_path: Path) -> None:
    for far in (1e10, 65504.0, np.inf):
        np.savez(tmp_path / "a.npz", distance=np.array([[far, 2.0]], np.float32))
        assert read_anchor(tmp_path / "a.npz").tolist() == [[0, 2]]
    codes = np.full((8, 16), 2000, np.uint16)
    codes[0] = 65535
    Image.fromarray(codes).save(tmp_path / "a.png")
    found = read_anchor(tmp_path / "a.png")
    assert (found[0] == 0).all()
    assert (found[1:] == 2).all()


def test_whole_numbers_without_a_unit_are_no_coarse_map(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", distance=np.full((8, 16), 2000, np.uint16))
    with pytest.raises(InputError, match="whole numbers"):
        read_anchor(tmp_path / "a.npz")


def test_a_coarse_map_that_panodepth_wrote_counts_in_the_unit_it_says(tmp_path: Path) -> None:
    distance = np.linspace(1, 9, 128, dtype=np.float32).reshape(8, 16)
    picture = np.zeros((8, 16, 3), np.uint8)
    for unit in ("m", "relative"):
        made = Prediction(distance, np.ones((8, 16), bool), picture, {"unit": unit})
        for metadata in (True, False):
            for name in ("a.npz", "a.png"):
                made.save(tmp_path / name, metadata=metadata)
                if unit == "m":
                    known = read_anchor(tmp_path / name)
                    known[-1, -1] = 9  # 65535 is the sky in any 16-bit file
                    np.testing.assert_allclose(known, distance, atol=1e-4)
                else:
                    with pytest.raises(InputError, match="unit is 'relative', and metres"):
                        read_anchor(tmp_path / name)


def test_points_that_panodepth_wrote_are_in_metres_or_refused(tmp_path: Path) -> None:
    distance = np.full((8, 16), 2, np.float32)
    made = Prediction(distance, np.ones((8, 16), bool), np.zeros((8, 16, 3), np.uint8))
    made.save(tmp_path / "a.ply")
    with pytest.raises(InputError, match=r"points: .*unit is 'relative', and metres"):
        read_points(tmp_path / "a.ply")
    made.to_metres(scale=1.5).save(tmp_path / "a.ply")
    found = read_points(tmp_path / "a.ply")
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 3, rtol=1e-6)


@pytest.mark.parametrize("up", ["house", "y", "z", "ros", "unity", "unreal"])
def test_points_that_panodepth_wrote_are_in_the_frame_they_say(tmp_path: Path, up: str) -> None:
    distance = np.linspace(1, 9, 128, dtype=np.float32).reshape(8, 16)
    mask = np.ones((8, 16), bool)
    made = Prediction(distance, mask, np.zeros((8, 16, 3), np.uint8), {"unit": "m"})
    made.save(tmp_path / "a.ply", up=up)
    found = read_points(tmp_path / "a.ply")
    np.testing.assert_allclose(found, made.points.reshape(-1, 3), atol=1e-5)


def test_what_a_coarse_map_masks_is_not_known(tmp_path: Path) -> None:
    distance = np.arange(1, 129, dtype=np.float32).reshape(8, 16)
    there = distance % 3 != 0
    np.savez(tmp_path / "a.npz", distance=distance, mask=there)
    np.testing.assert_array_equal(read_anchor(tmp_path / "a.npz"), distance * there)
    codes = np.full((8, 16), 2000, np.uint16)
    codes[0] = 7777
    Image.fromarray(codes).save(tmp_path / "a.png", transparency=7777)
    found = read_anchor(tmp_path / "a.png")
    assert (found[0] == 0).all()
    assert (found[1:] == 2).all()
    np.savez(tmp_path / "a.npz", distance=distance, mask=there[:4])
    with pytest.raises(InputError, match=r"anchor depth: .*mask bool \(4, 16\) does not match"):
        read_anchor(tmp_path / "a.npz")


def test_the_sky_of_an_npz_without_a_mask_is_not_known(tmp_path: Path) -> None:
    distance = np.full((8, 16), 3, np.float32)
    sky = np.zeros((8, 16), bool)
    sky[:2], distance[:2] = True, 500
    np.savez(tmp_path / "a.npz", distance=distance, sky=sky)
    np.testing.assert_array_equal(read_anchor(tmp_path / "a.npz"), np.where(sky, 0, distance))
    saved = read_saved(tmp_path / "a.npz")
    np.testing.assert_array_equal(saved.sky_mask, sky)
    np.testing.assert_array_equal(saved.mask, ~sky)
    np.savez(tmp_path / "a.npz", distance=distance, sky=sky[:4])
    with pytest.raises(InputError, match=r"anchor depth: .*sky bool \(4, 16\) does not match"):
        read_anchor(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a.npz", "a.npy"])
def test_a_coarse_map_is_read_by_its_content(tmp_path: Path, name: str) -> None:
    distance = np.full((8, 16), 3, np.float32)
    with (tmp_path / name).open("wb") as file:
        np.save(file, distance)
    np.testing.assert_array_equal(read_anchor(tmp_path / name), distance)
    with (tmp_path / name).open("wb") as file:
        np.savez(file, distance=distance)
    np.testing.assert_array_equal(read_anchor(tmp_path / name), distance)


def test_a_coarse_map_whose_0_is_white_holds_what_it_holds(tmp_path: Path) -> None:
    file = tmp_path / "a.tif"
    tifffile.imwrite(file, np.full((8, 16), 2500, np.uint16), photometric="miniswhite")
    np.testing.assert_allclose(read_anchor(file), 2.5, rtol=1e-6)


@pytest.mark.parametrize("name", ["a.npz", "a.png"])
def test_what_another_lens_sees_is_no_coarse_map(tmp_path: Path, name: str) -> None:
    size = (8, 16)
    lens = Pinhole.from_fov(1.5, size)
    picture = np.zeros((*size, 3), np.uint8)
    made = Prediction(np.ones(size, np.float32), np.ones(size, bool), picture, {"unit": "m"})
    reprojected(made, View(lens, size)).save(tmp_path / name)
    with pytest.raises(InputError, match=r"a\.\w+: is what another lens sees \(Pinhole\)"):
        read_anchor(tmp_path / name)
