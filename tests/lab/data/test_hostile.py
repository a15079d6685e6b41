"""Bombs, sentinels and foreign metadata: sizes are checked before work, all else is one line."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenEXR
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from panodepth.errors import ConfigError, InputError, PanodepthError
from panodepth.images.arrays import read_npy, read_npz
from panodepth.images.distances import clean_distance
from panodepth.lab.data import open_folder, open_shards, open_source
from panodepth.lab.data.distances import DistanceFile
from panodepth.lab.data.source import make_panorama, read_json

from .conftest import H, W, make_distance, make_image, write_image

NPY_MAGIC = b"\x93NUMPY\x01\0"


def npy_header(shape: tuple[int, ...], kind: str = "<f4") -> bytes:
    text = repr({"descr": kind, "fortran_order": False, "shape": shape}).encode()
    text += b" " * (63 - len(text) % 64) + b"\n"
    return NPY_MAGIC + struct.pack("<H", len(text)) + text


def refused(read: Any) -> str:
    with pytest.raises(PanodepthError) as caught:
        read()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1500
    return str(caught.value)


# Far sentinels


@pytest.mark.parametrize("far", [1e10, 3.4e38, np.inf, 1e9])
@pytest.mark.parametrize("suffix", ["npz", "npy", "exr", "tiff"])
def test_what_renderers_write_for_the_sky_is_the_sky(
    tmp_path: Path, far: float, suffix: str
) -> None:
    distance = make_distance()
    distance[:3] = far
    file = tmp_path / f"x_distance.{suffix}"
    write_image(tmp_path / "x.png", make_image())
    if suffix == "npz":
        np.savez(file, distance=distance)
    elif suffix == "npy":
        np.save(file, distance)
    elif suffix == "exr":
        OpenEXR.File({}, {"V": distance}).write(str(file))
    else:
        tifffile.imwrite(file, distance)
    sample = open_source("folder", tmp_path)[0]
    assert sample.distance is not None
    assert sample.mask is not None
    assert np.isinf(sample.distance[:3]).all()
    assert not sample.mask[:3].any()
    assert sample.mask[3:].all()


def test_the_end_of_half_floats_is_the_sky() -> None:
    halves = np.array([[1, 65504, 65472], [0, np.nan, np.inf]], np.float16)
    expected = [[1, np.inf, 65472], [0, 0, np.inf]]
    assert clean_distance(halves).tolist() == expected
    assert clean_distance(halves.astype(np.float32)).tolist() == expected
    # Farther values, or whole numbers, are no half floats.
    metres = np.array([[65504, 70_000]], np.float32)
    assert clean_distance(metres).tolist() == metres.tolist()
    assert clean_distance(np.array([[65504]], np.uint16)).tolist() == [[65504]]


def test_the_end_of_16_bit_whole_numbers_is_the_sky(tmp_path: Path) -> None:
    codes = np.array([[1, 65534, 65535]], np.uint16)
    assert clean_distance(codes).tolist() == [[1, 65534, np.inf]]
    assert clean_distance(codes.astype(np.float64)).tolist() == [[1, 65534, np.inf]]
    assert clean_distance(codes.astype(np.int32) + 1).tolist() == [[2, 65535, 65536]]
    for kind in ("int32", "uint32", "int64"):
        assert clean_distance(codes.astype(kind)).tolist() == [[1, 65534, np.inf]]
    assert clean_distance(np.array([[9, 255]], np.uint8)).tolist() == [[9, 255]]

    whole = np.tile(codes, (H, W // 3))
    for suffix, own in (("png", False), ("tif", False), ("png", True)):
        file = tmp_path / f"x_distance.{suffix}"
        assert cv2.imwrite(str(file), whole)
        said = {"scale": 0.001, "unit": "m"} | ({"invalid": 0, "sky": 0} if own else {})
        Path(f"{file}.json").write_text(json.dumps(said))
        last = DistanceFile()(file).distance[:, 2]
        assert np.isinf(last).all() != own
        assert own or np.isinf(DistanceFile()(file).distance).mean() == pytest.approx(1 / 3, 0.1)


@pytest.mark.parametrize("kind", ["uint16", "int16", "uint32", "int32"])
def test_whole_numbers_with_a_scale_end_in_the_sky(tmp_path: Path, kind: str) -> None:
    codes = np.full((8, 16), 2500, kind)
    codes[0] = np.iinfo(kind).max
    np.savez(tmp_path / "a_distance.npz", distance=codes)
    found = DistanceFile(scale=0.001)(tmp_path / "a_distance.npz").distance
    assert np.isinf(found[0]).all()
    assert np.allclose(found[1:], 2.5)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(width=32), min_size=32, max_size=32))
def test_every_panorama_keeps_the_rule(values: list[float]) -> None:
    distance = np.tile(np.array(values, np.float32), (16, 1))
    image = np.zeros((16, 32, 3), np.float32)
    try:
        found = make_panorama(image, clean_distance(distance), None, {}, "x")
    except InputError:
        kept = clean_distance(distance)
        assert not ((kept > 0) & np.isfinite(kept)).any()
        return
    assert found.distance is not None
    assert np.array_equal(np.isinf(found.distance), clean_distance(distance) == np.inf)
    assert np.array_equal(found.mask, (found.distance > 0) & np.isfinite(found.distance))
    assert (found.distance[np.isfinite(found.distance)] < 1e9).all()


def test_a_tiff_names_its_missing_value(tmp_path: Path) -> None:
    distance = make_distance()
    distance[0] = 255.0
    file = tmp_path / "x_distance.tif"
    tifffile.imwrite(file, distance, extratags=[(42113, 2, 4, "255", True)])
    found = DistanceFile()(file).distance
    assert (found[0] == 0).all()
    assert np.array_equal(found[1:], distance[1:])


def test_an_exr_layer_may_hold_the_distance(tmp_path: Path) -> None:
    file = tmp_path / "x_distance.exr"
    planes = {f"ViewLayer.Combined.{c}": np.ones((H, W), np.float32) for c in "RGB"}
    OpenEXR.File({}, {**planes, "ViewLayer.Depth.Z": make_distance()}).write(str(file))
    assert np.array_equal(DistanceFile()(file).distance, make_distance())
    OpenEXR.File({}, {**planes, "A.Z": make_distance(), "B.Z": make_distance()}).write(str(file))
    assert "which channel is the distance? It has A.Z, B.Z" in refused(lambda: DistanceFile()(file))


@pytest.mark.parametrize(
    "names",
    [
        ("R", "G", "B", "depth.Z"),
        ("A", "R", "G", "B", "Depth.Z"),
        ("R", "G", "B", "z"),
        ("R", "ViewLayer.Depth.V", "ViewLayer.Mist.V"),
        ("Beauty.R", "Beauty.G", "Beauty.B", "Depth.R"),
        ("R", "G", "Distance.distance"),
    ],
)
def test_a_colour_beside_a_distance_is_none(tmp_path: Path, names: tuple[str, ...]) -> None:
    wanted = next(
        name for name in names if name.lower()[:2] in ("de", "z", "di") or "Depth" in name
    )
    planes = {name: np.ones((H, W), np.float32) for name in names} | {wanted: make_distance()}
    file = tmp_path / "x_distance.exr"
    OpenEXR.File({}, planes).write(str(file))
    assert np.array_equal(DistanceFile()(file).distance, make_distance())


def test_a_distance_saved_as_a_grey_picture(tmp_path: Path) -> None:
    file = tmp_path / "x_distance.exr"
    for prefix in ("", "depth."):
        OpenEXR.File({}, {f"{prefix}{c}": make_distance() for c in "RGB"}).write(str(file))
        assert np.array_equal(DistanceFile()(file).distance, make_distance())


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("R", "G", "B"), "R, G and B differ: a picture in colours"),
        (("R", "G", "B", "A"), "R, G and B differ"),
        (("R", "G", "B", "ZDepth"), "which channel is the distance"),
        (("R", "G", "B", "SceneDepth.R"), "which channel is the distance"),
        (("X", "Y", "Z"), "which channel is the distance"),
        (("R", "G", "B", "Normal.X", "Normal.Y", "Normal.Z"), "which channel is the distance"),
    ],
)
def test_colours_and_places_are_no_distance(
    tmp_path: Path, names: tuple[str, ...], says: str
) -> None:
    planes = {name: make_distance() * (i + 1) for i, name in enumerate(names)}
    file = tmp_path / "x_distance.exr"
    OpenEXR.File({}, planes).write(str(file))
    assert says in refused(lambda: DistanceFile()(file))
    OpenEXR.File({}, {**planes, "View.Depth.Z": make_distance()}).write(str(file))
    assert np.array_equal(DistanceFile()(file).distance, make_distance())


# Bombs


def test_an_npz_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", make_image())
    with zipfile.ZipFile(tmp_path / "a_distance.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("distance.npy", npy_header((32768, 49152)) + bytes(1 << 20))
    message = refused(lambda: open_folder(tmp_path)[0])
    assert "a_distance.npz" in message
    assert "(32768, 49152) has 1,610,612,736 values" in message
    (tmp_path / "a_distance.npz").unlink()
    (tmp_path / "a_distance.npy").write_bytes(npy_header((8192, 16384)) + bytes(100))
    assert "cut short" in refused(lambda: open_folder(tmp_path)[0])
    with zipfile.ZipFile(tmp_path / "b.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("meta.npy", npy_header((1,), "<U400000000") + bytes(1 << 20))
    assert "at most" in refused(lambda: read_npz(tmp_path / "b.npz", ["meta"]))
    with zipfile.ZipFile(tmp_path / "c.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("distance.npy", npy_header((8192, 16384), "|V4096") + bytes(1 << 20))
    assert "at most" in refused(lambda: read_npz(tmp_path / "c.npz", ["distance"]))


@pytest.mark.parametrize("shape", [(-1, 64), (64, -1), (-8, -8)])
def test_no_side_is_as_long_as_the_file(tmp_path: Path, shape: tuple[int, int]) -> None:
    """-1 in a header would unpack all that there is."""
    with zipfile.ZipFile(tmp_path / "b.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("distance.npy", npy_header(shape) + bytes(1 << 20))
    assert "is negative" in refused(lambda: DistanceFile()(tmp_path / "b.npz"))
    (tmp_path / "b.npy").write_bytes(npy_header(shape) + bytes(1 << 14))
    assert "is negative" in refused(lambda: DistanceFile()(tmp_path / "b.npy"))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_cannot_be_unpacked_in_part_is_not_unpacked(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "b.npz", "w", method) as archive:
        archive.writestr("distance.npy", npy_header((16, 32)) + bytes(1 << 14))
    message = refused(lambda: DistanceFile()(tmp_path / "b.npz"))
    assert "save it by numpy.savez_compressed" in message


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(width: int, height: int, depth: int) -> bytes:
    header = struct.pack(">2I5B", width, height, depth, 0, 0, 0, 0)
    data = zlib.compress(bytes(1 << 20), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def shard(path: Path, **changes: bytes) -> Path:
    """A tar with one sample k, written by nobody we know."""
    halves = io.BytesIO()
    np.save(halves, make_distance().astype(np.float16))
    files = {
        "jpg": cv2.imencode(".jpg", make_image())[1].tobytes(),
        "distance.npy": halves.getvalue(),
        "json": b"{}",
        **{name.replace("_", "."): content for name, content in changes.items()},
    }
    with tarfile.open(path, "w") as archive:
        for ending, content in files.items():
            if not content:
                continue
            about = tarfile.TarInfo(f"k.{ending}")
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    "changes",
    [
        {"distance_npy": npy_header((40000, 80000)) + bytes(100)},
        {"distance_npy": b"", "distance_png": png_of(40000, 20000, 16)},
        {"mask_png": png_of(40000, 20000, 8)},
        {"jpg": b"", "png": png_of(40000, 20000, 8)},
    ],
)
def test_shard_bombs_are_refused_by_their_headers(
    tmp_path: Path, changes: dict[str, bytes]
) -> None:
    tar = shard(tmp_path / "b.tar", **changes)
    message = refused(lambda: open_shards(tar)[0])
    assert f"{tar}: k" in message
    assert "megapixels" in message or "values" in message


def test_a_tar_member_that_claims_more_than_the_tar(tmp_path: Path) -> None:
    tar = shard(tmp_path / "m.tar")
    content = bytearray(tar.read_bytes())
    at = content.index(b"k.distance.npy")
    about = tarfile.TarInfo("k.distance.npy")
    about.size = 7 << 30
    content[at : at + 512] = about.tobuf(tarfile.GNU_FORMAT)
    tar.write_bytes(bytes(content))
    assert str(tar) in refused(lambda: open_shards(tar)[0])


# Foreign metadata


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"meta": [1]}, '"meta" of its JSON is no object'),
        ({"distance": 3}, '"distance" of its JSON is no object'),
        ({"coverage": "all"}, '"coverage" of its JSON is no object'),
        ([1], "its JSON is no object"),
        ({"meta": {"unit": "feet"}}, "its unit is 'feet'"),
        ({"meta": {"unit": ["m"] * 9999}}, "its unit is ['m'"),
        ({"meta": {"name": {"a": 1}}}, "its name is {'a': 1}, not a text"),
        ({"distance": {"scale": "big"}}, "the scale of its distance is 'big'"),
        ({"distance": {"scale": -1}}, "the scale of its distance is -1"),
        ({"distance": {"scale": 10**400}}, "the scale of its distance is 1000"),
    ],
)
def test_foreign_metadata_name_shard_and_sample(tmp_path: Path, said: Any, says: str) -> None:
    tar = shard(tmp_path / "f.tar", json=json.dumps(said).encode())
    message = refused(lambda: open_shards(tar)[0])
    assert f"{tar}: k: " in message
    assert says in message


def test_deeply_nested_json_everywhere(tmp_path: Path) -> None:
    deep = b"[" * 100_000
    tar = shard(tmp_path / "d.tar", json=deep)
    assert f"{tar}: k" in refused(lambda: open_shards(tar)[0])
    (tmp_path / "d.index.json").write_bytes(deep)
    assert "damaged index" in refused(lambda: open_shards(tar))
    (tmp_path / "dataset.json").write_bytes(deep)
    assert "dataset.json: not JSON" in refused(lambda: open_folder(tmp_path))
    assert "not JSON" in refused(lambda: read_json(tmp_path / "dataset.json"))
    np.savez(tmp_path / "x_distance.npz", distance=make_distance(), meta=deep.decode())
    assert "x_distance.npz" in refused(lambda: DistanceFile()(tmp_path / "x_distance.npz"))


@pytest.mark.parametrize("unit", ["feet", ["m"], {"m": 1}, 3, "x" * 5000])
def test_foreign_units_of_distance_files(tmp_path: Path, unit: Any) -> None:
    meta = json.dumps({"unit": unit})
    np.savez(tmp_path / "x_distance.npz", distance=make_distance(), meta=meta)
    assert "its unit is" in refused(lambda: DistanceFile()(tmp_path / "x_distance.npz"))
    (tmp_path / "dataset.json").write_text(meta)
    write_image(tmp_path / "x.png", make_image())
    assert "unit is" in refused(lambda: open_folder(tmp_path))


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "C:\\a.png", "../a.png", "x" * 5000, "a\0b", "\\\\host\\a.png", 7]
)
def test_lists_of_curated_sets_name_files_below_them(tmp_path: Path, name: Any) -> None:
    (tmp_path / "a_pano").mkdir()
    record = {"image": name, "distance": "d.npz"}
    (tmp_path / "a_pano.json").write_text(json.dumps([record]))
    with pytest.raises(ConfigError, match="relative to its folder"):
        open_source("curated", tmp_path)


# Mutations


@pytest.mark.parametrize("kind", ["npz", "npy", "tar", "json", "tif", "exr"])
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_mutated_files_give_a_value_or_one_line(
    tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    path = tmp_path / f"x.{kind}"
    if kind == "npz":
        np.savez(path, distance=make_distance(), mask=np.ones((H, W), bool), meta='{"unit": "m"}')
    elif kind == "npy":
        np.save(path, make_distance())
    elif kind == "tar":
        shard(path, json=b'{"meta": {"unit": "m"}, "distance": {"scale": 1.0}}')
    elif kind == "tif":
        tifffile.imwrite(path, make_distance(), description='{"unit": "m"}')
    elif kind == "exr":
        header = {"compression": OpenEXR.ZIP_COMPRESSION}
        OpenEXR.File(header, {"Y": make_distance()}).write(str(path))
    else:
        path.write_text('{"unit": "m", "scale": [0.001, {"a": null}]}')
    content = bytearray(path.read_bytes())
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=6)):
        content[at] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))]))
    readers = {
        "npy": lambda: read_npy(path),
        "tar": lambda: open_shards(path)[0],
        "json": lambda: read_json(path),
    }
    try:
        readers.get(kind, lambda: DistanceFile()(path))()
    except PanodepthError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
