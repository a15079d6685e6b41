"""`save`: from a path and format names to files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from panodepth.errors import OutputError
from panodepth.export.registry import BY_SUFFIX, ENDINGS, WRITERS, output_paths, parse_formats

if TYPE_CHECKING:
    from panodepth.types import Prediction

DEFAULT_NAME = "panorama"


def save(
    prediction: Prediction,
    path: str | Path,
    formats: Sequence[str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write a prediction and return the files written.

    path: a file, whose ending chooses what is written (.glb textured mesh, .ply cloud, .npz, .exr,
        .png, .tiff distance); or a folder, made when missing, in which the files of `formats` are
        called after meta["name"] ("panorama" without one). A path is a folder when it is one, when
        it ends with a slash, or when it has no known ending.
    formats: names out of WRITERS; for a folder None means DEFAULT_FORMATS. With a file at most one,
        of that ending: save(p, "normals.exr", ["normals"]), save(p, "scan.json", ["laserscan"]).
    options: of the writers, by name, see `writer_options`; and metadata=False for files that say no
        more than it takes to read them.
    Raises ConfigError for a bad option, OutputError, one line, for an unknown format or ending or a
    place that cannot be written; no half-written file is left.
    """
    if not isinstance(path, str | os.PathLike) or not str(path) or "\0" in str(path):
        raise OutputError(f"a prediction is saved to the path of a file or folder, not {path!r}")
    where, title, options = Path(path), prediction.meta.get("name"), dict(options or {})
    title = str(title or DEFAULT_NAME).translate(str.maketrans("/\\\0", "___"))
    if "metadata" in options:
        from panodepth.export.privacy import told

        prediction = told(prediction, options.pop("metadata"))
    suffix = where.suffix.lower()
    as_folder = where.is_dir() or str(path).endswith(("/", os.sep))
    if not as_folder and suffix and formats is None and suffix not in BY_SUFFIX:
        raise OutputError(
            f"{path}: unknown ending {suffix!r}; a file can end with {', '.join(BY_SUFFIX)} "
            "(for a folder of this name, end it with a slash)"
        )
    if not as_folder and suffix in ENDINGS:
        name = _file_format(where, suffix, formats)
        return WRITERS[name].write(prediction, where, _options([name], options).get(name))
    paths = output_paths(where, title, formats)
    chosen = _options(list(paths), options)
    tasks = ((WRITERS[key], main, chosen.get(key)) for key, (main, *_) in paths.items())
    return [file for writer, main, own in tasks for file in writer.write(prediction, main, own)]


def _options(formats: Sequence[str], given: Mapping[str, Any] | None) -> dict[str, Any]:
    if not given:
        return {}
    from panodepth.export.options import writer_options

    return writer_options(formats, given)


def _file_format(path: Path, suffix: str, formats: Sequence[str] | None) -> str:
    """The format of a single file: the one named, if the ending suits it, else the ending's own."""
    if formats is None:
        return BY_SUFFIX[suffix]
    names = parse_formats(formats)
    fitting = {".tif": ".tiff", ".jpeg": ".jpg"}.get(suffix, suffix)
    if len(names) == 1 and WRITERS[names[0]].ending.endswith(fitting):
        return names[0]
    raise OutputError(
        f"{path}: a {suffix} file cannot hold {', '.join(names)}; give a folder to write them into"
    )
