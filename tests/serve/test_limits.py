"""What the service does not do for a client, whatever it is asked."""

from __future__ import annotations

import asyncio
import http.client
import json
import math
import re
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any
from urllib.parse import urljoin

import numpy as np
import pytest

from panodepth.client import Client, ServiceError
from panodepth.errors import ConfigError, OutputError
from panodepth.predict.predictor import Predictor
from panodepth.serve.options import ServeOptions
from panodepth.types import Prediction

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from tests.serve.running import Running, small

from panodepth.serve.batching import Batcher
from panodepth.serve.cache import Answer
from panodepth.serve.http import Arriving, _body, problem
from panodepth.serve.jobs import JobBook, Share
from panodepth.serve.service import BusyError, format_of, written


@pytest.fixture(scope="module")
def locked(predictor: Predictor) -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PANODEPTH_API_KEY", "secret")
        running = Running(predictor, max_megapixels=0.1)
    yield running
    running.stop()


def test_a_key_is_asked_for(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANODEPTH_API_KEY", "clé")
    running = Running(predictor)
    try:
        assert running.sent("/healthz", None, "GET")[0] == 200
        for wrong in ({}, {"X_API_Key": "cle"}, {"Authorization": "Basic x"}):
            status, _, content = running.sent("/v1/predict", small(), **wrong)
            assert (status, "X-API-Key" in content.decode()) == (401, True)
        assert running.sent("/metrics", None, "GET")[0] == 401
        right = "clé".encode().decode("latin-1")
        assert running.sent("/v1/predict", small(), Authorization=f"Bearer {right}")[0] == 200
    finally:
        running.stop()


def test_a_host_that_names_an_open_page_is_no_key(locked: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", locked.port, timeout=60)
    connection.putrequest("POST", "/v1/predict?format=json", skip_host=True)
    body = small()
    for name, value in (("Host", "x/healthz?"), ("Content-Length", str(len(body)))):
        connection.putheader(name, value)
    connection.endheaders(body)
    assert connection.getresponse().status == 401


@pytest.mark.parametrize(
    ("query", "status", "word"),
    [
        ("format=laserscan", 400, "robots need metres"),
        ("size=1022x2044", 400, "1,048,576 pixels"),
        ("out_projection=cubemap&out_size=1000x1500", 413, "0.1 megapixels"),
    ],
)
def test_what_costs_too_much_or_cannot_be(
    locked: Running, query: str, status: int, word: str
) -> None:
    answered, _, content = locked.sent(f"/v1/predict?{query}", small(), X_API_Key="secret")
    assert (answered, word in content.decode()) == (status, True), content


def test_a_result_without_a_surface_is_no_fault_of_the_service() -> None:
    distance = np.ones((8, 16), np.float32)
    empty = Prediction(distance, distance > 1, np.zeros((8, 16, 3), np.uint8), {"unit": "m"})
    with pytest.raises(OutputError) as caught:
        written(empty, "ply")
    assert str(caught.value).startswith("panorama_points.ply: ")
    assert problem(caught.value).status_code == 400
    disk = OutputError("full")
    disk.__cause__ = OSError()
    assert problem(disk).status_code == 500


def test_what_is_liked_most_is_sent() -> None:
    assert format_of("image/png;q=0.1, model/gltf-binary;Q=0.9") == "glb"
    assert format_of("image/png;q=0.5, */*;q=0.1") == "png"
    assert format_of("text/html") == "html"
    with pytest.raises(ConfigError, match="nothing is written as"):
        format_of("image/png;q=0")


@pytest.mark.parametrize(
    "options",
    [{"seconds": math.nan}, {"max_megabytes": math.inf}, {"queue": 0}, {"cache_megabytes": -1}],
)
def test_numbers_that_are_no_limit(options: dict[str, Any]) -> None:
    name = next(iter(options)).replace("_", "-")
    with pytest.raises(ConfigError, match=f"--{name} is "):
        ServeOptions(**options)


def test_finished_jobs_take_so_much_memory_and_no_more() -> None:
    def finished(count: int) -> Future[Answer]:
        future: Future[Answer] = Future()
        future.set_result(Answer(bytes(count), "", ""))
        return future

    book = JobBook(3, 10)
    big, first, second = (book.add(finished(n), Share()) for n in (50, 6, 4))
    assert [book.get(job.name) for job in (big, first, second)] == [None, first, second]
    third = book.add(finished(1), Share())
    assert [book.get(job.name) for job in (first, second, third)] == [None, second, third]
    running = book.add(Future(), Share())
    last = book.add(finished(50), Share())  # the last one stays, whatever its size
    kept = [book.get(job.name) for job in (second, third, running, last)]
    assert kept == [None, None, running, last]


def test_pictures_on_their_way_take_so_much_memory_and_no_more() -> None:
    class Coming:
        headers: dict[str, str] = {}  # noqa: RUF012

        async def stream(self) -> Any:
            yield b"abc"
            yield b"defg"

    options, arriving = ServeOptions(), Arriving(10)
    assert asyncio.run(_body(Coming(), options, arriving)) == b"abcdefg"  # type: ignore[arg-type]
    arriving.held = 4
    with pytest.raises(BusyError, match="try again"):
        asyncio.run(_body(Coming(), options, arriving))  # type: ignore[arg-type]
    assert arriving.held == 4


class Odd(Predictor):
    """A predictor that cannot tell its batch size, and whose first run returns too little."""

    def __init__(self) -> None:
        self.runs = 0

    def describe(self) -> dict[str, Any]:
        return {}

    def checked_size(self, size: tuple[int, int]) -> tuple[int, int]:
        return size

    def best_batch_size(self, size: tuple[int, int] | None = None) -> int:
        raise RuntimeError("no idea")

    def run(self, pixels: Sequence[np.ndarray]) -> list[Any]:
        self.runs += 1
        return list(pixels) if self.runs > 1 else []


def test_the_networks_thread_goes_on_after_any_error() -> None:
    batcher = Batcher(Odd())
    picture = np.zeros((3, 2, 4), np.float32)
    with pytest.raises(RuntimeError, match="0 results for 1"):
        batcher.submit(picture).result(20)
    assert batcher.submit(picture).result(20) is picture
    batcher.close()


class Tight(Odd):
    """Has memory for three pictures at a time, and for no black one."""

    def __init__(self) -> None:
        super().__init__()
        self.batches = list[int]()
        self.go = threading.Event()

    def best_batch_size(self, size: Any = None) -> int:
        return 8

    def run(self, pixels: Sequence[np.ndarray]) -> list[Any]:
        self.go.wait(20)
        self.batches.append(len(pixels))
        if len(pixels) > 3 or any(not picture.any() for picture in pixels):
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return list(pixels)


def test_a_batch_is_halved_when_memory_is_not_enough() -> None:
    tight = Tight()
    batcher = Batcher(tight)
    pictures = [np.full((3, 2, 4), number, np.float32) for number in (1, 2, 3, 0, 4, 5, 6, 7, 8)]
    waiting = [batcher.submit(picture) for picture in pictures]
    tight.go.set()
    for picture, future in zip(pictures, waiting, strict=True):
        if picture.any():
            assert future.result(20) is picture
        else:
            failure = future.exception(20)
            assert failure is not None
            assert problem(failure).status_code == 503
    last = [batcher.submit(picture) for picture in pictures[4:]]
    assert all(f.result(20) is p for f, p in zip(last, pictures[4:], strict=True))
    batcher.close()
    assert sum(tight.batches.count(size) for size in (8, 4)) <= 3  # later ones are small at once


def test_the_client_sends_options_as_they_are_meant(locked: Running) -> None:
    client = locked.client(key="secret")
    facts = client.facts(small(), size=(140, 280), known_distance="1,2=3", camera_height=None)
    assert (facts["network_size"], facts["unit"]) == ([140, 280], "m")
    for url, key, told in (
        ("no/url", "", "is no address such as http"),
        ("http://127.0.0.1:9", "a\nb", "cannot be reached"),
    ):
        with pytest.raises(ServiceError, match=told):
            Client(url, key).predict(small())
    assert Client("x").seconds > ServeOptions().seconds


def test_a_form_or_an_option_said_twice_is_told_as_such(service: Running) -> None:
    form = "multipart/form-data; boundary=x"
    status, _, content = service.sent("/v1/predict", b"--x\r\n", content_type=form)
    assert (status, b"is a form" in content) == (400, True)
    status, _, content = service.sent("/v1/predict?format=npz&format=png", small())
    assert (status, b"'format' is given more than once" in content) == (400, True)


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/docs", "/openapi.json"])
def test_a_load_balancer_may_ask_for_the_head(service: Running, path: str) -> None:
    status, _, content = service.sent(path, None, "HEAD")
    assert (status, content) == (200, b"")


def test_the_page_finds_its_description_and_routes_behind_a_proxy(service: Running) -> None:
    """As docs/service.md sets it up: /depth/docs asks for /depth/openapi.json and the rest."""
    page = service.sent("/docs", None, "GET")[2].decode()
    [place] = re.findall(r"url: '([^']*)'", page)
    description = urljoin("http://proxy/depth/docs", place)
    assert description == "http://proxy/depth/openapi.json"
    [server] = json.loads(service.sent("/openapi.json", None, "GET")[2])["servers"]
    assert urljoin(description, server["url"]) == "http://proxy/depth/"
