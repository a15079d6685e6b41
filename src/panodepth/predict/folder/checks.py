"""What can be told of pictures before a model is loaded, which takes seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from panodepth.errors import PanodepthError
from panodepth.geometry.lens import ERP
from panodepth.geometry.lenses import Cubemap
from panodepth.images import check_aspect, image_size
from panodepth.images.limits import check_size
from panodepth.predict.folder.inputs import InputFile, find_mask
from panodepth.predict.folder.memory import RIG_BYTES, SPHERE_BYTES, WHOLE_BYTES, check_memory
from panodepth.predict.folder.options import RunOptions
from panodepth.predict.folder.outputs import check_free
from panodepth.predict.folder.results import FileResult, failed
from panodepth.predict.lenses.choice import input_lens
from panodepth.predict.lenses.rig import read_rig
from panodepth.predict.lenses.sphere import sphere_size
from panodepth.predict.lenses.stereo import eye_size

MAX_CHECKED = 100  # pictures; of more, those up to the first that is well


def check_first(
    items: Sequence[InputFile], options: RunOptions
) -> tuple[list[InputFile], list[FileResult]]:
    """The pictures that are left to predict, and those that cannot be, with the reason.

    Headers alone are read: kind, size and shape; then masks are looked for, and whether the results
    would overwrite anything. Reading whole pictures may find more.
    """
    left, refused = list[InputFile](), list[FileResult]()
    for number, item in enumerate(items):
        if left and number >= MAX_CHECKED:
            return [*left, *items[number:]], refused
        try:
            _check(item, options)
        except PanodepthError as error:
            refused.append(failed(item, error))
        else:
            left.append(item)
    return left, refused


def sphere_bytes(item: InputFile, options: RunOptions) -> int:
    """What the sphere takes that a picture, or a rig's, are laid on; 0 for a panorama [bytes].

    Raises PanodepthError.
    """
    if options.rig is not None:
        rig = read_rig(options.rig)
        sizes = [image_size(item.path / picture) for picture in rig.names]
        return math.prod(rig.sphere(sizes)) * RIG_BYTES
    if not options.has_lens:
        return 0
    seen = eye_size(image_size(item.path), options)
    lens = input_lens(options, seen)
    if isinstance(lens, ERP):
        return 0
    each = WHOLE_BYTES if isinstance(lens, Cubemap) else SPHERE_BYTES
    return math.prod(sphere_size(lens, seen)) * each


def _check(item: InputFile, options: RunOptions) -> None:
    name = str(item.path)
    laid = partial(sphere_bytes, item, options)
    if options.rig is not None:
        rig = read_rig(options.rig)
        rig.check_folder(item.path)
        sizes = [image_size(item.path / picture) for picture in rig.names]
        if options.max_memory is not None:
            check_memory(sizes, options.max_memory, name, laid())
        check_free(item, options)
        return
    size = image_size(item.path)
    check_size(size, name)
    seen = eye_size(size, options) if options.has_lens else size
    lens = input_lens(options, seen) if options.has_lens else ERP()
    if isinstance(lens, ERP):
        check_memory([size], options.max_memory, name)
        check_aspect(seen, options.allow_any_aspect, name=name)
    elif options.max_memory is not None:
        check_memory([size], options.max_memory, name, laid())
    find_mask(options.mask, item)
    check_free(item, options)
