"""Distance files: npz, npy, exr, tiff, png and pfm, each with its unit and its "not given"."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.errors import DamageError, InputError, damaged, one_line, raise_if_out_of_memory
from panodepth.images import image_size, read_stored
from panodepth.images.arrays import ending_of, names_in, read_npy, read_npz
from panodepth.images.distances import (
    SKY_FROM,
    clean_distance,
    clipped,
    flags,
    plane,
    stored_numbers,
)
from panodepth.images.formats.exr_file import MAGIC, Part
from panodepth.images.limits import check_pixels
from panodepth.lab.data.source import MUCH_ALIKE, DistanceMap, misspelt, read_json
from panodepth.types import FloatArray

DISTANCE_SUFFIXES = (".npz", ".npy", ".exr", ".tiff", ".tif", ".png", ".pfm")  # the first there is
EXR_CHANNELS = ("Y", "distance", "depth", "Z", "V")  # the first that is there, in any case
EXR_LAYERS = ("depth", "distance", "z")  # that are preferred, in any case
COLOURS = ("R", "G", "B", "A")
ALIKE, MOST_UNLIKE = 0.01, 0.1  # grey as R, G and B: relative, and the share that lossy files miss
# The header's last line may end as Windows writes it, or behind blanks.
_PFM = re.compile(rb"Pf\s+(\d{1,9})\s+(\d{1,9})\s+([+-]?[\d.]+(?:[eE][+-]?\d+)?)(?:[ \t]*\r?\n|\s)")
SIDECAR = ".json"  # NAME_distance.png.json beside NAME_distance.png


@dataclass(frozen=True)
class DistanceFile:
    """Reads a distance file by its ending.

    scale: distance = value × scale for whole-number pixels without a scale of their own (a sidecar
        or a PNG text chunk, as `panodepth predict --format png` writes them); None = they must say.
    unit: of files that do not say.
    missing: the whole number that means "not given", besides 0. Where it is None the largest number
        means sky, else it is a distance.
    Raises InputError for files that are damaged, of another shape, or whose scale is unknown.
    """

    scale: float | None = None
    unit: str | None = None
    missing: int | None = None

    def __call__(self, path: Path) -> DistanceMap:
        try:
            ending = path.suffix.lower()
            read = _READERS[ending_of(path) if ending in (".npz", ".npy") else ending]
        except KeyError:
            raise InputError(
                f"{path}: a distance file ends in {', '.join(DISTANCE_SUFFIXES)}"
            ) from None
        try:
            found = read(path, self)
        except InputError:
            raise
        except ImportError as error:
            raise InputError(
                f"{path}: needs {error.name}: pip install {error.name}, or save it as npz"
            ) from error
        except Exception as error:  # decoders raise anything on damaged files
            raise_if_out_of_memory(error, str(path))
            raise damaged(str(path), "distance", error) from error
        return found._replace(unit=checked_unit(found.unit or self.unit, path))


@dataclass(frozen=True)
class WholeNumbers:
    """Reads a PNG of whole numbers: distance = value × step [m]; 0 = not given.

    missing: another value that means "not given". channel: which one of a picture with three, R
    first, holds the distance.
    """

    step: float
    missing: int | None = None
    channel: int | None = None

    def __call__(self, path: Path) -> DistanceMap:
        values = read_stored(path).pixels
        if values.ndim == 3:
            if self.channel is None:
                raise InputError(f"{path}: a distance map has one channel, this has colours")
            values = values[..., self.channel]
        elif values.dtype.kind != "u":
            raise InputError(f"{path}: expected whole numbers, found {values.dtype}")
        distance = values * np.float32(self.step)
        if self.missing is not None:
            distance[values == self.missing] = 0
        return DistanceMap(distance, "m")


@dataclass(frozen=True)
class MetresWithHoles:
    """Reads a file of floats in metres in which not only 0 and NaN but also inf is "not given"."""

    def __call__(self, path: Path) -> DistanceMap:
        found = DistanceFile(unit="m")(path)
        found.distance[np.isinf(found.distance)] = 0
        return found


@dataclass(frozen=True)
class FloatsInColours:
    """Reads a PNG whose pixels are float32 distances [m]: their bytes, the lowest first, are blue,
    green, red and alpha.
    """

    def __call__(self, path: Path) -> DistanceMap:
        from PIL import Image

        check_pixels(image_size(path), str(path))
        try:
            with Image.open(path) as stored:  # `read_stored` keeps of alpha whether it is 0
                values = np.asarray(stored)
        except Exception as error:
            raise_if_out_of_memory(error, str(path))
            raise damaged(str(path), "distance", error) from error
        if values.dtype != np.uint8 or values.shape[2:] != (4,):
            raise InputError(f"{path}: expected four channels of 8 bits, the bytes of float32")
        metres = np.ascontiguousarray(values[..., [2, 1, 0, 3]]).view("<f4")[..., 0]
        return DistanceMap(clean_distance(metres), "m")


def _read_npz(path: Path, given: DistanceFile) -> DistanceMap:
    """Keys: `distance`; optional `mask` (False = not given), `sky` (True = sky), `meta` (JSON)."""
    arrays = read_npz(path, ("distance", "mask", "sky", "meta"))
    if "distance" not in arrays:
        held = ", ".join(names_in(path)) or "nothing"
        raise InputError(f"{path}: no array 'distance'; it has {held[:300]}")
    found = _array(arrays["distance"], given, path, unit_of_npz(arrays))
    mark_from_npz(found.distance, arrays, path)
    return found


def mark_from_npz(distance: FloatArray, arrays: Mapping[str, npt.NDArray[Any]], path: Path) -> None:
    """Set what `mask` and `sky` of an npz say in its distance.

    distance: (H, W), 0 = not given, inf = sky, changed in place. arrays: of the file.
    """
    if "mask" in arrays:  # of the sky, which is no surface, it is False as well
        given = flags(arrays["mask"], distance.shape, f"{path}: mask")
        distance[~given & np.isfinite(distance)] = 0
    if "sky" in arrays:
        distance[flags(arrays["sky"], distance.shape, f"{path}: sky")] = np.inf


def unit_of_npz(arrays: Mapping[str, npt.NDArray[Any]]) -> str | None:
    """What `meta` (JSON) of an npz says of its unit, if anything."""
    try:
        meta = json.loads(arrays["meta"].item()) if "meta" in arrays else {}
    except (ValueError, TypeError):  # another program's
        meta = {}
    return meta.get("unit") if isinstance(meta, dict) else None


def _read_npy(path: Path, given: DistanceFile) -> DistanceMap:
    return _array(read_npy(path), given, path)


def _read_exr(path: Path, given: DistanceFile) -> DistanceMap:
    """The only channel, the first of EXR_CHANNELS that is there, or the layer with depth."""
    from panodepth.images.formats.exr import Choice, read_channels
    from panodepth.images.formats.exr_file import read_parts

    with path.open("rb") as file:
        if file.read(4) != MAGIC:
            raise InputError(f"{path}: not an OpenEXR file")
        parts = read_parts(str(path), file)
        number, channel = _exr_channel(parts.parts, path)
        part = parts.parts[number]
        if part.data != part.display:
            raise InputError(f"{path}: its data window is not the whole picture; save it uncropped")
        check_pixels((part.data[3] - part.data[1], part.data[2] - part.data[0]), str(path))
        names = [name.name for name in part.channels if name.name in COLOURS[:3]]
        wanted = names[::-1] if channel == "R" else [channel]
        values, *others = read_channels(str(path), file, parts, Choice(number, wanted))
    for other in others:
        if (~np.isclose(values, other, rtol=ALIKE, equal_nan=True)).mean() > MOST_UNLIKE:
            raise InputError(f"{path}: R, G and B differ: a picture in colours, not a distance")
    return _array(values, given, path, part.text("unit") or None)


def _exr_channel(parts: Sequence[Part], path: Path) -> tuple[int, str]:
    """The number of the part and the name of the channel that is the distance.

    R, of a distance saved as a grey picture, counts where nothing but colours is: beside anything
    else it is a colour. X, Y and Z of one layer are places or directions.
    """
    first = [channel.name for channel in parts[0].channels]
    if len(first) == 1:
        return 0, first[0]
    known = [name.lower() for name in EXR_CHANNELS]
    all_channels = [(i, channel.name) for i, part in enumerate(parts) for channel in part.channels]
    every = [(i, name) for i, name in all_channels if not _is_vector(name, parts[i])]
    plain = sorted((known.index(n.lower()), n) for i, n in every if not i and n.lower() in known)
    if plain:
        return 0, plain[0][1]
    in_layers = [found for found in every if _last(found[1]) in known[1:]]
    of_depth = [f for f in in_layers or every if _last(f[1].rpartition(".")[0]) in EXR_LAYERS]
    candidates = of_depth if len(of_depth) == 1 or not in_layers else in_layers
    if not in_layers:  # all channels of such a layer: grey
        candidates = [found for found in of_depth if _last(found[1]) in ("r", "y")]
    if len(candidates) == 1:
        return candidates[0]
    if not candidates and "R" in first and {name for _, name in all_channels} <= {*COLOURS}:
        return 0, "R"
    held = ", ".join(name for _, name in all_channels)
    raise InputError(
        f"{path}: which channel is the distance? It has {held[:300]}; "
        f"known are {', '.join(EXR_CHANNELS)}, R"
    )


def _is_vector(name: str, part: Part) -> bool:
    """Whether a channel is X, Y or Z beside the other two of its layer."""
    prefix = name.rpartition(".")[0].lower()
    beside = {_last(c.name) for c in part.channels if c.name.rpartition(".")[0].lower() == prefix}
    return _last(name) in {*"xyz"} and {*"xyz"} <= beside


def _last(name: str) -> str:
    """The last part of a channel's name, in small letters."""
    return name.rpartition(".")[2].lower()


def _read_tiff(path: Path, given: DistanceFile) -> DistanceMap:
    """GDAL's tag says which value stands for no value."""
    decoded = read_stored(path)
    values = stored_numbers(decoded)
    try:
        missing = float(decoded.texts.get("GDAL_NODATA", "nan"))
    except ValueError:
        missing = np.nan
    if np.isfinite(missing):
        if values.dtype.kind == "f":  # as rounded as they are; of whole numbers it may be none
            missing = float(values.dtype.type(missing))
        values = np.where(values == missing, values.dtype.type(0), values)
    try:
        said = json.loads(decoded.texts.get("ImageDescription", ""))
    except (ValueError, RecursionError):  # another program's sentence
        said = {}
    return _scaled(values, said if isinstance(said, dict) else {}, given, path)


def _read_png(path: Path, given: DistanceFile) -> DistanceMap:
    decoded = read_stored(path)
    codes, valid = decoded.pixels, decoded.valid
    if codes.ndim != 2 or codes.dtype != np.uint16:
        raise InputError(f"{path}: a distance PNG has one channel of 16 bits")
    codes = codes if valid is None else np.where(valid, codes, np.uint16(0))
    return _scaled(codes, decoded.texts, given, path)


def _read_pfm(path: Path, given: DistanceFile) -> DistanceMap:
    """One channel of floats, rows from the bottom; a negative scale says little-endian."""
    with path.open("rb") as file:
        found = _PFM.match(file.read(100))
        if found is None:
            raise InputError(f"{path}: not a PFM of one channel ('Pf', width, height, scale)")
        width, height = int(found[1]), int(found[2])
        signed_scale = float(found[3])
        if not width or not height or not signed_scale:
            raise DamageError("its header says a width, a height or a scale of 0")
        check_pixels((height, width), str(path))
        file.seek(found.end())
        content = file.read(4 * height * width)
    if len(content) < 4 * height * width:
        raise DamageError(f"it is cut short: its header says {width}x{height}")
    values = np.frombuffer(content, "<f4" if signed_scale < 0 else ">f4")
    return _scaled(values.reshape(height, width)[::-1], {}, given, path)


_READERS: dict[str, Callable[[Path, DistanceFile], DistanceMap]] = {
    ".npz": _read_npz,
    ".npy": _read_npy,
    ".exr": _read_exr,
    ".tiff": _read_tiff,
    ".tif": _read_tiff,
    ".png": _read_png,
    ".pfm": _read_pfm,
}


def _plane(values: npt.NDArray[Any], path: Path) -> FloatArray:
    """A new (H, W) float32 array, see `clean_distance`."""
    if values.ndim != 2 or values.dtype.kind not in "fui":
        raise InputError(f"{path}: distance is {values.dtype} {values.shape}, expected (H, W)")
    return clean_distance(values)


def _array(
    values: npt.NDArray[Any], given: DistanceFile, path: Path, unit: str | None = None
) -> DistanceMap:
    """Of files of numbers alone: whole ones times a scale, as they are where `unit` is in the file
    and nobody says a scale.
    """
    values = plane(values)
    stated = given.scale is not None or path.with_name(path.name + SIDECAR).is_file()
    if (stated or unit is None) and values.ndim == 2 and values.dtype.kind in "iu":
        found = _scaled(values, {}, given, path)
        return found._replace(unit=unit or found.unit)
    return DistanceMap(_plane(values, path), unit)


def _scaled(
    values: npt.NDArray[Any], said: Mapping[str, Any], given: DistanceFile, path: Path
) -> DistanceMap:
    """Whole numbers times their scale, plus their offset; floats are distances as they are.

    values: (H, W). said: what the file says about itself; a sidecar file comes before it. Raises
    InputError for another shape or an unknown scale.
    """
    side = path.with_name(path.name + SIDECAR)
    if side.is_file():
        beside = read_json(side, '{"scale": 0.001}')
        if told := misspelt(beside, ("scale", "unit", "offset"), MUCH_ALIKE):
            raise InputError(f"{side}: {told}")
        said = {**said, **beside}
    unit = said.get("unit")
    unit = unit if isinstance(unit, str) else None
    if values.dtype.kind == "f":
        return DistanceMap(_plane(values, path), unit)
    scaled = values * step_of(said.get("scale", given.scale), path)
    if offset := _offset_of(said.get("offset", 0), path):
        scaled = np.where(values > 0, scaled + offset, np.float32(0))
    distance = _plane(scaled, path)
    if given.missing is None and not {"sky", "invalid"} & said.keys():
        distance[clipped(values)] = np.inf
    else:  # as predict's own files say: the largest number is the farthest surface
        far = np.isinf(distance) & (scaled < SKY_FROM)
        distance[far] = scaled[far]
        distance[values == (given.missing or 0)] = 0
    return DistanceMap(distance, unit)


def step_of(scale: Any, path: Path) -> np.float32:
    """A scale that somebody stated, as a number above 0. Raises InputError."""
    try:
        step = 0.0 if isinstance(scale, bool) else float(scale or 0)
    except (TypeError, ValueError, OverflowError):
        step = 0.0
    if not (0 < step < np.inf):
        told = "unknown" if scale is None else one_line(scale, 40)
        raise InputError(
            f"{path}: the scale of its whole numbers is {told}; "
            f'write {{"scale": 0.001, "unit": "m"}} into {path.name}{SIDECAR} or dataset.json '
            "(of frames: camera.json; of predictions: --option scale=0.001)"
        )
    return np.float32(step)


def _offset_of(offset: Any, path: Path) -> np.float32:
    """What is added to scaled whole numbers, as a finite number. Raises InputError."""
    try:
        added = np.inf if isinstance(offset, bool) else float(offset)
    except (TypeError, ValueError, OverflowError):
        added = np.inf
    if not np.isfinite(added):
        told = one_line(offset, 40)
        raise InputError(f"{path}: the offset of its whole numbers is {told}; expected a number")
    return np.float32(added)


def checked_unit(unit: Any, path: Path) -> str | None:
    """What a file says its unit is, None where it says none. Raises InputError for another."""
    if unit not in (None, "m", "relative"):
        told = one_line(repr(unit), 40)
        raise InputError(f"{path}: its unit is {told}; expected 'm' or 'relative'")
    return None if unit is None else str(unit)
