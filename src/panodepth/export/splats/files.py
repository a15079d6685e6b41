"""Gaussian splats as the PLY of 3D Gaussian Splatting, as .splat and as glTF."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from panodepth.export.glb import POINTS, Glb
from panodepth.export.mark import write_with_sidecar
from panodepth.export.splats.gaussians import OPACITY, Gaussians, SplatOptions, gaussians
from panodepth.images import srgb_to_linear
from panodepth.types import FloatArray, Prediction

# Kerbl and others, "3D Gaussian Splatting" (2023): a colour is 0.5 + SH0 times its coefficient.
SH0 = 0.28209479177387814
PLY_NAMES = (
    *"xyz", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity",
    "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3",
)  # fmt: skip
EXTENSION = "KHR_gaussian_splatting"


def write_splat_ply(
    prediction: Prediction, path: Path, options: SplatOptions = SplatOptions()
) -> list[Path]:
    """PLY of 3D Gaussian Splatting, in the house frame: log sigma, logit of the opacity, colours as
    coefficients of degree 0. Its readers know no comments: the metadata are in PATH.json.
    """
    found = gaussians(prediction, path, options, "house")
    zero = np.zeros((len(found.xyz), 3), np.float32)
    opacity = np.full((len(found.xyz), 1), np.log(OPACITY / (1 - OPACITY)), np.float32)
    rows = [found.xyz, zero, _coefficients(found), opacity, np.log(found.sigma), found.turn]
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(found.xyz)}"]
    header += [*(f"property float {name}" for name in PLY_NAMES), "end_header\n"]
    content = np.concatenate(rows, axis=1).astype("<f4")
    return write_with_sidecar(
        path, "\n".join(header).encode("ascii") + content.tobytes(), found.meta
    )


def write_splat(
    prediction: Prediction, path: Path, options: SplatOptions = SplatOptions()
) -> list[Path]:
    """.splat, in the house frame: 32 bytes each, position and sigma float32, colour and opacity,
    and the quaternion w, x, y, z × 128 + 128. It has no header: the metadata are in PATH.json.
    """
    found = gaussians(prediction, path, options, "house")
    kind = [("xyz", "<f4", 3), ("sigma", "<f4", 3), ("rgba", "u1", 4), ("turn", "u1", 4)]
    records = np.empty(len(found.xyz), kind)
    records["xyz"], records["sigma"] = found.xyz, found.sigma
    records["rgba"][:, :3], records["rgba"][:, 3] = found.rgb, round(OPACITY * 255)
    records["turn"] = np.clip(np.rint(found.turn * 128 + 128), 0, 255)
    return write_with_sidecar(path, records.tobytes(), found.meta)


def write_gltf_splat(
    prediction: Prediction, path: Path, options: SplatOptions = SplatOptions()
) -> list[Path]:
    """Binary glTF with KHR_gaussian_splatting; other viewers show its points and their colours."""
    found = gaussians(prediction, path, options, "y")
    glb = Glb(found.meta)
    opacity = np.full((len(found.xyz), 1), OPACITY, np.float32)
    linear = srgb_to_linear(found.rgb.astype(np.float32) / 255)
    parts = {
        "ROTATION": np.roll(found.turn, -1, axis=1),  # x, y, z, w
        "SCALE": found.sigma,
        "OPACITY": opacity,
        "SH_DEGREE_0_COEF_0": _coefficients(found),
    }
    attributes = {
        "POSITION": glb.points(found.xyz),
        "COLOR_0": glb.accessor(np.concatenate([linear, opacity], axis=1)),
        **{f"{EXTENSION}:{name}": glb.accessor(values) for name, values in parts.items()},
    }
    glb.uses(EXTENSION)
    extension = {EXTENSION: {"kernel": "ellipse", "colorSpace": "srgb_rec709_display"}}
    glb.write(path, {"attributes": attributes, "mode": POINTS, "extensions": extension})
    return [path]


def _coefficients(found: Gaussians) -> FloatArray:
    """(N, 3) of degree 0."""
    return ((found.rgb.astype(np.float32) / 255 - 0.5) / SH0).astype(np.float32)
