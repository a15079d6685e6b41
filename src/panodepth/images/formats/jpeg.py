"""JPEG files, through Pillow."""

from __future__ import annotations

from dataclasses import replace
from typing import BinaryIO

from PIL import JpegImagePlugin

from panodepth.images.formats.pillow import Decoded, Opened, from_pillow, upright

_XMP = b"http://ns.adobe.com/xap/1.0/\0"


class _Jpeg(JpegImagePlugin.JpegImageFile):
    def _read_dpi_from_exif(self) -> None:
        """Nothing: Pillow would warn of damaged EXIF, for a resolution that nobody asks for."""


def open_jpeg(name: str, file: BinaryIO) -> Opened:
    """A JPEG file. Raises InputError for kinds that are not read."""
    try:
        image = _Jpeg(file)
    except SyntaxError as error:  # a depth or a number of channels that Pillow does not know
        raise _explained(name, file, error) from error
    exif = image.info.get("exif", b"")
    xmp = next((body[len(_XMP) :] for _, body in image.applist if body.startswith(_XMP)), b"")
    orientation, note = 1, ""
    if b"HasExtendedXMP" in xmp or "mp" in image.info:
        from panodepth.images.formats.jpeg_segments import extended_gpano, views_note

        xmp += extended_gpano(image.applist, xmp)
        note = views_note(image.info.get("mp", b""))
    if exif or xmp:
        from panodepth.images.formats.orientation import stated_orientation

        orientation = stated_orientation(exif, xmp)

    def decode() -> Decoded:
        _check_length(image, file)
        try:
            decoded = from_pillow(image, orientation)
            return replace(decoded, notes=(note,)) if note else decoded
        except OSError as error:
            raise _explained(name, file, error) from error

    return Opened(upright((image.height, image.width), orientation), decode, xmp)


def _check_length(image: _Jpeg, file: BinaryIO) -> None:
    """Raise ValueError when the file is too short for its pixels: libjpeg would make them up.

    A code word has at least one bit. A block of 8 × 8 pixels has one of them in its first scan,
    and where the other coefficients come in the same scan, two.
    """
    widest, highest = (max(layer[i] for layer in image.layer) for i in (1, 2))
    blocks = sum(
        -(-image.width * right // (8 * widest)) * -(-image.height * down // (8 * highest))
        for _, right, down, _ in image.layer
    )
    place = file.tell()
    length = file.seek(0, 2)
    file.seek(place)
    if 8 * length < blocks * (1 if "progressive" in image.info else 2):
        raise ValueError(f"cut short: {length} bytes cannot hold {image.width}x{image.height}")


def _explained(name: str, file: BinaryIO, error: Exception) -> Exception:
    """An InputError that says which kind of JPEG it is, if that is why; else the error itself."""
    from panodepth.images.formats.jpeg_segments import refusal

    return refusal(name, file) or error
