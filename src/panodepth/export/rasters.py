"""Images out: distance, normals and preview, on the panorama's own grid.

Where there is no surface (mask False) every raster but the .npz holds 0, which no distance and no
unit normal is: NaN breaks too many tools. The .npz holds the distance everywhere, and the mask.
"""

from __future__ import annotations

import os
import struct
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.colour import colourise, distance_range
from panodepth.export.atomic import atomic
from panodepth.export.metadata import metadata, to_json
from panodepth.types import Prediction

DISTANCE = "Euclidean distance along the ray"
NORMALS = "unit surface normal, facing the camera"
MAX_EXR_THREADS = 4
MAX_PREVIEW_WIDTH = 4096  # [px]; wider previews are thinned by a whole factor
PNG_TEXT_KEYS = ("quantity", "unit", "scale", "frame", "invalid")  # plain, beside the full JSON


def write_npz(prediction: Prediction, path: Path) -> list[Path]:
    """Keys: distance (H, W) float32, finite everywhere; mask (H, W) bool; meta, a JSON string."""
    meta = to_json(metadata(prediction, DISTANCE, invalid="mask is False"))
    with atomic(path) as (temporary,), temporary.open("wb") as file:
        np.savez(file, distance=prediction.distance, mask=prediction.mask, meta=np.array(meta))
    return [path]


def write_exr(prediction: Prediction, path: Path) -> list[Path]:
    """One channel Y, float32, ZIP; 0 = no surface; metadata in header attributes."""
    _write_exr(
        path, {"Y": _surface(prediction)}, metadata(prediction, DISTANCE, invalid=0), packed=True
    )
    return [path]


def write_png(prediction: Prediction, path: Path) -> list[Path]:
    """16-bit grey: distance = value × scale, 0 = no surface; scale in a text chunk and a sidecar.

    The sidecar is PATH.json. The farthest surface is 65535, so the step is 1/65535 of it.
    """
    surface = _surface(prediction)
    scale = float(surface.max()) / 65535 or 1.0
    values = np.rint(surface / np.float32(scale))
    values = np.where(surface > 0, np.clip(values, 1, 65535), 0).astype(np.uint16)
    meta = metadata(prediction, DISTANCE, scale=scale, invalid=0)
    sidecar = path.with_name(path.name + ".json")
    with atomic(path, sidecar) as (image, text):
        image.write_bytes(png_bytes(values, meta))
        text.write_text(to_json(meta) + "\n", encoding="ascii")
    return [path, sidecar]


def write_tiff(prediction: Prediction, path: Path) -> list[Path]:
    """Float32, uncompressed; 0 = no surface; metadata as JSON in ImageDescription."""
    from PIL import Image, TiffImagePlugin

    meta = metadata(prediction, DISTANCE, invalid=0)
    tags = {TiffImagePlugin.IMAGEDESCRIPTION: to_json(meta), 305: meta["generator"]}
    with atomic(path) as (temporary,):
        Image.fromarray(_surface(prediction)).save(temporary, format="TIFF", tiffinfo=tags)
    return [path]


def write_normals(prediction: Prediction, path: Path) -> list[Path]:
    """Channels X, Y, Z float32; (0, 0, 0) = no surface; metadata in header attributes.

    Uncompressed: ZIP takes several times as long and saves little, for neighbours differ a little.
    """
    meta = metadata(prediction, NORMALS, unit="1", invalid=0)
    planes = {
        name: np.multiply(prediction.normals[..., i], prediction.mask, dtype=np.float32)
        for i, name in enumerate("XYZ")
    }
    _write_exr(path, planes, meta, packed=False)
    return [path]


def write_normals_png(prediction: Prediction, path: Path) -> list[Path]:
    """16-bit RGB: normal = value × 2 / 65535 − 1; (0, 0, 0) = no surface.

    Red is x, green y, blue z of the house frame; metadata in text chunks.
    """
    coded = prediction.normals + np.float32(1)
    coded *= np.float32(65535 / 2)
    values = np.rint(coded, out=coded).astype(np.uint16)
    if not prediction.mask.all():
        values[~prediction.mask] = 0
    meta = metadata(prediction, NORMALS, unit="1", scale=2 / 65535, offset=-1.0, invalid=0)
    with atomic(path) as (temporary,):
        temporary.write_bytes(png_bytes(values, meta))
    return [path]


def write_preview(prediction: Prediction, path: Path) -> list[Path]:
    """8-bit RGB colours of `colourise`, at most 4096 px wide; its range is in the metadata."""
    near, far = distance_range(prediction.distance, prediction.mask)
    step = -(-prediction.distance.shape[1] // MAX_PREVIEW_WIDTH)
    thin = np.s_[step // 2 :: step, step // 2 :: step]
    picture = colourise(prediction.distance[thin], prediction.mask[thin], limits=(near, far))
    meta = metadata(prediction, "coloured distance, logarithmic", near=near, far=far)
    with atomic(path) as (temporary,):
        temporary.write_bytes(png_bytes(picture, meta))
    return [path]


def png_bytes(pixels: npt.NDArray[Any], meta: dict[str, Any]) -> bytes:
    """A PNG file of (H, W) or (H, W, 3) uint8 or uint16 pixels, R first; `meta` in text chunks."""
    import cv2

    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    done, encoded = cv2.imencode(".png", pixels)
    if not done:
        raise OSError("PNG encoding failed")
    texts = {key: str(meta[key]) for key in PNG_TEXT_KEYS if key in meta}
    texts["panodepth"] = to_json(meta)
    file, after_header = encoded.tobytes(), 33  # 8 bytes of signature, 25 of the IHDR chunk
    chunks = [_text_chunk(key, value) for key, value in texts.items()]
    return b"".join((file[:after_header], *chunks, file[after_header:]))


def _text_chunk(key: str, value: str) -> bytes:
    """One tEXt chunk (PNG specification, 11.3.3): keyword, zero byte, Latin-1 text."""
    body = b"tEXt" + key.encode("latin-1") + b"\0" + value.encode("latin-1", "replace")
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def _surface(prediction: Prediction) -> npt.NDArray[np.float32]:
    """(H, W) float32 distance, 0 where there is no surface."""
    return np.multiply(prediction.distance, prediction.mask, dtype=np.float32)


def _write_exr(
    path: Path, channels: dict[str, npt.NDArray[Any]], meta: dict[str, Any], *, packed: bool
) -> None:
    """A scan-line EXR file; plain values of `meta` as header attributes, all of it as JSON."""
    import OpenEXR

    header: dict[str, Any] = {
        "compression": OpenEXR.ZIP_COMPRESSION if packed else OpenEXR.NO_COMPRESSION,
        "type": OpenEXR.scanlineimage,
        "panodepth": to_json(meta),
        **{key: meta[key] for key in ("generator", "quantity", "unit", "scale", "frame")},
    }
    planes = {name: np.ascontiguousarray(plane) for name, plane in channels.items()}
    _use_threads()
    with atomic(path) as (temporary,):
        try:
            with OpenEXR.File(header, planes) as file:
                file.write(str(temporary))
        except RuntimeError as error:  # OpenEXR's only kind of failure
            raise OSError(" ".join(str(error).split())) from error


@cache
def _use_threads() -> None:
    """Let OpenEXR compress on several cores; by itself it uses one."""
    import OpenEXR

    if hasattr(OpenEXR, "set_global_thread_count"):
        OpenEXR.set_global_thread_count(min(MAX_EXR_THREADS, os.cpu_count() or 1))
