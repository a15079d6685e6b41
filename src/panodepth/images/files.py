"""Image files: recognised by their first bytes, measured by their header, then decoded.

Also `to_image_data`, which takes whatever `predict` does. A decoder is a function of (path, open
file) that reads a header and returns `Opened`; those that few pictures need are imported when one
comes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from panodepth.errors import InputError, one_line
from panodepth.images.limits import MAX_PIXELS, check_size
from panodepth.images.picture import ImageData, both, from_array
from panodepth.images.pillow import ORIENTATION, Decoded, Opened, from_pillow, open_pillow
from panodepth.images.transfer import finite_pixels
from panodepth.size import Size

FIRST_BYTES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "TIFF"),
    b"\x76\x2f\x31\x01": "EXR",
    b"#?": "HDR",
}
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".exr", ".hdr")


def to_image_data(source: Any, *, max_pixels: int = MAX_PIXELS) -> ImageData:
    """Anything `predict` accepts as ImageData.

    source: a path; a PIL image (its EXIF orientation is applied); an (H, W), (H, W, 1), (H, W, 3)
        or (H, W, 4) array, sRGB-coded: uint8, uint16, or float in [0, 1] with NaN or Inf = invalid
        (the fourth channel is alpha: 0 = invalid); or ImageData, returned as it is.
    Raises InputError for anything else, with what was found.
    """
    if isinstance(source, ImageData):
        return source
    if isinstance(source, str | os.PathLike):
        return read_image(source, max_pixels=max_pixels)
    if isinstance(source, Image.Image):
        check_size((source.height, source.width), "PIL image", max_pixels)
        source.load()  # turns a TIFF upright and takes the tag away
        decoded = from_pillow(source, source.getexif().get(ORIENTATION, 1))
        return from_array(decoded.pixels, decoded.valid, "PIL image")
    if not hasattr(source, "__array__"):
        kind = type(source).__name__
        raise InputError(f"an image can be a path, a PIL image or an array, not {kind}")
    array = np.asarray(source)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise InputError(
            f"image array has shape {array.shape}; expected (H, W), (H, W, 3) or (H, W, 4)"
        )
    check_size((array.shape[0], array.shape[1]), "image array", max_pixels)
    return from_array(array, None, "image array")


def read_image(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> ImageData:
    """Read a jpg, png, webp, tiff, exr or hdr file.

    The size is taken from the header and checked before anything is decoded. EXR, HDR and float
    TIFF files are linear: see `exposure.expose`. Raises InputError, one line with the path, when
    the file is missing, empty, damaged, of another kind, too small or too large.
    """
    decoded = read_stored(path, max_pixels=max_pixels)
    pixels, valid = decoded.pixels, decoded.valid
    if decoded.linear:
        from panodepth.images.exposure import expose

        planes = [pixels[..., i] for i in range(3)] if pixels.ndim == 3 else [pixels] * 3
        if pixels.ndim == 3 and pixels.shape[2] == 4:
            valid = both(valid, pixels[..., 3] != 0)
        valid = both(valid, finite_pixels(planes))
        pixels = expose(planes, valid, str(path))
    data = from_array(pixels, valid, str(path))
    return ImageData(data.pixels, data.valid, Path(path).stem, str(path))


def image_size(path: str | os.PathLike[str]) -> Size:
    """(height, width) [px] of an image file, upright, from its header; fails as `read_image`."""
    with _reading(path) as opened:
        return opened.size


def read_stored(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> Decoded:
    """The file's values as stored, upright, for files whose values are no colours.

    Raises InputError as `read_image`.
    """
    with _reading(path) as opened:
        check_size(opened.size, str(path), max_pixels)
        return opened.decode()


@contextmanager
def _reading(path: str | os.PathLike[str]) -> Iterator[Opened]:
    """The opened file; whatever goes wrong inside becomes an InputError of one line."""
    where, kind = Path(path), "image"
    if where.is_dir():
        raise InputError(f"{path}: is a folder, not an image file")
    if not where.exists():
        raise InputError(f"{path}: no such file")
    try:
        with where.open("rb") as file:
            start = file.read(16)
            if not start:
                raise InputError(f"{path}: the file is empty (0 bytes)")
            found = _kind(start)
            if found is None:
                raise InputError(f"{path}: not a jpg, png, webp, tiff, exr or hdr image")
            kind = found
            file.seek(0)
            yield _opener(kind)(where, file)
    except InputError:
        raise
    except Exception as error:  # decoders raise anything on damaged files; all of it means this
        raise InputError(
            f"{path}: damaged or unreadable {kind} file ({one_line(error)})"
        ) from error


def _kind(start: bytes) -> str | None:
    """The kind of an image file by its first 16 bytes, or None."""
    if start[:4] == b"RIFF":
        return "WebP" if start[8:12] == b"WEBP" else None
    return next((kind for mark, kind in FIRST_BYTES.items() if start.startswith(mark)), None)


def _opener(kind: str) -> Callable[[Path, BinaryIO], Opened]:
    """The decoder of a kind; OpenCV's and OpenEXR's are imported when one of theirs comes."""
    if kind in ("JPEG", "WebP"):
        return open_pillow
    if kind == "EXR":
        from panodepth.images.exr import open_exr

        return open_exr
    from panodepth.images import deep

    return {"PNG": deep.open_png, "TIFF": deep.open_tiff, "HDR": deep.open_hdr}[kind]
