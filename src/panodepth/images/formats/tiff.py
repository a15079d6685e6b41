"""TIFF and BigTIFF files: which page is the picture, and who can decode it.

| page | read by |
|---|---|
| 8 bits or fewer, any mode | Pillow, from a directory with only the tags that make the picture |
| 8 bits apart, with alpha or more beside the colours | OpenCV, each by itself |
| 16-bit and float grey, RGB, RGBA | OpenCV (Pillow keeps 8 bits of 16-bit RGB) |
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import TiffImagePlugin, TiffTags
from PIL.Image import fromarray, merge

from panodepth.errors import DamageError, InputError
from panodepth.images.formats.jpeg import open_jpeg
from panodepth.images.formats.opencv import opencv_pixels
from panodepth.images.formats.pillow import Decoded, Opened, from_pillow, upright
from panodepth.images.formats.quiet import without_library_lines
from panodepth.images.formats.splice import spliced
from panodepth.images.formats.tags import DESCRIPTION, ORIENTATION, VALUE_BYTES, Directory, Tags
from panodepth.images.limits import MAX_PIXELS, check_bytes

_NEW_SUBFILE, _SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = *range(254, 260), 262
_SAMPLES, _PLANAR, _SUB_PAGES, _EXTRA, _FORMAT = 277, 284, 330, 338, 339
_PREDICTOR, _MAP = 317, 320
_PALETTE, _MAX_8_BIT = 3, 255  # photometric; largest value
_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES = 273, 279, 324, 325
_TEXTS = {"ImageDescription": DESCRIPTION, "GDAL_NODATA": 42113}
_JPEG, _JPEG_TABLES = 7, 347
_MAX_TABLES = 1 << 16  # bytes of tables, which come before each of its JPEGs
_WEBP = 50001  # Pillow's libtiff is built without it
_XMP, _DNG = 700, 50706  # of Adobe
_PROFILE, _COLOURS = 34675, (2, 3, 6)  # photometric: RGB, palette, YCbCr
# What a decoder needs, of TIFF 6.0: the rest (profiles, EXIF, private tags) is left out.
_KEPT = {*range(256, 260), 262, 266, 273, 274, *range(277, 280), 284, 292, 293, 317, 320}
_KEPT |= {*range(322, 326), 332, 338, 339, 347, *range(512, 522), *range(529, 533)}
_REDUCED = 1 | 4  # subfile types: a smaller version of another page; a mask of one
_COMPRESSIONS = {2: "CCITT", 3: "CCITT", 4: "CCITT", 6: "old JPEG", 7: "JPEG", 34712: "JPEG 2000"}
_COMPRESSIONS |= {34887: "LERC", 34925: "LZMA", 50000: "ZSTD", 50001: "WebP", 50002: "JPEG XL"}
# What OpenCV lacks is decoded as another type of as many bits. (Bits, sample format): 1 unsigned,
_WHOLE_GREY = {(16, 2), (32, 1), (32, 2)}  # 2 signed, 3 float; distances of some programs
_LACKED: dict[tuple[int, int], tuple[int, type[np.generic]]] = {
    (16, 2): (1, np.int16),
    (16, 3): (1, np.float16),
}
_LACKED |= {(32, 1): (3, np.uint32), (32, 2): (3, np.int32)}
_DEEP_COMPRESSIONS = (1, 5, 8, 32946, 32773)  # none, LZW, Deflate twice, PackBits: OpenCV's own


def open_tiff(name: str, file: BinaryIO) -> Opened:
    """A TIFF or BigTIFF file. Raises InputError for kinds that are not read."""
    tags = Tags(file)
    pages = tags.directories()
    if _DNG in pages[0].entries:
        raise InputError(
            f"{name}: a raw photograph (DNG), not a panorama yet; develop and stitch it first"
        )
    page, note = _choose(tags, pages)
    bits = max(page.numbers(_BITS) or (1,))
    decode = _decode_8_bit if bits <= 8 else _decode_deep
    decode = _decode_apart if _is_apart(page, bits) else decode
    check = _check_8_bit if bits <= 8 else _check_deep
    check(name, page)

    def decode_page() -> Decoded:
        _check_whole(page)
        texts = {tag: page.content(number) for tag, number in _TEXTS.items()}
        told = {tag: text.rstrip(b"\0 ").decode("utf-8", "replace") for tag, text in texts.items()}
        decoded = replace(decode(name, file, page), texts=told)
        decoded = replace(decoded, notes=(*((note,) if note else ()), *decoded.notes))
        coloured = page.number(_PHOTOMETRIC, 0) in _COLOURS and not decoded.linear
        return replace(decoded, profile=page.content(_PROFILE) if coloured else b"")

    size = upright(_size(page), page.number(ORIENTATION, 1))
    return Opened(size, decode_page, page.content(_XMP))


def _choose(tags: Tags, pages: list[Directory]) -> tuple[Directory, str]:
    """The page that is the picture, and a note where others might have been it."""
    whole = [page for page in pages if not _is_reduced(page)]
    if not whole:  # the picture may lie below its thumbnail
        below = [offset for page in pages for offset in page.numbers(_SUB_PAGES, 16)]
        whole = [page for offset in below if not _is_reduced(page := tags.directory(offset)[0])]
    whole = [page for page in whole if {_WIDTH, _HEIGHT} <= set(page.entries)]
    if not whole:
        raise DamageError(
            "none of its pages is a picture: all are previews, masks or without a size"
        )
    page = max(whole, key=lambda page: _size(page)[0] * _size(page)[1])  # the first of the largest
    if len(whole) == 1:
        return page, ""
    height, width = _size(page)
    number = pages.index(page) + 1 if page in pages else 1
    return page, f"page {number} ({width}x{height}) of {len(pages)} is read"


def _is_reduced(page: Directory) -> bool:
    return bool(page.number(_NEW_SUBFILE, 0) & _REDUCED) or page.number(_SUBFILE, 1) == 2


def _size(page: Directory) -> tuple[int, int]:
    height, width = page.number(_HEIGHT, 0), page.number(_WIDTH, 0)
    if height < 1 or width < 1:
        raise DamageError("it has no size")
    return height, width


def _check_whole(page: Directory) -> None:
    """Raise ValueError when a strip or tile lies outside the file."""
    for places, lengths, what in ((_STRIPS, _STRIP_BYTES, "strip"), (_TILES, _TILE_BYTES, "tile")):
        starts, counts = page.numbers(places), page.numbers(lengths)
        for number, (start, count) in enumerate(zip(starts, counts, strict=False), 1):
            if start + count > page.tags.length:
                raise DamageError(f"it is cut short: {what} {number} of {len(starts)} is not in it")


def _compression(page: Directory) -> str:
    code = page.number(_COMPRESSION, 1)
    return f"{_COMPRESSIONS[code]} compression" if code in _COMPRESSIONS else f"compression {code}"


def _check_8_bit(name: str, page: Directory) -> None:
    if page.tags.big and page.tags.order == ">":  # which Pillow takes for another kind
        raise InputError(f"{name}: 8-bit BigTIFF in big-endian order is not read; save it as TIFF")
    samples, planar = page.number(_SAMPLES, 1), page.number(_PLANAR, 1) == 2
    signed = 2 in page.numbers(_FORMAT)  # Pillow takes -1 for 255
    most = TiffImagePlugin.MAX_SAMPLESPERPIXEL
    if samples > (4 if planar and not _is_apart(page, 8) else most) or signed:
        raise InputError(_not_read(name, page))
    code = page.number(_COMPRESSION, 1)
    if code not in TiffImagePlugin.COMPRESSION_INFO or code == _WEBP:
        raise InputError(
            f"{name}: TIFF with {_compression(page)} is not read; save it with LZW or Deflate"
        )


def _decode_8_bit(name: str, file: BinaryIO, page: Directory) -> Decoded:
    """Pillow gets the file with a directory of its own behind it, and turns it upright itself."""
    tags = page.tags
    start, offset = (8, "Q") if tags.big else (4, "I")
    place, changed, colours = tags.length + tags.length % 2, dict[int, bytes](), _full_map(page)
    if colours:
        code = f"{tags.order}HH{offset}{offset}"
        changed[_MAP] = struct.pack(code, _MAP, 3, len(colours) // 2, place)
    file.seek(0)
    head = file.read(start) + struct.pack(f"{tags.order}{offset}", place + len(colours))
    behind = bytes(place - tags.length) + colours + _directory(page, changed)
    try:
        image = TiffImagePlugin.TiffImageFile(
            spliced(file, [head, (len(head), tags.length), behind])
        )
    except (SyntaxError, KeyError) as error:  # Pillow knows no such pixels
        raise InputError(_not_read(name, page)) from error
    try:
        with without_library_lines():  # libtiff reports damage on standard error
            image.load()
            _check_jpegs(name, page)
        if image.mode == "CMYK":  # inks are nothing without their profile
            image.info["icc_profile"] = page.content(_PROFILE)
        return from_pillow(image, 1)
    except OSError as error:
        if kind := _COMPRESSIONS.get(page.number(_COMPRESSION, 1)):
            raise DamageError(f"its {kind} data cannot be decoded") from error
        raise


def _full_map(page: Directory) -> bytes:
    """A palette whose 16-bit colours go up to 255 alone, as some programs write it, up to 65535;
    b"" = it is as it should be. libtiff goes by the same sign.
    """
    colours = page.numbers(_MAP, 3 << 8)
    if (
        page.number(_PHOTOMETRIC, 1) != _PALETTE
        or max(colours, default=_MAX_8_BIT + 1) > _MAX_8_BIT
    ):
        return b""
    return struct.pack(f"{page.tags.order}{len(colours)}H", *(257 * value for value in colours))


def _is_apart(page: Directory, bits: int) -> bool:
    """Whether 8-bit samples lie apart, more than the colours: Pillow mixes these up."""
    colours = {0: 1, 1: 1, 2: 3}.get(page.number(_PHOTOMETRIC, 1), 0)
    apart = bits == 8 and page.number(_PLANAR, 1) == 2
    extra = page.number(_SAMPLES, 1) > colours > 0
    return apart and extra and page.number(_COMPRESSION, 1) in _DEEP_COMPRESSIONS


def _decode_apart(name: str, file: BinaryIO, page: Directory) -> Decoded:
    """Colours and the first of what stands beside them, if that is alpha."""
    extra = page.number(_EXTRA, 0)
    colours = "RGB" if page.number(_PHOTOMETRIC, 1) == 2 else "L"
    mode = colours + {1: "a", 2: "A"}.get(extra, "")
    check_bytes(math.prod(_size(page)) * len(mode), name)
    file.seek(0)
    content = bytearray(file.read())
    planes = [_plane(content, page, number, 1) for number in range(len(mode))]
    if page.number(_PHOTOMETRIC, 1) == 0:  # "white is zero"
        planes[0] = 255 - planes[0]
    return from_pillow(merge(mode, [fromarray(plane) for plane in planes]), 1)


def _check_jpegs(name: str, page: Directory) -> None:
    """Raise ValueError when one of its JPEGs ends early: libtiff fills up with grey, as libjpeg.

    What they hold together is bounded, as each may lie on top of others, and say of itself that it
    is larger than the page.
    """
    if page.number(_COMPRESSION, 1) != _JPEG:
        return
    tables = page.content(_JPEG_TABLES)[2:-2]  # within marks of its own
    if len(tables) > _MAX_TABLES:
        raise DamageError(f"its JPEG tables have {len(tables):,} bytes")
    pixels, most = 0, 2 * MAX_PIXELS * page.number(_SAMPLES, 1)
    for places, lengths in ((_STRIPS, _STRIP_BYTES), (_TILES, _TILE_BYTES)):
        pieces = zip(page.numbers(places), page.numbers(lengths), strict=False)
        for start, count in dict.fromkeys(pieces):
            page.tags.file.seek(start)
            mark = page.tags.file.read(2)
            whole = io.BytesIO(mark + tables + page.tags.file.read(max(0, count - 2)))
            opened = open_jpeg(name, whole)
            pixels += opened.size[0] * opened.size[1]
            if pixels > most:
                raise DamageError("its JPEGs have more pixels than the page")
            opened.decode()


def _directory(page: Directory, changed: Mapping[int, bytes]) -> bytes:
    """One with the tags that make the picture. changed: entries by tag, b"" = none."""
    entries = {tag: _entry(page, tag) for tag in _KEPT & set(page.entries)} | dict(changed)
    listed = [entries[tag] for tag in sorted(entries) if entries[tag]]
    count, offset = ("Q", "Q") if page.tags.big else ("H", "I")
    first = struct.pack(f"{page.tags.order}{count}", len(listed))
    return first + b"".join(listed) + struct.pack(f"{page.tags.order}{offset}", 0)


def _entry(page: Directory, tag: int) -> bytes:
    """A tag's entry in a directory; of a tag with one value (Pillow warns of more) the first."""
    entry = page.entries[tag]
    if entry.count == 1 or TiffTags.lookup(tag).length != 1 or not page.numbers(tag):
        return entry.raw
    return _number(page, tag, page.number(tag, 0))


def _number(page: Directory, tag: int, value: int) -> bytes:
    """An entry that holds one number."""
    codes = ("HHQQ", 16) if page.tags.big else ("HHII", 4)
    return struct.pack(page.tags.order + codes[0], tag, codes[1], 1, value)


def _part(page: Directory, tag: int, part: int, parts: int) -> bytes:
    """An entry with one of so many equal parts of a tag's values; b"" where there are none."""
    if tag not in page.entries:
        return b""
    tags, entry = page.tags, page.entries[tag]
    count = entry.count // parts
    length = count * VALUE_BYTES[entry.kind]
    start, code, room = entry.start + part * length, *(("Q", 8) if tags.big else ("I", 4))
    tags.file.seek(start)
    values = tags.file.read(length).ljust(room, b"\0")
    if length > room:
        values = struct.pack(tags.order + code, start)
    return struct.pack(f"{tags.order}HH{code}", tag, entry.kind, count) + values


def _check_deep(name: str, page: Directory) -> None:
    bits, form = max(page.numbers(_BITS)), max(page.numbers(_FORMAT) or (1,))
    samples = page.number(_SAMPLES, 1)
    known = (bits, form) in ((16, 1), (16, 3), (32, 3), (64, 3))
    known |= samples == 1 and (bits, form) in _WHOLE_GREY
    known &= (bits, form) != (16, 3) or page.number(_PREDICTOR, 1) != 3
    photometric = page.number(_PHOTOMETRIC, 1)
    if not known or photometric not in (0, 1, 2) or samples not in (1, 3, 4):
        raise InputError(_not_read(name, page))
    if page.number(_COMPRESSION, 1) not in _DEEP_COMPRESSIONS:
        raise InputError(
            f"{name}: {bits}-bit TIFF with {_compression(page)} is not read; save it with LZW or "
            "Deflate"
        )


def _not_read(name: str, page: Directory) -> str:
    bits, form = max(page.numbers(_BITS) or (1,)), max(page.numbers(_FORMAT) or (1,))
    samples, photometric = page.number(_SAMPLES, 1), page.number(_PHOTOMETRIC, 1)
    planar = ", planar" if page.number(_PLANAR, 1) == 2 else ""
    return (
        f"{name}: this kind of TIFF is not read ({samples} samples of {bits} bits, sample "
        f"format {form}, photometric {photometric}{planar}); "
        "save it as 8-bit, 16-bit or 32-bit float grey or RGB"
    )


def _plane(content: bytearray, page: Directory, number: int, form: int) -> npt.NDArray[Any]:
    """(H, W) of one of the samples that lie apart, as a page of its own. form: its sample format.

    content: the file, which gets a directory more.
    """
    tags, samples = page.tags, page.number(_SAMPLES, 1)
    plain = {_SAMPLES: 1, _PLANAR: 1, _PHOTOMETRIC: 1, _BITS: max(page.numbers(_BITS))}
    changed = {tag: _number(page, tag, value) for tag, value in (plain | {_FORMAT: form}).items()}
    places = (_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES)
    changed |= {tag: _part(page, tag, number, samples) for tag in places} | {_EXTRA: b""}
    content += bytes(len(content) % 2)
    offset, start = ("Q", 8) if tags.big else ("I", 4)
    struct.pack_into(f"{tags.order}{offset}", content, start, len(content))
    content += _directory(page, changed)
    return opencv_pixels(content)


def _divide_by_alpha(pixels: npt.NDArray[Any]) -> None:
    """Colours (H, W, 4) that were multiplied by their alpha, made what they were, in place."""
    white = 65535.0 if pixels.dtype == np.uint16 else 1.0
    for row in pixels:
        alpha = row[:, 3:].astype(np.float32) / np.float32(white)
        part = (alpha[:, 0] > 0) & (alpha[:, 0] < 1)
        if part.any():
            colour = row[part, :3] / alpha[part]
            whole = np.rint(np.minimum(colour, white)) if white > 1 else colour
            with np.errstate(over="ignore"):  # to inf, which is not valid
                row[part, :3] = whole.astype(pixels.dtype)


def _decode_deep(name: str, file: BinaryIO, page: Directory) -> Decoded:
    height, width = _size(page)
    bits, samples = max(page.numbers(_BITS)), page.number(_SAMPLES, 1)
    form = max(page.numbers(_FORMAT) or (1,))
    check_bytes(height * width * samples * bits // 8, name)
    file.seek(0)
    content = bytearray(file.read())
    if page.tags.first != page.offset:  # OpenCV reads the first page: make it the first
        offset, start = ("Q", 8) if page.tags.big else ("I", 4)
        struct.pack_into(f"{page.tags.order}{offset}", content, start, page.offset)
    stand_in, kind = _LACKED.get((bits, form), (form, None))
    entry = page.entries.get(_FORMAT)
    if samples > 1 and page.number(_PLANAR, 1) == 2:
        planes = (_plane(content, page, n, stand_in) for n in range(samples))
        pixels = np.stack([*planes], axis=-1)
    elif kind is None or entry is not None:
        if entry is not None:
            code = f"{page.tags.order}{entry.count}H"
            struct.pack_into(code, content, entry.start, *[stand_in] * entry.count)
        pixels = opencv_pixels(content)  # turned upright by OpenCV
    else:
        pixels = _plane(content, page, 0, stand_in)
    if kind is not None:
        pixels = pixels.view(kind)
    if pixels.dtype == np.float64:
        with np.errstate(over="ignore", invalid="ignore"):  # to inf, which is not valid
            pixels = pixels.astype(np.float32)
    alpha = page.numbers(_EXTRA) or (0,)
    if samples == 4 and 1 not in alpha:
        pixels = pixels if 2 in alpha else pixels[..., :3]
    elif samples == 4:
        _divide_by_alpha(pixels)
    turned = page.number(_PHOTOMETRIC, 1) == 0 and pixels.dtype == np.uint16  # "white is zero"
    return Decoded(~pixels if turned else pixels, linear=form == 3, turned=turned)
