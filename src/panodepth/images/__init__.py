"""Pictures in: any image file, PIL image or array becomes sRGB-coded pixels and a mask.

Invalid (mask False) is alpha 0, NaN and Inf, and what lies outside an EXR's data window. Partly
transparent pixels count as they are stored. Colours of another profile (ICC) become sRGB's.
Everything a user can get wrong raises InputError, in one line.
"""

from panodepth.images.files import (
    IMAGE_SUFFIXES,
    image_size,
    read_image,
    read_stored,
    to_image_data,
)
from panodepth.images.fisheye import check_stitched
from panodepth.images.limits import MAX_PIXELS, check_aspect
from panodepth.images.masks import read_mask
from panodepth.images.picture import ImageData
from panodepth.images.transfer import linear_to_srgb, srgb_to_linear

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_PIXELS",
    "ImageData",
    "check_aspect",
    "check_stitched",
    "image_size",
    "linear_to_srgb",
    "read_image",
    "read_mask",
    "read_stored",
    "srgb_to_linear",
    "to_image_data",
]
