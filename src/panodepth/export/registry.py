"""Which formats there are, and what their files are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from panodepth.errors import OutputError
from panodepth.export.clouds import points
from panodepth.export.meshes import mesh
from panodepth.export.rasters import rasters
from panodepth.types import Prediction


class WriteFunction(Protocol):
    """Writes one prediction; returns the files written, all complete. Raises OutputError."""

    def __call__(self, prediction: Prediction, path: Path) -> list[Path]: ...


@dataclass(frozen=True)
class Writer:
    """One format. ending: what follows NAME in the file's name. sidecar: what follows that."""

    ending: str
    write: WriteFunction
    sidecar: str = ""


WRITERS: dict[str, Writer] = {
    "npz": Writer("_distance.npz", rasters.write_npz),
    "exr": Writer("_distance.exr", rasters.write_exr),
    "png": Writer("_distance.png", rasters.write_png, sidecar=".json"),
    "tiff": Writer("_distance.tiff", rasters.write_tiff),
    "normals": Writer("_normals.exr", rasters.write_normals),
    "normals-png": Writer("_normals.png", rasters.write_normals_png),
    "preview": Writer("_preview.png", rasters.write_preview),
    "ply": Writer("_points.ply", points.write_ply),
    "points-glb": Writer("_points.glb", points.write_points_glb),
    "glb": Writer(".glb", mesh.write_mesh),
}
DEFAULT_FORMATS = ("npz", "preview", "ply")

# What a single file's ending means when no format is named.
BY_SUFFIX = {
    ".npz": "npz",
    ".exr": "exr",
    ".png": "png",
    ".tiff": "tiff",
    ".tif": "tiff",
    ".ply": "ply",
    ".glb": "glb",
}


def parse_formats(formats: Sequence[str] | None) -> tuple[str, ...]:
    """Known format names, each once, in the order given; None means DEFAULT_FORMATS.

    A single string may list several, separated by commas. Raises OutputError for an unknown name,
    with the list of those there are.
    """
    given = [formats] if isinstance(formats, str) else formats
    if given is None:
        return DEFAULT_FORMATS
    names = [name.strip().lower() for entry in given for name in entry.split(",") if name.strip()]
    unknown = [name for name in names if name not in WRITERS]
    if unknown or not names:
        wrong = f"unknown format {unknown[0]!r}" if unknown else "no format named"
        raise OutputError(f"{wrong}; there are: {', '.join(WRITERS)}")
    return tuple(dict.fromkeys(names))


def output_paths(
    folder: str | Path, name: str, formats: Sequence[str] | None = None
) -> dict[str, list[Path]]:
    """The files that `save` writes into a folder for a picture called `name`, by format."""
    paths = {}
    for key in parse_formats(formats):
        main = Path(folder) / f"{name}{WRITERS[key].ending}"
        sidecar = WRITERS[key].sidecar
        paths[key] = [main, main.with_name(main.name + sidecar)] if sidecar else [main]
    return paths
