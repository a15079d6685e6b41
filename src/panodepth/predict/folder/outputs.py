"""Where the results of a run go: which are there, which may be written, and whether they stay."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path

from panodepth.errors import OutputError
from panodepth.export import output_paths
from panodepth.export.mark import foreign, is_result, stated
from panodepth.predict.folder.inputs import InputFile, key_of
from panodepth.predict.folder.options import RunOptions
from panodepth.predict.folder.results import FileResult, RunEndedError

# What changes no result, or not what a picture is predicted to be.
_BESIDE = ("out", "formats", "batch_size", "workers", "max_memory", "watch", "metadata")


def check_output_folder(out: Path) -> Path:
    """Raise OutputError unless `out` is, or can become, a folder that can be written.

    Returns the nearest folder that is there.
    """
    nearest = out.absolute()
    while not os.path.lexists(nearest) and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        what = "a link to nothing" if nearest.is_symlink() else "a file, not a folder"
        raise OutputError(f"cannot write to {out}: {nearest} is {what}")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write to {out}: no permission in {nearest}")
    return nearest


def targets(item: InputFile, options: RunOptions) -> list[Path]:
    """Every file that a run writes for `item`."""
    target = options.out / item.target
    return _files(target.parent, target.name, options)


def _files(folder: Path, name: str, options: RunOptions) -> list[Path]:
    paths = output_paths(folder, name, options.formats)
    return [path for files in paths.values() for path in files]


def sharing_files(items: Sequence[InputFile], options: RunOptions) -> dict[Path, OutputError]:
    """Why the pictures at these paths cannot be predicted: an earlier one's results are called so.

    Of room.jpg and room_points.jpg both a cloud and a mesh may be room_points.glb.
    """
    endings = [str(path) for path in _files(Path(), "", options)]
    if not any(a != b and a.endswith(b) for a in endings for b in endings):
        return {}
    owners: dict[str, InputFile] = {}
    shared = {}
    for item in items:
        for path in targets(item, options):
            owner = owners.setdefault(key_of(path), item)
            if owner is not item:
                shared[item.path] = OutputError(
                    f"{item.path}: its result {path.name} would be the file of {owner.path}: "
                    "give one of the two another name, or write other formats"
                )
    return shared


def is_complete(item: InputFile, options: RunOptions) -> bool:
    """True when every file that a run would write for `item` is there, as panodepth wrote it."""
    return all(map(is_result, targets(item, options)))


def made_with(options: RunOptions) -> dict[str, str]:
    """The options that a result depends on, unless they are as they would be anyway, as texts.

    Of files the names alone.
    """
    told = {}
    for field in fields(options):
        value = getattr(options, field.name)
        if field.name not in _BESIDE and value != field.default:
            is_file = isinstance(value, Path) or (field.name == "sky" and os.path.isfile(value))
            told[field.name] = os.path.basename(value) if is_file else str(value)
    return told


def made_otherwise(
    item: InputFile, options: RunOptions, model: str, weights: str = ""
) -> list[str]:
    """How an `item` that is complete was made with another model or other options than these.

    model: its name in results. weights: its `stamp`; of two models of one name it tells which, "" =
    not known. [] too where the files do not say: written without metadata, or before options stood
    in them.
    """
    said = (stated(targets(item, options)[0]) or {}).get("prediction")
    if not isinstance(said, dict) or not isinstance(said.get("options"), dict):
        return []
    plain = {f.name: "not given" if f.default is None else f.default for f in fields(options)}
    before = {"model": said.get("model"), **said["options"]}
    now = {"model": model, **made_with(options)}
    if model == said.get("model") and weights and said.get("weights"):
        before["weights"], now["weights"] = said["weights"], weights
    return [
        f"{name} {before.get(name, plain.get(name))}, now {now.get(name, plain.get(name))}"
        for name in dict.fromkeys([*before, *now])
        if before.get(name) != now.get(name)
    ]


def tell_otherwise(results: Sequence[FileResult]) -> str:
    """In one line, how many results that were left were made otherwise; "" for none."""
    differ = [result.facts["made_otherwise"] for result in results if result.status == "skipped"]
    ways = dict.fromkeys(way for ways in differ for way in ways)
    if not ways:
        return ""
    return (
        f"{sum(map(bool, differ))} of {len(differ)} pictures that were skipped were predicted "
        f"with {'; '.join(ways)}: without --skip-existing they are predicted again"
    )


def check_free(item: InputFile, options: RunOptions) -> None:
    """Raise OutputError when a result cannot be written, or would take the place of anything but
    an earlier result.

    NAME_distance.npz is what ground truth is called too.
    """
    there = check_output_folder((options.out / item.target).parent)
    files = targets(item, options)
    for path in files:
        check_name(path, there)
    taken = foreign(files)
    if taken is not None:
        raise not_ours(taken)


def check_name(path: Path, there: Path) -> None:
    """Raise OutputError for a path whose name no file can have. there: a folder of its disk."""
    try:
        os.lstat(there / path.name)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


def not_ours(path: Path) -> OutputError:
    """The error where a result would take the place of another program's file."""
    return OutputError(
        f"{path} is there and is no result of panodepth, so it is not overwritten: "
        "move it, or give another --out"
    )


class OutputFolder:
    """The output folder of one run, which must stay the same one from its first file on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._place: tuple[int, int] | None = None
        self._open: int | None = None
        self.check()

    def check(self) -> None:
        """Raise RunEndedError when the folder was there and is gone, or is another one."""
        try:
            found = os.stat(self._folder)
            place = (found.st_dev, found.st_ino)
        except OSError:
            place = None
        if self._place is None:
            self._place = place
            # Held open: as long as it is, no other folder gets its number.
            with suppress(OSError):  # Windows opens none, and does not use a number again
                self._open = os.open(self._folder, os.O_RDONLY) if place else None
        elif place != self._place:
            raise RunEndedError(f"the output folder {self._folder} was removed during the run")

    def close(self) -> None:
        if self._open is not None:
            os.close(self._open)
            self._open = None


def if_still_there(result: FileResult) -> FileResult:
    """The result, failed where files that were written are gone at the end of the run."""
    gone = next((name for name in result.files if not os.path.exists(name)), None)
    if gone is None:
        return result
    folder = os.path.dirname(gone)
    reason = f"results were removed from {folder} during the run"
    files = [name for name in result.files if os.path.exists(name)]
    return replace(result, status="failed", error=reason, files=files)
