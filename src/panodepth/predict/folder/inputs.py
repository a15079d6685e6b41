"""What `panodepth predict INPUT... --out DIR` reads, and the name each result gets under DIR.

A folder is walked and its shape is mirrored under DIR; a single file keeps its name. Two inputs
never share a name: files from different folders get the folders that tell them apart, room.jpg
beside room.png become room_jpg and room_png, Room.jpg beside room.jpg Room and room_2: some disks
take both for one name, as they do é written as one character and as two.
"""

from __future__ import annotations

import glob
import itertools
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from panodepth.errors import InputError
from panodepth.export.mark import is_result
from panodepth.images import IMAGE_SUFFIXES
from panodepth.predict.folder.walk import LeftOut, is_picture, walk


@dataclass(frozen=True)
class InputFile:
    """One picture to predict.

    path: as found. relative: its path under the input folder it came from (a bare name for a file
    given by itself). target: where its results go under the output folder, without an ending.
    """

    path: Path
    relative: PurePath
    target: PurePath


@dataclass(frozen=True)
class FoundInputs:
    """files: in the order given, folders sorted, none twice. missing: inputs without a picture.

    left_out: what else lies there.
    """

    files: list[InputFile]
    missing: list[str]
    left_out: LeftOut


def find_inputs(inputs: Sequence[str], out: Path | None = None) -> FoundInputs:
    """Resolve files, folders (recursive) and globs ("**" too).

    out: the output folder; what lies in it is not an input of a folder around it. What panodepth
    wrote is no input wherever it lies.
    """
    found: dict[str, InputFile] = {}
    missing, left_out = [], LeftOut()
    for text in inputs:
        matches = list(dict.fromkeys(_matches(text, out, left_out)))  # "**" finds files twice
        if not matches and not os.path.isfile(os.path.expanduser(text)):
            missing.append(text)
        for path, root in matches:
            relative = path.relative_to(root)
            item = InputFile(path, relative, _target(relative))
            real = os.path.realpath(path)
            if (first := found.setdefault(real, item)) is not item:
                left_out.duplicates += 1
                if os.path.abspath(first.path) != real == os.path.abspath(path):
                    found[real] = item  # under its own name, not a link's
    return FoundInputs(_with_unique_targets(list(found.values())), missing, left_out)


def find_rig_folders(inputs: Sequence[str]) -> FoundInputs:
    """Folders with the pictures of a rig, each one input; named after the folder."""
    items, missing, left_out = [], [], LeftOut()
    for text in inputs:
        path = Path(os.path.expanduser(text))
        if path.is_dir():
            name = PurePath(path.resolve().name)
            items.append(InputFile(path, name, name))
        elif path.is_file():
            left_out.problems[text] = "a file; a rig's pictures lie in a folder"
        else:
            missing.append(text)
    return FoundInputs(_with_unique_targets(items), missing, left_out)


def find_mask(mask: Path | None, item: InputFile) -> Path | None:
    """Return the mask file for `item`: `mask` itself, or its namesake in the folder `mask`.

    Raises InputError when the folder has none.
    """
    if mask is None or not mask.is_dir():
        return mask
    own = item.relative if item.path.is_dir() else item.relative.with_suffix("")
    for stem in (mask / own, mask / own.name):
        for suffix in (*IMAGE_SUFFIXES, *map(str.upper, IMAGE_SUFFIXES)):
            candidate = stem.with_name(stem.name + suffix)
            if candidate.is_file():
                return candidate
    raise InputError(f"{item.path}: no mask {own}.png in {mask}")


def _matches(text: str, out: Path | None, left_out: LeftOut) -> Iterator[tuple[Path, Path]]:
    """Yield (file, the folder that its relative path starts from)."""
    path = Path(os.path.expanduser(text))
    if not text:  # of a shell's variable that is not set; no word for this folder
        return
    if os.path.isdir(path):
        yield from ((file, path) for file in walk(path, out, left_out))
    elif os.path.lexists(path):
        if is_result(path):
            left_out.problems[text] = "a result of panodepth, not a picture to predict"
        else:
            yield path, path.parent
    elif glob.has_magic(text):
        root = _static_root(path)
        for match in map(Path, sorted(glob.glob(str(path), recursive=True))):
            if os.path.isdir(match):
                yield from ((file, root) for file in walk(match, out, left_out))
            elif is_picture(match, left_out):
                yield match, root


def _static_root(pattern: Path) -> Path:
    """The folders of a glob before its first wildcard."""
    parts = itertools.takewhile(lambda part: not glob.has_magic(part), pattern.parts[:-1])
    return Path(*parts)


def _with_unique_targets(items: list[InputFile]) -> list[InputFile]:
    for rename in (_tell_apart_by_folder, _tell_apart_by_ending):
        items = _rename_collisions(items, rename)
    taken = {key_of(item.target) for item in items}
    return _rename_collisions(items, lambda group: _numbered(group, taken))


def _target(path: PurePath) -> PurePath:
    """The path without its ending, unless only dots are left of a name, which folders are called.

    No name of results has a backslash, which parts folders too.
    """
    name = path.stem if path.stem.strip(".") else path.name
    return path.with_name(name.replace("\\", "_"))


def _by_target(items: Iterable[InputFile]) -> list[list[InputFile]]:
    """Those with one key together; in an order that is the same whatever that of the items."""
    groups = defaultdict(list)
    for item in sorted(items, key=lambda item: item.path):
        groups[key_of(item.target)].append(item)
    return [groups[key] for key in sorted(groups)]


def key_of(target: PurePath) -> str:
    """The same for names that some file systems take for one: by case or Unicode's forms."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", str(target)).casefold())


def _rename_collisions(
    items: list[InputFile], rename: Callable[[list[InputFile]], list[InputFile]]
) -> list[InputFile]:
    renamed: dict[Path, InputFile] = {}
    for group in _by_target(items):
        for item in rename(group) if len(group) > 1 else group:
            renamed[item.path] = item
    return [renamed[item.path] for item in items]


def _tell_apart_by_folder(group: list[InputFile]) -> list[InputFile]:
    real = [Path(os.path.realpath(item.path)) for item in group]
    if len({path.parent for path in real}) == 1:
        return group
    below = [_target(path) for path in _below_common(real)]
    return [replace(item, target=target) for item, target in zip(group, below, strict=True)]


def _below_common(paths: Sequence[PurePath]) -> list[PurePath]:
    """The paths from the folder on in which all lie; of several drives of Windows from the drive's
    name on.
    """
    if len({path.drive.lower() for path in paths}) > 1:
        drives = (re.sub(r"\W+", "_", path.drive).strip("_") for path in paths)
        return [PurePath(drive, *path.parts[1:]) for drive, path in zip(drives, paths, strict=True)]
    common = os.path.commonpath([path.parent for path in paths])
    return [path.relative_to(common) for path in paths]


def _tell_apart_by_ending(group: list[InputFile]) -> list[InputFile]:
    endings = [item.path.suffix[1:].lower() for item in group]
    if len(set(endings)) == 1:
        return group
    return [
        replace(item, target=item.target.with_name(f"{_target(item.path).name}_{ending}"))
        for item, ending in zip(group, endings, strict=True)
    ]


def _numbered(group: list[InputFile], taken: set[str]) -> list[InputFile]:
    """All but the first with a number, so that no target has a key that is taken, which grows."""
    first, *others = group
    told = [first]
    for item in others:
        names = (item.target.with_name(f"{item.target.name}_{n}") for n in itertools.count(2))
        target = next(name for name in names if key_of(name) not in taken)
        taken.add(key_of(target))
        told.append(replace(item, target=target))
    return told
