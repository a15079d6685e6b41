"""Deflate, which PNG and EXR share: by ISA-L where it is installed, else by zlib.

ISA-L (the package `isal`) makes streams of the same kind and about the same size in a fraction of
the time (docs/throughput.md); whatever reads zlib's streams reads them.
"""

from __future__ import annotations

import zlib
from typing import Any, Protocol

isal: Any
try:
    from isal import isal_zlib as isal
except ImportError:
    isal = None

ISAL_LEVEL = 2  # of 0 to 3
ZLIB_LEVEL = 1  # of 0 to 9

Data = bytes | memoryview


class Compressor(Protocol):
    """One zlib stream in the making."""

    def compress(self, data: Data, /) -> bytes: ...
    def flush(self) -> bytes: ...


def compressor(*, noisy: bool = False) -> Compressor:
    """A new zlib stream (RFC 1950), fast rather than small.

    noisy: the data hardly repeat, so zlib looks for runs of one byte alone: half the time. ISA-L
    has no need of that.
    """
    if isal is not None:
        stream: Compressor = isal.compressobj(ISAL_LEVEL)
        return stream
    return zlib.compressobj(ZLIB_LEVEL, strategy=zlib.Z_RLE if noisy else zlib.Z_DEFAULT_STRATEGY)


def compressed(data: Data) -> bytes:
    """`data` as one zlib stream."""
    return zlib.compress(data, ZLIB_LEVEL) if isal is None else isal.compress(data, ISAL_LEVEL)


def checksum(data: Data, start: int = 0) -> int:
    """CRC-32 (ISO 3309) of `data` behind what gave `start`."""
    return zlib.crc32(data, start) if isal is None else int(isal.crc32(data, start))
