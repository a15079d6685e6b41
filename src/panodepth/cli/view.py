"""`panodepth view`: look at panoramas in 3D, in one HTML file."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from panodepth.cli.options import Device, Dtype, Model, Quiet, with_fields
from panodepth.errors import ConfigError, InputError, OutputError, printable
from panodepth.options import option
from panodepth.predict.options import PredictOptions
from panodepth.strict import build

if TYPE_CHECKING:
    from panodepth.export.html.page import Place
    from panodepth.types import Prediction

MOST_ROOMS = 24  # in one page: about a megabyte each


@dataclass(frozen=True, kw_only=True)
class RoomOptions(PredictOptions):
    """How pictures of `view` and `align` are predicted."""

    confidence: bool = False  # without `option`, so not offered: no page or cloud shows it


@dataclass(frozen=True, kw_only=True)
class ViewOptions(RoomOptions):
    """How pictures of `view` are predicted: edges are what one sees first."""

    quality: str = option(
        "best",
        "fast = 1 run of the network, standard = 3; balanced = 4, sharper edges; best = 14 runs.",
    )


@with_fields
def view(
    inputs: Annotated[
        list[str], Argument(metavar="INPUT...", help="Pictures, saved .npz files, folders.")
    ],
    options: ViewOptions,
    html: Annotated[
        Path | None,
        Option(
            "--html",
            metavar="FILE",
            help="Page to write; default: here, named after the first input.",
        ),
    ] = None,
    places: Annotated[
        Path | None,
        Option(
            "--rooms",
            metavar="JSON",
            help="rooms.json of align, with their places; default: that of an input folder.",
        ),
    ] = None,
    behind: Annotated[
        float,
        Option(metavar="DEG", help="Guess what near things hide, this far behind their edges."),
    ] = 0.0,
    show: Annotated[bool, Option("--open", help="Open it in the browser.")] = False,
    model: Model = "default",
    device: Device = "auto",
    dtype: Dtype = "auto",
    quiet: Quiet = False,
) -> None:
    """Write one HTML file that shows panoramas in 3D: look, walk, measure, without a server."""
    from panodepth.export.html.page import PAGE, HtmlOptions, write_rooms
    from panodepth.export.mark import stated
    from panodepth.scene.files import in_unit
    from panodepth.scene.poses import check_units, read_poses, relative_in_metres

    shape = build(HtmlOptions, {"behind": behind}, "the options")
    placing = places_in(inputs, places)
    known = {name: place for file in placing for name, place in read_poses(file).items()}
    files = find_rooms(inputs)
    out = html or Path(f"{_name(inputs[0], files)}.html")
    if os.path.lexists(out) and (stated(out) or {}).get("quantity") != PAGE:
        raise OutputError(f"{out}: is there already, and no page of panodepth: name another file")
    rooms = {str(r.meta.get("name")): r for r in read_rooms(files, options, (model, device, dtype))}
    for file in placing:
        check_units(file, {name: room.unit for name, room in rooms.items()})
        for name in relative_in_metres(file) & rooms.keys():
            rooms[name], known[name] = in_unit("m", rooms[name], known[name])
    write_rooms(list(rooms.values()), out, [known.get(name) for name in rooms], shape)
    if not quiet:
        print(printable(str(out)))
    if show:
        import webbrowser

        webbrowser.open(out.resolve().as_uri())


def places_in(inputs: list[str], given: Path | None) -> list[Path]:
    """Where places stand: the file given, else rooms.json of the folders that are inputs."""
    lying = (Path(os.path.expanduser(text)) / "rooms.json" for text in inputs)
    return [file for file in lying if file.is_file()] if given is None else [given]


def find_rooms(inputs: list[str]) -> list[Path]:
    """The saved predictions and pictures; a picture whose prediction is saved beside it is not
    predicted again.
    """
    from panodepth.export.saved import ENDING, name_of
    from panodepth.predict.folder.inputs import find_inputs
    from panodepth.predict.folder.walk import files_below

    found: list[Path] = []
    for text in inputs:
        path = Path(os.path.expanduser(text))
        if path.is_dir():
            saved = sorted(file for file in files_below(path) if file.name.endswith(ENDING))
            done = {file.with_name(name_of(file)) for file in saved}
            pictures = [item.path for item in find_inputs([text]).files]
            left = [file for file in pictures if file.with_suffix("") not in done]
            found += sorted([*saved, *left])
        elif _is_saved(path):
            found.append(path)
        else:
            given = find_inputs([text])
            if why := given.left_out.problems.get(text):
                raise InputError(f"{text}: {why}; saved predictions are read from .npz files")
            none = [] if given.left_out.results else [path]  # reading it will say what is wrong
            found += [item.path for item in given.files] or none
    if not found:
        raise InputError(f"{', '.join(inputs)}: no picture and no saved prediction there")
    if len(found) > MOST_ROOMS:
        raise InputError(f"{len(found)} panoramas; a page holds {MOST_ROOMS} at most: name fewer")
    return list(dict.fromkeys(found))


def check_named(files: list[Path], poses: dict[str, Place]) -> None:
    """Raise InputError for pictures without a pose, before any is predicted. What is saved has its
    name inside, and is told later.
    """
    from panodepth.scene.poses import check_poses

    if not any(map(_is_saved, files)):
        check_poses(_told_apart({file: file.stem for file in files}).values(), poses)


def read_rooms(
    files: list[Path],
    options: PredictOptions,
    model: tuple[str, str, str],
    *,
    need_pictures: bool = False,
) -> list[Prediction]:
    """What is saved, and what a model predicts of pictures, with names that tell them apart.

    model: name, device, dtype. need_pictures: beside what is saved, too. Raises InputError, and
    ConfigError where only what is saved is given, and an option cannot make metres of it.
    """
    from panodepth.images import image_size

    name, device, dtype = model
    rooms = {file: _saved(file, options, need_pictures) for file in files if _is_saved(file)}
    pictures = [file for file in files if file not in rooms]
    for file in pictures:
        image_size(file)  # tells what is no picture before a model is loaded
    if not pictures and options.in_metres and not any(x.unit == "m" for x in rooms.values()):
        raise ConfigError("of what is saved camera_height alone makes metres: else give pictures")
    if pictures:
        from panodepth.predict import load

        predictor = load(name, device=device, dtype=dtype, size=options.size)
        rooms |= {file: predictor.predict(file, options=options) for file in pictures}
    names = _told_apart({file: str(rooms[file].meta.get("name")) for file in files})
    return [replace(rooms[f], meta={**rooms[f].meta, "name": names[f]}) for f in files]


def _saved(file: Path, options: PredictOptions, need_picture: bool) -> Prediction:
    """A saved prediction; a relative one in metres, where the camera's height is given."""
    from panodepth.export.saved import read_saved

    found = read_saved(file, need_picture=need_picture)
    if found.unit == "m" or options.camera_height is None:
        return found
    try:
        return found.to_metres(camera_height=options.camera_height)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error


def _told_apart(names: dict[Path, str]) -> dict[Path, str]:
    """The names of files; those that several have, after as many folders as it takes."""
    told = dict(names)
    for depth in range(1, 1 + max(len(file.absolute().parts) for file in names)):
        count = Counter(told.values())
        for file, name in told.items():
            if count[name] > 1:
                told[file] = "/".join([*file.absolute().parent.parts[-depth:], names[file]])
    count = Counter(told.values())
    return {file: file.name if count[name] > 1 else name for file, name in told.items()}


def _is_saved(path: Path) -> bool:
    return path.suffix.lower() == ".npz"


def _name(text: str, files: list[Path]) -> str:
    """What the page is called: after the folder, or the only panorama."""
    from panodepth.export.saved import name_of

    if os.path.isdir(text):
        return Path(text).resolve().name or "rooms"
    return name_of(files[0]) if _is_saved(files[0]) else files[0].stem
