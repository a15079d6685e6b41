"""Image files: recognised by their first bytes, measured by their header, then decoded.

A decoder is a function of (name, open file) that reads a header and returns `Opened`. It raises
InputError for kinds that are not read, saying what to save instead, and anything else for damage.
"""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from panodepth.errors import InputError, one_line
from panodepth.images.fisheye import UNSTITCHED, UNSTITCHED_SUFFIXES
from panodepth.images.formats.pillow import Decoded, Opened
from panodepth.images.limits import MAX_PIXELS, check_size
from panodepth.images.picture import ImageData, both, from_array
from panodepth.images.transfer import finite_pixels
from panodepth.images.xmp import pano_area, place_on_sphere
from panodepth.size import Size

FIRST_BYTES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "TIFF"),
    b"\x76\x2f\x31\x01": "EXR",
    b"#?": "HDR",
}
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".exr", ".hdr")
Content = bytes | bytearray | memoryview
Source = str | os.PathLike[str] | bytes | bytearray | memoryview  # a path, or a file's bytes
# Kinds of picture that are not read, by how they begin.
_FOREIGN = (
    (rb"(?s)....ftyp(heic|heix|mif1|msf1|hevc)", "HEIC"),
    (rb"(?s)....ftypavi", "AVIF"),
    (rb"(?s)....ftyp", "a video"),
    (rb"GIF8", "GIF"),
    (rb"BM", "BMP"),
    (rb"8BPS", "Photoshop"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "JPEG XL"),
    (rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  ", "JPEG 2000"),
    (rb"%PDF", "PDF"),
    (rb"FUJIFILM|IIRO|IIU\0", "a raw photograph"),
)


def read_image(source: Source, *, max_pixels: int = MAX_PIXELS) -> ImageData:
    """Read a jpg, png, webp, tiff, exr or hdr file, by path or its bytes.

    The size is taken from the header and checked before anything is decoded. EXR, HDR and float
    TIFF files are linear: see `exposure.expose`. A picture whose GPano tags say that it is a part
    of the sphere is laid on the whole one, the rest of which is not valid. Raises InputError, one
    line with the path, when the file is missing, empty, damaged, of another kind, too small or too
    large.
    """
    where = _name(source)
    decoded = read_stored(source, max_pixels=max_pixels)
    pixels, valid = decoded.pixels, decoded.valid
    if decoded.linear:
        from panodepth.images.exposure import expose

        planes = [pixels[..., i] for i in range(3)] if pixels.ndim == 3 else [pixels] * 3
        if pixels.ndim == 3 and pixels.shape[2] == 4:
            valid = both(valid, pixels[..., 3] != 0)
        valid = both(valid, finite_pixels(planes))
        pixels = expose(planes, valid, where)
    data = from_array(pixels, valid, where)
    if isinstance(source, Content):
        return replace(data, notes=decoded.notes)
    return ImageData(data.pixels, data.valid, Path(source).stem, where, decoded.notes)


def image_size(source: Source) -> Size:
    """(height, width) [px] of an image file, upright, from its header; fails as `read_image`."""
    with _reading(source) as opened:
        return opened.size


def read_stored(source: Source, *, max_pixels: int = MAX_PIXELS) -> Decoded:
    """The file's values as stored, upright, for files whose values are no colours.

    Raises InputError as `read_image`.
    """
    with _reading(source) as opened:
        check_size(opened.size, _name(source), max_pixels)
        return opened.decode()


@contextmanager
def _reading(source: Source) -> Iterator[Opened]:
    """The opened file; whatever goes wrong inside becomes an InputError of one line."""
    name, kind = _name(source), "image"
    try:
        with _file(source, name) as file:
            start = file.read(16)
            if not start:
                raise InputError(f"{name}: the file is empty (0 bytes)")
            found = _kind(start)
            if found is None:
                known = next((what for mark, what in _FOREIGN if re.match(mark, start)), "")
                told = f": it is {known}; save it as one of them" if known else ""
                raise InputError(f"{name}: not a jpg, png, webp, tiff, exr or hdr image{told}")
            kind = found
            file.seek(0)
            yield _on_sphere(_opener(kind)(name, file), name)
    except InputError:
        raise
    except Exception as error:  # decoders raise anything on damaged files; all of it means this
        if isinstance(error, OSError) and error.errno is not None:
            raise InputError(f"{name}: cannot be read ({error.strerror})") from error
        raise InputError(
            f"{name}: damaged or unreadable {kind} file ({one_line(error, 300)})"
        ) from error


def _name(source: Source) -> str:
    return "image bytes" if isinstance(source, Content) else os.fspath(source)


def _file(source: Source, name: str) -> BinaryIO:
    """The file, open. Raises InputError when it is none, before anything waits for a pipe."""
    if isinstance(source, Content):
        return io.BytesIO(source)
    if Path(source).suffix.lower() in UNSTITCHED_SUFFIXES:
        raise InputError(f"{name}: {UNSTITCHED}")
    try:
        mode = os.stat(source).st_mode
    except FileNotFoundError:
        raise InputError(f"{name}: no such file") from None
    if stat.S_ISDIR(mode):
        raise InputError(f"{name}: is a folder, not an image file")
    if not stat.S_ISREG(mode):
        raise InputError(f"{name}: is a pipe or a device, not a file")
    return open(source, "rb")


def _on_sphere(opened: Opened, name: str) -> Opened:
    """The same picture, on the whole sphere where its tags say that it is a part."""
    area, note = pano_area(opened.xmp, opened.size, name)
    if area is not None:
        return Opened(area.size, lambda: place_on_sphere(opened.decode(), area))
    if not note:
        return opened

    def decode() -> Decoded:
        decoded = opened.decode()
        return replace(decoded, notes=(*decoded.notes, note))

    return Opened(opened.size, decode)


def _kind(start: bytes) -> str | None:
    """The kind of an image file by its first 16 bytes, or None."""
    if start[:4] == b"RIFF":
        return "WebP" if start[8:12] == b"WEBP" else None
    return next((kind for mark, kind in FIRST_BYTES.items() if start.startswith(mark)), None)


def _opener(kind: str) -> Callable[[str, BinaryIO], Opened]:
    """The decoder of a kind; each is imported when one of its files comes."""
    if kind == "JPEG":
        from panodepth.images.formats.jpeg import open_jpeg as opener
    elif kind == "PNG":
        from panodepth.images.formats.png import open_png as opener
    elif kind == "WebP":
        from panodepth.images.formats.webp import open_webp as opener
    elif kind == "TIFF":
        from panodepth.images.formats.tiff import open_tiff as opener
    elif kind == "EXR":
        from panodepth.images.formats.exr import open_exr as opener
    else:
        from panodepth.images.formats.opencv import open_hdr as opener
    return opener
