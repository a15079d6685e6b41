"""Image files: recognised by their first bytes, measured by their header, then decoded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from panodepth.errors import InputError
from panodepth.images.arrays import ImageData, both, from_array
from panodepth.images.decoders import Decoded, Opened, open_hdr, open_pillow, open_png, open_tiff
from panodepth.images.exr import open_exr
from panodepth.images.limits import MAX_PIXELS, check_size
from panodepth.images.transfer import expose, finite_pixels

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".exr", ".hdr")

_OPENERS = {
    "JPEG": open_pillow,
    "PNG": open_png,
    "WebP": open_pillow,
    "TIFF": open_tiff,
    "EXR": open_exr,
    "HDR": open_hdr,
}


def read_image(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> ImageData:
    """Read a jpg, png, webp, tiff, exr or hdr file.

    The size is taken from the header and checked before anything is decoded. EXR, HDR and float
    TIFF files are linear: see `transfer.expose`. Raises InputError, one line with the path, when
    the file is missing, empty, damaged, of another kind, too small or too large.
    """
    decoded = read_stored(path, max_pixels=max_pixels)
    pixels, valid = decoded.pixels, decoded.valid
    if decoded.linear:
        planes = [pixels[..., i] for i in range(3)] if pixels.ndim == 3 else [pixels] * 3
        if pixels.ndim == 3 and pixels.shape[2] == 4:
            valid = both(valid, pixels[..., 3] != 0)
        valid = both(valid, finite_pixels(planes))
        pixels = expose(planes, valid, str(path))
    data = from_array(pixels, valid, str(path))
    return ImageData(data.pixels, data.valid, Path(path).stem, str(path))


def read_mask(path: str | os.PathLike[str]) -> npt.NDArray[np.bool_]:
    """Read a mask file: (H, W) bool, True = valid.

    White is valid: above 127 in 8 bits, above half of the range in 16 bits or float (colours by the
    mean of their channels). Alpha 0 and NaN are not valid. Raises InputError as `read_image`, and
    when no pixel is valid.
    """
    decoded = read_stored(path)
    pixels, valid = decoded.pixels, decoded.valid
    whole = np.issubdtype(pixels.dtype, np.integer)
    half = np.iinfo(pixels.dtype).max / 2 if whole else 0.5
    if pixels.ndim == 3:
        if pixels.shape[2] == 4:
            valid = both(valid, pixels[..., 3] != 0)
        pixels = pixels[..., :3].mean(axis=2, dtype=np.float32)
    mask = pixels > half if valid is None else (pixels > half) & valid
    if not mask.any():
        raise InputError(
            f"{path}: no pixel of the mask is valid: white (above {half:g}) means valid, "
            f"the brightest value is {float(pixels.max()):g}"
        )
    return mask


def image_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """(width, height) [px] of an image file, upright, from its header; fails as `read_image`."""
    with _reading(path) as opened:
        return opened.size


def read_stored(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> Decoded:
    """The file's values as stored, upright, for files whose values are no colours.

    Raises InputError as `read_image`.
    """
    with _reading(path) as opened:
        check_size(*opened.size, str(path), max_pixels)
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
            yield _OPENERS[kind](where, file)
    except InputError:
        raise
    except Exception as error:  # decoders raise anything on damaged files; all of it means this
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: damaged or unreadable {kind} file ({reason})") from error


def _kind(start: bytes) -> str | None:
    """The kind of an image file by its first 16 bytes, or None."""
    if start[:3] == b"\xff\xd8\xff":
        return "JPEG"
    if start[:8] == b"\x89PNG\r\n\x1a\n":
        return "PNG"
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WebP"
    if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if start[:4] == b"\x76\x2f\x31\x01":
        return "EXR"
    return "HDR" if start[:2] == b"#?" else None
