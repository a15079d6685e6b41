"""Your own panoramas: a folder of NAME.png with NAME_distance.npz, nested as you like.

    NAME.{png,jpg,jpeg,webp,tif,tiff,exr,hdr,heic,heif,avif}  the picture
    NAME_distance.{npz,npy,exr,tiff,tif,png,pfm}  distance; the first that is there
    NAME_mask.png                                 optional: white = distance is valid
    dataset.json                                  optional, at the top: unit, scale, licence, source
                                                  and resize_pictures

NaN, 0 and negative values are not given; inf is sky, and so are 1e9 and more, 65504 in half floats
and the largest value of whole numbers of 16 bits or more (65535 in wider ones, too, where it is
the largest of all). `scale` is for files of whole numbers without their own. Folders that
`panodepth render` and `panodepth predict` write read back.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

from panodepth.errors import ConfigError, one_line
from panodepth.export.mark import is_result
from panodepth.lab.data.distances import DISTANCE_SUFFIXES, DistanceFile
from panodepth.lab.data.source import (
    DATASET_FILE,
    DEPTH,
    DISTANCE,
    Pair,
    PairSource,
    check_folder,
    misspelt,
    read_json,
)
from panodepth.lab.data.splits import read_split, select
from panodepth.predict.folder.walk import folders_below

PICTURE_SUFFIXES: tuple[str, ...] = (".png", ".tif", ".tiff", ".exr", ".hdr")
PICTURE_SUFFIXES += (".jpg", ".jpeg", ".webp", ".heic", ".heif", ".avif")
MASK = "_mask"
OTHER_ENDINGS = ("_preview", "_normals", "_points")  # what predict writes beside a distance
KEPT_KEYS = ("licence", "credit")  # of dataset.json, in every sample's meta
MEANING = ("unit", "scale", "resize_pictures")  # keys of it without which distances are others


def open_folder(
    path: str | Path,
    split: Path | None = None,
    *,
    scale: float | None = None,
    unit: str | None = None,
    images: str | Path | None = None,
) -> PairSource:
    """A folder of your own, see the head of this module.

    scale, unit: for files that do not say; they come before dataset.json. Without either the unit
        is "relative". images: the folder of the pictures, of the same shape, when the distances
        lie in a folder of their own (`panodepth predict IMAGES --out PATH`).
    Raises ConfigError when there is no such folder or no distance file in it.
    """
    root = check_folder(path)
    about = _about(root)
    pairs = find_pairs(root, None if images is None else check_folder(images))
    if not pairs:
        raise ConfigError(
            f"{root}: no NAME{DISTANCE}.npz (or {', '.join(DISTANCE_SUFFIXES[1:])}) in it or below"
        )
    if split is not None:
        pairs = select(pairs, read_split(split), str(root))
    meta: dict[str, Any] = {key: about[key] for key in KEPT_KEYS if key in about}
    reader = DistanceFile(
        scale=about.get("scale") if scale is None else scale, unit=unit or about.get("unit")
    )
    name = str(about.get("source", root.resolve().name))
    resize = about.get("resize_pictures", False)
    return PairSource(name, root, pairs, reader, "relative", meta, use_alpha=True, resize=resize)


def find_pairs(root: Path, images: Path | None = None) -> list[Pair]:
    """Every distance file under `root` with its picture and mask, sorted by name.

    A picture in a folder with distances but without its own is listed too, as is a distance without
    its picture: reading such a pair says which half is missing. What predict writes beside a
    distance is no picture. Paths are relative to `root`.
    """
    pairs = []
    for folder, names in folders_below(root):
        files = _by_stem(names)
        stems = {s.removesuffix(DISTANCE) for s in files if s.endswith(DISTANCE)}
        if not stems:
            continue
        here = folder.relative_to(root)
        beside = folder if images is None else images / here
        pictures = files if images is None else _by_stem(_names(beside))
        own = {s for s in pictures if not s.endswith((DISTANCE, MASK, *OTHER_ENDINGS))}
        own -= {s for s in own if s.endswith(DEPTH) and s.removesuffix(DEPTH) in own}
        for stem in sorted(stems | (own if images is None else set())):
            distance = _first(files, stem + DISTANCE, DISTANCE_SUFFIXES)
            if stem in stems and distance is None:
                continue  # another kind of file that happens to end like a distance
            picture = _first(pictures, stem, PICTURE_SUFFIXES)
            if distance is None and (picture is None or is_result(beside / picture)):
                continue
            mask = _first(files, stem + MASK, PICTURE_SUFFIXES)
            shown = Path(os.path.relpath(beside / (picture or f"{stem}.png"), root))
            pairs.append(
                Pair(
                    name=(here / stem).as_posix(),
                    image=shown.as_posix(),
                    distance=(here / (distance or f"{stem}{DISTANCE}.npz")).as_posix(),
                    mask=None if mask is None else (here / mask).as_posix(),
                )
            )
    return sorted(pairs, key=lambda pair: pair.name)


def _names(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.is_dir() else []


def _by_stem(names: list[str]) -> dict[str, dict[str, str]]:
    """Stem -> lower-case ending -> file name."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for name in sorted(names):
        stem, suffix = os.path.splitext(name)
        if not name.startswith("."):
            found[stem].setdefault(suffix.lower(), name)
    return found


def _first(files: dict[str, dict[str, str]], stem: str, suffixes: tuple[str, ...]) -> str | None:
    there = files.get(stem, {})
    return next((there[suffix] for suffix in suffixes if suffix in there), None)


def _about(root: Path) -> dict[str, Any]:
    file = root / DATASET_FILE
    if not file.is_file():
        return {}
    about: dict[str, Any] = read_json(file, '{"unit": "m"}')
    if told := misspelt(about, MEANING):
        raise ConfigError(f"{file}: {told}")
    scale = about.get("scale")
    is_number = isinstance(scale, int | float) and not isinstance(scale, bool)
    if scale is not None and not (is_number and 0 < scale < math.inf):
        told = one_line(repr(scale), 40)
        raise ConfigError(f"{file}: scale is {told}; expected a number above 0")
    if not isinstance(about.get("resize_pictures", False), bool):
        told = one_line(repr(about["resize_pictures"]), 40)
        raise ConfigError(f"{file}: resize_pictures is {told}; expected true or false")
    if about.get("unit") not in (None, "m", "relative"):
        told = one_line(repr(about["unit"]), 40)
        raise ConfigError(f"{file}: unit is {told}; expected 'm' or 'relative'")
    return about
