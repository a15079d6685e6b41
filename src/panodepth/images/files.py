"""Image files: recognised by their first bytes, measured by their header, then decoded.

A decoder is a function of (name, open file) that reads a header and returns `Opened`. It raises
InputError for kinds that are not read, saying what to save instead, and anything else for damage.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from panodepth.errors import InputError, damaged, raise_if_out_of_memory
from panodepth.images.formats.pillow import Decoded, Opened
from panodepth.images.limits import MAX_PIXELS, check_size
from panodepth.images.picture import ImageData, from_array
from panodepth.size import Size

FIRST_BYTES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "TIFF"),
    b"\x76\x2f\x31\x01": "EXR",
    b"#?": "HDR",
}
HEIF_BRANDS = b"heic heix heim heis hevc hevx mif1 msf1 avif avis".split()
IMAGE_SUFFIXES: tuple[str, ...] = (".jpg", ".jpeg", ".mpo", ".png", ".webp", ".tif", ".tiff")
IMAGE_SUFFIXES += (".exr", ".hdr", ".heic", ".heif", ".hif", ".avif", ".insp")
KINDS = "jpg, png, webp, tiff, exr, hdr, heic or avif"
Content = bytes | bytearray | memoryview
Source = str | os.PathLike[str] | bytes | bytearray | memoryview  # a path, or a file's bytes


def to_image_data(source: Any, *, max_pixels: int = MAX_PIXELS) -> ImageData:
    """Anything `predict` accepts as ImageData.

    source: a path; the bytes of a file, or an object with `read` that gives them; a PIL image (its
        EXIF orientation is applied); an (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) array or tensor,
        sRGB-coded: uint8, uint16, or float in [0, 1] with NaN or Inf = invalid (the fourth channel
        is alpha: 0 = invalid; so is what a masked array masks in any channel); or ImageData,
        returned as it is. 8-bit arrays are copied: the caller may use theirs again.
    Raises InputError for anything else, with what was found.
    """
    if isinstance(source, ImageData):
        return source
    if not isinstance(source, str | os.PathLike | Content):
        from panodepth.images.memory import content_of, from_memory

        if not hasattr(source, "read"):
            return from_memory(source, max_pixels)
        source = content_of(source)
    return read_image(source, max_pixels=max_pixels)


def read_image(source: Source, *, max_pixels: int = MAX_PIXELS) -> ImageData:
    """Read a file of one of KINDS, by path or its bytes.

    The size is taken from the header and checked before anything is decoded. EXR, HDR and float
    TIFF files are linear: see `exposure.exposed`. A picture whose GPano tags say that it is a part
    of the sphere is laid on the whole one, the rest of which is not valid. Raises InputError, one
    line with the path, when the file is missing, empty, damaged, of another kind, too small or too
    large. Raises MemoryError, with the path, when memory is not enough.
    """
    where = _name(source)
    decoded = read_stored(source, max_pixels=max_pixels)
    if decoded.profile:
        from panodepth.images.profiles import as_srgb

        decoded = as_srgb(decoded)
    light, pixels, valid = None, decoded.pixels, decoded.valid
    if decoded.linear:
        from panodepth.images.exposure import exposed

        light, pixels, valid = exposed(decoded, where)
    name = "" if isinstance(source, Content) else Path(source).stem
    data = replace(from_array(pixels, valid, where), name=name, source=where if name else "")
    return replace(data, notes=decoded.notes, pano=decoded.pano, light=light)


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
                from panodepth.images.formats.foreign import foreign_kind

                known = foreign_kind(start)
                told = f": it is {known}" if known else ""
                raise InputError(f"{name}: not a {KINDS} image{told}")
            kind = found
            file.seek(0)
            decoder = import_module(f"panodepth.images.formats.{kind.lower()}")
            opened: Opened = getattr(decoder, f"open_{kind.lower()}")(name, file)
            if opened.xmp:
                from panodepth.images.gpano import on_sphere

                opened = on_sphere(opened, name)
            yield opened
    except InputError:
        raise
    except Exception as error:  # decoders raise anything on damaged files; all of it means this
        raise_if_out_of_memory(error, name)
        raise damaged(name, kind, error) from error


def _name(source: Source) -> str:
    return "image bytes" if isinstance(source, Content) else os.fspath(source) or "an empty path"


def _file(source: Source, name: str) -> BinaryIO:
    """The file, open. Raises InputError when it is none, before anything waits for a pipe."""
    if isinstance(source, Content):
        return io.BytesIO(source)
    try:
        found = os.stat(source)
    except (FileNotFoundError, ValueError):  # a null byte is in no name
        raise InputError(f"{name}: no such file") from None
    if stat.S_ISDIR(found.st_mode):
        raise InputError(f"{name}: is a folder, not an image file")
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{name}: is a pipe or a device, not a file")
    if found.st_size > 1 << 31:
        raise InputError(f"{name}: has {found.st_size / 2**30:.1f} GiB; at most 2 are read")
    return open(source, "rb")


def _kind(start: bytes) -> str | None:
    """The kind of an image file by its first 16 bytes, or None."""
    if start[:4] == b"RIFF":
        return "WebP" if start[8:12] == b"WEBP" else None
    if start[4:8] == b"ftyp" and start[8:12] in HEIF_BRANDS:
        return "HEIF"
    return next((kind for mark, kind in FIRST_BYTES.items() if start.startswith(mark)), None)
