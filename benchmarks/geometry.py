"""Print how exact the projections are: `python benchmarks/geometry.py`.

Rays are stored as an image, sent through each operation and compared with the true rays: angular
error in pixels of a 1024×512 panorama. Then the normals of a turned box room, away from creases.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from panodepth import geometry as sphere

HEIGHT, WIDTH = 512, 1024


def report(name: str, found: Tensor, true: Tensor, where: Tensor | None = None) -> None:
    """Angle between (..., 3) rays as ERP pixels, over `where` if given."""
    a, b = found.double(), true.double().expand_as(found)
    angle = torch.atan2(torch.linalg.cross(a, b).norm(dim=-1), (a * b).sum(-1))
    pixels = angle * WIDTH / (2 * math.pi)
    pixels = pixels if where is None else pixels[where]
    print(f"{name:28} mean {pixels.mean():.5f} px  max {pixels.max():.4f} px")


def last(image: Tensor) -> Tensor:
    return image.movedim(-3, -1)


def main() -> None:
    rays = sphere.erp_rays(HEIGHT, WIDTH)
    image = rays.movedim(-1, -3).contiguous()
    turn = sphere.rotation_from_yaw_pitch_roll(3.0, 0.2, 0.1)
    lens = sphere.intrinsics_from_fov(math.radians(90), 256, 256)
    view = sphere.erp_to_perspective(image, lens, turn, (256, 256))
    report("E2P, 90 deg, 256²", last(view), sphere.perspective_rays(lens, 256, 256, rotation=turn))
    back, covered = sphere.perspective_to_erp(view, lens, turn, (HEIGHT, WIDTH))
    report("E2P then P2E", last(back), rays, covered)
    cube = sphere.erp_to_cubemap(image, 256)
    report("cube and back, 256²", last(sphere.cubemap_to_erp(cube, (HEIGHT, WIDTH))), rays)
    turned = sphere.rotate_erp(image, turn)
    report("rotate and back", last(sphere.rotate_erp(turned, turn.mT)), rays)
    report("resample in place", last(sphere.sample_erp(image, rays)), rays)

    local = rays @ turn  # a box room of 4 × 3 × 6 m, turned against the camera
    walls = torch.tensor([2.0, 1.5, 3.0]) / local.abs()
    distance, face = walls.min(-1)
    normal = -torch.nn.functional.one_hot(face, 3) * torch.sign(local) @ turn.mT
    flat = torch.ones_like(face, dtype=torch.bool)
    padded = sphere.pad_erp(face[None].float(), 2)[0]
    for dy in range(5):
        for dx in range(5):
            flat &= padded[dy : dy + HEIGHT, dx : dx + WIDTH] == face
    cosine = (sphere.distance_to_normals(distance) * normal).sum(-1).clamp(-1, 1)
    error = torch.rad2deg(torch.acos(cosine.double()))[flat]
    print(f"{'normals of a box room':28} mean {error.mean():.4f} deg")


if __name__ == "__main__":
    main()
