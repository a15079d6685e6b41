"""Values that a file says are coded otherwise than by sRGB's curve."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image, features
from tests.images.pictures import picture, refused

from panodepth.images import read_image
from panodepth.images.formats.png import SIGNATURE

LINEAR = struct.pack(">I", 100_000)
WHITE = (31270, 32900)
SRGB = struct.pack(">8I", *WHITE, 64000, 33000, 30000, 60000, 15000, 6000)
ADOBE = struct.pack(">8I", *WHITE, 64000, 33000, 21000, 71000, 15000, 6000)


def saved(kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture()).save(file, kind, **options)
    return file.getvalue()


def with_chunks(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of the picture with these behind its header."""
    plain = saved("PNG")
    more = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    return plain[:33] + more + plain[33:]


@pytest.mark.parametrize(
    ("chunks", "note"),
    [
        ([], ()),
        ([(b"gAMA", struct.pack(">I", 45455))], ()),
        (
            [(b"gAMA", struct.pack(">I", 100_000))],
            ("its gamma of 1 is taken for sRGB's, about 0.45",),
        ),
        ([(b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 100_000))], ()),
        ([(b"cICP", bytes([9, 16, 0, 1]))], ("its PQ curve is taken for sRGB's",)),
        ([(b"cICP", bytes([9, 18, 0, 1]))], ("its HLG curve is taken for sRGB's",)),
        ([(b"cICP", bytes([1, 13, 0, 1]))], ()),
        (
            [(b"cICP", bytes([12, 13, 0, 1]))],
            ("its colours are Display P3's and taken for sRGB's",),
        ),
        ([(b"gAMA", b"x")], ()),
        ([(b"cHRM", SRGB)], ()),
        ([(b"cHRM", ADOBE)], ("its colours are Adobe RGB and taken for sRGB's",)),
        (
            [(b"gAMA", LINEAR), (b"cHRM", ADOBE)],
            ("its gamma of 1 is taken for sRGB's, about 0.45",),
        ),
        ([(b"cHRM", ADOBE), (b"sRGB", b"\0")], ()),
        ([(b"cHRM", ADOBE[:8])], ()),
    ],
)
def test_png(chunks: list[tuple[bytes, bytes]], note: tuple[str, ...]) -> None:
    data = read_image(with_chunks(*chunks))
    assert data.notes == note
    assert (data.pixels == picture()).all()


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
@pytest.mark.parametrize(("code", "curve"), [(16, "PQ"), (18, "HLG"), (8, "linear"), (13, "")])
def test_avif(code: int, curve: str) -> None:
    content = bytearray(saved("AVIF"))
    at = content.index(b"colrnclx") + 10
    content[at : at + 2] = struct.pack(">H", code)
    note = f"its {curve} curve is taken for sRGB's"
    assert read_image(bytes(content)).notes == ((note,) if curve else ())


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_avif_of_other_colours() -> None:
    content = bytearray(saved("AVIF"))
    at = content.index(b"colrnclx") + 8
    content[at : at + 2] = struct.pack(">H", 9)
    said = "its colours are BT.2020's and taken for sRGB's"
    assert read_image(bytes(content)).notes == (said,)


def test_heic_of_other_colours() -> None:
    heif = pytest.importorskip("pillow_heif")
    for primaries, said in ((1, ()), (12, ("its colours are Display P3's and taken for sRGB's",))):
        file = io.BytesIO()
        about = {"color_primaries": primaries, "transfer_characteristics": 13}
        heif.from_pillow(Image.fromarray(picture())).save(file, **about)
        assert read_image(file.getvalue()).notes == said


def test_png_of_apples_apps_is_no_damage(tmp_path: Path) -> None:
    plain = saved("PNG")
    chunk = (
        struct.pack(">I", 4) + b"CgBI" + b"P\0 \2" + struct.pack(">I", zlib.crc32(b"CgBIP\0 \2"))
    )
    (tmp_path / "icon.png").write_bytes(SIGNATURE + chunk + plain[8:])
    assert "(CgBI) is not read; save it as ordinary PNG" in refused(tmp_path / "icon.png")
