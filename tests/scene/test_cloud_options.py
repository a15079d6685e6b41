"""Options of the joint cloud: its frame, how many points, normals, the reference system."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import laspy
import numpy as np
import pye57
import pytest
from plyfile import PlyData
from tests.scene.test_cloud import SIZE, UTM, ball

from panodepth.cli import main
from panodepth.export.mark import stated
from panodepth.scene.cloud import cloud_options, write_cloud
from panodepth.scene.poses import Place

ALL = 2 * SIZE[0] * SIZE[1]
PLACED = [(ball("hall", 3.0), UTM[0]), (ball("study", 4.0), UTM[1])]
WKT = 'PROJCS["ETRS89 / UTM zone 32N",GEOGCS["ETRS89",UNIT["degree",0.01745]],UNIT["metre",1]]'


def points(path: Path) -> np.ndarray:
    """(N, 3) as the file has them."""
    if path.suffix == ".ply":
        vertex = PlyData.read(path)["vertex"]
        return np.stack([vertex[axis] for axis in "xyz"], axis=1)
    if path.suffix == ".las":
        return np.array(laspy.read(path).xyz)
    with pye57.E57(str(path)) as file:
        scans = [file.read_scan(i, ignore_missing_fields=True) for i in range(file.scan_count)]
    columns = [np.concatenate([scan[f"cartesian{axis}"] for scan in scans]) for axis in "XYZ"]
    return np.stack(columns, axis=1)


def written(kind: str, given: dict[str, Any], tmp_path: Path) -> np.ndarray:
    path = tmp_path / f"rooms_points.{kind}"
    write_cloud("m", PLACED, path, cloud_options([kind], given)[kind])
    return points(path)


@pytest.mark.parametrize("kind", ["ply", "las", "e57"])
def test_fewer_points_are_those_of_all_rooms_together(kind: str, tmp_path: Path) -> None:
    assert len(written(kind, {}, tmp_path)) == ALL
    few = written(kind, {"max_points": 200}, tmp_path)
    assert ALL / 16 <= len(few) <= 200
    cubes = np.floor(written(kind, {"voxel": 0.5}, tmp_path) / 0.5)
    assert ALL / 4 < len(cubes) < ALL
    if kind == "ply":  # of the others, those at a side of their cube may be rounded over it
        assert len(np.unique(cubes, axis=0)) == len(cubes)


def test_a_cube_that_two_rooms_share_has_one_point(tmp_path: Path) -> None:
    same = [(ball("a", 2.0), Place()), (ball("b", 2.0), Place())]
    for kind in ("ply", "e57"):  # of the second no point is left, and E57 has one scan then
        path = tmp_path / f"rooms_points.{kind}"
        write_cloud("m", same, path, cloud_options([kind], {"voxel": 1e-3})[kind])
        assert len(points(path)) <= ALL / 2


@pytest.mark.parametrize("kind", ["ply", "las", "e57"])
def test_frames(kind: str, tmp_path: Path) -> None:
    own = written(kind, {}, tmp_path)
    x, y, z = own.T if kind == "ply" else (own[:, 0], -own[:, 2], own[:, 1])
    ros = written(kind, {"up": "ros"}, tmp_path)
    np.testing.assert_allclose(ros, np.stack([z, -x, -y], axis=1), atol=0.002)
    assert (stated(tmp_path / f"rooms_points.{kind}") or {})["frame"].startswith("x forward, y l")
    again = written(
        kind, {"up": "ros", f"{kind}.up": "house"}, tmp_path
    )  # the more exact one counts
    np.testing.assert_allclose(again, np.stack([x, y, z], axis=1), atol=0.002)


def test_normals_are_turned_as_the_room_is(tmp_path: Path) -> None:
    written("ply", {"normals": True, "up": "z"}, tmp_path)
    vertex = PlyData.read(tmp_path / "rooms_points.ply")["vertex"]
    normals = np.stack([vertex[axis] for axis in ("nx", "ny", "nz")], axis=1)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-3)
    for found, normal, place in zip(
        np.split(points(tmp_path / "rooms_points.ply"), 2), np.split(normals, 2), UTM, strict=True
    ):
        east, down, north = place.position
        inwards = np.array([east, north, -down]) - found
        inwards /= np.linalg.norm(inwards, axis=1, keepdims=True)
        assert np.median((inwards * normal).sum(axis=1)) > 0.99


def coordinate_metadata(path: Path) -> str:
    with pye57.E57(str(path)) as file:
        return str(file.root["coordinateMetadata"].value())


@pytest.mark.parametrize("kind", ["ply", "las", "e57"])
def test_the_reference_system_is_written(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"rooms_points.{kind}"
    write_cloud("m", PLACED, path, crs=WKT)
    assert (stated(path) or {})["crs"] == WKT
    if kind == "las":
        header = laspy.read(path).header
        assert header.global_encoding.wkt
        (record,) = (v for v in header.vlrs if v.user_id == "LASF_Projection")
        assert (record.record_id, record.string) == (2112, WKT)
    if kind == "e57":
        assert coordinate_metadata(path) == WKT
    write_cloud("m", PLACED, path)
    assert "crs" not in (stated(path) or {})
    assert kind != "e57" or coordinate_metadata(path) == ""
    assert kind != "las" or laspy.read(path).header.global_encoding.wkt  # as LAS 1.4 wants it


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        (WKT, [], "give --poses, too"),
        (WKT, ["--poses", "p.json", "--format", "las", "--up", "y"], "not east, north, height"),
        ("EPSG:25832", ["--poses", "p.json"], "no WKT of a projected system"),
        ('GEOGCS["WGS 84",UNIT["degree",0.01745]]', ["--poses", "p.json"], "are degrees"),
        ('PROJCS["x",UNIT["US survey foot",0.3]]', ["--poses", "p.json"], "US survey foot"),
        (None, ["--poses", "p.json"], "a.wkt: No such file"),
        (WKT, ["--format", "ply", "--set", "las.voxel=1"], "is not written"),
        (WKT, ["--up", "north"], "choose one of house"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_predicted(
    text: str | None,
    options: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.json").write_text(json.dumps({"rooms": []}))
    if text is not None:
        (tmp_path / "a.wkt").write_text(text)
    assert main(["align", "a.jpg", "b.jpg", "--out", "out", "--crs", "a.wkt", *options]) == 2
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
