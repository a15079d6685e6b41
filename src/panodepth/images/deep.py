"""Pictures that OpenCV decodes, of 16 bits or float, and PNG and TIFF files of any kind.

| file | read by | what it holds |
|---|---|---|
| 8-bit png and tiff | Pillow | any mode: grey, palette, CMYK, alpha |
| 16-bit png and tiff | OpenCV (Pillow keeps 8 bits of 16-bit RGB) | grey, RGB, RGBA |
| float tiff | OpenCV | linear light, as the tools that write it mean it |
| hdr (Radiance) | OpenCV | linear light |
"""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
import numpy.typing as npt
from PIL import PngImagePlugin, TiffImagePlugin

from panodepth.errors import InputError
from panodepth.images.limits import check_bytes
from panodepth.images.pillow import ORIENTATION, Decoded, Opened, open_pillow, oriented, upright

_OPENCV_LOG = threading.Lock()


def open_png(path: Path, file: BinaryIO) -> Opened:
    """A PNG file: 16-bit ones through OpenCV."""
    header = file.read(26)
    file.seek(0)
    opened = open_pillow(path, file)
    if header[24:25] != b"\x10":
        return opened

    def decode() -> Decoded:
        file.seek(0)
        image = PngImagePlugin.PngImageFile(file)
        orientation = image.getexif().get(ORIENTATION, 1) if "exif" in image.info else 1
        image.verify()  # all checksums: libpng would report a damaged file on stderr
        return Decoded(oriented(_opencv(path), orientation))

    return Opened(opened.size, decode)


def open_tiff(path: Path, file: BinaryIO) -> Opened:
    """A TIFF or BigTIFF file: 8 bits through Pillow, 16 bits and float through OpenCV."""
    header = file.read(8)
    if 43 in (header[2], header[3]):
        header += file.read(8)
    tags = TiffImagePlugin.ImageFileDirectory_v2(header)
    file.seek(tags.next)
    tags.load(file)
    if TiffImagePlugin.IMAGEWIDTH not in tags or TiffImagePlugin.IMAGELENGTH not in tags:
        raise ValueError("it has no size")
    size = int(tags[TiffImagePlugin.IMAGELENGTH]), int(tags[TiffImagePlugin.IMAGEWIDTH])
    bits = max(tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,)))
    if bits <= 8:
        # The size from the tags, so that a huge file is refused before Pillow sees it.
        def decode_8bit() -> Decoded:
            file.seek(0)
            return open_pillow(path, file).decode()

        return Opened(upright(size, tags.get(ORIENTATION, 1)), decode_8bit)

    photometric = tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION, 1)
    sample_format = max(tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,)))
    samples = tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1)
    planar = samples > 1 and tags.get(TiffImagePlugin.PLANAR_CONFIGURATION, 1) == 2
    known = (bits, sample_format) in ((16, 1), (32, 3), (64, 3))
    if not known or photometric not in (0, 1, 2) or samples not in (1, 3, 4) or planar:
        raise InputError(
            f"{path}: this kind of TIFF is not read ({samples} samples of {bits} bits, sample "
            f"format {sample_format}, photometric {photometric}{', planar' if planar else ''}); "
            "save it as 8-bit, 16-bit or 32-bit float grey or RGB"
        )

    def decode() -> Decoded:
        check_bytes(size[0] * size[1] * samples * bits // 8, str(path))
        pixels = _opencv(path)  # turned upright by OpenCV
        if samples == 4 and 1 not in (alpha := tags.get(TiffImagePlugin.EXTRASAMPLES, (0,))):
            pixels = pixels if 2 in alpha else pixels[..., :3]
        if photometric == 0 and pixels.dtype == np.uint16:  # "white is zero"
            pixels = 65535 - pixels
        return Decoded(pixels, linear=sample_format == 3)

    return Opened(upright(size, tags.get(ORIENTATION, 1)), decode)


def open_hdr(path: Path, file: BinaryIO) -> Opened:
    """A Radiance .hdr file in the usual order of rows and columns."""
    header = file.read(1 << 16)
    found = re.search(rb"\n\n-Y +(\d+) +\+X +(\d+)\n", header.replace(b"\r\n", b"\n"))
    if found is None:
        raise InputError(f"{path}: not a Radiance file with rows from the top (-Y height +X width)")
    size = int(found[1]), int(found[2])

    def decode() -> Decoded:
        check_bytes(size[0] * size[1] * 12, str(path))
        return Decoded(_opencv(path), linear=True)

    return Opened(size, decode)


def _opencv(path: Path) -> npt.NDArray[Any]:
    """The pixels of a file as OpenCV stores them, but R first; raises ValueError when it cannot."""
    with _OPENCV_LOG:  # the error is ours to tell, in one line
        level = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(0)
        try:
            pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
        finally:
            cv2.utils.logging.setLogLevel(level)
    if pixels is None:
        raise ValueError("the file is cut short or its data are damaged")
    if pixels.ndim == 3:
        swap = cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
        if pixels.dtype == np.float64:
            return pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
        cv2.cvtColor(pixels, swap, dst=pixels)
    result: npt.NDArray[Any] = pixels
    return result
