"""A coloured point cloud as E57 (ASTM E2807), laser scanners' format. Extra: panodepth[e57]."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.atomic import atomic
from panodepth.export.clouds.e57_names import settle_names
from panodepth.export.clouds.ply import QUANTITY
from panodepth.export.clouds.selection import Points, ScanOptions, chosen, gathered_in_metres
from panodepth.export.formats import check_installed
from panodepth.export.frames import stored
from panodepth.export.metadata import GENERATOR, metadata, to_json
from panodepth.types import Prediction

POINT_BYTES = 20  # in the file, at most
EXTENSION = "urn:panodepth"  # XML namespace of our metadata


@dataclass(frozen=True)
class Scan:
    """points: around its camera, along the axes of the file. place: where the camera stands in
    the file, in the points' unit.
    """

    name: str
    points: Points
    place: tuple[float, float, float] = (0.0, 0.0, 0.0)


def write_e57(
    prediction: Prediction, path: Path, options: ScanOptions = ScanOptions()
) -> list[Path]:
    """One scan: cartesianX, Y, Z, colours of 8 bits, and rowIndex, columnIndex of the pixel, with
    the camera at the origin. The metadata are the text panodepth:metadata.

    The format is in metres; a relative prediction is written as it is, 1 = 1 m.
    """
    check_installed(["e57"])
    cloud = chosen(prediction, path, options, options.up)
    points = gathered_in_metres(cloud)
    frame = stored(options.up, metres=True)
    meta = metadata(prediction, QUANTITY, stride=cloud.stride, **frame)
    return write_scans(path, [Scan("panorama", points)], meta)


def write_scans(path: Path, scans: Sequence[Scan], meta: Mapping[str, Any]) -> list[Path]:
    """A file of one scan or more, each with its own camera. meta: `crs` in it, the WKT of a
    reference system, stands where the format has it, too.
    """
    import pye57

    said = to_json(meta)
    count = sum(len(scan.points.xyz) for scan in scans)
    # The library takes no file that is there, and no name that is not UTF-8.
    with atomic(path) as (temporary,), TemporaryDirectory() as folder:
        made = Path(folder) / "scan.e57"
        for place in (temporary, made):
            _reserve(place, count * POINT_BYTES + len(said))
        made.unlink()
        with _file(made, str(meta.get("crs", ""))) as file:
            for scan in scans:
                columns = _columns(scan.points)
                turn, at = np.array([1.0, 0, 0, 0]), np.array(scan.place)
                file.write_scan_raw(columns, name=scan.name, rotation=turn, translation=at)
            file.image_file.extensionsAdd(GENERATOR, EXTENSION)
            text = pye57.libe57.StringNode(file.image_file, said)
            file.root.set(f"{GENERATOR}:metadata", text)
        settle_names(made)
        shutil.copyfile(made, temporary)
    return [path]


def _file(path: Path, crs: str) -> Any:
    """A new file, open. crs: its coordinateMetadata, which the library leaves empty and which can
    be set but once, while the header is made.
    """
    import pye57
    from pye57 import libe57

    class File(pye57.E57):  # type: ignore[misc]
        def write_default_header(self) -> None:
            file, root = self.image_file, self.root
            file.extensionsAdd("", libe57.E57_V1_0_URI)
            texts = {
                "formatName": "ASTM E57 3D Imaging Data File",
                "guid": f"{{{uuid.uuid4()}}}",
                "e57LibraryVersion": libe57.E57_LIBRARY_ID,
                "coordinateMetadata": crs,
            }
            for name, text in texts.items():
                root.set(name, libe57.StringNode(file, text))
            root.set("versionMajor", libe57.IntegerNode(file, libe57.E57_FORMAT_MAJOR))
            root.set("versionMinor", libe57.IntegerNode(file, libe57.E57_FORMAT_MINOR))
            made = libe57.StructureNode(file)
            made.set("dateTimeValue", libe57.FloatNode(file, 0.0))
            made.set("isAtomicClockReferenced", libe57.IntegerNode(file, 0))
            root.set("creationDateTime", made)
            for name in ("data3D", "images2D"):
                root.set(name, libe57.VectorNode(file, True))

    return File(str(path), mode="w")


def _columns(points: Points) -> dict[str, npt.NDArray[Any]]:
    """The fields of E57, each (N,)."""
    columns = dict(zip(("cartesianX", "cartesianY", "cartesianZ"), points.xyz.T, strict=True))
    columns |= dict(zip(("colorRed", "colorGreen", "colorBlue"), points.rgb.T, strict=True))
    columns |= dict(zip(("rowIndex", "columnIndex"), points.pixels.T, strict=True))
    return {name: np.ascontiguousarray(column) for name, column in columns.items()}


def _reserve(path: Path, size: int) -> None:
    """Raise OSError where so many bytes do not fit: the library crashes on a full disk."""
    with path.open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
            file.truncate(0)
