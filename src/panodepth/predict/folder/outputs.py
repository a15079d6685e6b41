"""Where the results of a run go: which are there, which may be written, and whether they stay."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from panodepth.errors import OutputError
from panodepth.export import output_paths
from panodepth.export.mark import foreign, is_result
from panodepth.predict.folder.inputs import InputFile
from panodepth.predict.folder.options import RunOptions
from panodepth.predict.folder.results import FileResult, RunEndedError


def check_output_folder(out: Path) -> None:
    """Raise OutputError unless `out` is, or can become, a folder that can be written."""
    nearest = out.absolute()
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        raise OutputError(f"cannot write to {out}: {nearest} is a file, not a folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write to {out}: no permission in {nearest}")


def targets(item: InputFile, options: RunOptions) -> list[Path]:
    """Every file that a run writes for `item`."""
    target = options.out / item.target
    paths = output_paths(target.parent, target.name, options.formats)
    return [path for files in paths.values() for path in files]


def is_complete(item: InputFile, options: RunOptions) -> bool:
    """True when every file that a run would write for `item` is there, as panodepth wrote it."""
    return all(map(is_result, targets(item, options)))


def check_free(item: InputFile, options: RunOptions) -> None:
    """Raise OutputError when a result would take the place of anything but an earlier result.

    NAME_distance.npz is what ground truth is called too.
    """
    taken = foreign(targets(item, options))
    if taken is not None:
        raise OutputError(
            f"{taken} is there and is no result of panodepth, so it is not overwritten: "
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
