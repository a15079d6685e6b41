"""Files of distances in a folder: numbers of every kind, and what counts as not given."""

from __future__ import annotations

import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from panodepth.errors import ConfigError, InputError
from panodepth.lab.data import open_folder
from panodepth.lab.data.distances import DistanceFile

from .conftest import H, W, make_distance, make_image, write_image


@pytest.mark.parametrize("suffix", ["npy", "tiff", "exr"])
def test_float_files(tmp_path, suffix):
    write_image(tmp_path / "x.jpg", make_image())
    distance = make_distance()
    distance[0, 0] = 0
    file = tmp_path / f"x_distance.{suffix}"
    if suffix == "npy":
        np.save(file, distance)
    elif suffix == "tiff":
        assert cv2.imwrite(str(file), distance)
    else:
        openexr = pytest.importorskip("OpenEXR")
        header = {"type": openexr.scanlineimage}
        with openexr.File(header, {"Z": distance}) as opened:
            opened.write(str(file))
    sample = open_folder(tmp_path)[0]
    np.testing.assert_array_equal(sample.distance, distance)
    assert not sample.mask[0, 0]
    assert sample.meta["unit"] == "relative"


@pytest.mark.parametrize("where", ["sidecar", "dataset.json", "argument"])
@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_whole_numbers_need_a_scale(tmp_path, where, suffix):
    write_image(tmp_path / "x.png", make_image())
    metres = make_distance()
    values = np.rint(metres * 1000).astype(np.uint16)
    values[0, 0] = 0
    file = write_image(tmp_path / f"x_distance.{suffix}", values)
    with pytest.raises(InputError, match="scale of its whole numbers is unknown"):
        open_folder(tmp_path)[0]
    options = {}
    if where == "sidecar":
        file.with_name(file.name + ".json").write_text('{"scale": 0.001, "unit": "m"}')
    elif where == "dataset.json":
        (tmp_path / where).write_text('{"scale": 0.001, "unit": "m", "licence": "CC0-1.0"}')
    else:
        options = {"scale": 0.001, "unit": "m"}
    sample = open_folder(tmp_path, **options)[0]
    assert not sample.mask[0, 0]
    np.testing.assert_allclose(sample.distance[1:], metres[1:], atol=5.1e-4)
    assert sample.meta["unit"] == "m"
    assert sample.meta.get("licence") == ("CC0-1.0" if where == "dataset.json" else None)


@pytest.mark.parametrize("where", ["sidecar", "dataset.json"])
@pytest.mark.parametrize("kind", ["u2", ">u2", "i4", "u8"])
@pytest.mark.parametrize("suffix", ["npz", "npy"])
def test_arrays_of_whole_numbers_need_a_scale(tmp_path, suffix, kind, where):
    write_image(tmp_path / "x.png", make_image())
    metres = make_distance()
    values = np.asfortranarray(np.rint(metres * 1000).astype(kind))
    file = tmp_path / f"x_distance.{suffix}"
    np.savez(file, distance=values) if suffix == "npz" else np.save(file, values)
    with pytest.raises(InputError, match="scale of its whole numbers is unknown"):
        open_folder(tmp_path, unit="m")[0]  # millimetres were 1000 times too large
    said = file.with_name(file.name + ".json") if where == "sidecar" else tmp_path / where
    said.write_text('{"scale": 0.001, "unit": "m"}')
    sample = open_folder(tmp_path)[0]
    np.testing.assert_allclose(sample.distance, metres, atol=5.1e-4)
    assert sample.meta["unit"] == "m"


@pytest.mark.parametrize("order", ["<", ">"])
def test_pfm_rows_begin_at_the_bottom(tmp_path, order):
    write_image(tmp_path / "x.png", make_image())
    metres = make_distance().astype(np.float32)
    metres[0, :3], metres[1, :3] = np.inf, -1
    scale = -1.0 if order == "<" else 1.0
    content = f"Pf\n{W} {H}\n{scale}\n".encode() + metres[::-1].astype(f"{order}f4").tobytes()
    file = tmp_path / "x_distance.pfm"
    file.write_bytes(content)
    sample = open_folder(tmp_path)[0]
    assert not sample.mask[:2, :3].any()
    np.testing.assert_array_equal(sample.distance[sample.mask], metres[sample.mask])
    for bad, says in (
        (content[:-1], "cut short: its header says"),
        (content.replace(b"Pf", b"PF"), "not a PFM of one channel"),
        (b"Pf\n999999999 999999999\n-1\n", "megapixels"),
        (b"", "not a PFM"),
        (b"Pf\n0 0\n-1\n", "or a scale of 0"),
        (content.replace(f"\n{scale}\n".encode(), b"\n0.0\n"), "or a scale of 0"),
    ):
        file.write_bytes(bad)
        with pytest.raises(InputError, match=says):
            open_folder(tmp_path)[0]


@pytest.mark.parametrize(
    "header", ["Pf\r\n{} {}\r\n-1.0\r\n", "Pf\n{} {}\n-1.0 \n", "Pf {} {} -1 "]
)
def test_the_header_of_a_pfm_may_end_otherwise(tmp_path, header):
    write_image(tmp_path / "x.png", make_image())
    metres = make_distance().astype(np.float32)
    content = header.format(W, H).encode() + metres[::-1].astype("<f4").tobytes()
    (tmp_path / "x_distance.pfm").write_bytes(content)
    sample = open_folder(tmp_path)[0]
    np.testing.assert_array_equal(sample.distance[sample.mask], metres[sample.mask])


def test_whole_numbers_of_a_file_that_says_its_unit_are_as_they_are(tmp_path):
    file = tmp_path / "x_distance.npz"
    np.savez(file, distance=np.full((H, W), 15, np.int32), meta='{"unit": "m"}')
    assert DistanceFile()(file).distance.max() == 15
    assert DistanceFile(scale=0.1)(file).distance.max() == 1.5


def test_a_layer_of_whole_numbers_needs_a_scale_too(tmp_path):
    openexr = pytest.importorskip("OpenEXR")
    file = tmp_path / "x_distance.exr"
    with openexr.File({}, {"Z": np.full((H, W), 1500, np.uint32)}) as opened:
        opened.write(str(file))
    with pytest.raises(InputError, match="scale of its whole numbers is unknown"):
        DistanceFile(unit="m")(file)
    assert DistanceFile(scale=0.5, unit="m")(file).distance.max() == 750


@pytest.mark.parametrize("said", ['{"scale": true}', '{"scale": 1, "offset": true}'])
def test_true_is_no_number(tmp_path, said):
    file = write_image(tmp_path / "x_distance.png", np.full((H, W), 1500, np.uint16))
    (tmp_path / "x_distance.png.json").write_text(said)
    with pytest.raises(InputError, match="of its whole numbers is True"):
        DistanceFile()(file)
    (tmp_path / "dataset.json").write_text(said)
    if "offset" not in said:
        with pytest.raises(ConfigError, match="scale is True; expected a number above 0"):
            open_folder(tmp_path)


def test_a_tiff_whose_0_is_white_holds_what_it_holds(tmp_path):
    """That is for showing it: 1.5 m became 653.85 m."""
    codes = np.full((H, W), 150, np.uint16)
    codes[0] = 0
    file = tmp_path / "x_distance.tiff"
    tifffile.imwrite(file, codes, photometric="miniswhite")
    distance = DistanceFile(scale=0.01)(file).distance
    np.testing.assert_allclose(distance, codes / 100, rtol=1e-6)


@pytest.mark.parametrize("name", ["x_distance.npz", "x_distance.npy"])
def test_arrays_are_read_by_what_the_file_holds(tmp_path, name):
    with (tmp_path / name).open("wb") as file:
        np.save(file, make_distance())
    np.testing.assert_array_equal(DistanceFile()(tmp_path / name).distance, make_distance())
    with (tmp_path / name).open("wb") as file:
        np.savez(file, distance=make_distance(), meta='{"unit": "m"}')
    found = DistanceFile()(tmp_path / name)
    np.testing.assert_array_equal(found.distance, make_distance())
    assert found.unit == "m"


def test_whole_numbers_may_have_an_offset(tmp_path):
    codes = np.full((H, W), 1500, np.uint16)
    codes[0] = 0
    file = write_image(tmp_path / "x_distance.png", codes)
    side = tmp_path / "x_distance.png.json"
    side.write_text('{"scale": 0.001, "offset": 0.25}')
    distance = DistanceFile()(file).distance
    assert not distance[0].any()
    np.testing.assert_allclose(distance[1:], 1.75, rtol=1e-6)
    side.write_text('{"scale": 0.001, "offset": [1]}')
    with pytest.raises(InputError, match=r"the offset of its whole numbers is \[1\]"):
        DistanceFile()(file)


@pytest.mark.parametrize(
    ("meta", "unit"), [(b'{"unit": "m"}', "m"), ("of a room", "relative"), (["a", "b"], "relative")]
)
def test_what_others_write_as_meta(tmp_path, meta, unit):
    write_image(tmp_path / "x.png", make_image())
    np.savez(tmp_path / "x_distance.npz", distance=make_distance(), meta=meta)
    assert open_folder(tmp_path)[0].meta["unit"] == unit


def test_what_a_png_makes_transparent_is_not_given(tmp_path):
    write_image(tmp_path / "x.png", make_image())
    values = np.full((H, W), 2000, np.uint16)
    values[:3] = 7
    content = write_image(tmp_path / "x_distance.png", values).read_bytes()
    chunk = b"tRNS" + (7).to_bytes(2, "big")
    added = (2).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    (tmp_path / "x_distance.png").write_bytes(content[:33] + added + content[33:])
    sample = open_folder(tmp_path, scale=0.001)[0]
    assert np.array_equal(sample.mask, values == 2000)


@pytest.mark.parametrize("missing", [-9999, 65534.5, 7])
def test_a_value_of_gdal_that_whole_numbers_cannot_hold(tmp_path, missing):
    codes = np.full((H, W), 65534, np.uint16)
    codes[0, 0] = 7
    path = tmp_path / "x_distance.tif"
    Image.fromarray(codes).save(path, tiffinfo={42113: str(missing)})
    found = DistanceFile(scale=0.001)(path).distance
    assert found[0, 0] == (0 if missing == 7 else np.float32(7) * np.float32(0.001))
    assert (found[1:] == np.float32(65534) * np.float32(0.001)).all()
