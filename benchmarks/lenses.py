"""What a lens changes: rendered worlds seen through each, against the panorama of the same place.

Every lens takes its picture of a rendered panorama, the picture is predicted, and its distance is
compared with the one predicted for the panorama itself, where both see a surface: AbsRel after the
median ratio is taken out. The rig is six cameras that are rendered one by one, each standing
`--offset` metres off the middle; the row below it is the panorama itself, cut to what they see.
The last row is the whole panorama's mirror image, mirrored back: how well the network agrees with
itself.
Which way a lens looks decides what is seen: each looks ahead.

    python benchmarks/lenses.py --worlds 6 --seed 77
"""

from __future__ import annotations

import argparse
import math

import numpy as np

import panodepth
from panodepth.geometry.lens import ERP, Lens, Pinhole, View
from panodepth.geometry.lenses import (
    KB4,
    Cubemap,
    DualFisheye,
    EquidistantFisheye,
    EquisolidFisheye,
    ERPPart,
    OrthographicFisheye,
    StereographicFisheye,
)
from panodepth.geometry.resampling import resample
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.geometry.stitching import Camera, stitch
from panodepth.images import ImageData
from panodepth.lab.worlds.panoramas import panorama_grid, render_scenes
from panodepth.lab.worlds.scenes import make_camera, make_scene
from panodepth.lab.worlds.views import moved, perspective_grid
from panodepth.predict.lenses.exposures import matched
from panodepth.predict.lenses.filling import continued
from panodepth.types import Prediction

ROWS = 512  # of the panoramas
SQUARE, WIDE = (512, 512), (384, 512)
RIG_FOV = math.radians(100)
Size = tuple[int, int]


def lenses() -> dict[str, tuple[Lens, Size]]:
    """By name, the whole sphere first, then ever smaller fields."""
    both = DualFisheye.from_fov(math.radians(190), (512, 1024))
    fov = {degrees: math.radians(degrees) for degrees in (90, 120, 180, 200, 220, 250)}
    return {
        "cubemap 3x2": (Cubemap("3x2"), (512, 768)),
        "cubemap 6x1": (Cubemap("6x1"), (256, 1536)),
        "cubemap cross": (Cubemap("cross"), (768, 1024)),
        "cubemap eac": (Cubemap("eac"), (520, 772)),
        "dual fisheye 2 x 190°": (both, (512, 1024)),
        "360° x 120° strip": (ERPPart(2 * math.pi, -fov[120] / 2, fov[120] / 2), (340, 1024)),
        "equidistant 250°": (EquidistantFisheye.from_fov(fov[250], SQUARE), SQUARE),
        "stereographic 220°": (StereographicFisheye.from_fov(fov[220], SQUARE), SQUARE),
        "equisolid 200°": (EquisolidFisheye.from_fov(fov[200], SQUARE), SQUARE),
        "equidistant 180°": (EquidistantFisheye.from_fov(fov[180], SQUARE), SQUARE),
        "orthographic 180°": (OrthographicFisheye.from_fov(fov[180], SQUARE), SQUARE),
        "OpenCV fisheye 180°": (KB4(160, 160, 256, 256, fov[180], 0.02, -0.002), SQUARE),
        "perspective 120°": (Pinhole.from_fov(fov[120], WIDE), WIDE),
        "perspective 90°": (Pinhole.from_fov(fov[90], WIDE), WIDE),
    }


def rendered(seed: int, index: int) -> np.ndarray:
    """(3, H, W) float32: the panorama of a world, by a camera without faults."""
    grid = panorama_grid(ROWS, 2 * ROWS)
    camera = make_camera(seed, index, faults=False)
    return render_scenes([make_scene(seed, index)], grid, [camera]).image[0].numpy()


def rig(seed: int, index: int, offset: float) -> ImageData:
    """Six cameras round the panorama's place, `offset` metres out, as one panorama."""
    world, pictures, cameras = make_scene(seed, index), [], []
    grid = perspective_grid(WIDE, RIG_FOV)
    one = make_camera(seed, index, faults=False, panorama=False)
    for yaw in range(0, 360, 60):
        pose = np.eye(4)
        pose[:3, :3] = rotation_from_yaw_pitch_roll(math.radians(yaw))
        pose[:3, 3] = pose[:3, 2] * offset
        pictures.append(render_scenes([moved(world, pose)], grid, [one]).image[0].numpy())
        view = View(Pinhole.from_fov(RIG_FOV, WIDE), WIDE, pose[:3, :3])
        cameras.append(Camera(view, tuple(pose[:3, 3].tolist())))
    pixels, seen = stitch(matched(pictures, cameras), cameras, (ROWS, 2 * ROWS))
    image = np.ascontiguousarray(np.moveaxis(continued(pixels, seen), 0, -1))
    return ImageData(np.clip(image, 0, 1), seen)


def cut(panorama: np.ndarray, taken: ImageData) -> ImageData:
    """A panorama (3, H, W) without what `taken` does not show."""
    seen = np.ones(taken.size, np.bool_) if taken.valid is None else taken.valid
    image = np.moveaxis(continued(panorama * seen, seen), 0, -1)
    return ImageData(np.clip(np.ascontiguousarray(image), 0, 1), seen)


def abs_rel_percent(found: Prediction, truth: Prediction) -> float:
    """Mean relative difference after the scale is taken out, where both see a surface [%]."""
    view = View(ERP(), (found.distance.shape[0], found.distance.shape[1]))
    expected = resample(truth.solid[None], ERP(), view)[0][0]
    both = resample(truth.mask[None], ERP(), view, mode="nearest")[0][0] & found.mask
    ratio = found.solid[both] / expected[both]
    return float(np.abs(ratio / np.median(ratio) - 1).mean() * 100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=6)
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--offset", type=float, default=0.05)
    parser.add_argument("--only", default="", help="lenses with this in their name; and the rig")
    given = parser.parse_args()
    predictor = panodepth.load(device="cpu")
    rows: dict[str, list[float]] = {}
    for index in range(given.worlds):
        panorama = rendered(given.seed, index)
        truth = predictor.predict(np.moveaxis(panorama, 0, -1).clip(0, 1))
        for name, (lens, size) in lenses().items():
            if given.only not in name:
                continue
            picture, _ = resample(panorama, ERP(), View(lens, size), supersample=2)
            found = predictor.predict(np.moveaxis(picture, 0, -1).clip(0, 1), lens=lens)
            rows.setdefault(name, []).append(abs_rel_percent(found, truth))
        taken = rig(given.seed, index, given.offset)
        for name, data in (
            (f"rig of six cameras, {given.offset:g} m out", taken),
            ("the panorama, cut to what the rig sees", cut(panorama, taken)),
        ):
            rows.setdefault(name, []).append(abs_rel_percent(predictor.predict(data), truth))
        image = np.moveaxis(panorama, 0, -1).clip(0, 1)
        mirrored = predictor.predict(np.ascontiguousarray(image[:, ::-1]))
        both = mirrored.mask[:, ::-1] & truth.mask
        ratio = mirrored.distance[:, ::-1][both] / truth.distance[both]
        difference = float(np.abs(ratio / np.median(ratio) - 1).mean() * 100)
        rows.setdefault("the panorama's mirror image", []).append(difference)
    print(f"| {given.worlds} worlds | AbsRel, mean [%] | worst [%] |\n|---|---|---|")
    for name, values in rows.items():
        print(f"| {name} | {np.mean(values):.2f} | {np.max(values):.2f} |")


if __name__ == "__main__":
    main()
