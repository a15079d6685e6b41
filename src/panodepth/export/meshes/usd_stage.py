"""A stage of Universal Scene Description, and its package. Extra: panodepth[usd]."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from panodepth.atomic import atomic
from panodepth.errors import one_line
from panodepth.export.glb import node_facts
from panodepth.export.meshes.files import short_json
from panodepth.export.metadata import GENERATOR
from panodepth.export.views.archive import FIRST_DAY

Fill = Callable[[Any, str], None]  # puts what is shown into a stage, under the path of its root


def write_package(
    path: Path, meta: Mapping[str, Any], fill: Fill, pictures: Mapping[str, bytes]
) -> list[Path]:
    """USDZ: a stage and its pictures by name. meta: of the file. Returns its path."""
    # The library takes no name that is not UTF-8, and goes by endings.
    with atomic(path) as (temporary,), own_folder() as folder:
        for name, content in pictures.items():
            (Path(folder) / name).write_bytes(content)
        whole = _package(write_stage(Path(folder), meta, fill), list(pictures))
        with zipfile.ZipFile(whole, "a") as archive:
            archive.comment = short_json(meta).encode("ascii")
            starts = [entry.header_offset for entry in archive.infolist()]
            for entry in archive.infolist():
                entry.date_time = FIRST_DAY
        with whole.open("r+b") as file:
            for start in starts:
                file.seek(start + 10)  # bytes of a local header before its time and date
                file.write(b"\0\0\x21\0")  # FIRST_DAY
        shutil.copyfile(whole, temporary)
    return [path]


def write_stage(folder: Path, meta: Mapping[str, Any], fill: Fill) -> Path:
    """panorama.usdc in a folder: Y up, in metres, one root. Returns its path; raises OSError."""
    from pxr import Usd, UsdGeom

    path = folder / "panorama.usdc"
    with _as_os_error():
        stage = Usd.Stage.CreateNew(str(path))
        UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
        UsdGeom.SetStageMetersPerUnit(stage, 1.0)
        stage.GetRootLayer().customLayerData = {GENERATOR: short_json(meta)}
        place = "/panorama" if meta["unit"] == "m" else "/panorama_relative"
        root = UsdGeom.Xform.Define(stage, place).GetPrim()
        stage.SetDefaultPrim(root)
        for key, value in node_facts(meta).items():
            root.SetCustomDataByKey(key, value)
        fill(stage, place)
        stage.GetRootLayer().Save()
    return path


def own_folder() -> TemporaryDirectory[str]:
    """Where the library writes. It lets go of a stage a little later than its functions return, and
    Windows removes nothing that is held: what is left then is left to the system.
    """
    return TemporaryDirectory(prefix="panodepth-", ignore_cleanup_errors=True)


def _package(stage: Path, pictures: list[str]) -> Path:
    """The package of a stage and the pictures beside it, made there, too. Raises OSError."""
    from pxr import Sdf, Usd

    writer = getattr(Sdf, "ZipFileWriter", None) or Usd.ZipFileWriter  # as until USD 24.11
    whole = stage.with_name("whole.usdz")
    with _as_os_error():
        archive = writer.CreateNew(str(whole))
        files = [stage, *map(stage.with_name, pictures)]
        done = all(archive.AddFile(str(file), file.name) for file in files) and archive.Save()
    if not done:
        raise OSError("the USDZ package could not be made")
    return whole


@contextmanager
def _as_os_error() -> Iterator[None]:
    """The library's errors as OSError."""
    from pxr import Tf

    try:
        yield
    except Tf.ErrorException as error:  # a full disk, too
        raise OSError(f"USD: {one_line(error, 200)}") from error
