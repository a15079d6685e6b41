"""A coloured point cloud as LAS 1.4, format 7, or compressed, LAZ. Extra: panodepth[las]."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.atomic import write_atomic
from panodepth.export.clouds.ply import QUANTITY
from panodepth.export.clouds.selection import ScanOptions, chosen, gathered_in_metres
from panodepth.export.formats import check_installed
from panodepth.export.frames import stored
from panodepth.export.metadata import GENERATOR, metadata, to_json
from panodepth.types import ByteArray, Prediction

STEP = 0.001  # of coordinates, in the file's unit; coarser where 32-bit numbers would not reach
REACH = 2**31 - 1
RECORD_BYTES = 65535  # of a variable length record


def write_las(
    prediction: Prediction, path: Path, options: ScanOptions = ScanOptions()
) -> list[Path]:
    """LAS: coordinates in steps of 1 mm, or finer for a relative prediction; colours 16 bits
    (8 bits × 257); no reference system, as the place is unknown. The metadata are the variable
    length records "panodepth".
    """
    return _write(prediction, path, options, compress=False)


def write_laz(
    prediction: Prediction, path: Path, options: ScanOptions = ScanOptions()
) -> list[Path]:
    """As `write_las`, compressed."""
    return _write(prediction, path, options, compress=True)


def _write(
    prediction: Prediction, path: Path, options: ScanOptions, *, compress: bool
) -> list[Path]:
    check_installed(["laz" if compress else "las"])
    cloud = chosen(prediction, path, options, options.up)
    points = gathered_in_metres(cloud)
    frame = stored(options.up, metres=True)
    meta = metadata(prediction, QUANTITY, stride=cloud.stride, **frame)
    return write_points(path, points.xyz, points.rgb, meta, compress=compress)


def write_points(
    path: Path, xyz: npt.NDArray[Any], rgb: ByteArray, meta: Mapping[str, Any], *, compress: bool
) -> list[Path]:
    """A file of points (N, 3), in the unit that `meta` says, and their colours (N, 3).

    Where `meta` has "crs", the WKT of a reference system, it is the record for that.
    """
    import laspy

    header = laspy.LasHeader(point_format=7, version="1.4")
    header.generating_software = str(meta["generator"])[:32]
    low, high = (limit(axis=0).astype(np.float64) for limit in (xyz.min, xyz.max))
    extent = float((high - low).max())
    step = STEP if meta["unit"] == "m" else 10.0 ** np.floor(np.log10(max(extent, 1e-30))) * 1e-6
    header.offsets = np.floor(low)
    header.scales = [max(step, float((high - header.offsets).max()) / REACH)] * 3
    header.global_encoding.wkt = True  # as LAS wants it of this format, with a system or without
    if crs := meta.get("crs"):
        header.vlrs.append(laspy.vlrs.known.WktCoordinateSystemVlr(crs))
    said = to_json(meta).encode("ascii")
    for number, at in enumerate(range(0, len(said), RECORD_BYTES)):
        piece = said[at : at + RECORD_BYTES]
        header.vlrs.append(laspy.VLR(GENERATOR, number + 1, "metadata, JSON", piece))
    data = laspy.LasData(header)
    data.x, data.y, data.z = xyz.T.astype(np.float64)
    data.red, data.green, data.blue = rgb.T.astype(np.uint16) * 257
    data.return_number[:] = data.number_of_returns[:] = 1
    whole = io.BytesIO()  # the library tells a full disk in a way of its own
    data.write(whole, do_compress=compress)
    write_atomic(path, whole.getbuffer())
    return [path]
