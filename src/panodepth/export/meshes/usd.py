"""The mesh as Universal Scene Description. Extra: panodepth[usd]."""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from panodepth.atomic import atomic
from panodepth.export.formats import check_installed
from panodepth.export.jpeg import jpeg, reduced
from panodepth.export.meshes.files import (
    FilledOptions,
    Turned,
    filled,
    placed,
    told_jpeg,
    turned,
)
from panodepth.export.meshes.hidden import front_and_behind
from panodepth.export.meshes.mesh import MeshOptions
from panodepth.export.meshes.usd_stage import own_folder, write_package, write_stage
from panodepth.export.metadata import to_json
from panodepth.export.rasters import exr
from panodepth.export.reprojection import as_panorama
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
        own_folder() as folder,
    ):
        shown = Picture(asset, b"")
        parts = {"mesh": (found, shown), **({"behind": (hidden[0], shown)} if hidden else {})}
        stage = write_stage(Path(folder), found.meta, partial(_fill, parts=parts))
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
    pictures = {picture.name: picture.content for _, picture in parts.values()}
    return write_package(path, parts["mesh"][0].meta, partial(_fill, parts=parts), pictures)


def _fill(stage: Any, root: str, parts: Parts) -> None:
    """Put the meshes and their materials under the root of a stage."""
    for part, (turned_mesh, picture) in parts.items():
        suffix = "" if part == "mesh" else f"_{part}"
        material = _material(stage, f"{root}/material{suffix}", picture)
        _add_mesh(stage, f"{root}/{part}", turned_mesh, material)


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
