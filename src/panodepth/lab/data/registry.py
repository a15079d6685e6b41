"""Sources by name, as recipes write them: `kind = "folder"`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from panodepth.lab.data.curated import open_curated
from panodepth.lab.data.folder import open_folder
from panodepth.lab.data.layouts import (
    MATTERPORT3D,
    PANOSUNCG,
    STANFORD2D3D,
    TARTANAIR2,
    THREE_D_60,
    open_structured3d,
)
from panodepth.lab.data.shards import open_shards
from panodepth.lab.data.source import PanoramaSource
from panodepth.strict import find_named

SourceFactory = Callable[[str | Path, Path | None], PanoramaSource]

SOURCES: dict[str, SourceFactory] = {
    "folder": open_folder,
    "structured3d": open_structured3d,
    "stanford2d3d": STANFORD2D3D.open,
    "matterport3d": MATTERPORT3D.open,
    "panosuncg": PANOSUNCG.open,
    "3d60": THREE_D_60.open,
    "tartanair2": TARTANAIR2.open,
    "curated": open_curated,
    "shards": open_shards,
}


# Folders that only the tree of one public set has; PanoSUNCG's has none, its kind has to be said.
TREES = {
    "structured3d": ("scene_*/2D_rendering", "Structured3D"),
    "stanford2d3d": ("area_*/pano/rgb",),
    "matterport3d": ("*/pano_skybox_color",),
    "3d60": ("Center_Left_Down",),
    "tartanair2": ("*/Data_*/*/image_[lr]cam_equirect",),
}


def kind_of(path: str | Path) -> str:
    """The kind of the data at `path` by its files: shards, curated, one of TREES, or folder."""
    root = Path(path).expanduser()
    if root.is_file() or any(root.glob("[!.]*.tar")):
        return "shards"
    if any(root.glob("[!.]*_pano.json")):
        return "curated"
    kinds = (kind for kind, trees in TREES.items() if any(any(root.glob(t)) for t in trees))
    return next(kinds, "folder")


def open_source(kind: str, path: str | Path, *, split: Path | None = None) -> PanoramaSource:
    """The source `kind` (a key of SOURCES) at `path`; split: a list file, see `splits`.

    Nothing is decoded yet: broken samples show when they are read. Raises ConfigError or InputError
    when the kind is unknown or nothing is found, saying what was looked for.
    """
    return find_named("source kind", kind, SOURCES)(path, split)
