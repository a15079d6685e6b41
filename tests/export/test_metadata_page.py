"""docs/conventions.md has every key that a file says about itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from panodepth.export.formats import FORMATS
from panodepth.export.mark import stated
from panodepth.types import Prediction

PAGE = (Path(__file__).parents[2] / "docs/conventions.md").read_text(encoding="utf-8")


def test_every_key_of_every_format_stands_on_the_page(tmp_path: Path) -> None:
    height, width = 32, 64
    down = np.sin((np.arange(height) + 0.5) / height * np.pi - np.pi / 2)[:, None]
    distance = np.repeat(1.6 / np.maximum(np.abs(down), 0.2), width, 1).astype(np.float32)
    image = np.full((height, width, 3), 120, np.uint8)
    meta = {"name": "room", "unit": "m", "camera_height_m": 1.6}
    prediction = Prediction(
        distance, np.ones(distance.shape, bool), image, meta, confidence=np.ones_like(distance)
    )
    prediction.save(f"{tmp_path}/", list(FORMATS))
    found = [told for file in tmp_path.rglob("*") if file.is_file() and (told := stated(file))]
    assert len(found) >= len(FORMATS)
    keys = {key for told in found for key in (*told, *told["prediction"])}
    assert {key for key in keys if f"`{key}`" not in PAGE} == set()
