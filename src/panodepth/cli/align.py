"""`panodepth align`: several panoramas of a place in one frame and at one scale."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Exit, Option

from panodepth.cli.options import (
    DONE,
    SOME_FAILED,
    AsJson,
    BegunError,
    Device,
    Dtype,
    Model,
    Quiet,
    with_fields,
)
from panodepth.cli.view import RoomOptions
from panodepth.errors import ConfigError, InputError, OutputError, print_note, printable
from panodepth.export.file_options import FileOptions
from panodepth.export.formats import relative_note
from panodepth.options import option
from panodepth.streams import print_document
from panodepth.strict import build

if TYPE_CHECKING:
    from panodepth.scene.align import Scene

CloudFormats = Annotated[
    list[str] | None,
    Option(
        "--format",
        help="Formats of the joint cloud: ply, las, laz, e57; repeat, or separate by commas.",
        show_default="ply",
    ),
]


@dataclass(frozen=True, kw_only=True)
class JointOptions(FileOptions):
    """Where the pictures stand, and of the joint cloud those of `predict` that its formats have."""

    poses: Path | None = option(
        None,
        "Known places of the pictures, as in rooms.json; default: found.",
        metavar="JSON",
    )
    crs: Path | None = option(
        None, "File with the WKT of the reference system that --poses are in.", metavar="WKT"
    )
    faces: str | None = None  # without `option`, so not offered: no cloud has any
    views: int | None = None
    behind: float | None = option(
        None,
        "Guess what near things hide, this far behind their edges: in the viewer.",
        metavar="DEG",
        rich_help_panel="Files",
    )

    @property
    def cloud_settings(self) -> dict[str, Any]:
        """`writer_settings` without what is of the viewer, or of all files."""
        known = self.writer_settings
        return {key: known[key] for key in known if key not in ("behind", "metadata")}

    def system(self, writers: Mapping[str, Any]) -> str:
        """The WKT in `crs`, "" = none. writers: options of each format. ConfigError, InputError."""
        from panodepth.scene.cloud import off_axes
        from panodepth.scene.reference import read_crs

        if self.crs is None:
            return ""
        if self.poses is None:
            raise ConfigError("--crs says what system known places are in: give --poses, too")
        if off := off_axes(writers):
            raise ConfigError(
                f"--crs: {off} with this --up is not east, north, height: leave it out"
            )
        return read_crs(self.crs)


@with_fields
def align(
    inputs: Annotated[
        list[str], Argument(metavar="INPUT...", help="Pictures, saved .npz files, folders.")
    ],
    options: RoomOptions,
    files: JointOptions,
    out: Annotated[Path, Option("--out", metavar="DIR", help="Folder for the results.")],
    formats: CloudFormats = None,
    model: Model = "default",
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Bring panoramas of one place into one frame and scale: rooms.json, joint cloud, viewer."""
    from panodepth.cli.view import check_named, find_rooms, read_rooms
    from panodepth.export.html.page import HtmlOptions
    from panodepth.export.mark import foreign
    from panodepth.export.privacy import told_by_name
    from panodepth.predict.folder.outputs import check_output_folder
    from panodepth.scene.align import align as aligned
    from panodepth.scene.cloud import checked_formats, cloud_options
    from panodepth.scene.files import described, scene_files, write_scene
    from panodepth.scene.poses import read_poses

    clouds = checked_formats(formats or ["ply"])
    writers = cloud_options(clouds, files.cloud_settings)
    page = build(HtmlOptions, {"behind": files.behind or 0.0}, "the options")
    system = files.system(writers)
    check_output_folder(out)
    given = None if files.poses is None else read_poses(files.poses, metres=True)
    found = find_rooms(inputs)
    if len(found) < 2:
        raise InputError(f"{found[0]}: one panorama alone has nothing to be aligned with")
    if given is not None:
        check_named(found, given)
    if taken := foreign(scene_files(out, clouds)[1:]):
        raise OutputError(f"{taken}: is there already, and no result of panodepth")
    rooms = read_rooms(found, options, (model, device, dtype), need_pictures=True)
    try:
        scene = aligned(rooms, given)
    except InputError as error:
        raise BegunError(str(error)) from error
    if not files.metadata:
        rooms = [told_by_name(room) for room in rooms]
    written = write_scene(scene, rooms, out, clouds, {**writers, "html": page}, system)
    lost = [room.name for room in scene.rooms if room.place is None]
    _print_errors_and_notes(scene, lost)
    if as_json:
        print_document({**described(scene, rooms), "files": [str(file) for file in written]})
    elif not quiet:
        _print_places(scene, clouds)
        print(printable(", ".join(str(file) for file in written)))
    raise Exit(SOME_FAILED if lost else DONE)


def _print_errors_and_notes(scene: Scene, lost: list[str]) -> None:
    """On standard error. lost: names of the rooms without a place."""
    for name in lost:
        told = f"error: {name}: shows nothing of what the others show, left out"
        print(printable(told), file=sys.stderr)
    for room in scene.rooms:
        if (note := scene.note(room)) is not None:
            print(printable(f"note: {room.name}: {note}"), file=sys.stderr)


def _print_places(scene: Scene, clouds: tuple[str, ...]) -> None:
    """A line for each room that has a place, and a note where clouds will be taken for metres."""
    if scene.unit != "m" and (note := relative_note(clouds)):
        print_note(note)
    for room in scene.rooms:
        if room.place is not None:
            x, y, z = room.place.position
            told = f"{room.name}: turned {room.place.yaw_deg:.1f}°, at {x:.2f} {y:.2f} {z:.2f}"
            told += f" {scene.unit}, scale {room.place.scale:.3f}, {room.matches} matches"
            print(printable(told))
