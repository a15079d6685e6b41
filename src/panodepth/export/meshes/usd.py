"""The mesh as Universal Scene Description, one file with its picture. Extra: panodepth[usd]."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from panodepth.atomic import atomic
from panodepth.errors import one_line
from panodepth.export.formats import check_installed
from panodepth.export.glb import node_facts
from panodepth.export.jpeg import jpeg
from panodepth.export.meshes.files import Turned, short_json, turned
from panodepth.export.meshes.mesh import MeshOptions
from panodepth.export.metadata import GENERATOR
from panodepth.types import Prediction


def write_usdz(
    prediction: Prediction, path: Path, options: MeshOptions = MeshOptions()
) -> list[Path]:
    """USDZ: mesh and panorama in one file, Y up, in metres (a relative prediction as it is).

    The panorama is emissive: light is in the picture already.
    """
    check_installed(["usdz"])
    found = turned(prediction, path, options, "y")
    # The library takes no name that is not UTF-8, and goes by endings.
    with atomic(path) as (temporary,), TemporaryDirectory() as folder:
        picture = Path(folder) / "panorama.jpg"
        picture.write_bytes(jpeg(found.picture.image, options.max_texture_width))
        whole = _package(Path(folder), found, picture.name)
        with zipfile.ZipFile(whole, "a") as archive:
            archive.comment = short_json(found.meta).encode("ascii")
        shutil.copyfile(whole, temporary)
    return [path]


def _package(folder: Path, found: Turned, picture: str) -> Path:
    """The package of a stage and its picture, made in a folder. Raises OSError."""
    from pxr import Sdf, Tf, UsdUtils

    stage, whole = folder / "panorama.usdc", folder / "whole.usdz"
    try:
        _write_stage(stage, found, picture)
        done = UsdUtils.CreateNewUsdzPackage(Sdf.AssetPath(str(stage)), str(whole))
    except Tf.ErrorException as error:  # a full disk, too
        raise OSError(f"USD: {one_line(error, 200)}") from error
    if not done:
        raise OSError("the USDZ package could not be made")
    return whole


def _write_stage(path: Path, found: Turned, picture: str) -> None:
    """A stage with one mesh and its material."""
    from pxr import Gf, Sdf, Usd, UsdGeom, UsdShade, Vt

    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    stage.GetRootLayer().customLayerData = {GENERATOR: short_json(found.meta)}
    name = "panorama" if found.meta["unit"] == "m" else "panorama_relative"
    root = UsdGeom.Xform.Define(stage, f"/{name}")
    stage.SetDefaultPrim(root.GetPrim())
    for key, value in node_facts(found.meta).items():
        root.GetPrim().SetCustomDataByKey(key, value)
    mesh = UsdGeom.Mesh.Define(stage, f"/{name}/mesh")
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
    binding.Bind(_material(stage, f"/{name}/material", picture))
    stage.GetRootLayer().Save()


def _material(stage: Any, place: str, picture: str) -> Any:
    """A material that shows the picture as light, at the mesh's st."""
    from pxr import Gf, Sdf, UsdShade

    material = UsdShade.Material.Define(stage, place)
    reader, texture, surface = (
        UsdShade.Shader.Define(stage, f"{place}/{name}") for name in ("st", "texture", "surface")
    )
    reader.CreateIdAttr("UsdPrimvarReader_float2")
    reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set("st")
    st = reader.CreateOutput("result", Sdf.ValueTypeNames.Float2)
    texture.CreateIdAttr("UsdUVTexture")
    texture.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(picture)
    texture.CreateInput("sourceColorSpace", Sdf.ValueTypeNames.Token).Set("sRGB")
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
