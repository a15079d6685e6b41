"""The mesh as binary glTF."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from panodepth.errors import ConfigError
from panodepth.export.formats import Reach
from panodepth.export.frames import FRAMES
from panodepth.export.glb import CLAMP_TO_EDGE, REPEAT, TRIANGLES, Glb
from panodepth.export.jpeg import jpeg, reduced
from panodepth.export.meshes.hidden import front_and_behind
from panodepth.export.meshes.mesh import MeshOptions
from panodepth.export.meshes.tiles import LEAST_LIMIT, Tile, tiles
from panodepth.export.metadata import GLTF_FRAME, metadata
from panodepth.export.reprojection import as_panorama, levelled
from panodepth.strict import Index
from panodepth.types import Prediction


@dataclass(frozen=True, kw_only=True)
class GlbOptions(MeshOptions):
    """max_texture: the longest side of an image that the viewer takes [px]; a larger photograph
    becomes several, each on a part of the mesh. 0 = one image. behind: surfaces are continued
    behind nearer ones, a guess, up to this angle from the edge [deg]; it is the last primitive,
    with a material of its own. 0 = not.
    """

    max_texture: Index = 0
    behind: Reach = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0 < self.max_texture < LEAST_LIMIT:
            raise ConfigError(f"max_texture must be 0 or at least {LEAST_LIMIT} px")


def write_mesh(
    prediction: Prediction, path: Path, options: GlbOptions = GlbOptions()
) -> list[Path]:
    """Binary glTF: one triangle mesh with the panorama as an embedded JPEG texture, or several.

    What another lens saw is resampled to a panorama first.
    """
    prediction = as_panorama(prediction)
    mesh, hidden = front_and_behind(prediction, path, options, options.behind)
    guessed = {"behind_deg": options.behind} if hidden else {}
    meta = metadata(prediction, "surface", frame=GLTF_FRAME, stride=mesh.stride, **guessed)
    glb, limit = Glb(meta), options.max_texture
    image = reduced(prediction.image, options.max_texture_width)
    if not limit or max(image.shape) <= limit:
        parts = [Tile(mesh.positions, mesh.uv, mesh.faces, image, "panorama")]
    else:
        parts = list(tiles(mesh, image, limit))
    last = len(parts)
    if hidden:
        seen, back = hidden
        shown = reduced(seen.image, limit or options.max_texture_width)
        parts.append(Tile(back.positions, back.uv, back.faces, shown, "behind"))
    primitives = []
    for number, part in enumerate(parts):
        positions = FRAMES["y"].points(levelled(prediction, part.positions))
        primitive = glb.triangles(positions, part.uv, part.faces)
        wrap = REPEAT if last == 1 or number == last else CLAMP_TO_EDGE
        material = glb.photograph(jpeg(part.image), wrap, part.name)
        primitives.append({**primitive, "material": material, "mode": TRIANGLES})
    glb.write(path, *primitives)
    return [path]
