"""Which pictures of a folder are the frames of a clip or of a camera, and in which order."""

import re
from pathlib import Path

from panodepth.export.mark import is_result
from panodepth.images import IMAGE_SUFFIXES


def frames_of(folder: Path) -> list[Path]:
    """The pictures in a folder, by name, frame_9 before frame_10; no hidden files, no results."""
    files = (file for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
    found = [f for f in files if f.is_file() and not f.name.startswith(".") and not is_result(f)]
    return sorted(found, key=counted)


def counted(file: Path) -> tuple[list[tuple[int, str]], str]:
    """A key by which files are in the order in which people count: numbers in names by value."""
    parts = re.split(r"([0-9]+)", file.stem)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], file.name
