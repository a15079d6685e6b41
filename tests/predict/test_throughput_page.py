"""The Python of docs/throughput.md runs as it stands, and goes on where it stopped."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

PAGE = (Path(__file__).parents[2] / "docs/throughput.md").read_text(encoding="utf-8")


def test_a_folder_in_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pictures").mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (64, 128, 3), np.uint8)
    Image.fromarray(pixels).save("pictures/a.png")
    Image.fromarray(pixels[::-1]).save("pictures/b.png")
    Path("pictures/broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    values: dict[str, Any] = {}
    exec(code, values)
    (told,) = values["failed"]
    assert "broken.jpg" in told
    written = sorted(path.name for path in Path("out").iterdir())
    ends = ("_distance.npz", "_preview.png")
    assert written == sorted(f"{name}{end}" for name in ("a", "b") for end in ends)
    exec(code, values)
    assert [Path(result.input).name for result in values["results"]] == ["broken.jpg"]
