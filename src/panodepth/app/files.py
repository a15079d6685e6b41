"""A result as files: of every format, and what the page shows of it."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from panodepth.app.results import Result
from panodepth.errors import ConfigError
from panodepth.export import WRITERS
from panodepth.export.colour import colourise, distance_range
from panodepth.export.formats import check_installed
from panodepth.export.privacy import without_folder
from panodepth.export.views.archive import pack
from panodepth.strict import find_named
from panodepth.types import ByteArray

SHOWN_WIDTH = 2048  # [px] of the pictures on the page


class Written(NamedTuple):
    """path: a file. folder: to be removed when it was sent."""

    path: Path
    folder: Path

    def remove(self) -> None:
        """The file and its folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def offered() -> list[str]:
    """Formats whose packages are installed and that every prediction can be written in."""
    found = []
    for name in WRITERS:
        if not name.startswith("confidence"):
            try:
                check_installed([name])
            except ConfigError:
                continue
            found.append(name)
    return found


def write(result: Result, format_name: str, root: Path) -> Written:
    """A result in one format; several files of it come as one zip. root: where, until it was sent.

    Raises ConfigError for an unknown format, OutputError and InputError where it cannot be written.
    """
    find_named("format", format_name, dict.fromkeys(offered()))
    folder = Path(tempfile.mkdtemp(dir=root))
    try:
        # a copy, so that points and normals computed for a file are not kept with the result
        with without_folder(folder):
            files = replace(result.prediction).save(f"{folder}/", [format_name])
        if len(files) == 1:
            return Written(files[0], folder)
        packed = folder / f"{result.name}_{format_name}.zip"
        pack(packed, files, folder)
        return Written(packed, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def shown(result: Result) -> tuple[ByteArray, ByteArray]:
    """The photograph and its coloured distance, (h, w, 3) sRGB each, thinned to SHOWN_WIDTH."""
    prediction = result.prediction
    step = -(-prediction.distance.shape[1] // SHOWN_WIDTH)
    thin = np.s_[step // 2 :: step, step // 2 :: step]
    limits = distance_range(prediction.distance, prediction.mask)
    coloured = colourise(prediction.distance[thin], prediction.mask[thin], limits=limits)
    return np.ascontiguousarray(prediction.image[thin]), coloured
