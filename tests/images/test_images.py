"""Pictures in: every kind of file against what another library wrote, and arrays."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from panodepth.errors import InputError
from panodepth.images import (
    ImageData,
    check_aspect,
    image_size,
    linear_to_srgb,
    read_image,
    read_mask,
    srgb_to_linear,
    to_image_data,
)
from panodepth.images.exposure import MID_GREY

H, W = 12, 24


def _picture(dtype: type = np.uint8, channels: int = 3, seed: int = 0) -> np.ndarray:
    high = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, high + 1, (H, W, channels)).astype(dtype)


def _light(seed: int = 0) -> np.ndarray:
    """(H, W, 3) float32 linear light over four decades, mildly tinted."""
    rng = np.random.default_rng(seed)
    light = np.exp(rng.normal(0, 1.5, (H, W, 1))) * rng.uniform(0.5, 1, (H, W, 3))
    return light.astype(np.float32)


@pytest.mark.parametrize("ending", ["png", "webp", "tif"])
def test_lossless_8_bit_files_come_back_exactly(tmp_path: Path, ending: str) -> None:
    picture = _picture()
    path = tmp_path / f"a b ü.{ending}"
    Image.fromarray(picture).save(path, lossless=True)
    data = read_image(path)
    assert data.pixels.dtype == np.uint8
    assert np.array_equal(data.pixels, picture)
    assert data.valid is None
    assert (data.name, data.source, data.size) == ("a b ü", str(path), (H, W))
    assert data.to_uint8() is data.pixels
    assert np.array_equal(data.image, picture.astype(np.float32) / np.float32(255))


def test_jpeg_is_decoded_in_colour_and_grey(tmp_path: Path) -> None:
    smooth = cv2.resize(_picture()[:3, :6], (64, 32), interpolation=cv2.INTER_CUBIC)
    for mode in ("RGB", "L", "CMYK"):
        path = tmp_path / f"{mode}.jpg"
        original = Image.fromarray(smooth).convert(mode)
        original.save(path, quality=98, subsampling=0)
        expected = np.asarray(original.convert("RGB"), np.float32)
        assert np.abs(read_image(path).pixels - expected).mean() < 2


@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bit_files_keep_16_bits(tmp_path: Path, ending: str, channels: int) -> None:
    picture = _picture(np.uint16, channels)
    picture[..., -1] |= 1  # alpha never 0 here
    path = tmp_path / f"deep.{ending}"
    if ending == "tif":
        stored = picture[..., 0] if channels == 1 else picture
        tifffile.imwrite(path, stored, photometric="minisblack" if channels == 1 else "rgb")
    else:
        assert cv2.imwrite(
            str(path), picture[..., [2, 1, 0, 3][:channels] if channels > 1 else [0]]
        )
    data = read_image(path)
    assert data.pixels.dtype == np.uint16
    assert np.array_equal(data.pixels, np.broadcast_to(picture[..., :3], (H, W, 3)))
    assert np.abs(data.image * 65535 - data.pixels).max() < 0.01
    assert np.abs(data.to_uint8() - data.pixels / 257).max() <= 0.5


def test_other_modes_become_rgb(tmp_path: Path) -> None:
    colour = Image.fromarray(_picture())
    cases = {
        "grey": colour.convert("L"),
        "palette": colour.quantize(16),
        "bilevel": colour.convert("1"),
    }
    for name, image in cases.items():
        image.save(tmp_path / f"{name}.png")
        data = read_image(tmp_path / f"{name}.png")
        assert np.array_equal(data.pixels, np.asarray(image.convert("RGB"))), name
        assert data.valid is None
    colour.convert("CMYK").save(tmp_path / "cmyk.tif")
    expected = np.asarray(colour.convert("CMYK").convert("RGB"))
    assert np.array_equal(read_image(tmp_path / "cmyk.tif").pixels, expected)


def test_white_is_zero_in_a_16_bit_tiff(tmp_path: Path) -> None:
    grey = _picture(np.uint16, 1)[..., 0]
    tifffile.imwrite(tmp_path / "m.tif", grey, photometric="miniswhite")
    assert np.array_equal(read_image(tmp_path / "m.tif").pixels[..., 1], 65535 - grey)


def test_alpha_zero_and_only_zero_is_invalid(tmp_path: Path) -> None:
    picture = _picture(channels=4)
    picture[..., 3] = 255
    picture[0, 0, 3], picture[0, 1, 3], picture[3, 4, 3] = 0, 1, 0
    Image.fromarray(picture).save(tmp_path / "a.png")
    data = read_image(tmp_path / "a.png")
    assert data.valid is not None
    assert np.array_equal(data.valid, picture[..., 3] > 0)
    assert np.array_equal(data.pixels, picture[..., :3])
    for name, image in {
        "palette": Image.fromarray(picture[..., :3]).quantize(8),
        "rgb": Image.fromarray(picture[..., :3]),
    }.items():
        key = 3 if name == "palette" else tuple(int(c) for c in picture[2, 2, :3])
        image.save(tmp_path / f"{name}.png", transparency=key)
        expected = np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGBA"))[..., 3] > 0
        valid = read_image(tmp_path / f"{name}.png").valid
        assert valid is not None
        assert np.array_equal(valid, expected), name
    picture[..., 3] = 0
    Image.fromarray(picture).save(tmp_path / "none.png")
    with pytest.raises(InputError, match=r"none\.png: no valid pixel"):
        read_image(tmp_path / "none.png")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "webp", "tif", "deep.png", "deep.tif", "jpg"])
def test_exif_orientation_turns_the_picture_upright(
    tmp_path: Path, kind: str, orientation: int
) -> None:
    picture = np.repeat(np.repeat(_picture(), 8, axis=0), 8, axis=1)  # JPEG's own blocks
    path, deep = tmp_path / f"o.{kind}", kind.startswith("deep")
    exif = Image.Exif()
    exif[0x0112] = orientation
    if kind == "deep.tif":
        tag = [(274, "H", 1, orientation, True)]
        tifffile.imwrite(path, picture.astype(np.uint16), photometric="rgb", extratags=tag)
    else:
        Image.fromarray(picture).save(path, exif=exif, lossless=True, quality=100, subsampling=0)
    if kind == "deep.png":
        _deepen_png(path, picture)
    tagged = Image.fromarray(picture)
    tagged.getexif()[0x0112] = orientation
    upright = np.asarray(ImageOps.exif_transpose(tagged)).astype(np.int64)
    data = read_image(path)
    assert image_size(path) == data.size == upright.shape[:2]
    assert np.abs(data.pixels - upright).max() <= (3 if kind == "jpg" else 0)
    if not deep:
        with Image.open(path) as opened:
            assert np.array_equal(to_image_data(opened).pixels, data.pixels)


def _deepen_png(path: Path, picture: np.ndarray) -> None:
    """Replace a PNG by its 16-bit twin, keeping its eXIf chunk."""
    plain = path.read_bytes()
    at = plain.index(b"eXIf") - 4
    chunk = plain[at : at + 12 + int.from_bytes(plain[at : at + 4], "big")]
    deep = cv2.imencode(".png", picture[..., ::-1].astype(np.uint16))[1].tobytes()
    path.write_bytes(deep[:33] + chunk + deep[33:])


def _write_linear(path: Path, light: np.ndarray) -> None:
    if path.suffix == ".exr":
        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        OpenEXR.File(header, {"RGB": light}).write(str(path))
    elif path.suffix == ".hdr":
        assert cv2.imwrite(str(path), light[..., ::-1])
    else:
        tifffile.imwrite(path, light, photometric="rgb")


@pytest.mark.parametrize(("ending", "tolerance"), [("exr", 1e-4), ("tif", 1e-4), ("hdr", 0.02)])
@pytest.mark.parametrize("gain", [1.0, 1e-3, 1e4])
def test_linear_files_are_exposed_by_their_median_and_coded(
    tmp_path: Path, ending: str, tolerance: float, gain: float
) -> None:
    light = _light()
    path = tmp_path / f"light.{ending}"
    _write_linear(path, light * np.float32(gain))
    luminance = light @ np.array([0.2126, 0.7152, 0.0722])
    linear = np.clip(light * (0.18 / np.median(luminance)), 0, 1)
    expected = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    data = read_image(path)
    assert np.abs(data.image - expected).max() < tolerance
    assert data.valid is None
    assert MID_GREY == 0.18


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_nan_and_inf_in_exr_are_invalid_and_filled(tmp_path: Path, dtype: type) -> None:
    light = _light().astype(dtype)
    clean = light.copy()
    light[2, 3, 1], light[5, 6], light[7, 8, 0] = np.nan, np.inf, -np.inf
    _write_linear(tmp_path / "bad.exr", light)
    data = read_image(tmp_path / "bad.exr")
    assert data.valid is not None
    assert {tuple(i) for i in np.argwhere(~data.valid)} == {(2, 3), (5, 6), (7, 8)}
    _write_linear(tmp_path / "clean.exr", clean)
    reference = read_image(tmp_path / "clean.exr").image
    assert np.abs(data.image - reference)[data.valid].max() < 0.05  # the median moves a little
    middle = np.median(data.image[data.valid], axis=0)
    assert np.abs(data.image[~data.valid] - middle).max() < 1e-3


def test_exr_with_nothing_valid_and_with_no_light(tmp_path: Path) -> None:
    _write_linear(tmp_path / "nan.exr", np.full((H, W, 3), np.nan, np.float32))
    with pytest.raises(InputError, match="no valid pixel"):
        read_image(tmp_path / "nan.exr")
    _write_linear(tmp_path / "black.exr", np.zeros((H, W, 3), np.float32))
    assert (read_image(tmp_path / "black.exr").image == 0).all()
    night = np.zeros((H, W, 3), np.float32)
    night[:3] = 0.01  # a median of zero must not blow it up
    _write_linear(tmp_path / "night.exr", night)
    assert read_image(tmp_path / "night.exr").image.max() == pytest.approx(0.4613, abs=1e-3)


def test_exr_channels_layers_alpha_and_windows(tmp_path: Path) -> None:
    light, path = _light(), tmp_path / "c.exr"
    planes = {c: np.ascontiguousarray(light[..., i]) for i, c in enumerate("RGB")}
    depth = np.full((H, W), 7, np.float32)
    _write_linear(tmp_path / "plain.exr", light)
    expected = read_image(tmp_path / "plain.exr").pixels

    OpenEXR.File({}, {**planes, "Z": depth, "diffuse.R": depth}).write(str(path))
    assert np.array_equal(read_image(path).pixels, expected)
    OpenEXR.File({}, {"Z": depth, **{f"view.{c}": p for c, p in planes.items()}}).write(str(path))
    assert np.array_equal(read_image(path).pixels, expected)
    OpenEXR.File({}, {"Y": planes["G"]}).write(str(path))
    grey = read_image(path).image
    assert np.array_equal(grey[..., 0], grey[..., 2])
    assert np.median(grey) == pytest.approx(0.4613, abs=1e-3)
    OpenEXR.File({}, {"Z": depth}).write(str(path))
    with pytest.raises(InputError, match=r"no channels R, G and B, nor Y; it has Z"):
        read_image(path)

    alpha = np.ones((H, W), np.float32)
    alpha[4, 5] = 0
    OpenEXR.File({}, {**planes, "A": alpha}).write(str(path))
    valid = read_image(path).valid
    assert valid is not None
    assert np.array_equal(valid, alpha > 0)

    window = {
        "dataWindow": (np.array([9, 5], np.int32), np.array([8 + W, 4 + H], np.int32)),
        "displayWindow": (np.array([5, 7], np.int32), np.array([4 + W, 6 + H], np.int32)),
    }
    OpenEXR.File(window, planes).write(str(path))
    data = read_image(path)
    assert data.size == (H, W)
    assert data.valid is not None
    assert data.valid[: H - 2, 4:].all()
    assert not data.valid[H - 2 :].any()
    assert not data.valid[:, :4].any()
    inside = light[2:, : W - 4]
    gain = 0.18 / np.median(inside @ np.array([0.2126, 0.7152, 0.0722]))
    expected = linear_to_srgb(np.clip(inside * gain, 0, 1))
    assert np.abs(data.image[: H - 2, 4:] - expected).max() < 1e-4


def test_a_radiance_panorama_looks_right(tmp_path: Path) -> None:
    light = _light()
    light[:, :, 2] *= 4  # blue stays blue: the channels are not swapped
    _write_linear(tmp_path / "sky.hdr", light)
    mean = read_image(tmp_path / "sky.hdr").image.mean(axis=(0, 1))
    assert mean[2] > mean[0] + 0.1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20))
def test_srgb_curve_and_its_inverse(values: list[float]) -> None:
    linear = np.array(values, np.float32)
    assert np.abs(srgb_to_linear(linear_to_srgb(linear)) - linear).max() < 2e-6
    assert (np.diff(linear_to_srgb(np.sort(linear))) >= 0).all()


def test_srgb_curve_at_known_points() -> None:
    coded = linear_to_srgb([0, 0.0031308, 0.18, 0.5, 1])
    assert np.allclose(coded, [0, 0.04045, 0.46136, 0.73536, 1], atol=1e-5)


def test_arrays_of_every_kind() -> None:
    byte, deep = _picture(), _picture(np.uint16)
    assert np.array_equal(to_image_data(byte).pixels, byte)
    assert not np.shares_memory(to_image_data(byte).pixels, byte)
    assert np.array_equal(to_image_data(deep).pixels, deep)
    assert np.array_equal(to_image_data(deep.astype(">u2")).pixels, deep)
    for dtype in (np.float16, np.float32, np.float64):
        data = to_image_data((byte / 255).astype(dtype))
        assert data.pixels.dtype == np.float32
        assert np.abs(data.image - byte / 255).max() < 1e-3
        assert np.array_equal(data.to_uint8(), byte)
    grey = to_image_data(byte[..., 0])
    assert np.array_equal(grey.pixels, np.repeat(byte[..., :1], 3, axis=2))
    assert np.array_equal(to_image_data(byte[..., :1]).pixels, grey.pixels)
    alpha = np.dstack([byte, np.full((H, W), 9, np.uint8)])
    alpha[1, 2, 3] = 0
    data = to_image_data(alpha)
    assert data.valid is not None
    assert np.argwhere(~data.valid).tolist() == [[1, 2]]
    assert to_image_data(data) is data


def test_float_arrays_with_holes_are_not_written_to() -> None:
    image = np.full((H, W, 3), 0.25, np.float32)
    image[0, 0, 1], image[1, 1], image[2, 2] = np.nan, np.inf, 1.0004
    before = image.copy()
    data = to_image_data(image)
    assert np.array_equal(image, before, equal_nan=True)
    assert data.valid is not None
    assert np.argwhere(~data.valid).tolist() == [[0, 0], [1, 1]]
    assert np.allclose(data.image[:2, :2], 0.25)
    assert (data.image[2, 2] == 1).all()


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (np.full((H, W, 3), 200.0), r"\[0, 1\], found 200 to 200; divide by 255"),
        (np.full((H, W, 3), -0.5), r"found -0.5 to -0.5"),
        (np.full((H, W, 3), np.nan), "no valid pixel"),
        (np.zeros((H, W, 3), np.int64), "dtype int64; expected uint8, uint16 or float"),
        (np.zeros((H, W, 3), bool), "dtype bool"),
        (np.zeros((3, H, W), np.uint8), r"shape \(3, 12, 24\); expected \(H, W\), \(H, W, 3\)"),
        (np.zeros((H, W, 2), np.uint8), "shape"),
        (np.zeros((1, 1, 3), np.uint8), "1x1 is too small"),
        ({"a": 1}, "not dict"),
        (None, "not NoneType"),
    ],
)
def test_unusable_arrays_are_refused_with_facts(value: object, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        to_image_data(value)
    assert "\n" not in str(caught.value)


def test_pil_images_and_paths_agree(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    Image.fromarray(_picture(channels=4)).save(path)
    for source in (path, str(path)):
        from_path = to_image_data(source)
        with Image.open(path) as image:
            from_pil = to_image_data(image)
        assert np.array_equal(from_path.pixels, from_pil.pixels)
        assert np.array_equal(from_path.valid, from_pil.valid)
    deep = _picture(np.uint16, 1)[..., 0]
    assert np.array_equal(to_image_data(Image.fromarray(deep)).pixels[..., 2], deep)


@settings(max_examples=20, deadline=None)
@given(k=st.integers(1, 4), spare=st.integers(0, 3))
def test_shrinking_averages_whole_boxes(k: int, spare: int) -> None:
    height, width = 8 * k, 16 * k
    picture = np.random.default_rng(k).integers(0, 65536, (height, width, 3)).astype(np.uint16)
    valid = np.random.default_rng(k).random((height, width)) > 0.1
    small = ImageData(picture, valid).shrunk(8 - min(spare, 1), 16 - spare)
    boxes = picture.reshape(8, k, 16, k, 3).mean(axis=(1, 3))
    assert small.size == (8, 16)
    assert np.abs(small.pixels - boxes).max() <= 1
    assert small.valid is not None
    assert np.array_equal(small.valid, valid.reshape(8, k, 16, k).all(axis=(1, 3)))


def test_masks(tmp_path: Path) -> None:
    values = np.tile(np.array([0, 127, 128, 255], np.uint8), (H, W // 4))
    Image.fromarray(values).save(tmp_path / "m.png")
    assert np.array_equal(read_mask(tmp_path / "m.png"), values > 127)
    Image.fromarray(values > 127).save(tmp_path / "b.png")
    assert np.array_equal(read_mask(tmp_path / "b.png"), values > 127)
    cv2.imwrite(str(tmp_path / "d.png"), values.astype(np.uint16) * 257)
    assert np.array_equal(read_mask(tmp_path / "d.png"), values > 127)
    _write_linear(tmp_path / "m.exr", np.repeat((values > 127)[..., None], 3, 2).astype(np.float32))
    assert np.array_equal(read_mask(tmp_path / "m.exr"), values > 127)
    Image.fromarray(values // 255).save(tmp_path / "ones.png")
    with pytest.raises(InputError, match=r"ones\.png: no pixel of the mask.*brightest value is 1"):
        read_mask(tmp_path / "ones.png")


@pytest.mark.parametrize(("width", "height"), [(1024, 512), (1010, 500), (990, 500), (1092, 546)])
def test_full_panoramas_pass_the_aspect_check(width: int, height: int) -> None:
    check_aspect((height, width))


@pytest.mark.parametrize(("width", "height"), [(3000, 2000), (1011, 500), (989, 500), (512, 1024)])
def test_other_shapes_are_told_the_rule(width: int, height: int) -> None:
    with pytest.raises(InputError) as caught:
        check_aspect((height, width), name="photo.jpg")
    for fact in ("photo.jpg", f"{width}x{height}", "2 x", "--allow-any-aspect"):
        assert fact in str(caught.value)
    check_aspect((height, width), allow_any=True)
