"""The pictures under a folder, links followed, and what else lies there."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from panodepth.export.mark import is_result
from panodepth.images import IMAGE_SUFFIXES

MAX_ENDINGS = 6  # that a note names
_THUMBNAILS = ("@eaDir", "__MACOSX")  # what network disks and archives put beside pictures


@dataclass
class LeftOut:
    """What lies in folders and is not predicted.

    endings: how many files of each kind that is not read, in small letters, "" = without an ending.
    results: how many files that panodepth wrote. duplicates: how many other names of a picture
    that is predicted. problems: why a path given or a folder below is not read. counted: the files
    in endings and results, as several inputs may lead to one.
    """

    endings: Counter[str] = field(default_factory=Counter)
    results: int = 0
    duplicates: int = 0
    problems: dict[str, str] = field(default_factory=dict)
    counted: set[str] = field(default_factory=set)

    def is_new(self, path: Path) -> bool:
        """Whether a file was not counted before; from now on it is."""
        before = len(self.counted)
        self.counted.add(os.path.realpath(path))
        return len(self.counted) > before

    @property
    def counts(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "endings": dict(self.endings),
            "results": self.results,
            "duplicates": self.duplicates,
        }

    def __str__(self) -> str:
        """In words, "" where nothing was left out that might have been a picture."""
        named = self.endings.most_common(MAX_ENDINGS)
        told = [f"{count} {ending or 'without an ending'}" for ending, count in named]
        more = self.endings.total() - sum(count for _, count in named)
        told += [f"{more} others"] if more else []
        return ", ".join(told)


def is_picture(path: Path, left_out: LeftOut) -> bool:
    """Whether a file found in a folder or by a glob is an input; notes it where it is none.

    Hidden files are none and not noted. A picture is known by its ending, and a result of panodepth
    by what stands in it: a photograph may be called x_preview.png.
    """
    if path.name.startswith("."):
        return False
    if is_result(path):
        left_out.results += left_out.is_new(path)
        return False
    ending = path.suffix.lower()
    if ending not in IMAGE_SUFFIXES and left_out.is_new(path):
        left_out.endings[ending] += 1
    return ending in IMAGE_SUFFIXES


def walk(folder: Path, out: Path | None, left_out: LeftOut) -> Iterator[Path]:
    """Pictures under `folder`, sorted; those in linked folders last, under the link's name.

    Left out is `out` where it lies below, and what `folders_below` leaves out.
    """
    for place, names in folders_below(folder, out, _noted_in(left_out)):
        yield from (place / name for name in names if is_picture(place / name, left_out))


def folders_below(
    folder: Path, without: Path | None = None, on_error: Callable[[OSError], None] | None = None
) -> Iterator[tuple[Path, list[str]]]:
    """`folder` and those under it, linked ones last, with the sorted names of the files in each.

    Each folder is visited once, whatever links lead to it, and no link to a folder around itself is
    followed. Left out are hidden folders and those of thumbnails, and `without` but at the top.
    """
    skipped = None if without is None else os.path.realpath(without)
    if skipped == os.path.realpath(folder):
        skipped = None
    seen: set[str] = set()
    waiting = deque([folder])
    while waiting:
        for place, folders, names in os.walk(waiting.popleft(), onerror=on_error):
            here, real = Path(place), os.path.realpath(place)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            below = [here / name for name in sorted(folders) if not _is_hidden(name)]
            below = [path for path in below if os.path.realpath(path) != skipped]
            links = [path for path in below if path.is_symlink() or _is_junction(path)]
            folders[:] = [path.name for path in below if path not in links]
            waiting += [path for path in links if not _leads_up(path, real)]
            yield here, sorted(names)


def files_below(folder: Path) -> Iterator[Path]:
    """The files in `folders_below`, hidden ones among them."""
    return (place / name for place, names in folders_below(folder) for name in names)


def _is_hidden(folder: str) -> bool:
    return folder.startswith(".") or folder in _THUMBNAILS


def _is_junction(path: Path) -> bool:
    """Whether a folder is a link of Windows's second kind, which `os.walk` follows up to 3.11."""
    known: Callable[[Path], bool] | None = getattr(os.path, "isjunction", None)
    return known is not None and known(path)


def _leads_up(link: Path, place: str) -> bool:
    """Whether a link leads to the folder it lies in, or to one around that."""
    return Path(place).is_relative_to(os.path.realpath(link))


def _noted_in(left_out: LeftOut) -> Callable[[OSError], None]:
    def note(error: OSError) -> None:
        left_out.problems[str(error.filename)] = f"cannot be read ({error.strerror})"

    return note
