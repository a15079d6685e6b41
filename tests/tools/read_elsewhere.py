"""Readers for read_files.py that run outside its Python: Blender, and splat-transform by node."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

# Points (N, 3), colours (N, 3) in 0..1 or None, and what else was found.
Found = tuple[np.ndarray, np.ndarray | None, str]

BLENDER = Path(sys.prefix).parent / ".venv-blender"
SAME = 2e-5  # of a distance: 16 bits of the PNG are coarser near the camera


def blender_scene(path: Path) -> Found:
    found = _in_blender(path)
    return found["points"], found.get("colours"), str(found["told"])


def blender_picture(path: Path) -> Found:
    """Distances as Blender has them against the arrays of the npz; PNG and TIFF as Non-Color."""
    found = _in_blender(path)
    with np.load(path.with_name("box_distance.npz")) as file:
        true = file["distance"]
    scale, step = 1.0, 0.0
    if path.suffix == ".png":
        step = json.loads(path.with_name(path.name + ".json").read_text())["scale"]
        scale = 65535 * step
    off = np.abs(found["data"] * scale - true)
    assert (off <= SAME * true + 0.51 * step).all(), f"off by {off.max()} m"
    ahead = true.shape[0] // 2, true.shape[1] // 2
    plain, data = (found[name][ahead] * scale for name in ("plain", "data"))
    told = f"off by {off.max() * 1000:.2f} mm at most; {data:.2f} m ahead"
    if path.suffix != ".exr":
        told += f" as Non-Color, {plain:.2f} as colour"
    return np.zeros((0, 3)), None, told


def blender_version() -> str:
    made = next(BLENDER.glob("lib/python*/site-packages/bpy-*.dist-info"), None)
    return "" if made is None else made.name.removeprefix("bpy-").removesuffix(".dist-info")


def _in_blender(path: Path) -> dict[str, np.ndarray]:
    """What read_blender.py finds; ImportError where Blender could not be installed."""
    if not blender_version():
        raise ImportError("no bpy")
    script = Path(__file__).with_name("read_blender.py")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.npz"
        call = [BLENDER / "bin/python", script, path.resolve(), out]
        done = subprocess.run(call, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr.strip().splitlines()[-1]
        with np.load(out) as found:
            return dict(found)


def splat_transform(path: Path) -> Found:
    """.splat by PlayCanvas's splat-transform to PLY, and that by gsply."""
    program = Path(sys.prefix) / "node_modules/.bin/splat-transform"
    if shutil.which("node") is None or not program.exists():
        raise ImportError("no splat-transform")
    import gsply

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.ply"
        subprocess.run([program, path, copy], capture_output=True, check=True, timeout=300)
        data = gsply.plyread(str(copy))
    colours = 0.5 + 0.28209479 * np.asarray(data.sh0)
    return np.asarray(data.means), colours, f"{len(data.means)} splats"
