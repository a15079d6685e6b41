"""DA²'s released curated sets: perspective images out-painted to panoramas, distance where real.

The dataset page `haodongli/DA-2` (Apache-2.0) lists, for each set, NAME_pano.json and either
NAME_pano.tar.gz or its parts NAME_pano/part_aa, part_ab, ... (3d-ken-burns, dynamic_replica_v2,
mvs_synth, vkitti). Joined and unpacked they lie here as

    ROOT/NAME_pano.json
    ROOT/NAME_pano/...

**Not verified**, because the archives (up to 60 GB each) were not at hand: the form of the JSON and
of the distance files. This reader therefore accepts a list of records, an object of records, or
pairs of names; finds the two files of a record under the usual keys (`IMAGE_KEYS`,
`DISTANCE_KEYS`) relative to ROOT or to ROOT/NAME_pano; decodes distance files as `distances` does;
and says which keys it found when that fails. Distance is expected only on the real part of each
panorama; 0 and NaN are not given.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from panodepth.errors import ConfigError, one_line
from panodepth.lab.data.distances import DistanceFile
from panodepth.lab.data.source import Pair, PairSource, check_folder, is_file, read_json
from panodepth.lab.data.splits import read_split, select

IMAGE_KEYS = ("rgb", "image", "pano", "color", "rgb_path", "image_path", "pano_path")
DISTANCE_KEYS = ("distance", "depth", "distance_path", "depth_path")
MAX_NAME = 1024
MASK_KEYS = ("mask", "mask_path", "valid_mask")


def open_curated(
    path: str | Path,
    split: Path | None = None,
    *,
    scale: float | None = None,
    unit: str = "relative",
) -> PairSource:
    """The curated sets under a folder, one after the other by name.

    scale, unit: of whole-number distance files that do not say. Raises ConfigError when no set is
    there, is not unpacked, or its JSON is of another form.
    """
    root = check_folder(path)
    lists = sorted(root.glob("[!.]*_pano.json"))
    if not lists:
        raise ConfigError(f"{root}: no NAME_pano.json with its folder NAME_pano")
    pairs = [pair for file in lists for pair in _pairs_of(file, root)]
    if split is not None:
        pairs = select(pairs, read_split(split), str(root))
    reader = DistanceFile(scale=scale)
    meta = {"licence": "Apache-2.0", "credit": "DA², haodongli/DA-2"}
    return PairSource("curated", root, pairs, reader, unit, meta)


def _pairs_of(file: Path, root: Path) -> list[Pair]:
    folder = file.with_suffix("")
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; {file.name} lists what is in it")
    if any(folder.glob("part_a*")):
        raise ConfigError(
            f"{folder}: still in parts: in {root} run cat {folder.name}/part_* | tar -xz"
        )
    pairs = []
    for image, distance, mask in _records(read_json(file), file):
        below = folder.name if not is_file(root / image) else ""
        image, distance = (str(Path(below) / part) for part in (image, distance))
        drawn = None if mask is None else str(Path(below) / mask)
        pairs.append(Pair(str(Path(image).with_suffix("")), image, distance, drawn))
    if not pairs:
        raise ConfigError(f"{file}: lists no panorama")
    return pairs


def _records(content: Any, file: Path) -> Iterator[tuple[str, str, str | None]]:
    """(picture, distance file, mask file or None) of every record."""
    if isinstance(content, dict):
        lists = [value for value in content.values() if isinstance(value, list)]
        content = lists[0] if len(content) == len(lists) == 1 else list(content.values())
    if not isinstance(content, list):
        raise ConfigError(f"{file}: expected a list of records, found {type(content).__name__}")
    for number, record in enumerate(content):
        if isinstance(record, list) and len(record) >= 2 and all(map(_is_name, record[:2])):
            yield record[0], record[1], None
            continue
        keys = record if isinstance(record, dict) else {}
        image, distance, mask = (_value(keys, k) for k in (IMAGE_KEYS, DISTANCE_KEYS, MASK_KEYS))
        if image is None or distance is None:
            held = one_line(", ".join(keys) or type(record).__name__, 200)
            raise ConfigError(
                f"{file}: record {number} holds {held}; expected a picture "
                f"({', '.join(IMAGE_KEYS)}) and a distance file ({', '.join(DISTANCE_KEYS)}), "
                "both relative to its folder"
            )
        yield image, distance, mask


def _value(record: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((record[key] for key in keys if _is_name(record.get(key))), None)


def _is_name(value: Any) -> bool:
    """Whether it can be a file's name below the folder: relative, and no longer than a path."""
    if not (isinstance(value, str) and 0 < len(value) <= MAX_NAME and "\0" not in value):
        return False
    path = PurePosixPath(value), PureWindowsPath(value)
    return not any(p.is_absolute() or p.drive or ".." in p.parts for p in path)
