"""Results of the demo over HTTP, without the page."""

from __future__ import annotations

import asyncio
import io
import math
import os
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi")

from panodepth.app.demo import Demo, Row
from panodepth.app.files import offered, write
from panodepth.app.fragments import downloads_html, problem_html, rows_html, viewer_html
from panodepth.app.options import AppOptions
from panodepth.app.results import Result
from panodepth.app.server import LOOK_BYTES, UploadLimit, _held, make_app
from panodepth.cli import main
from panodepth.errors import ConfigError, OutputError
from panodepth.export.formats import check_metres
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
    assert "is being built" in viewer_html(result)  # that of a large picture takes a while


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


def test_what_needs_metres_is_no_link_where_there_are_none(result: Result) -> None:
    relative = replace(result, prediction=replace(result.prediction, meta={"name": "room"}))
    links = downloads_html(relative)
    linked = set(re.findall(r"/([\w-]+)\" target", links))
    refused = set()
    for name in offered():
        try:
            check_metres([name])
        except ConfigError:
            refused.add(name)
    assert linked == set(offered()) - refused
    assert links.count("needs a camera height") == len(refused) > 5


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


def test_an_upload_of_unsaid_length_is_cut_off(tmp_path: Path) -> None:
    cut = UploadLimit(_taking, tmp_path, 1000)  # type: ignore[arg-type]
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "a.jpg").write_bytes(bytes(2000))
    scope = {"type": "http", "path": "/gradio_api/upload", "headers": [(b"content-length", b"-9")]}
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": bytes(LOOK_BYTES + 1), "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(cut(scope, receive, send))
    assert sent[0]["status"] == 413  # the folder is full already
    (tmp_path / "kept" / "a.jpg").write_bytes(bytes(900))
    room = UploadLimit(_taking, tmp_path, 1000)  # type: ignore[arg-type]

    async def growing() -> Any:
        (tmp_path / "kept" / "b.jpg").write_bytes(bytes(200))
        return await receive()

    sent.clear()
    asyncio.run(room(scope, growing, send))
    assert sent == ["http.disconnect"]


async def _taking(_scope: Any, receive: Any, send: Any) -> None:
    """An application that says which kind of message it got."""
    await send((await receive())["type"])


def test_uploads_that_were_broken_off_go(tmp_path: Path) -> None:
    (tmp_path / "uploads").mkdir()
    for name in ("tmp1", "tmp2", "uploads/whole.jpg"):
        (tmp_path / name).write_bytes(bytes(10))
    for name in ("tmp1", "uploads/whole.jpg"):
        os.utime(tmp_path / name, (0, 0))
    assert _held(tmp_path) == 20
    assert not (tmp_path / "tmp1").exists()
    assert (tmp_path / "tmp2").exists()


def test_errors_of_files_do_not_say_where_the_server_keeps_them(tmp_path: Path) -> None:
    distance = np.ones((8, 16), np.float32)
    empty = Prediction(distance, distance > 1, np.zeros((8, 16, 3), np.uint8), {"unit": "m"})
    with pytest.raises(OutputError) as caught:
        write(Result("1", "me", "room", empty), "ply", tmp_path)
    assert str(tmp_path) not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [{"pictures": 0}, {"kept_megabytes": math.inf}])
def test_numbers_that_are_no_limit(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="give a finite number"):
        AppOptions(**options)
