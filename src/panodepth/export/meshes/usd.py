"""The mesh as Universal Scene Description. Extra: panodepth[usd]."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.atomic import atomic
from panodepth.errors import one_line
from panodepth.export.formats import check_installed
from panodepth.export.glb import node_facts
from panodepth.export.jpeg import jpeg, reduced
from panodepth.export.meshes.files import (
    FilledOptions,
    Turned,
    filled,
    placed,
    short_json,
    told_jpeg,
    turned,
)
from panodepth.export.meshes.hidden import front_and_behind
from panodepth.export.meshes.mesh import MeshOptions
from panodepth.export.metadata import GENERATOR, to_json
from panodepth.export.rasters import exr
from panodepth.export.reprojection import as_panorama
from panodepth.export.views.archive import FIRST_DAY
from panodepth.types import Prediction


@dataclass(frozen=True)
class Picture:
    """What the material shows. name, content: of its file. linear: it holds light, else sRGB."""

    name: str
    content: bytes
    linear: bool = False


def write_usdz(
    prediction: Prediction, path: Path, options: FilledOptions = FilledOptions()
) -> list[Path]:
    """USDZ: mesh and panorama in one file, Y up, in metres (a relative prediction as it is).

    The panorama is emissive: light is in the picture already.
    """
    check_installed(["usdz"])
    panorama = as_panorama(prediction)
    front, hidden = front_and_behind(panorama, path, options, options.behind)
    parts = {"mesh": (panorama, front), **({"behind": hidden} if hidden else {})}
    shown = {}
    for name, (seen, mesh) in parts.items():
        picture = "panorama.jpg" if name == "mesh" else f"{name}.jpg"
        content = jpeg(seen.image, options.max_texture_width)
        shown[name] = placed(seen, mesh, "y"), Picture(picture, content)
    if hidden:
        shown["mesh"][0].meta["behind_deg"] = options.behind
    return _write_package(path, shown)


def write_light_usdz(
    prediction: Prediction, path: Path, options: MeshOptions = MeshOptions()
) -> list[Path]:
    """USDZ whose material emits the panorama: an HDR picture's light as an EXR texture, in its
    file's scale and not clipped. A picture that was none gives light 1 where it is white.
    """
    check_installed(["light-dome-usd"])
    found = turned(prediction, path, options, "y")
    light = found.picture.linear
    if light is None:
        shown = Picture("light.jpg", jpeg(found.picture.image, options.max_texture_width))
    else:
        shown = Picture("light.exr", _light_exr(light, options.max_texture_width), linear=True)
    return _write_package(path, {"mesh": (found, shown)})


def write_usdc(
    prediction: Prediction, path: Path, options: FilledOptions = FilledOptions()
) -> list[Path]:
    """USDC, the binary scene of `write_usdz` alone; the panorama is PATH.jpg beside it, with what
    is hidden below it, and what the file says about itself PATH.json.
    """
    check_installed(["usdc"])
    found, *hidden = filled(prediction, path, options, "y")
    beside = [path.with_name(path.name + end) for end in (".jpg", ".json")]
    # USD takes no name with a line break, or one that is not UTF-8: that picture is chosen by hand.
    asset = "".join(c if c.isprintable() else "_" for c in beside[0].name)
    with (
        atomic(path, *beside) as (temporary, picture, text),
        _folder() as folder,
    ):
        stage = Path(folder) / "panorama.usdc"
        with _as_os_error():
            shown = Picture(asset, b"")
            parts = {"mesh": (found, shown), **({"behind": (hidden[0], shown)} if hidden else {})}
            _write_stage(stage, parts)
        shutil.copyfile(stage, temporary)
        picture.write_bytes(told_jpeg(found, options.max_texture_width))
        told = {**found.meta, "bytes": stage.stat().st_size}
        text.write_text(to_json(told) + "\n", encoding="ascii")
    return [path, *beside]


def _light_exr(light: npt.NDArray[np.float32], max_width: int) -> bytes:
    """(H, W, 3) linear light as a file, reduced to `max_width` [px]."""
    finite = np.where(np.isfinite(light), np.maximum(light, 0), np.float32(0))
    kept = reduced(finite, max_width)
    planes = np.ascontiguousarray(kept.transpose(2, 0, 1)[::-1])
    file = io.BytesIO()
    exr.write_exr(file, "BGR", kept.shape[:2], [planes], {}, zipped=True)
    return file.getvalue()


Parts = dict[str, tuple[Turned, Picture]]  # meshes by name, the panorama's first


def _write_package(path: Path, parts: Parts) -> list[Path]:
    """The package of a stage and its pictures."""
    # The library takes no name that is not UTF-8, and goes by endings.
    with atomic(path) as (temporary,), _folder() as folder:
        for _, picture in parts.values():
            (Path(folder) / picture.name).write_bytes(picture.content)
        whole = _package(Path(folder), parts)
        with zipfile.ZipFile(whole, "a") as archive:
            archive.comment = short_json(parts["mesh"][0].meta).encode("ascii")
            starts = [entry.header_offset for entry in archive.infolist()]
            for entry in archive.infolist():
                entry.date_time = FIRST_DAY
        with whole.open("r+b") as file:
            for start in starts:
                file.seek(start + 10)  # bytes of a local header before its time and date
                file.write(b"\0\0\x21\0")  # FIRST_DAY
        shutil.copyfile(whole, temporary)
    return [path]


def _package(folder: Path, parts: Parts) -> Path:
    """The package of a stage and its pictures, made in a folder. Raises OSError."""
    from pxr import Sdf, Usd

    writer = getattr(Sdf, "ZipFileWriter", None) or Usd.ZipFileWriter  # as until USD 24.11
    stage, whole = folder / "panorama.usdc", folder / "whole.usdz"
    with _as_os_error():
        _write_stage(stage, parts)
        archive = writer.CreateNew(str(whole))
        names = [stage.name, *(picture.name for _, picture in parts.values())]
        done = all(archive.AddFile(str(folder / name), name) for name in names) and archive.Save()
    if not done:
        raise OSError("the USDZ package could not be made")
    return whole


def _folder() -> TemporaryDirectory[str]:
    """Where the library writes. It lets go of a stage a little later than its functions return, and
    Windows removes nothing that is held: what is left then is left to the system.
    """
    return TemporaryDirectory(prefix="panodepth-", ignore_cleanup_errors=True)


@contextmanager
def _as_os_error() -> Iterator[None]:
    """The library's errors as OSError."""
    from pxr import Tf

    try:
        yield
    except Tf.ErrorException as error:  # a full disk, too
        raise OSError(f"USD: {one_line(error, 200)}") from error


def _write_stage(path: Path, parts: Parts) -> None:
    """A stage with the meshes and their materials."""
    from pxr import Usd, UsdGeom

    found = parts["mesh"][0]
    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    stage.GetRootLayer().customLayerData = {GENERATOR: short_json(found.meta)}
    name = "panorama" if found.meta["unit"] == "m" else "panorama_relative"
    root = UsdGeom.Xform.Define(stage, f"/{name}")
    stage.SetDefaultPrim(root.GetPrim())
    for key, value in node_facts(found.meta).items():
        root.GetPrim().SetCustomDataByKey(key, value)
    for part, (turned_mesh, picture) in parts.items():
        suffix = "" if part == "mesh" else f"_{part}"
        material = _material(stage, f"/{name}/material{suffix}", picture)
        _add_mesh(stage, f"/{name}/{part}", turned_mesh, material)
    stage.GetRootLayer().Save()


def _add_mesh(stage: Any, place: str, found: Turned, material: Any) -> None:
    """A mesh with its material."""
    from pxr import Gf, Sdf, UsdGeom, UsdShade, Vt

    mesh = UsdGeom.Mesh.Define(stage, place)
    mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(found.positions)))
    mesh.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(found.faces), 3, np.int32)))
    corners = np.ascontiguousarray(found.faces.ravel().astype(np.int32))
    mesh.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(corners))
    limits = [limit(axis=0).tolist() for limit in (found.positions.min, found.positions.max)]
    mesh.CreateExtentAttr([Gf.Vec3f(*limit) for limit in limits])
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    mesh.CreateDoubleSidedAttr(True)
    places = UsdGeom.PrimvarsAPI(mesh).CreatePrimvar(
        "st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.vertex
    )
    st = (found.mesh.uv * [1, -1] + [0, 1]).astype(np.float32)  # v counts from below
    places.Set(Vt.Vec2fArray.FromNumpy(np.ascontiguousarray(st)))
    binding = UsdShade.MaterialBindingAPI.Apply(mesh.GetPrim())
    binding.Bind(material)


def _material(stage: Any, place: str, picture: Picture) -> Any:
    """A material that shows the picture as light, at the mesh's st."""
    from pxr import Gf, Sdf, UsdShade

    material = UsdShade.Material.Define(stage, place)
    reader, texture, surface = (
        UsdShade.Shader.Define(stage, f"{place}/{name}") for name in ("st", "texture", "surface")
    )
    space = "raw" if picture.linear else "sRGB"
    reader.CreateIdAttr("UsdPrimvarReader_float2")
    reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set("st")
    st = reader.CreateOutput("result", Sdf.ValueTypeNames.Float2)
    texture.CreateIdAttr("UsdUVTexture")
    texture.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(picture.name)
    texture.CreateInput("sourceColorSpace", Sdf.ValueTypeNames.Token).Set(space)
    texture.CreateInput("wrapS", Sdf.ValueTypeNames.Token).Set("repeat")
    texture.CreateInput("wrapT", Sdf.ValueTypeNames.Token).Set("clamp")
    texture.CreateInput("st", Sdf.ValueTypeNames.Float2).ConnectToSource(st)
    light = texture.CreateOutput("rgb", Sdf.ValueTypeNames.Float3)
    surface.CreateIdAttr("UsdPreviewSurface")
    surface.CreateInput("emissiveColor", Sdf.ValueTypeNames.Color3f).ConnectToSource(light)
    black = Gf.Vec3f(0, 0, 0)
    surface.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).Set(black)
    surface.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(1.0)
    output = surface.CreateOutput("surface", Sdf.ValueTypeNames.Token)
    material.CreateSurfaceOutput().ConnectToSource(output)
    return material
