"""One sample of a shard as files: picture, distance, mask and provenance, to bytes and back.

| file | what |
|---|---|
| KEY.jpg or KEY.png | the picture, 8 bits; JPEG of quality 95 without chroma subsampling |
| KEY.distance.npy | (H, W) float16, times `scale` of the JSON; 0 = not given, inf = sky |
| KEY.distance.png | or: 16-bit grey, times `scale`; 0 = not given, 65535 = sky |
| KEY.mask.png | 8-bit grey, 255 = distance is valid, 0 = not |
| KEY.json | "distance": unit and scale; "coverage"; "sha256" of the others; "meta": its own |

float16 keeps a distance to 1 part in 2048 over 2^-14 .. 65504; the scale moves other ranges there.
16-bit grey has equal steps of 1/65534 of the farthest distance: better far away, worse nearby.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt

from panodepth.errors import DamageError, InputError, one_line, raise_if_out_of_memory
from panodepth.images import image_size, read_stored
from panodepth.images.arrays import read_array
from panodepth.images.distances import clean_distance
from panodepth.images.limits import check_pixels
from panodepth.lab.data.source import check_full_sphere, make_panorama
from panodepth.strict import Range, check_fields, parse_json
from panodepth.types import BoolArray, FloatArray, Panorama

PICTURES = ("jpg", "jpeg", "png")
DISTANCES = ("distance.npy", "distance.png")
PNG_MEMBERS = ("distance.png", "mask.png")
SKY_CODE = 65535
FLOAT32_MAX = float(np.finfo(np.float32).max)  # Python compares it with integers of any length
FLOAT16_RANGE = (2.0**-14, 65504.0)  # normal numbers


@dataclass(frozen=True)
class Encoding:
    """How samples are stored. quality: of JPEG. Raises ConfigError for other values."""

    image: Literal["jpg", "png"] = "jpg"
    distance: Literal["npy", "png"] = "npy"
    quality: Annotated[int, Range(1, 100)] = 95

    def __post_init__(self) -> None:
        check_fields(self, "the encoding of shards")


def encode(panorama: Panorama, encoding: Encoding) -> dict[str, bytes]:
    """File ending -> bytes. Raises InputError without a distance or without a valid pixel."""
    name = str(panorama.meta.get("name", "sample"))
    if panorama.distance is None:
        raise InputError(f"{name}: has no distance")
    panorama = make_panorama(panorama.image, panorama.distance, panorama.mask, panorama.meta, name)
    distance, mask = panorama.distance, panorama.mask
    assert distance is not None  # make_panorama gives both
    assert mask is not None
    stored, about = _encode_distance(distance, mask, encoding)
    about["unit"] = str(panorama.meta.get("unit", "relative"))
    files = {
        encoding.image: _encode_picture(panorama.image, encoding),
        f"distance.{encoding.distance}": stored,
        "mask.png": _png(mask.astype(np.uint8) * 255),
    }
    provenance: dict[str, Any] = {
        "distance": about,
        "coverage": {"valid": _share(mask), "sky": _share(np.isinf(distance))},
        "size": list(mask.shape),
        "sha256": {
            ending: hashlib.sha256(content).hexdigest() for ending, content in files.items()
        },
        "meta": dict(panorama.meta),
    }
    files["json"] = (json.dumps(provenance, sort_keys=True, default=str) + "\n").encode("ascii")
    return files


def decode(files: Mapping[str, bytes], where: str, defaults: Mapping[str, Any]) -> Panorama:
    """The inverse of `encode`, also for shards of other makers that hold at least two of the files.

    where: what errors name. defaults: meta of the sample. Raises InputError when a file is missing
    or damaged, or when a whole-number distance has no scale.
    """
    try:
        picture = next((files[e] for e in PICTURES if e in files), None)
        kind = next((e for e in DISTANCES if e in files), None)
        if picture is None or kind is None:
            raise InputError(
                f"{where}: holds {', '.join(files)}; expected a picture and a distance"
            )
        provenance = _provenance(files.get("json", b"{}"), where)
        about = provenance["distance"]
        for ending in files.keys() & {*PICTURES, *PNG_MEMBERS}:
            _check_member(files[ending], f"{where}: {ending}")
        image = _decode_picture(picture)
        distance = _decode_distance(files[kind], kind, about, where)
        mask = _pixels(files["mask.png"]) > 127 if "mask.png" in files else None
    except InputError:
        raise
    except Exception as error:  # decoders raise anything on damaged files
        raise_if_out_of_memory(error, where)
        told = f" ({error})" if isinstance(error, DamageError) else ""
        raise InputError(f"{where}: damaged sample{told}") from error
    check_full_sphere(image.shape[:2], where)
    if mask is not None and mask.shape != image.shape[:2]:
        raise InputError(f"{where}: its mask is {mask.shape}, its picture {image.shape[:2]}")
    meta = {**defaults, "unit": about.get("unit", "relative"), **provenance["meta"]}
    if meta["unit"] not in ("m", "relative"):
        told = one_line(repr(meta["unit"]), 40)
        raise InputError(f"{where}: its unit is {told}; expected 'm' or 'relative'")
    if not isinstance(meta.get("name", ""), str):
        raise InputError(f"{where}: its name is {one_line(repr(meta['name']), 40)}, not a text")
    meta["coverage"] = {"valid": _share(distance > 0), **provenance["coverage"]}
    return make_panorama(image, distance, mask, meta, where)


def stated_name(content: bytes) -> str:
    """What a sample is called by its JSON, "" = it does not say. Raises InputError."""
    try:
        name = _provenance(content, "")["meta"].get("name")
    except DamageError as error:
        raise InputError("its JSON is damaged") from error
    return name if isinstance(name, str) else ""


def _provenance(content: bytes, where: str) -> dict[str, dict[str, Any]]:
    """The JSON of a sample, with an object for each key that is read. Raises InputError."""
    found = parse_json(content)
    if not isinstance(found, dict):
        raise InputError(f"{where}: its JSON is no object")
    for key in ("distance", "coverage", "meta"):
        if not isinstance(found.setdefault(key, {}), dict):
            raise InputError(f'{where}: "{key}" of its JSON is no object')
    return found


def _encode_distance(
    distance: FloatArray, mask: BoolArray, encoding: Encoding
) -> tuple[bytes, dict[str, Any]]:
    """The file, and what the JSON says about it.

    distance: (H, W), inf = sky. mask: (H, W), True where it is known; not empty.
    """
    sky = np.isinf(distance)
    near, far = float(distance[mask].min()), float(distance[mask].max())
    if encoding.distance == "png":
        # Equal steps up to the farthest distance; 0 and the last code have meanings of their own.
        step = far / (SKY_CODE - 1)
        steps = np.clip(np.rint(distance[mask] / step), 1, SKY_CODE - 1)
        codes = np.where(sky, SKY_CODE, 0).astype(np.uint16)
        codes[mask] = steps.astype(np.uint16)
        return _png(codes), {"scale": step, "dtype": "uint16", "sky": SKY_CODE}
    low, high = FLOAT16_RANGE
    scale = 1.0
    if near < low or far > high:  # by a power of two, so that no digit is lost
        scale = 2.0 ** np.ceil(np.log2(far / high))
    halves = np.where(sky, np.inf, 0).astype(np.float16)
    # What is farther than the range's end is not sky, what is nearer than its start not unknown.
    halves[mask] = np.clip(distance[mask] / scale, 2.0**-24, high).astype(np.float16)
    buffer = io.BytesIO()
    np.save(buffer, halves, allow_pickle=False)
    return buffer.getvalue(), {"scale": float(scale), "dtype": "float16"}


def _decode_distance(stored: bytes, kind: str, about: Mapping[str, Any], where: str) -> FloatArray:
    """(H, W) float32, 0 = not given, inf = sky."""
    if kind == "distance.npy":
        values = read_array(io.BytesIO(stored), len(stored), where)
        if values.ndim != 2 or values.dtype.kind not in "fui":
            raise InputError(f"{where}: distance is {values.dtype} {values.shape}, expected (H, W)")
        if "dtype" not in about:  # another maker's, who may have no inf for the sky
            values = clean_distance(values)
        return np.asarray(values.astype(np.float32) * _scale(about, where))
    codes = read_stored(stored).pixels
    if codes.ndim != 2 or codes.dtype != np.uint16 or "scale" not in about:
        raise InputError(f"{where}: a PNG distance needs 16 bits and a scale in its JSON")
    distance = codes * _scale(about, where)
    if isinstance(sky := about.get("sky", SKY_CODE), int):
        distance[codes == sky] = np.inf
    return distance


def _scale(about: Mapping[str, Any], where: str) -> np.float32:
    scale = about.get("scale", 1.0)
    if not (isinstance(scale, int | float) and 0 < scale < FLOAT32_MAX):
        raise InputError(f"{where}: the scale of its distance is {one_line(repr(scale), 40)}")
    return np.float32(scale)


def _encode_picture(image: FloatArray, encoding: Encoding) -> bytes:
    """A picture (H, W, 3) in [0, 1] as a JPEG or PNG file."""
    from PIL import Image

    pixels = Image.fromarray(np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8))
    buffer = io.BytesIO()
    if encoding.image == "jpg":
        pixels.save(buffer, format="JPEG", quality=encoding.quality, subsampling=0)
    else:
        pixels.save(buffer, format="PNG")
    return buffer.getvalue()


def _check_member(stored: bytes, where: str) -> None:
    """Raise InputError unless it is a picture of a size that is read."""
    try:
        size = image_size(stored)
    except InputError as error:
        raise InputError(f"{where}: {str(error).removeprefix('image bytes: ')}") from error
    check_pixels(size, where)


def _decode_picture(stored: bytes) -> FloatArray:
    """(H, W, 3) float32 in [0, 1]."""
    import cv2

    pixels = cv2.imdecode(np.frombuffer(stored, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise ValueError("the picture is damaged")
    return np.divide(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.float32(255), dtype=np.float32)


def _png(values: npt.NDArray[Any]) -> bytes:
    """A grey PNG file of (H, W) uint8 or uint16."""
    import cv2

    done, encoded = cv2.imencode(".png", values)
    if not done:
        raise OSError("PNG encoding failed")
    return bytes(encoded.tobytes())


def _pixels(stored: bytes) -> npt.NDArray[Any]:
    """(H, W) uint8 or uint16 of a grey PNG file."""
    import cv2

    values = cv2.imdecode(np.frombuffer(stored, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.ndim != 2:
        raise ValueError("a distance or mask is damaged or has colours")
    return np.asarray(values)


def _share(where: npt.NDArray[np.bool_]) -> float:
    """Share of the pixels (H, W), to 4 digits."""
    return round(float(np.count_nonzero(where)) / where.size, 4)
