"""PIL images in modes that cannot be taken as they are: printers' inks, multiplied grey.

And what turns colours of a profile (ICC) to sRGB: LittleCMS in Pillow.
"""

from __future__ import annotations

import io
from typing import Any

from PIL.Image import Image

from panodepth.errors import printable
from panodepth.images.curves import MOST_PROFILE

ODD = ("CMYK", "La")
MOST_NAME = 60  # characters
UNUSABLE = "its colour profile cannot be used: colours are taken for sRGB"


def plainer(image: Image) -> tuple[Image, tuple[str, ...]]:
    """An image of one of ODD in a mode that converts to RGB, and a note of what a profile did.

    Inks without a profile, or with one that cannot be used, are taken for ideal ones.
    """
    image.load()
    if image.mode == "La":
        return image.convert("LA"), ()
    if not (profile := image.info.get("icc_profile")):
        return image, ()
    try:
        turn, name = transform(profile, image.mode)
        return turn.apply(image), (turned_note(name),)
    except MemoryError:
        raise
    except Exception:  # LittleCMS's and Pillow's own, by kind of damage
        return image, (UNUSABLE,)


def transform(content: bytes, mode: str = "RGB") -> tuple[Any, str]:
    """From a profile to sRGB, for PIL images of a mode of 8 bits, and the profile's name."""
    from PIL import ImageCms

    if len(content) > MOST_PROFILE:
        raise ValueError("larger than any")
    profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
    turn = ImageCms.buildTransform(
        profile,
        ImageCms.createProfile("sRGB"),
        *(mode, "RGB"),
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    name = ImageCms.getProfileDescription(profile).strip()
    return turn, printable(name[:MOST_NAME]) or "no name"


def turned_note(name: str) -> str:
    """What is said of a picture in a profile of this name."""
    return f"its colours were turned from {name} to sRGB"
