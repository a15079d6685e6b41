"""Bad input: whatever is wrong with a file, the answer is one line with its path."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from panodepth.errors import InputError
from panodepth.images import image_size, read_image, read_mask
from panodepth.images.formats import png

KINDS = ["jpg", "png", "deep.png", "webp", "tif", "deep.tif", "float.tif", "exr", "hdr"]


def _write(folder: Path, kind: str, height: int = 40, width: int = 80) -> Path:
    """A good file of one kind, with noise that does not compress away."""
    path = folder / f"good.{kind}"
    noise = np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)
    if kind == "exr":
        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        OpenEXR.File(header, {"RGB": (noise / 255).astype(np.float16)}).write(str(path))
    elif kind in ("hdr", "deep.png"):
        dtype = np.float32 if kind == "hdr" else np.uint16
        assert cv2.imwrite(str(path), noise.astype(dtype))
    elif kind in ("deep.tif", "float.tif"):
        dtype = np.uint16 if kind == "deep.tif" else np.float32
        tifffile.imwrite(path, noise.astype(dtype), photometric="rgb")
    else:
        Image.fromarray(noise).save(path)
    return path


def _refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_image(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_missing_empty_folder_and_text(tmp_path: Path) -> None:
    assert "no such file" in _refused(Path("a\0b.png"))
    assert "no such file" in _refused(tmp_path / "missing.png")
    assert "folder" in _refused(tmp_path)
    (tmp_path / "empty.jpg").touch()
    assert "0 bytes" in _refused(tmp_path / "empty.jpg")
    for name in ("text.png", "text.exr", "text.hdr", "x"):
        (tmp_path / name).write_text("hello\n")
        assert "not a jpg, png, webp, tiff, exr, hdr, heic or avif image" in _refused(
            tmp_path / name
        )
    with pytest.raises(InputError, match="no such file"):
        read_mask(tmp_path / "missing.png")
    with pytest.raises(InputError, match="no such file"):
        image_size(tmp_path / "missing.png")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [0.002, 0.1, 0.5, 0.9])
def test_truncated_files_are_refused(
    tmp_path: Path, kind: str, part: float, capfd: pytest.CaptureFixture[str]
) -> None:
    good = _write(tmp_path, kind)
    assert read_image(good).size == (40, 80)
    content = good.read_bytes()
    cut = tmp_path / f"cut.{kind}"
    cut.write_bytes(content[: max(20, int(len(content) * part))])
    _refused(cut)
    if kind != "exr":  # decoders keep quiet: the one line is ours
        assert not capfd.readouterr().err


def _opencv_without_memory() -> cv2.error:
    error = cv2.error("(-4:Insufficient memory) Failed to allocate")
    error.code = cv2.Error.StsNoMem
    return error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        _opencv_without_memory(),
        OSError("out of memory error when reading image file"),  # as Pillow says it
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory"),
    ],
    ids=repr,
)
def test_too_little_memory_is_no_damage(
    tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _write(tmp_path, "png")

    def decode(*_: object) -> None:
        raise error

    monkeypatch.setattr(png, "open_png", decode)
    with pytest.raises(MemoryError, match=f"^{re.escape(str(path))}: not enough memory to read"):
        read_image(path)


def test_a_deep_png_with_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path, "deep.png")
    content = bytearray(path.read_bytes())
    at = content.index(b"IDAT")
    content[at + 4 + int.from_bytes(content[at - 4 : at], "big")] ^= 1
    path.write_bytes(bytes(content))
    assert "damaged" in _refused(path)


@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damaged_bytes_give_a_picture_or_one_clear_line(
    tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    content = bytearray(_write(tmp_path, kind, 8, 16).read_bytes())
    # Not the header of EXR and HDR files, which may then truly say something else.
    start = len(content) // 2 if kind in ("exr", "hdr") else 8
    for at in data.draw(st.lists(st.integers(start, len(content) - 1), min_size=1, max_size=4)):
        content[at] = data.draw(st.integers(0, 255))
    path = tmp_path / f"damaged.{kind}"
    path.write_bytes(bytes(content))
    try:
        picture = read_image(path, max_pixels=10_000)
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert np.isfinite(picture.image).all()


def test_tiny_pictures_are_refused(tmp_path: Path) -> None:
    for size in ((1, 1), (15, 8), (16, 7)):
        path = tmp_path / "tiny.png"
        Image.new("RGB", size).save(path)
        assert f"{size[0]}x{size[1]} is too small" in _refused(path)
    Image.new("RGB", (16, 8)).save(path)
    assert read_image(path).size == (8, 16)


def _huge(folder: Path, kind: str) -> Path:
    """A file whose header says 30000 × 15000."""
    path = _write(folder, kind, 16, 32)
    content = bytearray(path.read_bytes())
    if kind.endswith("png"):
        content[16:24] = struct.pack(">2I", 30000, 15000)
        content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    elif kind == "jpg":
        frame = re.search(rb"\xff\xc0\x00\x11\x08", content)
        assert frame
        content[frame.end() : frame.end() + 4] = struct.pack(">2H", 15000, 30000)
    elif kind.endswith("tif"):
        order = "<" if content[:2] == b"II" else ">"
        for tag, old, new in ((256, 32, 30000), (257, 16, 15000)):
            entry = re.search(
                re.escape(struct.pack(order + "H", tag)) + rb"[\x00-\x04]{2}", content
            )
            assert entry
            code = "H" if content[entry.end() - 2 : entry.end()] in (b"\3\0", b"\0\3") else "I"
            at = entry.end() + 4
            stop = at + struct.calcsize(code)
            assert struct.unpack(order + code, content[at:stop]) == (old,)
            content[at:stop] = struct.pack(order + code, new)
    elif kind == "exr":
        for name in (b"dataWindow", b"displayWindow"):
            at = content.index(name) + len(name) + len(b"\0box2i\0") + 4
            content[at : at + 16] = struct.pack("<4i", 0, 0, 29999, 14999)
    else:
        content = bytearray(content.replace(b"-Y 16 +X 32", b"-Y 15000 +X 30000"))
    path.write_bytes(bytes(content))
    return path


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "webp"])  # at most 16383 wide
def test_huge_pictures_are_refused_before_they_are_decoded(tmp_path: Path, kind: str) -> None:
    path = _huge(tmp_path, kind)
    assert image_size(path) == (15000, 30000)
    message = _refused(path)
    assert "30000x15000 is 450 megapixels" in message
    assert "8192x4096" in message


def test_deep_pictures_are_limited_by_their_memory(tmp_path: Path) -> None:
    planes = {f"layer{i}": np.zeros((16, 32), np.float32) for i in range(100)}
    planes |= {c: np.zeros((16, 32), np.float32) for c in "RGB"}
    path = tmp_path / "layers.exr"
    OpenEXR.File({}, planes).write(str(path))
    content = path.read_bytes()
    old, new = struct.pack("<4i", 0, 0, 31, 15), struct.pack("<4i", 0, 0, 8191, 4095)
    path.write_bytes(content.replace(old, new))
    assert "GiB decoded" in _refused(path)


@pytest.mark.parametrize("layout", ["signed", "two"])
def test_unusual_tiffs_are_refused_rather_than_misread(tmp_path: Path, layout: str) -> None:
    path, shape = tmp_path / "odd.tif", (16, 32, 3)
    if layout == "signed":
        tifffile.imwrite(path, np.ones(shape, np.int16), photometric="rgb")
    else:
        pair = np.ones((16, 32, 2), np.uint16)
        tifffile.imwrite(path, pair, photometric="minisblack", planarconfig="contig")
    assert "this kind of TIFF is not read" in _refused(path)
