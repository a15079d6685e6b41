"""The panorama's light on its geometry: an emissive mesh that lights a scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from panodepth.export.glb import TRIANGLES, Glb
from panodepth.export.jpeg import jpeg
from panodepth.export.meshes.files import turned
from panodepth.export.meshes.mesh import MeshOptions
from panodepth.types import Prediction

BRIGHTEST = 0.9999  # quantile of the light that becomes white; what is brighter is cut


def write_light_dome(
    prediction: Prediction, path: Path, options: MeshOptions = MeshOptions()
) -> list[Path]:
    """Binary glTF whose material emits the panorama: emissive texture × emissiveStrength
    (KHR_materials_emissive_strength) is the light of an HDR picture, in its file's scale. glTF's
    textures have 8 bits. A picture that was none gives light 1 where it is white.
    """
    found = turned(prediction, path, options, "y")
    glb = Glb(found.meta)
    primitive = glb.triangles(found.positions, found.mesh.uv, found.faces)
    picture, strength = coded(found.picture.linear, found.picture.image)
    material = glb.light(jpeg(picture, options.max_texture_width), strength)
    glb.write(path, {**primitive, "material": material, "mode": TRIANGLES})
    return [path]


def coded(
    light: npt.NDArray[np.float32] | None, image: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.uint8], float]:
    """(H, W, 3) uint8 sRGB and the strength that make the light. light: (H, W, 3) linear."""
    if light is None:
        return image, 1.0
    from panodepth.images.transfer import linear_to_srgb

    finite = np.where(np.isfinite(light), np.maximum(light, 0), 0)
    strength = float(np.quantile(finite.max(axis=-1), BRIGHTEST)) or 1.0
    srgb = linear_to_srgb(np.clip(finite / np.float32(strength), 0, 1))
    return np.rint(srgb * 255).astype(np.uint8), strength
