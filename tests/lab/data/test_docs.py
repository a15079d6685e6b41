"""The Python of docs/data.md runs as it is written, from top to bottom."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from panodepth.lab.data import SOURCES, open_source

from .conftest import H, W, make_image, write_image, write_pair

PAGE = (Path(__file__).parents[3] / "docs" / "data.md").read_text(encoding="utf-8")


def test_the_page_runs(tmp_path, monkeypatch):
    write_pair(tmp_path / "mine", "room")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(blocks) == 5
    scan = tmp_path / "m3d360" / "scan"
    write_image(scan / "0a_rgb.png", make_image())
    values = np.full((H, W), 2.25, "<f4")
    head = np.float32(202021.25).tobytes() + np.array([W, H], "<i4").tobytes()
    (scan / "0a_depth.dpt").write_bytes(head + values.tobytes())
    names: dict = {}
    for block in blocks:
        exec(compile(block, "docs/data.md", "exec"), names)
    sample = names["shards"][0]
    assert sample.meta["licence"] == "CC0-1.0"
    assert sample.meta["unit"] == "m"
    assert np.isposinf(sample.distance[:20]).all()
    assert (sample.distance[-4:] == 0).all()
    assert (sample.distance[20:-4] == 2.5).all()
    assert 0 <= names["index"] < 500
    (brought,) = open_source("folder", "own360")
    assert brought.meta["name"] == "scan/0a_rgb"
    assert (brought.distance == 2.25).all()


def test_the_page_lists_every_kind():
    assert {kind for kind in SOURCES if f"| `{kind}` |" in PAGE} == set(SOURCES)
