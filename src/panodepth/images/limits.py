"""What sizes and shapes of picture are accepted, decided before anything is decoded."""

from __future__ import annotations

from panodepth.errors import InputError
from panodepth.size import Size

MAX_PIXELS = 16384 * 8192  # the "16K" panorama: decoding and predicting stay below 4 GB of memory
MAX_DECODED_BYTES = 1 << 30  # deep and linear files: they are in memory twice while decoded
MIN_SIZE = (8, 16)  # (height, width) [px]: below this there is no picture to speak of
ASPECT_TOLERANCE_PERCENT = 2  # |W/H - 2| of a full panorama is at most 0.02


def check_size(size: Size, name: str, max_pixels: int = MAX_PIXELS) -> None:
    """Raise InputError unless an image of this (height, width) [px] can be processed safely."""
    height, width = size
    if height < MIN_SIZE[0] or width < MIN_SIZE[1]:
        raise InputError(
            f"{name}: {width}x{height} is too small for a panorama "
            f"(at least {MIN_SIZE[1]}x{MIN_SIZE[0]} pixels)"
        )
    check_pixels(size, name, max_pixels)


def check_pixels(size: Size, name: str, max_pixels: int = MAX_PIXELS) -> None:
    """Raise InputError when (height, width) are more pixels than are read."""
    height, width = size
    if width * height > max_pixels:
        raise InputError(
            f"{name}: {width}x{height} is {width * height / 1e6:.0f} megapixels; at most "
            f"{max_pixels / 1e6:.0f} are read (16384x8192); resize it first, say to 8192x4096"
        )


def check_bytes(count: int, name: str) -> None:
    """Raise InputError when a deep or linear file takes more than MAX_DECODED_BYTES decoded."""
    if count > MAX_DECODED_BYTES:
        raise InputError(
            f"{name}: takes {count / 2**30:.1f} GiB decoded, at most {MAX_DECODED_BYTES >> 30} "
            "is read; resize it, drop channels other than R, G, B, or save it with fewer bits"
        )


def check_aspect(size: Size, allow_any: bool = False, *, name: str = "image") -> None:
    """Raise InputError unless |width/height - 2| <= 0.02 or `allow_any`.

    size: (height, width) [px]. With `allow_any` an image of another shape is taken for a full
    sphere (360° by 180°), stretched.
    """
    height, width = size
    # In whole numbers, so that a ratio of exactly 2.02 passes.
    if allow_any or abs(width - 2 * height) * 100 <= ASPECT_TOLERANCE_PERCENT * height:
        return
    raise InputError(
        f"{name}: {width}x{height} is not a full panorama, whose width is 2 x its height "
        f"(here {width / height:.2f}:1, allowed 1.98:1 to 2.02:1); say which part it is "
        "by --fov or --top and --bottom, what took it by --projection, or pad it to 2:1; "
        "--allow-any-aspect (allow_any_aspect=True) treats it as a sphere; --stereo reads one eye"
    )
