"""Print how exact the projections are: `python benchmarks/geometry.py`.

Rays are stored as an image, sent through each operation and compared with the true rays: angular
error in pixels of a 1024×512 panorama. Then the normals of a turned box room, away from creases.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from panodepth.geometry.cubemap import cubemap_to_erp, erp_to_cubemap
from panodepth.geometry.grid import erp_rays
from panodepth.geometry.lens import ERP, Lens, Pinhole, View
from panodepth.geometry.lenses.fisheyes import EquidistantFisheye
from panodepth.geometry.points import distance_to_normals
from panodepth.geometry.resampling import resample, rotate_erp
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.geometry.sampling import sample_erp
from panodepth.geometry.seam import pad_erp

HEIGHT, WIDTH = 512, 1024
LENSES: list[tuple[str, Lens, tuple[int, int]]] = [
    ("pinhole 90°, 256²", Pinhole.from_fov(math.radians(90), (256, 256)), (256, 256)),
    ("fisheye 190°, 512²", EquidistantFisheye.from_fov(math.radians(190), (512, 512)), (512, 512)),
]


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
    rays = erp_rays(HEIGHT, WIDTH, dtype=torch.float32)
    image = rays.movedim(-1, -3).contiguous()
    turn = rotation_from_yaw_pitch_roll(*torch.tensor([3.0, 0.2, 0.1]))
    for name, lens, size in LENSES:
        view = View(lens, size, turn)
        seen, valid = resample(image, ERP(), view)
        report(f"{name}: to it", last(seen), view.rays(dtype=torch.float32), valid)
        back, covered = resample(seen, lens, View(ERP(), (HEIGHT, WIDTH), turn.mT))
        report(f"{name}: and back", last(back), rays, covered)
        picture, valid = resample(image.numpy(), ERP(), View(lens, size, turn.numpy()))
        found = last(torch.from_numpy(picture))
        report(f"{name}: NumPy", found, view.rays(dtype=torch.float32), torch.from_numpy(valid))
    cube = erp_to_cubemap(image, 256)
    report("cube and back, 256²", last(cubemap_to_erp(cube, (HEIGHT, WIDTH))), rays)
    turned = rotate_erp(image, turn)
    report("rotate and back", last(rotate_erp(turned, turn.mT)), rays)
    report("resample in place", last(sample_erp(image, rays)), rays)

    local = rays @ turn  # a box room of 4 × 3 × 6 m, turned against the camera
    walls = torch.tensor([2.0, 1.5, 3.0]) / local.abs()
    distance, face = walls.min(-1)
    normal = -torch.nn.functional.one_hot(face, 3) * torch.sign(local) @ turn.mT
    flat = torch.ones_like(face, dtype=torch.bool)
    padded = pad_erp(face[None].float(), 2)[0]
    for dy in range(5):
        for dx in range(5):
            flat &= padded[dy : dy + HEIGHT, dx : dx + WIDTH] == face
    cosine = (distance_to_normals(distance) * normal).sum(-1).clamp(-1, 1)
    error = torch.rad2deg(torch.acos(cosine.double()))[flat]
    print(f"{'normals of a box room':28} mean {error.mean():.4f} deg")


if __name__ == "__main__":
    main()
