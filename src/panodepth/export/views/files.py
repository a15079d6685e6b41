"""`views`: pictures of ordinary cameras with their distance, z-depth, intrinsics and poses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from panodepth.export.metadata import DATA, HOUSE_FRAME, metadata, png_texts, to_json
from panodepth.export.views.archive import archive
from panodepth.export.views.cameras import ViewOptions, depth_png, depth_step, shots
from panodepth.types import Prediction

QUANTITIES = {
    "distance": "Euclidean distance along the ray",
    "z_depth": "depth along the camera's axis",
}


def write_views(
    prediction: Prediction, path: Path, options: ViewOptions = ViewOptions()
) -> list[Path]:
    """A ZIP file: views.json, images/NAME, and 16-bit distance/NAME.png and z_depth/NAME.png."""
    step = depth_step(prediction)
    meta = metadata(prediction, "pictures, distance and z-depth of pinhole cameras", scale=step)
    told: list[dict[str, Any]] = []
    with archive(path, meta) as add:
        for shot in shots(prediction, options):
            name = shot.camera.name
            files = {"image": f"images/{name}.{options.picture}"}
            add(files["image"], shot.encoded(options.picture))
            for kind, quantity in QUANTITIES.items():
                said = {
                    **metadata(shot.seen, quantity, scale=step, invalid=0, sky=0, **DATA),
                    "view": name,
                }
                files[kind] = f"{kind}/{name}.png"
                add(files[kind], depth_png(getattr(shot, kind), step, png_texts(said)))
            pose = {"camera_to_world": shot.camera.pose.tolist()}
            told.append({"name": name, **files, **shot.camera.intrinsics(), **pose})
        about = {
            "frame": HOUSE_FRAME,
            "unit": prediction.unit,
            "depth_scale": step,
            "pixel_centres": 0.5,
            "views": told,
            "metadata": meta,
        }
        add("views.json", to_json(about, indent=1).encode("ascii"))
    return [path]
