"""A folder of one's own: every format, unit and way to say "not given" and "sky"."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from panodepth.errors import ConfigError, InputError, PanodepthError
from panodepth.export import save
from panodepth.lab.data import open_folder, open_source, resize_panorama
from panodepth.types import Panorama, Prediction

from .conftest import H, W, make_distance, make_image, write_image, write_pair


def test_pairs_are_found_below_and_sorted(folder):
    source = open_source("folder", folder)
    assert len(source) == 3
    assert [source[i].meta["name"] for i in range(3)] == ["a", "b", "sub/c"]
    sample = source[2]
    assert sample.image.shape == (H, W, 3)
    assert sample.image.dtype == sample.distance.dtype == np.float32
    np.testing.assert_array_equal(np.rint(sample.image * 255), make_image(2))
    np.testing.assert_array_equal(sample.distance, make_distance(2))
    assert sample.mask.dtype == bool
    assert sample.mask.all()
    assert sample.meta["source"] == "mine"
    json.dumps(sample.meta)


@pytest.mark.parametrize("index", [-1, 3])
def test_other_numbers_are_no_samples(folder, index):
    with pytest.raises(IndexError):
        open_folder(folder)[index]


def test_not_given_and_sky(tmp_path):
    distance = make_distance()
    distance[0, :6] = [np.nan, 0, -1, -np.inf, np.inf, 1]
    write_pair(tmp_path, "x", distance=distance)
    sample = open_folder(tmp_path)[0]
    assert sample.mask[0, :6].tolist() == [False] * 5 + [True]
    assert sample.distance[0, :6].tolist() == [0, 0, 0, 0, np.inf, 1]
    assert sample.mask.sum() == H * W - 5


def test_a_sky_array_and_a_mask_array_in_the_npz(tmp_path):
    sky, mask = np.zeros((2, H, W), bool)
    sky[:3], mask[:] = True, True
    mask[-2:] = False
    distance = np.where(sky, np.nan, make_distance())
    write_pair(tmp_path, "x", distance=distance, sky=sky, mask=mask)
    sample = open_folder(tmp_path)[0]
    assert np.isposinf(sample.distance[:3]).all()
    assert (sample.distance[-2:] == 0).all()
    np.testing.assert_array_equal(sample.mask, ~sky & mask)


def test_the_sky_stays_sky_where_a_mask_says_that_no_surface_is_there(tmp_path):
    """As the arrays of a sample say it: inf, and False in the mask."""
    distance = make_distance()
    distance[:3] = np.inf
    write_pair(tmp_path, "x", distance=distance, mask=np.isfinite(distance))
    sample = open_folder(tmp_path)[0]
    np.testing.assert_array_equal(np.isposinf(sample.distance), np.isposinf(distance))


def test_a_mask_file_and_transparent_pixels(tmp_path):
    write_pair(tmp_path, "x")
    pixels = np.dstack([make_image(), np.full((H, W), 255, np.uint8)])
    pixels[:2, :, 3] = 0
    write_image(tmp_path / "x.png", pixels)
    drawn = np.full((H, W), 255, np.uint8)
    drawn[-3:] = 0
    write_image(tmp_path / "x_mask.png", drawn)
    sample = open_folder(tmp_path)[0]
    assert not sample.mask[:2].any()
    assert not sample.mask[-3:].any()
    assert sample.mask[2:-3].all()


@pytest.mark.parametrize("written", ["npz", "exr", "png", "tiff", "pfm"])
def test_what_predict_writes_reads_back(tmp_path, written):
    if written == "exr":
        pytest.importorskip("OpenEXR")
    mask = np.ones((H, W), bool)
    mask[:4] = False
    distance, image = make_distance(), make_image()
    prediction = Prediction(distance, mask, image, {"unit": "m", "name": "room"})
    save(prediction, tmp_path / "out", formats=[written, "preview", "normals-png"])
    write_image(tmp_path / "in" / "room.png", image)
    source = open_folder(tmp_path / "out", images=tmp_path / "in")
    assert len(source) == 1
    sample = source[0]
    assert sample.meta["unit"] == "m"
    np.testing.assert_array_equal(sample.mask, mask)
    step = 8 / 65535 if written == "png" else 0
    np.testing.assert_allclose(sample.distance[mask], distance[mask], atol=step)
    write_image(tmp_path / "out" / "room.png", image)  # side by side: previews are no pictures
    assert len(open_folder(tmp_path / "out")) == 1


def test_files_of_both_versions_of_the_metadata_read_alike(tmp_path):
    """The first version had no number, and a scale inside "prediction" that was applied already."""
    mask = np.ones((H, W), bool)
    prediction = Prediction(
        make_distance(), mask, make_image(), {"unit": "m", "metres_per_unit": 3.92, "name": "room"}
    )
    _, sidecar = save(prediction, tmp_path, formats=["png"])
    write_image(tmp_path / "room.png", make_image())
    now = open_folder(tmp_path)[0]
    said = json.loads(sidecar.read_text())
    assert said.pop("format_version") == 2
    assert said["prediction"]["metres_per_unit"] == 3.92
    said["prediction"]["scale"] = said["prediction"].pop("metres_per_unit")
    sidecar.write_text(json.dumps(said))
    before = open_folder(tmp_path)[0]
    np.testing.assert_array_equal(now.distance, before.distance)
    assert before.meta["unit"] == "m"


def test_what_render_writes_reads_back(tmp_path):
    from panodepth.lab.training.render import PanoramaJob, render_files

    render_files(PanoramaJob(count=2, size=(16, 32), kind="outdoor"), tmp_path)
    source = open_folder(tmp_path)
    assert len(source) == 2
    for i in range(2):
        sample = source[i]
        stored = np.load(tmp_path / f"{sample.meta['name']}_distance.npz")
        np.testing.assert_array_equal(np.isposinf(sample.distance), stored["sky"])
        np.testing.assert_array_equal(sample.distance[sample.mask], stored["distance"][sample.mask])


def test_the_first_of_several_formats_is_taken(tmp_path):
    distance = write_pair(tmp_path, "x")
    np.save(tmp_path / "x_distance.npy", distance * 2)
    source = open_folder(tmp_path)
    assert len(source) == 1
    np.testing.assert_array_equal(source[0].distance, distance)


def test_a_missing_half_is_told_when_read(folder):
    (folder / "a_distance.npz").unlink()
    (folder / "b.png").unlink()
    source = open_folder(folder)
    assert len(source) == 3
    with pytest.raises(InputError, match=r"a_distance\.npz: no such file; it belongs to a\.png"):
        source[0]
    with pytest.raises(InputError, match=r"b\.png: no such file; it belongs to b_distance\.npz"):
        source[1]
    assert source[2].mask.all()


def test_a_distance_that_is_called_depth_is_told(folder):
    # Not read: most files of that name hold z-depth. Nor is it a picture without its distance.
    Image.new("I;16", (64, 32), 900).save(folder / "a_depth.png")
    (folder / "a_distance.npz").unlink()
    source = open_folder(folder)
    assert len(source) == 3
    with pytest.raises(
        InputError, match=r"belongs to a\.png; a_depth\.png is not read: call it a_d"
    ):
        source[0]


def _rewrite(folder: Path, name: str, array: np.ndarray) -> None:
    np.savez(folder / "x_distance.npz", **{name: array})


BAD = {
    "no key": (
        lambda f: _rewrite(f, "depth", make_distance()),
        "no array 'distance'; it has depth",
    ),
    "one axis": (lambda f: _rewrite(f, "distance", np.ones(5)), r"expected \(H, W\)"),
    "text": (lambda f: _rewrite(f, "distance", np.full((H, W), "a")), "expected"),
    "pickled": (lambda f: _rewrite(f, "distance", np.array([{}])), "Python objects"),
    "other size": (lambda f: _rewrite(f, "distance", make_distance(0, 8, 16)), "is 16x8, its"),
    "nothing valid": (lambda f: _rewrite(f, "distance", np.zeros((H, W))), "no valid pixel"),
    "all sky": (lambda f: _rewrite(f, "distance", np.full((H, W), np.inf)), "no valid pixel"),
    "no zip": (lambda f: (f / "x_distance.npz").write_bytes(b"PK not a zip"), "damaged"),
    "empty": (lambda f: (f / "x_distance.npz").write_bytes(b""), "damaged"),
    "not 2:1": (lambda f: write_image(f / "x.png", make_image(0, 16, 30)), "not a full panorama"),
    "cut picture": (
        lambda f: (f / "x.png").write_bytes((f / "x.png").read_bytes()[:200]),
        "damaged or unreadable",
    ),
    "no picture": (lambda f: (f / "x.png").write_text("hello, world, hello"), "not a jpg"),
    "mask size": (
        lambda f: write_image(f / "x_mask.png", np.full((8, 16), 255, np.uint8)),
        "x_mask.png: is 16x8",
    ),
    "black mask": (
        lambda f: write_image(f / "x_mask.png", np.zeros((H, W), np.uint8)),
        "no pixel of the mask",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_broken_sample_is_an_input_error_that_names_its_file(tmp_path, case):
    breaks, said = BAD[case]
    write_pair(tmp_path, "x")
    write_pair(tmp_path, "y")
    breaks(tmp_path)
    source = open_folder(tmp_path)
    with pytest.raises(InputError, match=said) as caught:
        source[0]
    assert str(tmp_path / "x") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert source[1].mask.all()


def test_smaller_distances_are_taken_where_the_folder_says_so(tmp_path):
    pixels = make_image(0, 4 * H, 4 * W)
    write_image(tmp_path / "x.png", pixels)
    np.savez(tmp_path / "x_distance.npz", distance=make_distance())
    shown = np.full((4 * H, 4 * W), 255, np.uint8)
    shown[:, : 2 * W] = 0
    write_image(tmp_path / "x_mask.png", shown)
    with pytest.raises(InputError, match=r'"resize_pictures": true} in dataset\.json'):
        open_folder(tmp_path)[0]
    (tmp_path / "dataset.json").write_text('{"resize_pictures": true, "unit": "m"}')
    sample = open_folder(tmp_path)[0]
    whole = Panorama((pixels / 255).astype(np.float32))
    np.testing.assert_array_equal(sample.image, resize_panorama(whole, (H, W)).image)
    np.testing.assert_array_equal(sample.distance[:, W // 2 :], make_distance()[:, W // 2 :])
    assert sample.mask[:, W // 2 :].all()
    assert not sample.mask[:, : W // 2].any()
    np.savez(tmp_path / "x_distance.npz", distance=make_distance(0, H, W + 2))
    with pytest.raises(InputError, match=f"is {W + 2}x{H}, its picture {4 * W}x{4 * H}$"):
        open_folder(tmp_path)[0]
    (tmp_path / "dataset.json").write_text('{"resize_pictures": "yes"}')
    with pytest.raises(ConfigError, match="resize_pictures is 'yes'; expected true or false"):
        open_folder(tmp_path)


def test_8_bit_and_colour_distances_are_refused(tmp_path):
    write_image(tmp_path / "x.png", make_image())
    for pixels in (make_image(), make_image()[..., 0], make_image().astype(np.uint16)):
        write_image(tmp_path / "x_distance.png", pixels)
        with pytest.raises(InputError, match="one channel of 16 bits"):
            open_folder(tmp_path, scale=0.001)[0]


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("dataset.json", "{", "not JSON"),
        ("dataset.json", "[]", "expected a JSON object"),
        ("dataset.json", '{"scale": -1}', "scale is -1"),
        ("dataset.json", '{"unit": "feet"}', "unit is 'feet'"),
        ("dataset.json", '{"units": "m"}', "unknown key 'units'; did you mean 'unit'"),
        ("dataset.json", '{"resize_picture": true}', "did you mean 'resize_pictures'"),
    ],
)
def test_a_bad_dataset_file_is_told_at_once(folder, file, text, said):
    (folder / file).write_text(text)
    with pytest.raises(PanodepthError, match=said):
        open_folder(folder)


def test_a_misspelt_key_beside_a_file_is_told(tmp_path):
    """It was passed over, and the scale of dataset.json taken in its place."""
    write_image(tmp_path / "x.png", make_image())
    write_image(tmp_path / "x_distance.png", np.full((H, W), 2000, np.uint16))
    (tmp_path / "dataset.json").write_text('{"scale": 0.001, "unit": "m"}')
    (tmp_path / "x_distance.png.json").write_text('{"Scal": 0.002, "of": "others"}')
    with pytest.raises(InputError, match=r"x_distance\.png\.json: unknown key 'Scal'; did"):
        open_folder(tmp_path)[0]
    others = '{"scale": 0.002, "of": "others", "quantity": "distance", "depth_scale": 5000}'
    (tmp_path / "x_distance.png.json").write_text(others)
    assert open_folder(tmp_path)[0].distance.max() == pytest.approx(4)
    (tmp_path / "dataset.json").write_text('{"depth_scale": 0.001}')  # of no other program
    with pytest.raises(ConfigError, match="unknown key 'depth_scale'; did you mean 'scale'"):
        open_folder(tmp_path)


def test_nan_in_a_mask_is_not_given(tmp_path):
    write_image(tmp_path / "x.png", make_image())
    mask = np.ones((H, W))
    mask[3] = np.nan
    np.savez(tmp_path / "x_distance.npz", distance=np.ones((H, W)), mask=mask)
    assert open_folder(tmp_path)[0].mask.all(axis=1).tolist() == [row != 3 for row in range(H)]


def test_nothing_found_says_what_was_looked_for(tmp_path):
    with pytest.raises(ConfigError, match="no such folder"):
        open_folder(tmp_path / "nowhere")
    write_image(tmp_path / "x.png", make_image())
    with pytest.raises(ConfigError, match=r"no NAME_distance\.npz"):
        open_folder(tmp_path)


def test_links_are_followed_but_not_in_circles(folder, tmp_path):
    other = tmp_path / "other"
    write_pair(other, "d")
    (folder / "linked").symlink_to(other)
    (folder / "sub" / "back").symlink_to(folder)
    (folder / "sub" / "up").symlink_to(folder.parent)
    names = [pair.name for pair in open_folder(folder).pairs]
    assert names == ["a", "b", "linked/d", "sub/c"]


def test_what_predict_writes_beside_a_distance_is_no_picture(tmp_path):
    write_pair(tmp_path, "x")
    write_image(tmp_path / "alone.png", make_image())
    found = Prediction(make_distance(), np.ones((H, W), bool), make_image(), {"name": "x"})
    found.save(f"{tmp_path}/", ["preview-plain", "disparity", "mask", "gdepth"])
    assert len(list(tmp_path.iterdir())) >= 7
    assert [pair.name for pair in open_folder(tmp_path).pairs] == ["alone", "x"]


def test_keys_of_other_programs_in_a_dataset_file_are_left_alone(folder):
    (folder / "dataset.json").write_text('{"unit": "m", "license": "CC0", "images": [], "name": 1}')
    assert open_folder(folder)[0].meta["unit"] == "m"
