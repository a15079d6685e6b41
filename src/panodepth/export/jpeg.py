"""The photograph as a JPEG, as textures of meshes and the viewer have it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

JPEG_QUALITY = 92
COMMENT = 0xFE  # marker of a comment


def jpeg(
    image: npt.NDArray[np.uint8], max_width: int | None = None, quality: int = JPEG_QUALITY
) -> bytes:
    """The panorama (H, W, 3) as a JPEG file, at its own size or reduced to `max_width` [px].

    Raises OSError when it cannot be encoded.
    """
    import cv2

    bgr = cv2.cvtColor(image if max_width is None else reduced(image, max_width), cv2.COLOR_RGB2BGR)
    done, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise OSError("JPEG encoding failed")
    return bytes(encoded)


def with_segments(picture: bytes, segments: Iterable[tuple[int, bytes]]) -> bytes:
    """A JPEG file with more (marker, content), 65,533 bytes each at most, behind its header."""
    head = 2
    if picture[2:4] == b"\xff\xe0":
        head += 2 + int.from_bytes(picture[4:6], "big")
    added = (
        bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content
        for marker, content in segments
    )
    return picture[:head] + b"".join(added) + picture[head:]


def reduced(image: npt.NDArray[Any], max_width: int) -> npt.NDArray[Any]:
    """(H, W, 3) pixels, or fewer of them where they are wider than `max_width` [px]."""
    import cv2

    height, width = image.shape[:2]
    if width <= max_width:
        return image
    size = (max_width, max(1, round(height * max_width / width)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
