"""The commonest options of files as fields of a run: each goes to all formats that have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from panodepth.options import option
from panodepth.strict import setting_value

PANEL = "Files"


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """None = as each format has it.

    up_axis: `up`, the frame of clouds and meshes. faces: of meshes. voxel, max_points: of clouds.
    edge_threshold: of both. views: how many pictures `views`, `colmap` and `nerfstudio` take.
    metadata: False = files say what it takes to read them, and nothing of
    the picture, the model or how it was used.
    """

    up_axis: str | None = option(
        None,
        "Frame of clouds and meshes: house, y, z, ros, blender, unity or unreal.",
        flag="--up",
        rich_help_panel=PANEL,
    )
    faces: str | None = option(
        None,
        "Triangles that a mesh is reduced to, more along depth edges; all = not reduced.",
        metavar="N|auto|all",
        rich_help_panel=PANEL,
    )
    voxel: float | None = option(
        None, "One point for each cube of this edge.", metavar="LENGTH", rich_help_panel=PANEL
    )
    max_points: int | None = option(None, "Points of a cloud at most.", rich_help_panel=PANEL)
    edge_threshold: float | None = option(
        None, "Cut where distance jumps by this share.", metavar="SHARE", rich_help_panel=PANEL
    )
    views: int | None = option(
        None,
        "Pictures round the horizon, of views, colmap and nerfstudio; 0 = six faces.",
        metavar="N",
        rich_help_panel=PANEL,
    )
    metadata: bool = option(
        True,
        "Say in each file how it was made; without: only what it takes to read it.",
        flag="--metadata/--no-metadata",
        rich_help_panel=PANEL,
    )

    def file_settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What `save` takes: these options, and `given` by --set, which comes first."""
        own = {
            "up": self.up_axis,
            "faces": None if self.faces is None else setting_value(self.faces),
            "voxel": self.voxel,
            "max_points": self.max_points,
            "edge_threshold": self.edge_threshold,
            "views": self.views,
            "metadata": None if self.metadata else False,
        }
        return {name: value for name, value in own.items() if value is not None} | dict(given)
