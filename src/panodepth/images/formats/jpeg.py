"""JPEG files, through Pillow."""

from __future__ import annotations

import io
import re
import struct
from dataclasses import replace
from typing import BinaryIO

from PIL import JpegImagePlugin

from panodepth.images.formats.pillow import Decoded, Opened, from_pillow, upright

_ENDS_SCAN = re.compile(rb"\xff[^\0\xff\xd0-\xd7]")
_ONES = b"\xff\0" * 8  # as long as libjpeg looks ahead; no code word is all ones


class _Jpeg(JpegImagePlugin.JpegImageFile):
    def _read_dpi_from_exif(self) -> None:
        """Nothing: Pillow would warn of damaged EXIF, for a resolution that nobody asks for."""


def open_jpeg(name: str, file: BinaryIO) -> Opened:
    """A JPEG file. Raises InputError for kinds that are not read."""
    if file.seek(0, io.SEEK_END) > 1 << 20:
        from panodepth.images.formats.jpeg_segments import check_header

        check_header(file)
    file.seek(0)
    try:
        image = _Jpeg(file)
    except SyntaxError as error:  # a depth or a number of channels that Pillow does not know
        from panodepth.images.formats.jpeg_segments import explained

        raise explained(name, file, error) from error
    start = file.tell()  # of the first scan's data
    xmp, orientation, note = b"", 1, ""
    if any(segment != "APP0" for segment, _ in image.applist):
        from panodepth.images.formats.jpeg_segments import stated

        xmp, orientation, note = stated(image)

    def decode() -> Decoded:
        try:
            decoded = from_pillow(_whole(image, file, start), orientation)
            return replace(decoded, notes=(note, *decoded.notes)) if note else decoded
        except OSError as error:
            from panodepth.images.formats.jpeg_segments import explained

            raise explained(name, file, error) from error

    return Opened(upright((image.height, image.width), orientation), decode, xmp)


def _whole(image: _Jpeg, file: BinaryIO, start: int) -> _Jpeg:
    """The picture, for libjpeg, which fills up with grey what is missing before an end mark.

    Without that mark it waits for more, and Pillow says so. Files of several scans need it and are
    loaded otherwise. Raises ValueError when their data end early.
    """
    file.seek(0)
    content, n = file.read(), image.layers
    frame = struct.pack(">HBHHB", 8 + 3 * n, 8, image.height, image.width, n)
    scan = struct.pack(">HB", 6 + 2 * n, n)  # of all its channels
    baseline = re.search(b"\xff[\xc0\xc1]" + re.escape(frame), content[:start])
    file.seek(0)
    if not (baseline and content.startswith(scan, start - 6 - 2 * n)):
        from panodepth.images.formats.jpeg_segments import load_scans

        whole = _Jpeg(file)
        load_scans(whole, file)
        return whole
    end = _ENDS_SCAN.search(content, start)
    unended = io.BytesIO(content)
    unended.truncate(unended.seek(end.start() if end else len(content)))
    unended.write(_ONES)
    unended.seek(0)
    return _Jpeg(unended)
