"""The commonest options of files as fields of a run: each goes to all formats that have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from panodepth.options import option

_file = partial(option, rich_help_panel="Files")


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """None = as each format has it.

    settings: options of single formats, "glb.max_columns=2000", which come first.
    up_axis: `up`, the frame of clouds and meshes. faces: of meshes. voxel, max_points: of clouds.
    edge_threshold: of both. behind: of meshes, splats and html. views: how many pictures
    `views`, `colmap` and `nerfstudio` take.
    metadata: False = files say what it takes to read them, and nothing of
    the picture, the model or how it was used.
    """

    settings: tuple[str, ...] = _file(
        (),
        "Change an option of a format, as in glb.max_columns=2000; repeat.",
        flag="--set",
        metavar="FORMAT.OPTION=VALUE",
    )
    up_axis: str | None = _file(
        None,
        "Frame of clouds and meshes: house, y, z, ros, blender, unity or unreal.",
        flag="--up",
    )
    faces: str | None = _file(
        None,
        "Triangles that a mesh is reduced to, more along depth edges; all = not reduced.",
        metavar="N|auto|all",
    )
    voxel: float | None = _file(
        None,
        "Keep one point per cube of this edge length.",
        metavar="LENGTH",
    )
    max_points: int | None = _file(None, "Largest number of points in a cloud.")
    edge_threshold: float | None = _file(
        None, "Cut where the distance jumps by this share.", metavar="SHARE"
    )
    behind: float | None = _file(
        None,
        "Guess what near things hide, this far behind their edges: meshes, splats, html.",
        metavar="DEG",
    )
    views: int | None = _file(
        None,
        "Pictures around the horizon, for views, colmap, nerfstudio; 0 = six cube faces.",
        metavar="N",
    )
    metadata: bool = _file(
        True,
        "Write how a file was made into it; without: only what is needed to read it.",
        flag="--metadata/--no-metadata",
    )

    @property
    def writer_settings(self) -> dict[str, Any]:
        """What `Prediction.save` takes as options. Raises ConfigError for a bad setting."""
        from panodepth.export.options import option_value, parse_settings

        own = {
            "up": self.up_axis,
            "faces": None if self.faces is None else option_value(self.faces),
            "voxel": self.voxel,
            "max_points": self.max_points,
            "edge_threshold": self.edge_threshold,
            "behind": self.behind,
            "views": self.views,
            "metadata": None if self.metadata else False,
        }
        given = parse_settings(self.settings)
        return {name: value for name, value in own.items() if value is not None} | given

    def check_writers(self, formats: Sequence[str]) -> None:
        """Raise ConfigError for an option that none of the formats has, or that cannot be."""
        given = {k: v for k, v in self.writer_settings.items() if k != "metadata"}
        if given:
            from panodepth.export.options import writer_options

            writer_options(formats, given)  # says what is wrong
