"""Formats of several files, as the service sends them."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator

import pytest

import panodepth

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from tests.serve.running import Running, small


@pytest.fixture(scope="module")
def service() -> Iterator[Running]:
    running = Running(panodepth.load(dtype="float32", device="cpu"))
    yield running
    running.stop()


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("format=obj", {"panorama.obj", "panorama.obj.mtl", "panorama.obj.jpg"}),
        ("format=occupancy&camera_height=1.6", {"panorama_map.png", "panorama_map.png.yaml"}),
        ("format=pfm", {"panorama_distance.pfm", "panorama_distance.pfm.json"}),
        (
            "format=rosbag2&camera_height=1.6",
            {f"panorama_bag/{name}" for name in ("bag.db3", "bag.db3.json", "metadata.yaml")},
        ),
    ],
)
def test_they_come_as_one_zip(service: Running, query: str, names: set[str]) -> None:
    """The very files that `save` writes, under their names."""
    if "rosbag2" in query:
        pytest.importorskip("rosbags")
    status, headers, content = service.sent(f"/v1/predict?{query}", small())
    assert (status, headers["content-type"]) == (200, "application/zip"), content[:300]
    assert re.search(r'filename="panorama_\w+\.zip"', headers["content-disposition"])
    with zipfile.ZipFile(io.BytesIO(content)) as sent:
        assert sent.testzip() is None
        assert set(sent.namelist()) == names
        assert all(entry.file_size for entry in sent.infolist())
