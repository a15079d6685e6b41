"""Which formats there are, and what their files are called.

A new format is a function `write(prediction, path) -> files written` in the folder of its kind
(rasters, clouds, meshes, ...) and one line in `formats.FORMATS`. A third parameter,
`options`, is a frozen dataclass (`options.py`). A module is imported when it first writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from panodepth.errors import OutputError
from panodepth.export.formats import FORMATS, ascii_name, unknown_format

if TYPE_CHECKING:
    from panodepth.types import Prediction


@dataclass(frozen=True)
class Writer:
    """One format.

    ending: what follows NAME in the file's name. function: writes it; as "module:function" below
    `panodepth.export` it is imported when first used. about: what the file is, in a word or two.
    sidecars: what follows the file's name in further files beside it; see `formats`.
    """

    ending: str
    function: Callable[..., list[Path]] | str
    about: str = ""
    sidecars: tuple[str, ...] = ()

    def write(self, prediction: Prediction, path: Path, options: Any = None) -> list[Path]:
        """Write one prediction; returns the files written, all complete. Raises OutputError.

        options: of this format, see `options.writer_options`; None = its own.
        """
        given = () if options is None else (options,)
        return self.loaded()(prediction, path, *given)

    def loaded(self) -> Callable[..., list[Path]]:
        """`function`, imported."""
        if callable(self.function):
            return self.function
        place, _, name = self.function.partition(":")
        module = import_module(f"panodepth.export.{place}")
        found: Callable[..., list[Path]] = getattr(module, name)
        return found


WRITERS = {name: Writer(*row) for name, row in FORMATS.items()}
DEFAULT_FORMATS = ("npz", "preview", "ply")

# What a single file's ending means when no format is named; how one of a named format may end.
BY_SUFFIX = {f".{key}": key for key in WRITERS if WRITERS[key].ending.endswith(f".{key}")}
BY_SUFFIX |= {".tif": "tiff", ".splat": "splat-binary"}
ENDINGS = (*BY_SUFFIX, ".json", ".jpg", ".jpeg", ".zip", ".bt", ".cdr")


def parse_formats(formats: Sequence[str] | None) -> tuple[str, ...]:
    """Known format names, each once, in the order given; None means DEFAULT_FORMATS.

    A single string may list several, by commas. Raises OutputError, which lists all there are.
    """
    if formats is None:
        return DEFAULT_FORMATS
    one = isinstance(formats, str | bytes) or not isinstance(formats, Iterable)
    given = map(str, [formats] if one else formats)
    names = [name.strip().lower() for entry in given for name in entry.split(",") if name.strip()]
    unknown = [name for name in names if name not in WRITERS]
    if unknown or not names:
        wrong = unknown_format(unknown[0]) if unknown else "no format named"
        raise OutputError(f"{wrong}; there are: {', '.join(WRITERS)}")
    return tuple(dict.fromkeys(names))


def output_paths(
    folder: str | Path, name: str, formats: Sequence[str] | None = None
) -> dict[str, list[Path]]:
    """The files that `save` writes into a folder for a picture called `name`, by format."""
    paths = {}
    for key in parse_formats(formats):
        main = Path(folder) / f"{name}{WRITERS[key].ending}"
        beside = (_beside(main.name, more) for more in WRITERS[key].sidecars)
        paths[key] = [main, *(main.parent / file for file in beside)]
    return paths


def _beside(name: str, sidecar: str) -> str:
    """What a further file beside the one of this name is called."""
    if sidecar[0] == "~":
        return ascii_name(name) + sidecar[1:]
    return sidecar[1:] if sidecar[0] == "/" else name + sidecar
