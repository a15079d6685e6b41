"""Scan-line OpenEXR files of float32 channels, written band by band.

The layout is that of https://openexr.com/en/latest/OpenEXRFileLayout.html; the tests read the files
back with OpenEXR itself. Its own writer takes two to three times as long, has no setting for how
hard it compresses, and wants whole planes in memory.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from panodepth.export.rasters.deflate import compressed

MAGIC, VERSION = 20000630, 2
FLOAT = 2  # pixel type
NO_COMPRESSION, ZIP_COMPRESSION = 0, 3
ZIP_ROWS = 16  # in one block, the last may have fewer

Planes = npt.NDArray[np.float32]


def write_exr(
    file: BinaryIO,
    channels: Sequence[str],
    size: tuple[int, int],
    bands: Iterable[Planes],
    attributes: Mapping[str, str | float],
    *,
    zipped: bool,
) -> None:
    """Write a whole EXR file.

    channels: names in alphabetical order. size: (height, width) [px]. bands: (C, h, W) float32 from
    the top. attributes: header
    entries, text or numbers. zipped: lossless ZIP compression, else none.
    """
    height, _ = size
    file.write(_header(channels, size, attributes, zipped))
    table = file.tell()
    blocks = -(-height // ZIP_ROWS) if zipped else height
    offsets = np.empty(blocks, "<u8")
    file.write(offsets.data)  # to be overwritten when they are known
    top = block = 0
    for band in _whole_blocks(bands) if zipped else bands:
        rows = band.shape[1]
        for content, lengths in _zipped(band, top) if zipped else _plain(band, top):
            offsets[block : block + len(lengths)] = file.tell() + np.cumsum([0, *lengths[:-1]])
            block += len(lengths)
            file.write(content)
        top += rows
    file.seek(table)
    file.write(offsets.data)


def _header(
    channels: Sequence[str],
    size: tuple[int, int],
    attributes: Mapping[str, str | float],
    zipped: bool,
) -> bytes:
    """Magic number, version and attributes, by name."""
    height, width = size
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    listed = b"".join(
        name.encode() + b"\0" + struct.pack("<i4B2i", FLOAT, 0, 0, 0, 0, 1, 1) for name in channels
    )
    entries = {
        "channels": ("chlist", listed + b"\0"),
        "compression": ("compression", bytes([ZIP_COMPRESSION if zipped else NO_COMPRESSION])),
        "dataWindow": ("box2i", window),
        "displayWindow": ("box2i", window),
        "lineOrder": ("lineOrder", b"\0"),  # increasing y
        "pixelAspectRatio": ("float", struct.pack("<f", 1)),
        "screenWindowCenter": ("v2f", struct.pack("<2f", 0, 0)),
        "screenWindowWidth": ("float", struct.pack("<f", 1)),
        "type": ("string", b"scanlineimage"),
    }
    for key, given in attributes.items():
        if isinstance(given, str):
            entries[key] = ("string", given.encode("utf-8", "backslashreplace"))
        else:
            entries[key] = ("float", struct.pack("<f", given))
    parts = [struct.pack("<2I", MAGIC, VERSION)]
    for name, (kind, value) in sorted(entries.items()):
        parts.append(name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)))
        parts.append(value)
    return b"".join([*parts, b"\0"])


Blocks = Iterator[tuple[bytes | memoryview, list[int]]]


def _whole_blocks(bands: Iterable[Planes]) -> Iterator[Planes]:
    """The same rows in bands of a multiple of ZIP_ROWS, but for the last."""
    rest: Planes | None = None
    for band in bands:
        rows = band if rest is None else np.concatenate([rest, band], axis=1)
        whole = rows.shape[1] // ZIP_ROWS * ZIP_ROWS
        if whole:
            yield rows[:, :whole]
        rest = rows[:, whole:] if whole < rows.shape[1] else None
    if rest is not None:
        yield rest


def _plain(band: Planes, top: int) -> Blocks:
    """The band as one run of blocks of one row each, and the bytes of each block."""
    count, rows, width = band.shape
    kind = np.dtype([("y", "<i4"), ("bytes", "<i4"), ("pixels", "<f4", (count, width))])
    blocks = np.empty(rows, kind)
    blocks["y"] = np.arange(top, top + rows)
    blocks["bytes"] = count * width * 4
    blocks["pixels"] = band.transpose(1, 0, 2)
    yield blocks.view(np.uint8).data, [kind.itemsize] * rows


def _zipped(band: Planes, top: int) -> Blocks:
    """The band as blocks of ZIP_ROWS rows, and the bytes of each.

    In a block the first bytes of all 16-bit words come before their second bytes, each byte as the
    difference to the one before, plus 128; then all is deflated, if that makes it shorter.
    """
    for first in range(0, band.shape[1], ZIP_ROWS):
        rows = np.ascontiguousarray(band[:, first : first + ZIP_ROWS].transpose(1, 0, 2), "<f4")
        pairs = rows.view(np.uint8).reshape(-1, 2)
        split = np.empty(pairs.size, np.uint8)
        split[: len(pairs)], split[len(pairs) :] = pairs[:, 0], pairs[:, 1]
        differences = split.copy()
        differences[1:] -= split[:-1]
        differences[1:] += 128
        packed: bytes | memoryview = compressed(differences.data)
        if len(packed) >= rows.nbytes:
            packed = rows.data.cast("B")
        content = struct.pack("<2i", top + first, len(packed)) + packed
        yield content, [len(content)]
