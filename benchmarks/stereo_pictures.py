"""The picture of docs/formats.md, Headsets: both eyes of a room, a part of each, and both as red
and cyan for glasses of these colours.

    python benchmarks/stereo_pictures.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

import panodepth
from panodepth.export.stereo.ods import ods_pair

ROOT = Path(__file__).parents[1]
WIDTH, GAP = 960, 6  # of the sheet, between its pictures [px]
PART = slice(170, 370), slice(120, 520)  # of 512 x 1024


def main() -> None:
    prediction = panodepth.load().predict(ROOT / "examples/interior.jpg", scale="learned")
    left, right = ods_pair(prediction)
    both = np.concatenate([left[..., :1], right[..., 1:]], axis=-1)
    whole = Image.new("RGB", (WIDTH, 395), "white")
    place(whole, (left, right), 0)
    place(whole, (left[PART], right[PART], both[PART]), 240)
    out = ROOT / "docs/images/stereo_ods.jpg"
    whole.save(out, quality=80, optimize=True)
    print(f"{out.name}: {whole.size}, {out.stat().st_size} bytes")


def place(whole: Image.Image, pictures: tuple[np.ndarray, ...], top: int) -> None:
    """Pictures of one size side by side, as wide as the sheet."""
    width = (WIDTH - GAP * (len(pictures) - 1)) // len(pictures)
    for number, picture in enumerate(pictures):
        height = round(width * picture.shape[0] / picture.shape[1])
        small = Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS)
        whole.paste(small, (number * (width + GAP), top))


if __name__ == "__main__":
    main()
