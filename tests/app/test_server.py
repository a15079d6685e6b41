"""Results of the demo over HTTP, without the page."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi")

from panodepth.app.demo import Demo, Row
from panodepth.app.files import offered
from panodepth.app.fragments import downloads_html, problem_html, rows_html, viewer_html
from panodepth.app.options import AppOptions
from panodepth.app.results import Result
from panodepth.app.server import make_app
from panodepth.cli import main
from panodepth.types import Prediction


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    made = Demo(AppOptions(), {"none": lambda: None})  # type: ignore[dict-item, return-value]
    yield made
    made.close()


@pytest.fixture(scope="module")
def client(demo: Demo) -> Iterator[Any]:
    testing = pytest.importorskip("starlette.testclient")
    with testing.TestClient(make_app(demo)) as opened:
        yield opened


@pytest.fixture(scope="module")
def result(demo: Demo) -> Result:
    rows = np.linspace(-1, 1, 32)[:, None]
    distance = np.repeat(1 / np.maximum(np.abs(rows), 0.3), 64, 1).astype(np.float32)
    image = np.zeros((32, 64, 3), np.uint8)
    meta = {"name": "room", "unit": "m", "metres_per_unit": 2.0}
    return demo.results.add("me", "room", Prediction(distance, distance > 0, image, meta))


@pytest.mark.parametrize("name", [n for n in offered() if n not in ("laserscan", "occupancy")])
def test_every_format_is_sent_and_leaves_nothing(client: Any, result: Result, name: str) -> None:
    answer = client.get(f"/results/{result.token}/{name}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"].startswith('attachment; filename="room')
    assert len(answer.content) > 50
    assert list(client.app.state.folder.iterdir()) == []


def test_a_format_of_several_files_is_one_archive(client: Any, result: Result) -> None:
    answer = client.get(f"/results/{result.token}/obj")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert sorted(archive.namelist()) == ["room.obj", "room.obj.jpg", "room.obj.mtl"]


def test_the_viewer_is_shown_and_may_ask_nobody(client: Any, result: Result) -> None:
    answer = client.get(f"/results/{result.token}/html?inline=1")
    assert answer.headers["content-disposition"].startswith("inline")
    assert answer.headers["content-type"].startswith("text/html")
    assert "connect-src 'self'" in answer.headers["content-security-policy"]
    assert f"results/{result.token}/html" in viewer_html(result)


@pytest.mark.parametrize(
    ("token", "name", "says"),
    [
        ("nobody", "glb", "no longer kept"),
        (None, "tga", "unknown format"),
        (None, "..%2f..%2fetc", "Not Found"),
    ],
)
def test_what_is_not_there_is_a_sentence(
    client: Any, result: Result, token: str | None, name: str, says: str
) -> None:
    answer = client.get(f"/results/{token or result.token}/{name}")
    assert (answer.status_code, says in answer.text) == (404, True)
    assert client.get(f"/results/{result.token}/npz").status_code == 200


def test_names_cannot_write_into_the_page(result: Result) -> None:
    rows = [Row("<script>", "failed", "<b>no</b>")]
    assert "<script>" not in rows_html(rows) + problem_html("<script>")
    assert "&lt;b&gt;no" in rows_html(rows)
    links = downloads_html(result)
    assert links.count("<a href=") == len(offered())
    assert "2.00 m per unit" in links


def test_uploads_do_not_fill_the_disk() -> None:
    testing = pytest.importorskip("starlette.testclient")
    small = Demo(AppOptions(kept_megabytes=1), {"none": lambda: None})  # type: ignore[dict-item, return-value]
    with testing.TestClient(make_app(small)) as client:
        assert client.post("/gradio_api/upload", content=bytes(900_000)).status_code != 413
        uploads = client.app.state.folder / "uploads" / "1"
        uploads.mkdir(parents=True)
        (uploads / "a.jpg").write_bytes(bytes(200_000))
        refused = client.post("/gradio_api/upload", content=bytes(900_000))
        assert (refused.status_code, "try again later" in refused.text) == (413, True)
        assert client.post("/gradio_api/upload", content=bytes(100)).status_code != 413


def test_without_gradio_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "gradio" else real(name, *a)
    )
    assert main(["app"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert 'pip install "panodepth[app]"' in err
    assert main(["app", "--static", "x", "--model", "a", "--model", "b"]) == 2
    assert "--static takes one --model" in capsys.readouterr().err
