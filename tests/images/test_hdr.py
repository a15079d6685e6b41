"""Radiance files: headers and colours."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from tests.images.pictures import picture, refused

from panodepth.images import read_image


def test_hdr_xyze_is_read(tmp_path: Path) -> None:
    light = cv2.cvtColor(picture(), cv2.COLOR_RGB2BGR).astype(np.float32) / 255
    assert cv2.imwrite(str(tmp_path / "rgb.hdr"), light)
    expected = read_image(tmp_path / "rgb.hdr").image
    to_xyz = np.array(  # IEC 61966-2-1
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], np.float32
    )
    xyz = light[..., ::-1] @ to_xyz.T
    assert cv2.imwrite(str(tmp_path / "xyz.hdr"), np.ascontiguousarray(xyz[..., ::-1]))
    content = (tmp_path / "xyz.hdr").read_bytes().replace(b"_rgbe", b"_xyze", 1)
    (tmp_path / "xyz.hdr").write_bytes(content)
    assert np.abs(read_image(tmp_path / "xyz.hdr").image - expected).mean() < 0.01
    other = content.replace(b"32-bit_rle_xyze", b"64-bit_something", 1)
    (tmp_path / "other.hdr").write_bytes(other)
    assert "64-bit_something" in refused(tmp_path / "other.hdr")


def test_hdr_header_lines_in_any_order(tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "a.hdr"), picture().astype(np.float32))
    content = (tmp_path / "a.hdr").read_bytes()
    after = content.replace(b"rle_rgbe\n", b"rle_rgbe\nEXPOSURE=2.0\n# made by hand\n", 1)
    (tmp_path / "b.hdr").write_bytes(after)
    first, second = (read_image(tmp_path / f"{name}.hdr").pixels for name in "ab")
    assert np.array_equal(first, second)
