"""Rays of FFmpeg's `v360` filter, an independent reader of the same projections.

Every pixel of a panorama holds its own ray as 16-bit colours; `v360` turns the panorama into each
projection, 512 x 512 pixels for a lens or a face, and each pixel then says which ray `v360` put
there. Prints how far the package's lenses are from that, and writes some pixels of each for
tests/geometry.

    python benchmarks/v360_reference.py --ffmpeg ffmpeg --out tests/geometry/v360.npz
"""

from __future__ import annotations

import argparse
import math
import subprocess
from pathlib import Path

import numpy as np

from panodepth.geometry.grid import erp_rays
from panodepth.geometry.lens import Lens, Pinhole
from panodepth.geometry.lenses import (
    Cubemap,
    DualFisheye,
    EquidistantFisheye,
    EquisolidFisheye,
    ERPPart,
    OrthographicFisheye,
    StereographicFisheye,
)

SIDE = 512
SIZE = (SIDE, SIDE)
SOURCE = (2048, 4096)
KEPT = 384  # pixels of each projection that are written
LOW, SPAN = 0.05, 0.9  # of full scale: v360's 16-bit interpolation wraps round near its ends


def fov(degrees: float) -> str:
    return f"h_fov={degrees}:v_fov={degrees}"


def projections() -> dict[str, tuple[str, Lens, tuple[int, int]]]:
    """By name: v360's words for it, the lens, and (height, width) of the picture."""
    wide, half, around = (math.radians(degrees) for degrees in (200, 180, 300))
    return {
        "flat": (f"flat:{fov(90)}", Pinhole.from_fov(math.pi / 2, SIZE), SIZE),
        "fisheye": (f"fisheye:{fov(180)}", EquidistantFisheye.from_fov(half, SIZE), SIZE),
        "fisheye-200": (f"fisheye:{fov(200)}", EquidistantFisheye.from_fov(wide, SIZE), SIZE),
        "equisolid": (f"equisolid:{fov(200)}", EquisolidFisheye.from_fov(wide, SIZE), SIZE),
        "stereographic": (f"sg:{fov(300)}", StereographicFisheye.from_fov(around, SIZE), SIZE),
        "orthographic": (f"og:{fov(180)}", OrthographicFisheye.from_fov(half, SIZE), SIZE),
        "3x2": ("c3x2", Cubemap("3x2"), (2 * SIDE, 3 * SIDE)),
        "6x1": ("c6x1", Cubemap("6x1"), (SIDE, 6 * SIDE)),
        "1x6": ("c1x6", Cubemap("1x6"), (6 * SIDE, SIDE)),
        "turned": (
            "c3x2:out_forder=fbudlr:out_frot=012301",
            Cubemap("3x2", "fbudlr", "012301"),
            (2 * SIDE, 3 * SIDE),
        ),
        "eac": ("eac", Cubemap("eac"), (2 * SIDE, 3 * SIDE)),
        "hequirect": ("hequirect", ERPPart(math.pi), SIZE),
        "dual-fisheye": (
            f"dfisheye:{fov(200)}",
            DualFisheye.from_fov(wide, (SIDE, 2 * SIDE)),
            (SIDE, 2 * SIDE),
        ),
    }


def v360(ffmpeg: str, words: str, out: tuple[int, int]) -> np.ndarray:
    """(*out, 3) float64: the ray that v360 puts into each pixel."""
    rays = erp_rays(*SOURCE, dtype=np.float64)
    coded = np.rint((LOW + SPAN * (rays + 1) / 2) * 65535).astype("<u2")
    planar = np.ascontiguousarray(np.moveaxis(coded[..., [1, 2, 0]], -1, 0))  # G, B, R
    raw = ["-f", "rawvideo", "-pix_fmt", "gbrp16le"]
    size = f"{SOURCE[1]}x{SOURCE[0]}"
    turn = f"v360=e:{words}:w={out[1]}:h={out[0]}:interp=linear"
    command = [ffmpeg, "-v", "error", *raw, "-s", size, "-i", "-", "-vf", turn, *raw, "-"]
    done = subprocess.run(command, input=planar.tobytes(), capture_output=True, check=True)
    green, blue, red = np.frombuffer(done.stdout, "<u2").reshape(3, *out)
    return (np.stack((red, green, blue), -1) / 65535 - LOW) / SPAN * 2 - 1


def angles_deg(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """(...) angles between vectors (..., 3) of any length."""
    sine = np.linalg.norm(np.cross(found, expected), axis=-1)
    return np.degrees(np.arctan2(sine, (found * expected).sum(-1)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ffmpeg", default="ffmpeg")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    kept: dict[str, np.ndarray] = {}
    print("| projection | mean [deg] | max [deg] |\n|---|---|---|")
    for name, (words, lens, size) in projections().items():
        theirs, ours = v360(given.ffmpeg, words, size), lens.rays(size, dtype=np.float64)
        seen = np.linalg.norm(ours, axis=-1) > 0.5
        off = angles_deg(theirs, ours)[seen]
        print(f"| {name} | {off.mean():.3f} | {off.max():.3f} |")
        places = np.flatnonzero(seen)[:: max(1, int(seen.sum()) // KEPT)]
        kept[f"{name} places"] = places.astype(np.uint32)
        kept[f"{name} rays"] = theirs.reshape(-1, 3)[places].astype(np.float32)
    if given.out:
        np.savez_compressed(given.out, **kept)


if __name__ == "__main__":
    main()
