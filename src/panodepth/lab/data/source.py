"""What every reader gives: panoramas by number, each checked when it is read.

The arrays of a `Panorama` that comes from a source keep one rule, whatever the files hold:

| pixel | distance | mask |
|---|---|---|
| a surface | > 0, finite | True |
| sky, where the data say so | inf | False |
| not given | 0 | False |

Renderers write a large number where a ray hits nothing: from SKY_FROM on it is sky.
"""

from __future__ import annotations

import difflib
import glob
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from panodepth.errors import ConfigError, DamageError, InputError, one_line
from panodepth.geometry.resizing import resize_erp
from panodepth.images import image_size, read_image, read_mask
from panodepth.images.distances import SKY_FROM
from panodepth.predict.models import stamp
from panodepth.strict import parse_json
from panodepth.types import BoolArray, FloatArray, Panorama

MAX_JSON_BYTES = 1 << 26
MUCH_ALIKE = 0.75  # for `misspelt`: quantity and unit are 0.67, depth_scale and scale 0.63
DISTANCE, DEPTH = "_distance", "_depth"  # after NAME: what is read, what others call it
RESIZING = '; {"resize_pictures": true} in dataset.json brings pictures to the size of distances'
DATASET_FILE = "dataset.json"  # at the top of a folder: what holds for all of its samples


class PanoramaSource(Protocol):
    """Panoramas by number, in an order that does not change; safe to hand to worker processes."""

    @property
    def name(self) -> str:
        """What the source is called in logs and provenance."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Panorama:
        """Panorama `index` of 0 .. len - 1: image, distance, mask and meta, see the table above.

        meta holds at least "name", "unit" ("m" or "relative") and "source". Raises InputError that
        names the file when this sample cannot be used; other samples may still be fine.
        """
        ...


class DistanceMap(NamedTuple):
    """What a distance file holds.

    distance: (H, W) float32; 0 = not given, inf = sky. unit: "m", "relative", or None when the
    file does not say.
    """

    distance: FloatArray
    unit: str | None = None


DistanceReader = Callable[[Path], DistanceMap]
"""Reads one distance file; raises InputError naming it."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One sample's files, relative to the source's folder. name: its path without an ending."""

    name: str
    image: str
    distance: str
    mask: str | None = None


@dataclass(frozen=True)
class PairSource:
    """A source of picture and distance files; the readers differ in how they find and decode them.

    unit: of files that do not say. meta: added to every sample's. use_alpha: whether transparent
    pixels of the picture are not valid. resize: whether a picture of another size than its distance
    is brought to that, else it is refused; None = nobody can ask for it.
    """

    name: str
    root: Path
    pairs: Sequence[Pair]
    read_distance: DistanceReader
    unit: str = "m"
    meta: Mapping[str, Any] = field(default_factory=dict)
    use_alpha: bool = False
    resize: bool | None = None

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Panorama:
        if not 0 <= index < len(self.pairs):
            raise IndexError(f"{self.name} has {len(self.pairs)} samples, not {index + 1}")
        pair = self.pairs[index]
        image_path, distance_path = self.root / pair.image, self.root / pair.distance
        for path, other in ((image_path, distance_path), (distance_path, image_path)):
            if not is_file(path):
                told = f"{path}: no such file; it belongs to {other.name}"
                raise InputError(told + _lies_there(path))
        size = image_size(image_path)
        check_full_sphere(size, str(image_path))
        stored = self.read_distance(distance_path)
        picture = read_image(image_path)
        mask = picture.valid if self.use_alpha else None
        if pair.mask is not None:
            drawn = read_mask(self.root / pair.mask)
            check_same_size(drawn, size, str(self.root / pair.mask))
            mask = drawn if mask is None else drawn & mask
        image, there = picture.image, stored.distance.shape
        if self.resize is not None and there != size and there[1] == 2 * there[0]:
            if not self.resize:
                check_same_size(stored.distance, size, str(distance_path), RESIZING)
            image, mask = _at_size(image, mask, there)
        meta = {
            **self.meta,
            "name": pair.name,
            "unit": stored.unit or self.unit,
            "source": self.name,
            "image": pair.image,
            "distance": pair.distance,
        }
        return make_panorama(image, stored.distance, mask, meta, str(distance_path))

    def stamp(self, index: int) -> str:
        """A digest of what sample `index` is read from, of which large files are read in part."""
        pair = self.pairs[index]
        beside = (pair.mask, f"{pair.distance}.json", DATASET_FILE)
        names = (pair.image, pair.distance, *(name for name in beside if name is not None))
        stamps = [stamp(path) for path in (self.root / name for name in names) if is_file(path)]
        return hashlib.sha256(" ".join(stamps).encode()).hexdigest()[:16]


def _at_size(
    image: FloatArray, mask: BoolArray | None, size: tuple[int, ...]
) -> tuple[FloatArray, BoolArray | None]:
    """A picture (h, w, 3), averaged where it shrinks, and its mask (h, w), at another size."""
    height, width = size
    planes = resize_erp(image.transpose(2, 0, 1), (height, width)).clip(0, 1)
    nearest = None if mask is None else resize_erp(mask, (height, width), mode="nearest")
    return planes.transpose(1, 2, 0), nearest


def _lies_there(missing: Path) -> str:
    """What is said where NAME_depth.* lies in the place of NAME_distance: it may be z-depth."""
    stem = missing.stem.removesuffix(DISTANCE)
    found = sorted(missing.parent.glob(f"{glob.escape(stem)}{DEPTH}.*"))
    if stem == missing.stem or not found:
        return ""
    own = found[0].name
    return f"; {own} is not read: call it {stem}{DISTANCE} if it is the distance along the ray"


def make_panorama(
    image: FloatArray,
    distance: FloatArray,
    mask: BoolArray | None,
    meta: Mapping[str, Any],
    where: str,
) -> Panorama:
    """A panorama that keeps the rule at the head of this module.

    image: (H, W, 3) in [0, 1]. distance: (H, W); NaN and values <= 0 = not given, SKY_FROM and
    more = sky.
    mask: (H, W), False = not given there (sky stays sky), or None. where: the file that errors
    name. Raises InputError unless the sizes agree, W = 2H and some pixel is valid.
    """
    check_full_sphere(image.shape[:2], where)
    check_same_size(distance, image.shape[:2], where)
    sky = distance >= SKY_FROM
    valid = (distance > 0) & ~sky
    if mask is not None:
        valid &= mask
    if not valid.any():
        raise InputError(f"{where}: no valid pixel (all are 0, negative, NaN, infinite or masked)")
    clean = np.where(valid, distance, np.where(sky, np.inf, 0)).astype(np.float32)
    return Panorama(np.ascontiguousarray(image, np.float32), clean, valid, dict(meta))


def is_file(path: Path) -> bool:
    """Whether there is such a file; names that cannot be one are none."""
    try:
        return path.is_file()
    except OSError:  # too long
        return False


def check_full_sphere(size: tuple[int, ...], where: str) -> None:
    """Raise InputError unless a picture of size (H, W) has W = 2H. where: what the error names."""
    height, width = size
    if width != 2 * height:
        raise InputError(
            f"{where}: {width}x{height} is not a full panorama, whose width is 2 x its height"
        )


def check_same_size(
    array: npt.NDArray[Any], size: tuple[int, ...], where: str, advice: str = ""
) -> None:
    """Raise InputError unless `array` has the picture's (H, W). advice: what to do about it."""
    if array.shape != tuple(size):
        found = "x".join(map(str, array.shape[::-1]))
        raise InputError(f"{where}: is {found}, its picture {size[1]}x{size[0]}{advice}")


def named_path(text: str) -> tuple[str | None, str]:
    """What stands before the = of WHAT=PATH, and the path; None before a PATH alone, which may hold
    a = too where it is there.
    """
    what, equals, path = text.partition("=")
    return (what, path) if equals and not Path(text).expanduser().exists() else (None, text)


def check_folder(root: str | Path, what: str = "panoramas") -> Path:
    """The folder as a path. Raises ConfigError when there is none."""
    path = Path(root).expanduser()
    if not path.is_dir():
        raise ConfigError(f"{path}: no such folder of {what}")
    return path


def read_json(path: Path, example: str = "") -> Any:
    """The content of a JSON file, with an example an object like it. Raises InputError."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_JSON_BYTES + 1)
        if len(text) > MAX_JSON_BYTES:
            raise InputError(f"{path}: more than {MAX_JSON_BYTES >> 20} MiB of JSON")
        content = parse_json(text)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except DamageError as error:
        raise InputError(f"{path}: {error}") from error
    if example and not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object such as {example}")
    return content


def misspelt(content: Mapping[str, Any], known: Sequence[str], alike: float = 0.6) -> str:
    """What is said of the first key that is nearly one of `known`, "" where none is.

    Other keys are of other programs. alike: difflib's ratio from which on a key is a misspelt one;
    MUCH_ALIKE for files that other programs write, too.
    """
    for key in (key for key in content if key not in known):
        if nearest := difflib.get_close_matches(key.lower(), known, n=1, cutoff=alike):
            return f"unknown key {one_line(repr(key), 40)}; did you mean {nearest[0]!r}?"
    return ""
