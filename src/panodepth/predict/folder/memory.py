"""How much memory a picture takes on its way, so that a run stays below what it may take.

Measured on a CPU with the bundled model (`python benchmarks/sharp.py`), and rounded up: maps of the
picture's size are held whole, all else is worked on in bands and tiles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from panodepth.errors import ConfigError, InputError
from panodepth.size import Size, to_number

GIB = 1 << 30
PROCESS_BYTES = GIB // 2  # Python, torch and a small network
PIXEL_BYTES = 28  # of the picture, from reading it to the files written
SPHERE_BYTES = 176  # of the sphere, while a picture of another lens is laid on it and continued
WHOLE_BYTES = 60  # the same where the lens sees all of it
RIG_BYTES = 112  # of the sphere, while the pictures of a rig are: 67 to 106 of rigs of 2 to 6
LEAST_GIB = 1.0  # below that nothing but thumbnails fits


def parse_memory(text: str) -> float:
    """Gibibytes: "4", "4GB" or "1.5 GiB" as a number. Raises ConfigError."""
    number = text.strip().lower().removesuffix("b").removesuffix("i").removesuffix("g").strip()
    try:
        value = to_number(number)
    except ValueError:
        raise ConfigError(f"--max-memory {text!r} is no number of gigabytes, as in 4GB") from None
    if not LEAST_GIB <= value < 1e6:
        raise ConfigError(f"--max-memory must be at least {LEAST_GIB:.0f}GB: {text}")
    return value


def most_pixels(max_memory: float | None, default: int) -> int:
    """How many pixels may be in memory at once. max_memory: [GiB]; None = `default`."""
    if max_memory is None:
        return default
    return min(default, int((max_memory * GIB - PROCESS_BYTES) / PIXEL_BYTES))


def check_memory(
    sizes: Sequence[Size], max_memory: float | None, name: str, beside: int = 0
) -> None:
    """Raise InputError where a picture of (height, width), or all of a rig's, take more than
    max_memory [GiB]. beside: what is taken besides [bytes].
    """
    needed = (PROCESS_BYTES + sum(map(math.prod, sizes)) * PIXEL_BYTES + beside) / GIB
    if max_memory is not None and needed > max_memory:
        (height, width), *others = sizes
        several = f"{len(sizes)} pictures, the first {width}x{height}, take"
        taken = several if others else f"{width}x{height} takes"
        raise InputError(
            f"{name}: {taken} about {needed:.1f} GB, more than "
            f"--max-memory {max_memory:g}GB: allow more, or resize {'them' if others else 'it'}"
        )
