"""Kinds of picture that are not read, by how they begin: a refusal names them."""

from __future__ import annotations

import re

_KINDS = (
    (rb"(?s)....ftypcrx", "a raw photograph"),
    (rb"(?s)....(ftyp|wide|mdat|moov|free|skip)", "a video: panodepth video takes it"),
    (rb"(?s)\x1a\x45\xdf\xa3|RIFF....AVI ", "a video: panodepth video takes it"),
    (rb"GIF8", "GIF"),
    (rb"BM", "BMP"),
    (rb"8BPS", "Photoshop"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "JPEG XL"),
    (rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  ", "JPEG 2000"),
    (rb"II\xbc[\0\1]", "JPEG XR"),
    (rb"%PDF", "PDF"),
    (rb"FUJIFILM|IIRO|IIU\0", "a raw photograph"),
    (rb"version https:/", "a pointer of Git LFS: git lfs pull brings the picture"),
    (rb"(?i)(\xef\xbb\xbf)?\s*<(!doctype|html|head|body)", "a web page: save the picture itself"),
    (rb"(?i)(\xef\xbb\xbf)?\s*<svg", "SVG"),
    (rb"(\xef\xbb\xbf)?\s*(<\?xml|[{\[])", "text: save the picture itself"),
    (rb"#ROSBAG|\x89MCAP", "a bag of ROS: save its pictures first"),
    (rb"PK\x03\x04|Rar!|7z\xbc\xaf|\x1f\x8b|BZh", "an archive: unpack it first"),
    (rb"P[1-7Ff][\s]", "Netpbm or PFM"),
    (rb"qoif", "QOI"),
    (rb"SIMPLE  =", "FITS"),
    (rb"\n[\x00-\x05]\x01[\x01\x02\x04\x08]", "PCX"),
    (rb"gimp xcf", "GIMP's own"),
    (rb"%!PS", "PostScript"),
    (rb"ply\r?\n|glTF", "a cloud or a mesh, not a picture"),
    (rb"\x93NUMPY", "an array of NumPy"),
    (rb"\x89HDF", "HDF5"),
    (rb"DDS |\xabKTX", "a texture of a game"),
    (rb"\0\0\x01\0", "an icon"),
    (rb"\x01\xda", "SGI"),
    (rb"\0{16}$", "nothing but zeros: copy it again"),
)


def foreign_kind(start: bytes) -> str:
    """The kind of a file that begins so, and what to do; "" when it is not known."""
    kind = next((kind for mark, kind in _KINDS if re.match(mark, start)), "")
    return kind if not kind or ":" in kind else f"{kind}; save it as one of them"
