"""HEIC, AVIF, and JPEG files with more than one picture or more XMP than fits into a segment."""

from __future__ import annotations

import io
import struct
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

from panodepth.errors import InputError
from panodepth.images import image_size, read_image, to_image_data
from panodepth.predict.folder.inputs import find_inputs

GUID = b"0123456789ABCDEF0123456789ABCDEF"
CROP = {
    "FullPanoWidthPixels": 128,
    "FullPanoHeightPixels": 64,
    "CroppedAreaImageWidthPixels": 128,
    "CroppedAreaImageHeightPixels": 40,
    "CroppedAreaLeftPixels": 0,
    "CroppedAreaTopPixels": 12,
}
XMP = "<rdf:Description " + " ".join(f'GPano:{k}="{v}"' for k, v in CROP.items()) + "/>"
avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow was built without AVIF")


def quarters(height: int = 64, width: int = 128) -> np.ndarray:
    """(H, W, 3) uint8: red, green / blue, white."""
    picture = np.zeros((height, width, 3), np.uint8)
    middle, centre = height // 2, width // 2
    picture[:middle, :centre, 0] = picture[:middle, centre:, 1] = picture[middle:, :centre, 2] = 220
    picture[middle:, centre:] = 220
    return picture


def saved(kind: str, pixels: np.ndarray, **more: Any) -> bytes:
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, quality=90, **more)
    return file.getvalue()


def is_quarters(pixels: np.ndarray) -> bool:
    return bool(np.abs(pixels.astype(int) - quarters(*pixels.shape[:2])).mean() < 6)


BOTH = pytest.mark.parametrize("kind", ["HEIF", pytest.param("AVIF", marks=avif)])


@BOTH
def test_a_picture_its_size_and_its_tags(kind: str, tmp_path: Path) -> None:
    content = saved(kind, quarters())
    (tmp_path / "a.jpg").write_bytes(content)  # known by its first bytes, whatever its name
    assert image_size(tmp_path / "a.jpg") == (64, 128)
    data = read_image(tmp_path / "a.jpg")
    assert data.pixels.dtype == np.uint8
    assert data.valid is None
    assert is_quarters(data.pixels)
    cropped = to_image_data(saved(kind, quarters(40, 128), xmp=XMP.encode()))
    assert cropped.size == (64, 128)
    assert cropped.valid is not None
    assert cropped.valid[12:52].all()
    assert cropped.valid.sum() == 40 * 128


@BOTH
def test_a_turned_picture_comes_upright(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rows of the file run down the right side of the scene
    stored = np.rot90(quarters())
    content = saved(kind, np.ascontiguousarray(stored), exif=exif.tobytes())
    assert image_size(content) == (64, 128)
    assert is_quarters(to_image_data(content).pixels)


@BOTH
def test_what_is_transparent_is_not_valid(kind: str) -> None:
    alpha = np.full((64, 128, 1), 255, np.uint8)
    alpha[:, :32] = 0
    valid = to_image_data(saved(kind, np.dstack([quarters(), alpha]))).valid
    assert valid is not None
    assert not valid[:, :30].any()
    assert valid[:, 34:].all()


@BOTH
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_damaged_files_are_refused_in_one_line(kind: str, data: st.DataObject) -> None:
    content = bytearray(saved(kind, quarters()))
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(16, len(content) - 1))]
    else:
        for _ in range(data.draw(st.integers(1, 8))):
            at = data.draw(st.integers(12, len(content) - 1))
            content[at] = data.draw(st.integers(0, 255))
    said = ""
    try:
        found = to_image_data(bytes(content))
        assert found.pixels.ndim == 3
    except InputError as error:
        said = str(error)
    assert "\n" not in said


def test_heic_of_ten_bits_keeps_them() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    ramp = np.broadcast_to(np.linspace(0, 65535, 128).astype(np.uint16)[:, None], (64, 128, 3))
    file = io.BytesIO()
    pillow_heif.from_bytes("RGB;16", (128, 64), ramp.tobytes()).save(file, quality=-1)
    data = to_image_data(file.getvalue())
    assert data.pixels.dtype == np.uint16
    assert np.abs(data.pixels.astype(int) - ramp).max() < 1000  # of 65535; 8 bits step by 257
    assert len(np.unique(data.pixels[..., 1])) > 100


def test_heic_with_several_pictures_shows_the_main_one() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    both = pillow_heif.from_pillow(Image.fromarray(quarters()[::-1]))
    both.add_from_pillow(Image.fromarray(quarters()))
    file = io.BytesIO()
    both.save(file, quality=90, primary_index=1)
    data = to_image_data(file.getvalue())
    assert is_quarters(data.pixels)
    assert data.notes == ("picture 2 of 2 is read",)


def test_heic_without_the_extra_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = tmp_path / "room.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40))
    with pytest.raises(InputError) as caught:
        read_image(path)
    said = str(caught.value)
    assert said.startswith(str(path))
    assert 'pip install "panodepth[heif]"' in said
    assert "\n" not in said


def test_avif_where_pillow_lacks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf" + bytes(40)
    monkeypatch.setitem(sys.modules, "PIL.AvifImagePlugin", None)
    monkeypatch.delattr("PIL.AvifImagePlugin", raising=False)
    with pytest.raises(InputError, match=r"AVIF needs Pillow 11\.3"):
        to_image_data(content)


def test_a_folder_holds_the_new_endings_and_counts_the_others(tmp_path: Path) -> None:
    for name in ("a.heic", "b.HEIF", "c.avif", "d.mpo", "e.hif", "f.insp", "g.dng", "h.dng"):
        (tmp_path / name).write_bytes(b"x")
    found = find_inputs([str(tmp_path)])
    endings = [item.path.suffix for item in found.files]
    assert endings == [".heic", ".HEIF", ".avif", ".mpo", ".hif", ".insp"]
    assert str(found.left_out) == "2 .dng"


# JPEG


def test_an_mpo_is_read_as_its_first_view() -> None:
    file = io.BytesIO()
    others = [Image.fromarray(quarters()[:, ::-1])]
    Image.fromarray(quarters()).save(file, "MPO", save_all=True, append_images=others, quality=90)
    data = to_image_data(file.getvalue())
    assert is_quarters(data.pixels)
    # Pillow calls the second picture "undefined", as gain maps are called; stereo cameras do not.
    assert data.notes == ()
    assert file.getvalue().count(b"MPF\0") == 1
    disparity = _with_kind(file.getvalue(), 0x020002)
    data = to_image_data(disparity)
    assert is_quarters(data.pixels)
    assert data.notes == ("the first of its 2 pictures is read",)


def _with_kind(content: bytes, kind: int) -> bytes:
    """The second picture's type in the index of a multi-picture file changed (CIPA DC-007)."""
    start = content.index(b"MPF\0") + 4
    order = "<" if content[start : start + 2] == b"II" else ">"
    (first,) = struct.unpack_from(f"{order}I", content, start + 4)
    (count,) = struct.unpack_from(f"{order}H", content, start + first)
    changed = bytearray(content)
    for number in range(count):
        at = start + first + 2 + 12 * number
        tag, _, _, place = struct.unpack_from(f"{order}HHII", content, at)
        if tag == 0xB002:
            struct.pack_into(f"{order}I", changed, start + place + 16, kind)
    return bytes(changed)


def test_a_gain_map_jpeg_is_its_base_picture() -> None:
    """Ultra HDR: the map is a second, smaller picture behind the first one's end."""
    base = saved("JPEG", quarters())
    gain = saved("JPEG", np.full((16, 32, 3), 90, np.uint8))
    data = to_image_data(base + gain)
    assert data.size == (64, 128)
    assert is_quarters(data.pixels)


def with_segments(content: bytes, segments: list[bytes]) -> bytes:
    told = b"".join(b"\xff\xe1" + struct.pack(">H", len(s) + 2) + s for s in segments)
    return content[:2] + told + content[2:]


def extension(whole: bytes, start: int, stop: int, guid: bytes = GUID) -> bytes:
    head = b"http://ns.adobe.com/xmp/extension/\0" + guid + struct.pack(">II", len(whole), start)
    return head + whole[start:stop]


STANDARD = (
    b"http://ns.adobe.com/xap/1.0/\0<rdf:Description xmlns:xmpNote="
    b'"http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="' + GUID + b'"/>'
)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 59_999), max_size=3, unique=True), st.randoms())
def test_extended_xmp_is_joined_by_its_offsets(cuts: list[int], random: Any) -> None:
    filling = b"<GImage:Data>" + b"A" * 50_000 + b"</GImage:Data>"
    whole = (filling + XMP.encode()).ljust(60_000)
    places = [0, *sorted(cuts), len(whole)]
    parts = [extension(whole, a, b) for a, b in pairwise(places)]
    random.shuffle(parts)
    content = with_segments(saved("JPEG", quarters(40, 128)), [STANDARD, *parts])
    for source in (content, Image.open(io.BytesIO(content))):
        data = to_image_data(source)
        assert data.size == (64, 128)
        assert data.pano.area.top == 12


def test_extended_xmp_may_name_the_tags_by_another_prefix() -> None:
    named = ' xmlns:pano="http://ns.google.com/photos/1.0/panorama/" pano:'
    whole = XMP.replace(" GPano:", named, 1).replace("GPano:", "pano:").encode()
    parts = [extension(whole, a, b) for a, b in pairwise([0, 90, len(whole)])]
    data = to_image_data(with_segments(saved("JPEG", quarters(40, 128)), [STANDARD, *parts]))
    assert data.pano.area.top == 12


def test_extended_xmp_of_another_picture_says_nothing() -> None:
    other = extension(XMP.encode(), 0, len(XMP), b"F" * 32)
    short = b"http://ns.adobe.com/xmp/extension/\0" + GUID + b"\0"
    for segments in ([STANDARD, other], [STANDARD], [other], [STANDARD, short]):
        content = with_segments(saved("JPEG", quarters()), segments)
        assert to_image_data(content).pano is None
