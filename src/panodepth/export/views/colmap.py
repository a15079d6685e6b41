"""`colmap`: the panorama as a COLMAP model, text and binary, with its pictures and a cloud.

File format: https://colmap.github.io/format.html. Its camera axes are the house frame's and its
pixel centres lie at +0.5, so nothing is turned; poses go from the world to the camera.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from panodepth.export.metadata import metadata
from panodepth.export.views.archive import archive
from panodepth.export.views.cameras import ModelOptions, Points, Shot, seeds, shots
from panodepth.export.views.colmap_binary import binary_model
from panodepth.geometry.lens import ERP
from panodepth.geometry.rotation import quaternion_from_rotation
from panodepth.types import Prediction

MODEL = "sparse/0"  # where COLMAP and those who read its folders look


def write_colmap(
    prediction: Prediction, path: Path, options: ModelOptions = ModelOptions()
) -> list[Path]:
    """A ZIP file that unpacks to images/ and sparse/0/ with cameras, images and points3D.

    Each of the three is there as .txt and as .bin, with the same content: readers take either.

    Six pinhole faces, or N views; or one picture of the camera model EQUIRECTANGULAR, which COLMAP
    has from 4.1 on. Each point has one observation, the pixel it comes from.
    """
    taken = list(shots(prediction, options))
    clouds = seeds(taken, options.max_points)
    meta = metadata(prediction, "COLMAP model: pictures and points")
    with archive(path, meta) as add:
        for shot in taken:
            add(f"images/{_file(shot, options)}", shot.encoded(options.picture))
        add(f"{MODEL}/cameras.txt", _text([_camera(taken[0])]))
        add(f"{MODEL}/images.txt", _text(_images(clouds, options)))
        add(f"{MODEL}/points3D.txt", _text(_points(clouds)))
        names = [_file(shot, options) for shot in taken]
        for name, content in binary_model(clouds, names).items():
            add(f"{MODEL}/{name}.bin", content)
    return [path]


def _camera(shot: Shot) -> str:
    """The one camera of all pictures."""
    height, width = shot.camera.size
    if isinstance(shot.camera.lens, ERP):
        return f"1 EQUIRECTANGULAR {width} {height} {width} {height}"
    told = shot.camera.intrinsics()
    numbers = " ".join(f"{told[key]:.9g}" for key in ("fx", "fy", "cx", "cy"))
    return f"1 PINHOLE {width} {height} {numbers}"


def _images(clouds: list[Points], options: ModelOptions) -> list[str]:
    """Two lines for each picture: its pose, and its pixels with their points' numbers."""
    lines, first = [], 1
    for number, points in enumerate(clouds, 1):
        turn = quaternion_from_rotation(points.shot.camera.rotation.T)
        pose = " ".join(f"{value:.12g}" for value in [*turn, 0, 0, 0])
        lines.append(f"{number} {pose} 1 {_file(points.shot, options)}")
        numbers = np.arange(first, first + len(points.xyz))
        rows = np.column_stack([points.pixels, numbers])
        lines.append(("%g %g %d " * len(rows) % tuple(rows.ravel().tolist())).rstrip())
        first += len(points.xyz)
    return lines


def _points(clouds: list[Points]) -> list[str]:
    """A line for each point: number, place, colour, error, and picture and place of its pixel."""
    lines, first = [], 1
    for picture, points in enumerate(clouds, 1):
        rows = zip(points.xyz.tolist(), points.rgb.tolist(), strict=True)
        lines += [
            f"{first + i} {x:.7g} {y:.7g} {z:.7g} {r} {g} {b} 0 {picture} {i}"
            for i, ((x, y, z), (r, g, b)) in enumerate(rows)
        ]
        first += len(points.xyz)
    return lines


def _file(shot: Shot, options: ModelOptions) -> str:
    return f"{shot.camera.name}.{options.picture}"


def _text(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode("ascii")
