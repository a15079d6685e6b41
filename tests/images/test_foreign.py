"""Files that are no pictures, or of kinds that are not read."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.images.pictures import refused


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\0\0\0\x18ftypmp420000mp41", "a video: panodepth video takes it"),
        (b"\0\0\0\x08wide\0\0\0\0mdat", "a video: panodepth video takes it"),
        (b"\x1a\x45\xdf\xa3" + bytes(20), "a video: panodepth video takes it"),
        (b"RIFF\n\n\n\nAVI LIST", "a video: panodepth video takes it"),
        (b"\xef\xbb\xbf<!DOCTYPE html><html>404", "a web page: save the picture itself"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied', "text: save"),
        (b'<svg xmlns="http://www.w3.org/2000/svg">', "SVG; save it as"),
        (b"#ROSBAG V2.0\n", "a bag of ROS"),
        (b"\x89MCAP0\r\n" + bytes(20), "a bag of ROS"),
        (b"GIF89a" + bytes(20), "GIF"),
        (b"8BPS" + bytes(20), "Photoshop"),
        (b"II\xbc\1" + bytes(20), "JPEG XR; save it as"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(8), "JPEG XL; save it as"),
        (b"\0\0\0\x18ftypcrx " + bytes(20), "a raw photograph"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b"\n<!DOCTYPE html><html><body>404", "a web page: save the picture itself"),
        (b'{"error": "expired"}', "text: save"),
        (b"PK\3\4" + bytes(20), "an archive: unpack"),
        (b"PF\n4 2\n-1.0\n" + bytes(96), "PFM"),
        (b"SIMPLE  =                    T" + bytes(99), "FITS; save it as"),
        (b"\n\5\1\x08" + bytes(99), "PCX; save it as"),
        (b"ply\nformat ascii 1.0\n", "a cloud or a mesh"),
        (b"\x93NUMPY\1\0v\0{'descr': '<f4'", "an array of NumPy"),
        (bytes(100), "nothing but zeros: copy it again"),
    ],
)
def test_other_kinds_are_named(tmp_path: Path, content: bytes, kind: str) -> None:
    (tmp_path / "x.jpg").write_bytes(content)
    message = refused(tmp_path / "x.jpg")
    assert "not a jpg, png, webp, tiff, exr, hdr, heic or avif image" in message
    assert kind in message


def test_a_pipe_and_an_endless_name_do_not_hang(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.jpg")
    assert "is a pipe or a device" in refused(tmp_path / "pipe.jpg")
    assert "cannot be read" in refused("x" * 5000 + ".jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    assert "cannot be read" in refused(tmp_path / "loop.jpg")
