"""What a file says about itself, read back: panodepth knows its own results by it, not by names."""

from __future__ import annotations

import io
import json
import os
import re
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from panodepth.atomic import atomic
from panodepth.export.metadata import GENERATOR, PLY_COMMENT, to_json

MAX_BYTES = 1 << 22  # of metadata that are looked at
MAX_SEGMENTS = 1000  # of a JPEG, before its comment


def stated(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """The metadata that `save` wrote into a file (`metadata`); None for a file of anybody else.

    The file is known by its first bytes, whatever it is called; one of a format that has no room
    for metadata by PATH.json, which says its size. None too where there is no file, or none that
    can be read; pipes and devices are not opened.
    """
    found = _stated(path)
    if (
        found is None
        and os.path.exists(path)
        and os.path.lexists(sidecar := f"{os.fspath(path)}.json")
    ):
        found = _stated(sidecar)
        if found is not None and found.get("bytes") != os.path.getsize(path):
            return None
    return found


def write_with_sidecar(
    path: Path, content: bytes, meta: dict[str, Any], more: dict[Path, str] | None = None
) -> list[Path]:
    """A file of a format that has no room for metadata, which are in PATH.json, and further texts
    by path; all of them or none. Returns them. Raises OutputError.
    """
    texts = {
        path.with_name(path.name + ".json"): to_json({**meta, "bytes": len(content)}) + "\n",
        **(more or {}),
    }
    with atomic(path, *texts) as (file, *beside):
        file.write_bytes(content)
        for place, text in zip(beside, texts.values(), strict=True):
            place.write_text(text, encoding="utf-8")
    return [path, *texts]


def _stated(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """What the file itself says."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        with open(path, "rb") as file:
            start = file.read(8)
            reader = next((read for mark, read in _READERS.items() if start.startswith(mark)), None)
            if reader is None:
                return None
            file.seek(0)
            values = json.loads(reader(file))
            values = values.get("metadata", values)  # of a scan, whose other fields are ROS's
    except Exception:  # a file of anybody else may be anything, damaged too
        return None
    ours = isinstance(values, dict) and str(values.get("generator")).startswith(f"{GENERATOR} ")
    return values if ours and "prediction" in values else None


def is_result(path: str | os.PathLike[str]) -> bool:
    """Whether panodepth wrote this file, of any format, as the result of a prediction."""
    return stated(path) is not None


def foreign(paths: list[Path]) -> Path | None:
    """The first of these paths that is taken by something that is no result of panodepth."""
    return next((path for path in paths if os.path.lexists(path) and not is_result(path)), None)


def _from_png(file: BinaryIO) -> str:
    from panodepth.images.formats.png import read_texts

    return read_texts(file)["panodepth"]


def _from_exr(file: BinaryIO) -> bytes:
    from panodepth.images.formats.exr_file import read_parts

    return read_parts("", file).parts[0].attributes["panodepth"][1]


def _from_tiff(file: BinaryIO) -> bytes:
    from panodepth.images.formats.tags import DESCRIPTION, Tags

    return Tags(file).directories()[0].content(DESCRIPTION).rstrip(b"\0")


def _from_npz(file: BinaryIO) -> str:
    with zipfile.ZipFile(file) as archive, archive.open("meta.npy") as member:
        content = io.BytesIO(member.read(MAX_BYTES))
    return str(np.lib.format.read_array(content, allow_pickle=False))


def _from_ply(file: BinaryIO) -> bytes:
    header = file.read(MAX_BYTES).partition(b"\nend_header")[0]
    mark = f"comment {PLY_COMMENT} ".encode()
    lines = (line.removesuffix(b"\r") for line in header.split(b"\n"))
    return b"".join(line.removeprefix(mark) for line in lines if line.startswith(mark))


def _from_glb(file: BinaryIO) -> str:
    length = struct.unpack("<5I", file.read(20))[3]
    if length > MAX_BYTES:
        return ""
    return json.dumps(json.loads(file.read(length))["asset"]["extras"])


def _from_html(file: BinaryIO) -> bytes:
    start = file.read(MAX_BYTES).partition(b'id="panodepth">')[2]
    return start.partition(b"</script>")[0]


def _from_pcd(file: BinaryIO) -> bytes:
    header = re.split(rb"\n(?:DATA |data\n)", file.read(MAX_BYTES), maxsplit=1)[0]
    mark = f"# {PLY_COMMENT} ".encode()
    lines = header.split(b"\n")
    return b"".join(line.removeprefix(mark) for line in lines if line.startswith(mark))


def _from_las(file: BinaryIO) -> bytes:
    header = file.read(104)
    first, count = struct.unpack_from("<H", header, 94)[0], struct.unpack_from("<I", header, 100)[0]
    file.seek(first)
    said = b""
    for _ in range(min(count, 100)):
        user, length = struct.unpack("<2x16s2xH32x", file.read(54))
        content = file.read(length)
        said += content if user.rstrip(b"\0") == GENERATOR.encode() else b""
    return said


def _from_e57(file: BinaryIO) -> str:
    """Its XML lies on pages, each of which ends with a checksum of 4 bytes."""
    start, length, page = struct.unpack("<24x3Q", file.read(48))
    if not 4 < page <= MAX_BYTES:
        return ""
    file.seek(start)
    content = file.read(min(length * 2, MAX_BYTES) + 2 * page)
    rest = page - start % page
    pages = [content[:rest], *(content[i : i + page] for i in range(rest, len(content), page))]
    text = b"".join(piece[:-4] for piece in pages)[:length].decode()
    said = text.partition(f"<{GENERATOR}:metadata")[2].partition(f"</{GENERATOR}:metadata>")[0]
    # What would end a section of CDATA is parted between two of them.
    return "".join(part.partition("]]>")[0] for part in said.split("<![CDATA[")[1:])


def _from_json(file: BinaryIO) -> str:
    """The whole file, or what stands at its beginning, as in the header of an STL."""
    text = file.read(MAX_BYTES).decode("latin-1")
    return text[: json.JSONDecoder().raw_decode(text)[1]]


def _from_jpeg(file: BinaryIO) -> bytes:
    """Its first comment, before the picture itself."""
    file.seek(2)
    for _ in range(MAX_SEGMENTS):
        marker = file.read(2)
        if marker[:1] != b"\xff" or marker in (b"\xff\xda", b"\xff\xd9"):
            break
        length = int.from_bytes(file.read(2), "big") - 2
        if length < 0:  # it counts its own two bytes
            break
        if marker == b"\xff\xfe":
            return file.read(length)
        file.seek(length, io.SEEK_CUR)
    return b""


def _from_zip(file: BinaryIO) -> str:
    try:
        return _from_npz(file)
    except KeyError:  # USDZ
        with zipfile.ZipFile(file) as archive:
            return archive.comment.decode("ascii")


_READERS: dict[bytes, Callable[[BinaryIO], str | bytes]] = {
    b"\x89PNG\r\n\x1a\n": _from_png,
    b"\x76\x2f\x31\x01": _from_exr,
    b"II*\0": _from_tiff,
    b"MM\0*": _from_tiff,
    b"PK\x03\x04": _from_zip,
    b"ply\n": _from_ply,
    b"glTF": _from_glb,
    b"<!doctyp": _from_html,
    b"# .PCD": _from_pcd,
    b"# panode": _from_pcd,
    b"# Octoma": _from_pcd,
    b"\xff\xd8\xff": _from_jpeg,
    b"LASF": _from_las,
    b"ASTM-E57": _from_e57,
    b"{": _from_json,
}
