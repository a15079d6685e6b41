"""PNG files written band by band, with one filter for each kind of picture.

PNG specification: https://www.w3.org/TR/png-3/. What is written is plain: no palette, no interlace,
no colour profile. Encoders that try all filters on each row take several times as long and save
little on maps like these.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from panodepth.export.rasters.deflate import checksum, compressor

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB = 0, 2  # colour types
NONE, SUB, UP = 0, 1, 2  # filters
# By bits and colour. Few colours repeat as they are. Smooth 16-bit values differ little from the
# one above; 16-bit normals from that on the left, and even so they hardly ever repeat.
FILTERS = {(8, GREY): UP, (8, RGB): NONE, (16, GREY): UP, (16, RGB): SUB}

Band = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


def write_png(
    file: BinaryIO, size: tuple[int, ...], bands: Iterable[Band], texts: Mapping[str, str]
) -> None:
    """Write a whole PNG file.

    size: (height, width) [px]. bands: the rows from the top, (h, W) grey or (h, W, 3) R first,
    uint8 or uint16, all of one kind. texts: keyword to text, Latin-1, for tEXt chunks.
    """
    file.write(SIGNATURE)
    last: npt.NDArray[np.uint8] | None = None
    for band in bands:
        bits, colour = band.dtype.itemsize * 8, RGB if band.ndim == 3 else GREY
        if last is None:
            header = struct.pack(">IIBBBBB", size[1], size[0], bits, colour, 0, 0, 0)
            _chunk(file, b"IHDR", header)
            for key, text in texts.items():
                body = key.encode("latin-1") + b"\0" + text.encode("latin-1", "replace")
                _chunk(file, b"tEXt", body)
            last = np.zeros(band[0].nbytes, np.uint8)
            stream = compressor(noisy=(bits, colour) == (16, RGB))
        lines = _filtered(band, last, FILTERS[bits, colour])
        _chunk(file, b"IDAT", stream.compress(lines.data.cast("B")))
    _chunk(file, b"IDAT", stream.flush())
    _chunk(file, b"IEND", b"")


def _filtered(band: Band, last: npt.NDArray[np.uint8], kind: int) -> npt.NDArray[np.uint8]:
    """(h, 1 + bytes a row) lines as PNG compresses them: the filter's number, then the row.

    band: (h, W) or (h, W, 3). last: (bytes a row,) of the row above the band, 0 above the first;
    becomes the band's own last row.
    """
    high_first = band.astype(band.dtype.newbyteorder(">"), order="C", copy=False)
    stored = high_first.view(np.uint8).reshape(len(band), -1)
    lines = np.empty((len(stored), 1 + stored.shape[1]), np.uint8)
    lines[:, 0] = kind
    rows = lines[:, 1:]
    if kind == UP:
        np.subtract(stored[0], last, out=rows[0])
        np.subtract(stored[1:], stored[:-1], out=rows[1:])
        last[:] = stored[-1]
    elif kind == SUB:
        step = stored.shape[1] // band.shape[1]
        rows[:, :step] = stored[:, :step]
        np.subtract(stored[:, step:], stored[:, :-step], out=rows[:, step:])
    else:
        rows[:] = stored
    return lines


def _chunk(file: BinaryIO, kind: bytes, body: bytes) -> None:
    """Length, type, data, checksum; nothing for image data that are still in the compressor."""
    if body or kind != b"IDAT":
        check = checksum(body, checksum(kind))
        file.write(struct.pack(">I", len(body)) + kind)
        file.write(body)
        file.write(struct.pack(">I", check))
