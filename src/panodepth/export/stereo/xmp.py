"""XMP in a JPEG file, with what is longer than a segment in Extended XMP.

Adobe, XMP Specification Part 3, 1.1.3: the packet names the MD5 sum of the extended one, whose
pieces follow in APP1 segments of their own.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from xml.sax.saxutils import quoteattr

from panodepth.export.jpeg import COMMENT, with_segments

NAMESPACES = {
    "GPano": "http://ns.google.com/photos/1.0/panorama/",
    "GImage": "http://ns.google.com/photos/1.0/image/",
    "GDepth": "http://ns.google.com/photos/1.0/depthmap/",
    "xmpNote": "http://ns.adobe.com/xmp/note/",
}
APP1 = 0xE1
PACKET, EXTENSION = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
PIECE = 65000  # bytes of the extended packet in one segment, which holds 65,533

Values = Mapping[str, str | int | float]


def with_xmp(picture: bytes, values: Values, long_values: Values, comment: bytes = b"") -> bytes:
    """A JPEG file with XMP, "GPano:FullPanoWidthPixels" and the like, in place of none.

    long_values: those that go into Extended XMP. comment: of the file, at most 65,533 bytes.
    """
    extended = _packet(long_values)
    name = hashlib.md5(extended, usedforsecurity=False).hexdigest().upper()
    packet = _packet({**values, "xmpNote:HasExtendedXMP": name})
    segments = [
        (
            APP1,
            PACKET
            + b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
            + packet
            + b'<?xpacket end="r"?>',
        )
    ]
    for at in range(0, len(extended), PIECE):
        place = name.encode() + struct.pack(">II", len(extended), at)
        segments.append((APP1, EXTENSION + place + extended[at : at + PIECE]))
    if comment:
        segments.append((COMMENT, comment))
    return with_segments(picture, segments)


def full_panorama(width: int, height: int) -> dict[str, str | int | float]:
    """GPano's values of a level panorama of the whole sphere."""
    return {
        "GPano:ProjectionType": "equirectangular",
        "GPano:UsePanoramaViewer": "True",
        "GPano:FullPanoWidthPixels": width,
        "GPano:FullPanoHeightPixels": height,
        "GPano:CroppedAreaImageWidthPixels": width,
        "GPano:CroppedAreaImageHeightPixels": height,
        "GPano:CroppedAreaLeftPixels": 0,
        "GPano:CroppedAreaTopPixels": 0,
    }


def _packet(values: Values) -> bytes:
    """RDF with all values as attributes."""
    used = sorted({key.partition(":")[0] for key in values})
    spaces = "".join(f' xmlns:{prefix}="{NAMESPACES[prefix]}"' for prefix in used)
    told = "".join(f" {key}={quoteattr(str(value))}" for key, value in values.items())
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about=""{spaces}{told}/></rdf:RDF></x:xmpmeta>'
    ).encode()
