"""EXR files: layers, parts, luminance and chroma; a choice leaves a note."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from tests.images.pictures import H, W, refused

from panodepth.errors import InputError
from panodepth.images import ImageData, read_image, read_mask


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


@pytest.mark.parametrize(
    ("primaries", "said"),
    [
        ((0.64, 0.33, 0.3, 0.6, 0.15, 0.06), ""),
        ((0.713, 0.293, 0.165, 0.83, 0.128, 0.044), "ACES AP1 (ACEScg)"),
        ((0.7, 0.3, 0.2, 0.7, 0.1, 0.05), "of other primaries"),
    ],
)
def test_exr_of_other_colours_than_srgb_s(
    tmp_path: Path, primaries: tuple[float, ...], said: str
) -> None:
    header = {"chromaticities": (*primaries, 0.3127, 0.329)}
    data = read_image(write_layers(tmp_path / "r.exr", {"RGB": 2.0}, header))
    assert tint_of(data) == pytest.approx(2, rel=0.02)
    assert data.notes == ((f"its colours are {said} and taken for sRGB's",) if said else ())


NAMES = [
    "Beauty",
    "RGBA",
    "Color",
    "colour",
    "scene.beauty",
    "Image",
    "FinalImage",
    "C",
    "Denoised",
]
NAMES += ["Final Image", "RGB_color", "ViewLayer.Noisy Image", "Ci", "Denoised Image"]


@pytest.mark.parametrize("name", NAMES)
def test_exr_other_names_of_the_picture(tmp_path: Path, name: str) -> None:
    data = read_image(write_layers(tmp_path / "r.exr", {"AO.RGB": 3.0, f"{name}.RGB": 2.0}))
    assert tint_of(data) == pytest.approx(2, rel=0.02)
    assert data.notes == ()


@pytest.mark.parametrize("name", ["MasterBeauty", "Combined_raw", "ViewLayer.beauty pass"])
def test_exr_longer_names_of_the_picture_leave_a_note(tmp_path: Path, name: str) -> None:
    data = read_image(write_layers(tmp_path / "r.exr", {"AO.RGB": 3.0, f"{name}.RGBA": 2.0}))
    assert tint_of(data) == pytest.approx(2, rel=0.02)
    assert data.valid is not None
    assert data.notes == (f"layer {name} is read; it also has AO",)


def test_exr_of_two_eyes_the_left_ones_picture_is_read(tmp_path: Path) -> None:
    layers = {f"ViewLayer.{n}.RGB": tint for n, tint in {"AO.left": 3.0, "AO.right": 3.0}.items()}
    layers |= {"ViewLayer.Combined.left.RGBA": 2.0, "ViewLayer.Combined.right.RGBA": 4.0}
    data = read_image(write_layers(tmp_path / "r.exr", layers))
    assert tint_of(data) == pytest.approx(2, rel=0.02)
    assert data.notes == (
        "layer ViewLayer.Combined.left is read; it also has ViewLayer.Combined.right",
    )


def test_exr_channels_may_be_called_by_their_colours(tmp_path: Path) -> None:
    base = np.linspace(0.1, 1, H * W, dtype=np.float32).reshape(H, W)
    colours = {"red": 2, "green": 1, "blue": 1}
    planes = {f"rgba.{c}": base * np.float32(tint) for c, tint in colours.items()}
    planes |= {f"AO.{c}": base for c in colours} | {"rgba.alpha": np.float32(base > 0.5)}
    OpenEXR.File({}, planes).write(str(tmp_path / "n.exr"))
    data = read_image(tmp_path / "n.exr")
    assert tint_of(data) == pytest.approx(2, rel=0.02)
    assert data.valid is not None


def test_exr_without_such_a_name_says_which_layer_was_taken(tmp_path: Path) -> None:
    data = read_image(write_layers(tmp_path / "r.exr", {"AO.RGB": 3.0, "Emit.RGB": 2.0}))
    assert data.notes == ("layer AO is read; it also has Emit",)
    plain = read_image(write_layers(tmp_path / "p.exr", {"RGB": 2.0, "AO.RGB": 3.0}))
    assert tint_of(plain) == pytest.approx(2, rel=0.02)
    assert plain.notes == ()


@pytest.mark.parametrize("letters", ["rgb", "Rgb", "rGB"])
@pytest.mark.parametrize("prefix", ["", "rgb.", "View.Combined."])
def test_exr_small_letters_are_channels_too(tmp_path: Path, prefix: str, letters: str) -> None:
    base = np.linspace(0.1, 1, H * W, dtype=np.float32).reshape(H, W)
    planes = {prefix + c: base * np.float32(2 if c in "rR" else 1) for c in letters}
    planes |= {prefix + "a": (base > 0.5).astype(np.float32), "AO.Y": base}
    OpenEXR.File({}, planes).write(str(tmp_path / "s.exr"))
    data = read_image(tmp_path / "s.exr")
    assert tint_of(data) == pytest.approx(2, rel=0.02)
    assert data.valid is not None
    assert 0.4 < data.valid.mean() < 0.7
    assert data.notes == ()


def test_exr_capitals_count_before_small_letters(tmp_path: Path) -> None:
    base = np.linspace(0.1, 1, H * W, dtype=np.float32).reshape(H, W)
    tints = {"R": 2, "G": 1, "B": 1, "r": 9, "g": 5, "b": 5}
    planes = {name: base * np.float32(tint) for name, tint in tints.items()}
    OpenEXR.File({}, planes).write(str(tmp_path / "s.exr"))
    data = read_image(tmp_path / "s.exr")
    assert tint_of(data) == pytest.approx(2, rel=0.02)
    assert data.notes == ()


def test_exr_an_unknown_compression_is_named_once(tmp_path: Path) -> None:
    planes = {"RGB": np.ones((H, W, 3), np.float32)}
    OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION}, planes).write(str(tmp_path / "u.exr"))
    content = (tmp_path / "u.exr").read_bytes()
    name = b"compression\0compression\0\1\0\0\0"
    assert name + b"\3" in content
    (tmp_path / "u.exr").write_bytes(content.replace(name + b"\3", name + b"\x63"))
    message = refused(tmp_path / "u.exr")
    assert message.endswith("u.exr: EXR compression 99 is not read; save it with ZIP")


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
    eyes = read_image(write(tmp_path / "e.exr", {"AO.left": 3, "rgba.left": 2, "rgba.right": 4}))
    assert tint_of(eyes) == pytest.approx(2, rel=0.02)
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


def write_chroma(path: Path, planes: dict[str, np.ndarray]) -> None:
    """Lines of Y without compression, and of RY and BY at every second pixel of every second."""
    steps = {"BY": 2, "RY": 2, "Y": 1}
    height, width = planes["Y"].shape
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    listed = [name.encode() + struct.pack("<xi4x2i", 2, n, n) for name, n in steps.items()]
    attributes = [
        (b"channels", b"chlist", b"".join(listed) + b"\0"),
        (b"compression", b"compression", b"\0"),
        (b"dataWindow", b"box2i", window),
        (b"displayWindow", b"box2i", window),
        (b"lineOrder", b"lineOrder", b"\0"),
        (b"pixelAspectRatio", b"float", struct.pack("<f", 1)),
        (b"screenWindowCenter", b"v2f", bytes(8)),
        (b"screenWindowWidth", b"float", struct.pack("<f", 1)),
    ]
    head = b"\x76\x2f\x31\x01\2\0\0\0"
    for name, kind, value in attributes:
        head += name + b"\0" + kind + b"\0" + struct.pack("<I", len(value)) + value
    head += b"\0"
    lines, offsets = b"", []
    for y in range(height):
        stored = [planes[name][y // n].tobytes() for name, n in steps.items() if y % n == 0]
        offsets.append(len(head) + 8 * height + len(lines))
        lines += struct.pack("<2i", y, len(b"".join(stored))) + b"".join(stored)
    path.write_bytes(head + struct.pack(f"<{height}Q", *offsets) + lines)


def test_exr_chroma_lies_at_every_second_pixel_from_the_first(tmp_path: Path) -> None:
    red = np.linspace(0.5, 1, W, dtype=np.float32) + np.linspace(0, 1, H, dtype=np.float32)[:, None]
    y = np.ones((H, W), np.float32)
    write_chroma(tmp_path / "c.exr", {"Y": y, "RY": red[::2, ::2] - 1, "BY": 0 * red[::2, ::2]})
    light = read_image(tmp_path / "c.exr").light
    assert light is not None
    np.testing.assert_allclose(light[:-1, :-1, 0], red[:-1, :-1], atol=1e-6)


def test_exr_grey_has_its_alpha(tmp_path: Path) -> None:
    grey, alpha = np.full((H, W), 0.75, np.float32), np.ones((H, W), np.float32)
    alpha[: H // 4] = 0
    OpenEXR.File({}, {"Y": grey, "A": alpha}).write(str(tmp_path / "ya.exr"))
    data = read_image(tmp_path / "ya.exr")
    np.testing.assert_array_equal(data.valid, alpha > 0)
    np.testing.assert_array_equal(read_mask(tmp_path / "ya.exr"), alpha > 0)


@pytest.mark.parametrize(
    ("channels", "header", "says"),
    [
        ("XYZ", {}, "may be colours or places"),
        ("UV", {}, "no channels R, G and B, nor Y; it has U, V"),
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


def test_exr_whole_numbers_are_light_too(tmp_path: Path) -> None:
    base = np.arange(H * W, dtype=np.uint32).reshape(H, W)
    OpenEXR.File({}, {"R": base * 2, "G": base, "B": base}).write(str(tmp_path / "u.exr"))
    data = read_image(tmp_path / "u.exr")
    assert data.light is not None
    assert data.light.dtype == np.float32
    np.testing.assert_array_equal(data.light[..., 0], 2.0 * base)
