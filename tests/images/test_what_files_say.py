"""What a file says about itself is read, or refused in one line; choices leave a note."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from panodepth.errors import InputError
from panodepth.geometry.grid import erp_rays
from panodepth.images import ImageData, check_stitched, image_size, read_image, to_image_data

H, W = 32, 64
GPANO = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description '
    'xmlns:GPano="http://ns.google.com/photos/1.0/panorama/" {}/></x:xmpmeta>'
)


def picture(seed: int = 0, height: int = H, width: int = W) -> np.ndarray:
    """A smooth (H, W, 3) uint8 picture, nowhere black."""
    noise = np.random.default_rng(seed).integers(60, 256, (4, 8, 3), dtype=np.uint8)
    return np.clip(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC), 50, 255)


def refused(source: object) -> str:
    with pytest.raises(InputError) as caught:
        to_image_data(source)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# EXR: layers, parts, luminance and chroma


def write_layers(path: Path, layers: dict[str, float], header: dict | None = None) -> Path:
    """Layers such as "AO.RGB": their red is brighter than green and blue by a factor."""
    channels = {}
    base = np.linspace(0.1, 1, H * W, dtype=np.float32).reshape(H, W)
    for name, tint in layers.items():
        prefix, _, letters = name.rpartition(".")
        for letter in letters:
            full = f"{prefix}.{letter}" if prefix else letter
            channels[full] = base * np.float32(tint if letter == "R" else 1)
            if letter == "A":
                channels[full] = (base > 0.5).astype(np.float32)
    OpenEXR.File(header or {}, channels).write(str(path))
    return path


def tint_of(data: ImageData) -> float:
    """How much brighter red is than green where neither is clipped."""
    dark = data.image[2, 4]
    linear = np.where(dark < 0.04045, dark / 12.92, ((dark + 0.055) / 1.055) ** 2.4)
    return float(linear[0] / linear[1])


def test_exr_the_layer_called_combined_is_the_picture_with_its_alpha(tmp_path: Path) -> None:
    layers = {"ViewLayer.AO.RGB": 3.0, "ViewLayer.Combined.RGBA": 2.0, "ViewLayer.Depth.Z": 1.0}
    data = read_image(write_layers(tmp_path / "r.exr", layers))
    assert tint_of(data) == pytest.approx(2, rel=0.02)
    assert data.valid is not None
    assert 0.4 < data.valid.mean() < 0.7
    assert data.notes == ()


@pytest.mark.parametrize("name", ["Beauty", "RGBA", "Color", "colour", "scene.beauty"])
def test_exr_other_names_of_the_picture(tmp_path: Path, name: str) -> None:
    data = read_image(write_layers(tmp_path / "r.exr", {"AO.RGB": 3.0, f"{name}.RGB": 2.0}))
    assert tint_of(data) == pytest.approx(2, rel=0.02)
    assert data.notes == ()


def test_exr_without_such_a_name_says_which_layer_was_taken(tmp_path: Path) -> None:
    data = read_image(write_layers(tmp_path / "r.exr", {"AO.RGB": 3.0, "Emit.RGB": 2.0}))
    assert data.notes == ("layer AO is read; it also has Emit",)
    plain = read_image(write_layers(tmp_path / "p.exr", {"RGB": 2.0, "AO.RGB": 3.0}))
    assert tint_of(plain) == pytest.approx(2, rel=0.02)
    assert plain.notes == ()


def test_exr_parts_with_names(tmp_path: Path) -> None:
    def write(path: Path, tints: dict[str, float]) -> Path:
        parts = []
        for name, tint in tints.items():
            planes = {
                c: np.full((H, W), 0.5 * (tint if c == "R" else 1), np.float32) for c in "RGB"
            }
            parts.append(OpenEXR.Part({}, planes, name))
        OpenEXR.File(parts).write(str(path))
        return path

    assert tint_of(read_image(write(tmp_path / "m.exr", {"AO": 3, "Combined": 2}))) > 1.9
    stereo = read_image(write(tmp_path / "s.exr", {"left": 2, "right": 3}))
    assert tint_of(stereo) == pytest.approx(2, rel=0.02)
    assert stereo.notes == ("layer left is read; it also has right",)


def test_exr_luminance_and_chroma_become_colours(tmp_path: Path) -> None:
    red, green, blue = (np.full((H, W), v, np.float32) for v in (0.4, 0.2, 0.1))
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    planes = {"Y": y, "RY": (red - y) / y, "BY": (blue - y) / y}
    OpenEXR.File({}, planes).write(str(tmp_path / "yc.exr"))
    data = read_image(tmp_path / "yc.exr")
    assert tint_of(data) == pytest.approx(2, rel=0.01)


@pytest.mark.parametrize(
    ("channels", "header", "says"),
    [
        ("XYZ", {}, "may be colours or places"),
        ("UV", {}, "no R, G, B or Y channel; it has U, V"),
        ("RGB", {"envmap": OpenEXR.Envmap.ENVMAP_CUBE}, "cube map"),
    ],
)
def test_exr_what_is_no_panorama_is_refused(
    tmp_path: Path, channels: str, header: dict, says: str
) -> None:
    planes = {c: np.ones((H, W), np.float32) for c in channels}
    OpenEXR.File(header, planes).write(str(tmp_path / "x.exr"))
    assert says in refused(tmp_path / "x.exr")


def test_exr_a_cut_file_says_where_and_libraries_keep_quiet(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    noise = np.random.default_rng(0).random((H, W, 3)).astype(np.float32)
    OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION}, {"RGB": noise}).write(
        str(tmp_path / "a.exr")
    )
    content = (tmp_path / "a.exr").read_bytes()
    (tmp_path / "cut.exr").write_bytes(content[:-200])
    assert "chunk 2 of 2" in refused(tmp_path / "cut.exr")
    for at in range(len(content) // 2, len(content), 997):  # the data of a chunk, damaged
        broken = content[:at] + bytes(40) + content[at + 40 :]
        (tmp_path / "broken.exr").write_bytes(broken)
        try:
            read_image(tmp_path / "broken.exr")
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


# GPano: part of a sphere


def gpano(full: tuple[int, int], crop: tuple[int, int], start: tuple[int, int], **more: str) -> str:
    """The packet; sizes and start as (width, height), (left, top)."""
    said = {
        "ProjectionType": "equirectangular",
        "FullPanoWidthPixels": full[0],
        "FullPanoHeightPixels": full[1],
        "CroppedAreaImageWidthPixels": crop[0],
        "CroppedAreaImageHeightPixels": crop[1],
        "CroppedAreaLeftPixels": start[0],
        "CroppedAreaTopPixels": start[1],
        **more,
    }
    return GPANO.format(" ".join(f'GPano:{key}="{value}"' for key, value in said.items()))


def write_xmp(path: Path, pixels: np.ndarray, xmp: str) -> Path:
    image = Image.fromarray(pixels)
    if path.suffix == ".png":
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", xmp)
        image.save(path, pnginfo=texts)
    elif path.suffix == ".tif":
        tifffile.imwrite(
            path, pixels, photometric="rgb", extratags=[(700, 1, len(xmp), xmp.encode(), True)]
        )
    else:
        image.save(path, xmp=xmp.encode(), lossless=True, quality=98)
    return path


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_a_tagged_part_lies_where_its_tags_say(tmp_path: Path, ending: str) -> None:
    pixels = picture()  # 64 x 32: the middle 180 x 90 degrees
    path = write_xmp(tmp_path / f"p.{ending}", pixels, gpano((128, 64), (64, 32), (32, 16)))
    data = read_image(path)
    assert data.size == image_size(path) == (64, 128)
    inside = np.zeros((64, 128), bool)
    inside[16:48, 32:96] = True
    assert data.valid is not None
    assert np.array_equal(data.valid, inside)
    assert np.abs(data.pixels[16:48, 32:96].astype(int) - pixels).mean() < 3
    x, y, z = erp_rays(64, 128)[16, 32]  # the first pixel's direction
    assert np.degrees(np.arctan2(x, z)) == pytest.approx(-90 + 180 / 128, abs=1e-3)
    assert np.degrees(np.arcsin(-y)) == pytest.approx(45 - 90 / 64, abs=1e-3)
    with Image.open(path) as image:
        same = to_image_data(image)
    if ending != "tif":
        assert np.array_equal(same.pixels, data.pixels)


def test_tags_count_relative_to_the_size_that_they_were_written_for(tmp_path: Path) -> None:
    half = gpano((256, 128), (128, 64), (64, 32))
    data = read_image(write_xmp(tmp_path / "small.png", picture(), half))
    assert data.size == (64, 128)
    assert data.valid is not None
    assert data.valid[16:48, 32:96].all()
    assert data.valid.mean() == 0.25


def test_a_part_may_go_on_beyond_the_seam(tmp_path: Path) -> None:
    path = write_xmp(tmp_path / "s.png", picture(), gpano((128, 64), (64, 32), (96, 0)))
    data = read_image(path)
    assert data.valid is not None
    assert data.valid[:32, 96:].all()
    assert data.valid[:32, :32].all()
    assert not data.valid[:, 32:96].any()
    assert np.array_equal(data.pixels[:32, :32], picture()[:, 32:])


def test_elements_are_read_like_attributes(tmp_path: Path) -> None:
    fields = {"FullPanoWidthPixels": 128, "FullPanoHeightPixels": 64}
    fields |= {"CroppedAreaImageWidthPixels": 64, "CroppedAreaImageHeightPixels": 32}
    fields |= {"CroppedAreaLeftPixels": 0, "CroppedAreaTopPixels": 0}
    xmp = "".join(f"<GPano:{key}>{value}</GPano:{key}>" for key, value in fields.items())
    assert read_image(write_xmp(tmp_path / "e.png", picture(), xmp)).size == (64, 128)


def test_full_panoramas_and_stale_tags(tmp_path: Path) -> None:
    whole = gpano((W, H), (W, H), (0, 0), PoseHeadingDegrees="12.5")
    data = read_image(write_xmp(tmp_path / "w.png", picture(), whole))
    assert np.array_equal(data.pixels, picture())
    assert (data.valid, data.notes) == (None, ())
    padded = read_image(
        write_xmp(tmp_path / "s.png", picture(), gpano((W, H), (W, H // 2), (0, 8)))
    )
    assert padded.valid is None
    assert "64x16 of 64x32" in padded.notes[0]


@pytest.mark.parametrize(
    ("xmp", "says"),
    [
        (gpano((128, 64), (64, 32), (32, 40)), "contradict each other"),
        (gpano((128, 64), (64, 32), (32, -4)), "contradict each other"),
        (gpano((128, 64), (200, 32), (0, 0)), "contradict each other"),
        (gpano((128, 64), (64, 32), (0, 0)).replace('="64"', '="x"', 1), "no number"),
        (gpano((300, 64), (20, 32), (32, 0)), "do not fit its 64x32 pixels"),
        (GPANO.format('GPano:ProjectionType="cylindrical"'), "projection is cylindrical"),
    ],
)
def test_tags_that_cannot_be_true_are_named(tmp_path: Path, xmp: str, says: str) -> None:
    message = refused(write_xmp(tmp_path / "t.png", picture(), xmp))
    assert says in message
    assert "GPano" in message


# Unstitched fisheye pictures


def fisheyes(side: int, radius: float = 1.0) -> np.ndarray:
    """(side, 2 side, 3) uint8: two circles side by side on black."""
    place = (np.arange(side) + 0.5) * (2 / side) - 1
    circle = np.hypot(place[:, None], place) < radius
    return picture(1, side, 2 * side) * np.tile(circle, 2)[..., None].astype(np.uint8)


@pytest.mark.parametrize("radius", [0.97, 1.0, 1.05])
def test_two_circles_are_refused_by_their_pixels(tmp_path: Path, radius: float) -> None:
    path = tmp_path / "photo.jpg"
    Image.fromarray(fisheyes(128, radius)).save(path, quality=85)
    with pytest.raises(InputError, match=r"photo\.jpg: is not stitched.*two fisheye circles"):
        check_stitched(read_image(path))
    with pytest.raises(InputError, match="not stitched"):
        check_stitched(to_image_data(fisheyes(64, radius).astype(np.float32) / 255))


def test_a_camera_s_own_files_are_refused(tmp_path: Path) -> None:
    """By the ending, and renamed by the mark that its files end with; not by the pixels."""
    plain = picture()
    own, renamed = tmp_path / "photo.INSP", tmp_path / "photo.jpg"
    for path in (own, renamed):
        Image.fromarray(plain).save(path, "JPEG")
    with renamed.open("ab") as file:
        file.write(bytes(40) + b"8db42d694ccc418790edff439fe026bf")
    for path in (own, renamed):
        data = read_image(path)
        assert data.may_be_padded == (path == own)
        with pytest.raises(InputError, match="use --projection dual-fisheye") as caught:
            check_stitched(data)
        assert str(path) in str(caught.value)
    check_stitched(to_image_data(plain))


@settings(max_examples=40, deadline=None)
@given(
    top=st.floats(0, 0.5),
    bottom=st.floats(0, 0.5),
    seed=st.integers(0, 20),
    shift=st.integers(0, 63),
)
def test_panoramas_pass_with_black_poles_too(
    top: float, bottom: float, seed: int, shift: int
) -> None:
    pixels = np.roll(picture(seed), shift, axis=1)
    pixels[: int(top * H)] = 0
    pixels[H - int(bottom * H) :] = 0
    check_stitched(ImageData(pixels))
    check_stitched(ImageData(np.zeros_like(pixels)))


# TIFF: pages and compressions


def test_tiff_a_thumbnail_first_is_not_the_picture(tmp_path: Path) -> None:
    for dtype, name in ((np.uint8, "8.tif"), (np.uint16, "16.tif")):
        big = picture().astype(dtype) * (1 if dtype == np.uint8 else 257)
        with tifffile.TiffWriter(tmp_path / name) as file:
            file.write(big[::4, ::4], photometric="rgb", subfiletype=1)
            file.write(big, photometric="rgb", compression="zlib")
        data = read_image(tmp_path / name)
        assert np.array_equal(data.pixels, big)
        assert data.notes == ()
        with tifffile.TiffWriter(tmp_path / name) as file:
            file.write(big[::4, ::4], photometric="rgb")
            file.write(big, photometric="rgb")
        data = read_image(tmp_path / name)
        assert np.array_equal(data.pixels, big)
        assert data.notes == ("page 2 (64x32) of 2 is read",)


def test_tiff_the_picture_may_lie_below_its_thumbnail(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "s.tif") as file:
        file.write(picture()[::4, ::4], photometric="rgb", subfiletype=1, subifds=1)
        file.write(picture(), photometric="rgb", subfiletype=0)
    assert np.array_equal(read_image(tmp_path / "s.tif").pixels, picture())


def test_tiff_pyramids_are_read_without_a_note(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "p.tif", bigtiff=True) as file:
        file.write(picture(), photometric="rgb", tile=(16, 16))
        file.write(picture()[::2, ::2], photometric="rgb", tile=(16, 16), subfiletype=1)
    data = read_image(tmp_path / "p.tif")
    assert np.array_equal(data.pixels, picture())
    assert data.notes == ()


@pytest.mark.parametrize("compression", ["zstd", "lzma"])
def test_tiff_what_the_decoder_lacks_is_named(tmp_path: Path, compression: str) -> None:
    deep = Image.fromarray(picture()[..., 0].astype(np.uint16) * 257)
    deep.save(tmp_path / "d.tif", compression=compression)
    message = refused(tmp_path / "d.tif")
    assert f"{compression.upper()} compression of 16-bit TIFF is not read" in message
    assert "LZW or Deflate" in message
    assert "damaged" not in message
    Image.fromarray(picture()).save(tmp_path / "b.tif", compression=compression)
    assert np.array_equal(read_image(tmp_path / "b.tif").pixels, picture())


def test_tiff_raw_photographs_are_refused(tmp_path: Path) -> None:
    tag = [(50706, 1, 4, b"\1\4\0\0", True)]
    tifffile.imwrite(tmp_path / "r.tif", picture(), photometric="rgb", extratags=tag)
    assert "raw photograph (DNG)" in refused(tmp_path / "r.tif")


# Radiance


def test_hdr_xyze_is_read(tmp_path: Path) -> None:
    light = cv2.cvtColor(picture(), cv2.COLOR_RGB2BGR).astype(np.float32) / 255
    assert cv2.imwrite(str(tmp_path / "rgb.hdr"), light)
    expected = read_image(tmp_path / "rgb.hdr").image
    to_xyz = np.array(  # IEC 61966-2-1
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], np.float32
    )
    xyz = light[..., ::-1] @ to_xyz.T
    assert cv2.imwrite(str(tmp_path / "xyz.hdr"), np.ascontiguousarray(xyz[..., ::-1]))
    content = (tmp_path / "xyz.hdr").read_bytes().replace(b"_rgbe", b"_xyze", 1)
    (tmp_path / "xyz.hdr").write_bytes(content)
    assert np.abs(read_image(tmp_path / "xyz.hdr").image - expected).mean() < 0.01
    other = content.replace(b"32-bit_rle_xyze", b"64-bit_something", 1)
    (tmp_path / "other.hdr").write_bytes(other)
    assert "64-bit_something" in refused(tmp_path / "other.hdr")


def test_hdr_header_lines_in_any_order(tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "a.hdr"), picture().astype(np.float32))
    content = (tmp_path / "a.hdr").read_bytes()
    after = content.replace(b"rle_rgbe\n", b"rle_rgbe\nEXPOSURE=2.0\n# made by hand\n", 1)
    (tmp_path / "b.hdr").write_bytes(after)
    first, second = (read_image(tmp_path / f"{name}.hdr").pixels for name in "ab")
    assert np.array_equal(first, second)


# PNG


def long_text(kind: str) -> PngImagePlugin.PngInfo:
    texts = PngImagePlugin.PngInfo()
    workflow = "workflow " * 200_000
    if kind == "zTXt":
        texts.add_text("prompt", workflow, zip=True)
    else:
        texts.add_itxt("prompt", workflow, zip=True)
    return texts


@pytest.mark.parametrize("kind", ["zTXt", "iTXt"])
@pytest.mark.parametrize("deep", [False, True])
def test_png_text_of_any_length_is_of_no_matter(tmp_path: Path, kind: str, deep: bool) -> None:
    plain, path = tmp_path / "plain.png", tmp_path / "long.png"
    pixels = picture().astype(np.uint16) * 257 if deep else picture()
    assert cv2.imwrite(str(plain), np.ascontiguousarray(pixels[..., ::-1]))
    Image.fromarray(picture()).save(path, pnginfo=long_text(kind))
    content, donor = plain.read_bytes(), path.read_bytes()
    at = donor.index(kind.encode()) - 4
    chunk = donor[at : at + 12 + int.from_bytes(donor[at : at + 4], "big")]
    for place in (33, len(content) - 12):  # before the pixels, and behind them
        path.write_bytes(content[:place] + chunk + content[place:])
        assert np.array_equal(read_image(path).pixels, pixels)


def test_png_data_that_end_early_are_told_and_libpng_keeps_quiet(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    for depth, width, height in ((8, 8192, 4096), (16, 16384, 8192), (16, 64, 32)):
        header = struct.pack(">2I5B", width, height, depth, 2, 0, 0, 0)
        rows = zlib.compress(bytes((1 + 64 * 3 * depth // 8) * 8))
        content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows)
        path = tmp_path / f"{depth}.png"
        path.write_bytes(content + chunk(b"IEND", b""))
        message = refused(path)
        assert ("bytes of data for" in message) == (width > 64)
    assert "after 25% of 64x32 pixels" in refused(path)
    filters = zlib.compress((b"\7" + bytes(64 * 6)) * 32)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", filters)
        + chunk(b"IEND", b"")
    )
    assert "damaged in row 0" in refused(path)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


# JPEG


def with_exif(path: Path, block: bytes) -> Path:
    """A JPEG of the picture with this TIFF block as its EXIF."""
    Image.fromarray(picture()).save(path, quality=95)
    content = path.read_bytes()
    body = b"Exif\0\0" + block
    path.write_bytes(
        content[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + content[2:]
    )
    return path


@pytest.mark.parametrize(
    ("block", "turned"),
    [
        (b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x02\0\0\0\x06\0\x06\0\0\0\0\0", True),
        (b"II*\0\x08\0\0\0\x05\0\x12\x01\x03\0\x01\0\0\0\x49", False),
        (b"II*\0\x08\0\0\0\x05\0\x12\x01\x03\0\x01\0\0\0\x49\x46\0\0", False),
        (b"II*\0\xff\xff\xff\x7f", False),
        (b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0", True),
        (b"", False),
    ],
)
def test_jpeg_damaged_exif_is_no_noise(
    tmp_path: Path, block: bytes, turned: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    path = with_exif(tmp_path / "x.jpg", block)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = read_image(path)
    assert data.size == ((W, H) if turned else (H, W))
    assert capfd.readouterr().err == ""


def test_jpeg_that_cannot_hold_its_pixels_is_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "big.jpg"
    Image.new("RGB", (256, 128), "grey").save(path)
    content = bytearray(path.read_bytes())
    assert read_image(path).size == (128, 256)
    at = content.index(b"\xff\xc0\x00\x11\x08") + 5
    content[at : at + 4] = struct.pack(">2H", 8192, 16384)
    path.write_bytes(bytes(content))
    assert "cut short" in refused(path)


@pytest.mark.parametrize(("marker", "word"), [(0xC3, "lossless"), (0xC5, "hierarchical")])
def test_jpeg_kinds_that_are_not_read_are_named(tmp_path: Path, marker: int, word: str) -> None:
    path = tmp_path / "k.jpg"
    Image.fromarray(picture()).save(path)
    path.write_bytes(path.read_bytes().replace(b"\xff\xc0", bytes([0xFF, marker]), 1))
    message = refused(path)
    assert f"{word} JPEG is not read; save it as" in message


# Files that are none of these, or no files


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\0\0\0\x18ftypmp420000mp41", "a video"),
        (b"GIF89a" + bytes(20), "GIF"),
        (b"8BPS" + bytes(20), "Photoshop"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(8), "JPEG XL"),
    ],
)
def test_other_kinds_are_named(tmp_path: Path, content: bytes, kind: str) -> None:
    (tmp_path / "x.jpg").write_bytes(content)
    message = refused(tmp_path / "x.jpg")
    assert "not a jpg, png, webp, tiff, exr, hdr, heic or avif image" in message
    assert kind in message


def test_a_pipe_and_an_endless_name_do_not_hang(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.jpg")
    assert "is a pipe or a device" in refused(tmp_path / "pipe.jpg")
    assert "cannot be read" in refused("x" * 5000 + ".jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    assert "cannot be read" in refused(tmp_path / "loop.jpg")


def test_an_animation_leaves_a_note(tmp_path: Path) -> None:
    frames = [Image.fromarray(picture(seed)) for seed in range(3)]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    data = read_image(tmp_path / "a.webp")
    assert np.array_equal(data.pixels, picture())
    assert "first of its 3 frames" in data.notes[0]
