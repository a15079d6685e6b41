"""`panodepth serve`: answers, limits, refusals, over real sockets."""

from __future__ import annotations

import gc
import http.client
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from panodepth.client import ServiceError
from panodepth.predict.predictor import Predictor
from panodepth.serve.options import ServeOptions
from panodepth.serve.service import read_wanted

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from tests.bad_pictures import BAD_PICTURES
from tests.serve.running import PICTURE, Running, small


class Held(Predictor):
    """Another predictor, whose network waits until it is let go, and counts its batches."""

    def __init__(self, inner: Predictor) -> None:
        self.inner, self.go, self.batches = inner, threading.Event(), list[int]()
        self.name, self.size, self.own_size = inner.name, inner.size, inner.own_size
        self.edges = inner.edges
        self.measured = list[Any]()  # sizes that a batch was measured for

    def describe(self) -> dict[str, Any]:
        return self.inner.describe()

    def checked_size(self, size: tuple[int, int]) -> tuple[int, int]:
        return self.inner.checked_size(size)

    def best_batch_size(self, size: tuple[int, int] | None = None) -> int:
        self.measured.append(size)
        return 4

    def run(self, pixels: Sequence[np.ndarray]) -> list[Any]:
        self.go.wait(30)
        self.batches.append(len(pixels))
        return self.inner.run(pixels)


def test_an_answer_is_what_predict_gives(service: Running, predictor: Predictor) -> None:
    expected = predictor.predict(PICTURE, camera_height=1.6)
    distance, mask = service.client().distance(PICTURE, camera_height=1.6)
    np.testing.assert_array_equal(distance, expected.distance)
    np.testing.assert_array_equal(mask, expected.mask)
    facts = service.client().facts(PICTURE, camera_height=1.6)
    assert facts["unit"] == "m"
    assert facts["metres_per_unit"] == pytest.approx(expected.scale)
    assert (facts["width"], facts["height"], facts["name"]) == (1024, 512, "panorama")


@pytest.mark.parametrize(
    ("query", "accept", "media", "starts"),
    [
        ("", "*/*", "application/x-npz", b"PK"),
        ("", "", "application/x-npz", b"PK"),
        ("", "text/plain, image/png;q=0.5", "image/png", b"\x89PNG"),
        ("", "model/gltf-binary", "model/gltf-binary", b"glTF"),
        ("?format=exr", "image/png", "image/x-exr", b"\x76\x2f\x31\x01"),
        ("?format=ply", "", "application/x-ply", b"ply\n"),
        ("?format=html", "", "text/html; charset=utf-8", b"<!"),
        ("", "application/json", "application/json", b"{"),
        ("", "image/jpeg", "image/jpeg", b"\xff\xd8\xff"),
        ("?format=views", "", "application/zip", b"PK"),
        ("?format=confidence-png", "", "image/png", b"\x89PNG"),
    ],
)
def test_the_format_is_the_querys_or_what_is_accepted(
    service: Running, query: str, accept: str, media: str, starts: bytes
) -> None:
    status, headers, content = service.sent("/v1/predict" + query, small(), Accept=accept)
    assert (status, headers["content-type"]) == (200, media)
    assert content.startswith(starts)
    assert 'filename="panorama' in headers["content-disposition"]


def test_the_same_question_is_answered_from_memory(service: Running) -> None:
    body = small()
    first = service.sent("/v1/predict?format=npz&sky=none&level=none", body)
    again = service.sent("/v1/predict?level=none&format=npz&sky=none", body)
    other = service.sent("/v1/predict?format=npz&sky=none&level=best", body)
    assert [x[1]["x-cache"] for x in (first, again, other)] == ["miss", "hit", "miss"]
    assert first[2] == again[2]


@pytest.mark.parametrize(
    ("path", "body", "status", "word"),
    [
        ("/v1/predict", b"", 400, "no picture"),
        ("/v1/predict", b"hello", 400, "image bytes"),
        ("/v1/predict", small()[:700], 400, "image bytes"),
        ("/v1/predict?format=", small(), 400, "unknown format ''"),
        ("/v1/predict?format=tga", small(), 400, "unknown format 'tga'"),
        ("/v1/predict?camera_hight=2", small(), 400, "did you mean 'camera_height'"),
        ("/v1/predict?camera_height=tall", small(), 400, "camera_height must be a number"),
        ("/v1/predict?camera_height=-1", small(), 400, "positive"),
        ("/v1/predict?size=13x26", small(), 400, "13"),
        (f"/v1/predict?size={'9' * 5000}x1", small(), 400, "more than 500 characters"),
        ("/v1/predict?size=9x", small(), 400, "is not HxW"),
        ("/v1/predict?allow_any_aspect=perhaps", small(), 400, "true or false"),
        ("/v1/predict?points=/etc/passwd", small(), 400, "unknown option 'points'"),
        ("/v1/predict?sky=/etc/passwd", small(), 400, "unknown sky"),
        ("/v1/predict?rig=/etc/passwd", small(), 400, "unknown option 'rig'"),
        ("/v1/predict?format=laserscan", small(), 400, "metres"),
        ("/v1/predict", b"x" * 2_000_001, 413, "above 2 MB"),
        ("/nowhere", None, 404, "Not Found"),
        ("/healthz", b"x", 405, "Not Allowed"),
        ("/v1/jobs/nobody", None, 404, "no such job"),
        ("/v1/jobs/nobody/result", None, 404, "no such job"),
    ],
)
def test_what_is_wrong_is_one_line_and_the_next_one_works(
    service: Running, path: str, body: bytes | None, status: int, word: str
) -> None:
    method = "GET" if body is None else "POST"
    got, _, content = service.sent(path, body, method)
    assert got == status
    told = json.loads(content)["error"]
    assert word in told
    assert "\n" not in told
    assert service.sent("/v1/predict", small())[0] == 200


@pytest.mark.parametrize(
    ("name", "make", "says"), BAD_PICTURES, ids=[name for name, _, _ in BAD_PICTURES]
)
def test_every_kind_of_bad_file_is_one_line(
    service: Running, tmp_path: Path, name: str, make: Callable[[Path], None], says: str
) -> None:
    make(tmp_path / name)
    status, _, content = service.sent("/v1/predict", (tmp_path / name).read_bytes())
    told = json.loads(content)["error"]
    assert status == (413 if name == "huge.png" else 400)
    assert says in told or name == "empty.png"
    assert "\n" not in told
    assert name not in told


def test_a_bomb_is_refused_by_its_header(service: Running) -> None:
    place = io.BytesIO()
    Image.new("L", (6000, 3000)).save(place, "PNG")
    status, _, content = service.sent("/v1/predict", place.getvalue())
    assert (status, "megapixels" in content.decode()) == (413, True)


def test_chunks_without_a_length_are_counted_too(service: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    pieces = (b"x" * 100_000 for _ in range(30))
    try:
        connection.request(
            "POST",
            "/v1/predict",
            pieces,
            encode_chunked=True,
            headers={"Transfer-Encoding": "chunked"},
        )
        assert connection.getresponse().status == 413
    except (BrokenPipeError, ConnectionResetError):
        pass  # told off while it was still sending
    assert service.sent("/healthz", None, "GET")[0] == 200


def test_slow_senders_and_half_bodies_hold_nobody_up(service: Running) -> None:
    head = b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nabc"
    with socket.create_connection(("127.0.0.1", service.port), 20) as slow:
        slow.sendall(head)
        with socket.create_connection(("127.0.0.1", service.port), 20) as half:
            half.sendall(head)
        assert service.sent("/v1/predict", small())[0] == 200
        assert slow.recv(100).startswith(b"HTTP/1.1 408")
    assert service.app.state.service.waiting == 0


def test_too_many_are_told_to_come_again(predictor: Predictor) -> None:
    held = Held(predictor)
    running = Running(held, queue=2)
    try:
        with ThreadPoolExecutor(2) as pool:
            accepted = [
                pool.submit(running.sent, f"/v1/predict?level=none&max_distance={n}", small())
                for n in (1, 2)
            ]
            while running.app.state.service.waiting < 2:
                time.sleep(0.01)
            status, headers, _ = running.sent("/v1/predict", small())
            assert (status, headers["retry-after"]) == (429, "1")
            with pytest.raises(ServiceError, match="try again"):
                running.client(tries=1).predict(small())
            held.go.set()
            assert [a.result()[0] for a in accepted] == [200, 200]
        assert running.client().predict(small())
    finally:
        held.go.set()
        running.stop()


def test_pictures_that_wait_share_a_pass(predictor: Predictor) -> None:
    held = Held(predictor)
    running, once = Running(held), "/v1/predict?level=none&quality=fast"
    try:
        with ThreadPoolExecutor(4) as pool:
            asked = [
                pool.submit(running.sent, f"{once}&max_distance={n}", small()) for n in range(1, 5)
            ]
            while running.app.state.service._batcher._waiting.qsize() < 3:
                time.sleep(0.01)
            held.go.set()
            assert [a.result()[0] for a in asked] == [200] * 4
        assert held.batches == [1, 3]
        assert running.sent("/v1/predict?level=none", small())[0] == 200
        assert sum(held.batches) == 7  # the last picture was seen three times
        assert held.measured == [held.size]  # measuring runs the network: once is enough
    finally:
        held.go.set()
        running.stop()


def test_what_takes_too_long_is_given_up(predictor: Predictor) -> None:
    held = Held(predictor)
    running = Running(held, seconds=0.2)
    try:
        status, _, content = running.sent("/v1/predict", small())
        assert (status, "0.2 s" in content.decode()) == (503, True)
    finally:
        held.go.set()
        running.stop()


def test_a_network_that_fails_is_not_told_about(
    predictor: Predictor, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken(Held):
        def run(self, pixels: Sequence[np.ndarray]) -> list[Any]:
            raise RuntimeError("secret /home/me/model")

    running = Running(Broken(predictor))
    try:
        status, _, content = running.sent("/v1/predict", small())
        assert (status, json.loads(content)) == (500, {"error": "the prediction failed"})
    finally:
        running.stop()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert any("secret" in line.get("error", "") for line in lines)
    assert {"path", "method", "status", "seconds", "time"} <= set(lines[-1])


def test_jobs_are_come_back_for(service: Running) -> None:
    status, _, content = service.sent("/v1/jobs?format=png&max_distance=3", small())
    assert status == 202
    name = json.loads(content)["job"]
    seen = [0.0]
    while (told := json.loads(service.sent(f"/v1/jobs/{name}", None, "GET")[2]))["state"] != "done":
        assert told["state"] in ("waiting", "running")
        seen.append(told["progress"])
        time.sleep(0.02)
    assert seen == sorted(seen)
    assert told["progress"] == 1
    status, headers, content = service.sent(f"/v1/jobs/{name}/result", None, "GET")
    assert (status, headers["content-type"], content[:4]) == (200, "image/png", b"\x89PNG")
    for path in (name, f"{name}/result"):  # how large it is, say, before it is fetched
        status, of_head, nothing = service.sent(f"/v1/jobs/{path}", None, "HEAD")
        assert (status, nothing) == (200, b"")
    assert of_head["content-length"] == headers["content-length"]
    assert service.sent("/v1/jobs/unknown", None, "HEAD")[0] == 404
    status, _, content = service.sent("/v1/jobs", b"no picture")
    name = json.loads(content)["job"]
    while (told := json.loads(service.sent(f"/v1/jobs/{name}", None, "GET")[2]))[
        "state"
    ] != "failed":
        time.sleep(0.02)
    assert "image bytes" in told["error"]
    assert service.sent(f"/v1/jobs/{name}/result", None, "GET")[0] == 400
    assert service.sent(f"/v1/jobs/{name}/result", None, "HEAD")[0] == 400


def test_the_progress_of_a_job_is_that_of_its_prediction(predictor: Predictor) -> None:
    from panodepth.serve.jobs import Share
    from panodepth.serve.service import Service, read_wanted

    seen: list[float] = []
    share = Share()
    service = Service(predictor, ServeOptions())
    wanted = read_wanted({"quality": "balanced", "format": "json"})
    place = io.BytesIO()
    Image.open(PICTURE).resize((2048, 1024)).save(place, "JPEG")

    def watch(value: float) -> None:
        share.set(value)
        seen.append(value)

    service.start(place.getvalue(), wanted, "key", watch).result()
    service.close()
    assert seen == sorted(seen)
    assert seen[:3] == [0.0, 0.1, 0.4]
    assert any(0.4 < value < 0.9 for value in seen)
    assert share.value == pytest.approx(0.9)
    share.set(0.5)
    assert share.value == pytest.approx(0.9)


def test_what_nobody_waits_for_is_not_begun(
    predictor: Predictor, caplog: pytest.LogCaptureFixture
) -> None:
    held = Held(predictor)
    running = Running(held, seconds=0.3)
    try:
        assert running.sent("/v1/predict?level=none", small())[0] == 503
        held.go.set()
        service = running.app.state.service
        while service.waiting:
            time.sleep(0.01)
        assert service.cache.used == 0  # stopped after the network, before a file was written
    finally:
        held.go.set()
        running.stop()
    gc.collect()
    assert "never retrieved" not in caplog.text  # asyncio's word for an error that is lost


def test_a_client_that_leaves_is_not_worked_for(
    predictor: Predictor, caplog: pytest.LogCaptureFixture
) -> None:
    held = Held(predictor)
    running = Running(held)
    service = running.app.state.service
    body = small()
    length = f"Content-Length: {len(body)}"
    head = f"POST /v1/predict?level=none HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", running.port), 20) as leaving:
            leaving.sendall(head.encode() + body)
            while not service.waiting:
                time.sleep(0.01)
        while b'/v1/predict",status="400"' not in running.sent("/metrics", None, "GET")[2]:
            time.sleep(0.01)
        held.go.set()
        while service.waiting:
            time.sleep(0.01)
        assert service.cache.used == 0
        assert running.sent("/v1/predict", body)[0] == 200
    finally:
        held.go.set()
        running.stop()
    gc.collect()
    assert "never retrieved" not in caplog.text


def test_numbers_and_description(service: Running) -> None:
    service.sent("/v1/predict", small())
    service.sent("/nowhere/secret", None, "GET")
    text = service.sent("/metrics", None, "GET")[2].decode()
    assert 'panodepth_requests_total{path="/v1/predict",status="200"}' in text
    assert "panodepth_batch_size_count" in text
    assert "secret" not in text
    described = json.loads(service.sent("/openapi.json", None, "GET")[2])
    told = {p["name"]: p["schema"] for p in described["paths"]["/v1/predict"]["post"]["parameters"]}
    assert told["camera_height"] == {"type": "number", "minimum": 0.01}
    assert told["allow_any_aspect"] == {"type": "boolean", "default": False}
    assert "balanced" in told["quality"]["enum"]
    defaults = {key: str(schema["default"]) for key, schema in told.items() if "default" in schema}
    assert (defaults["format"], defaults["quality"], defaults["level"]) == (
        "npz",
        "standard",
        "auto",
    )
    assert read_wanted(defaults) == read_wanted({})
    assert "points" not in told  # it would name a file
    assert set(described["paths"]["/v1/predict"]["post"]["responses"]) >= {"200", "400", "429"}
    health = service.client().health()
    assert (health["status"], health["model"]["model"]) == ("ok", "default")


def test_nothing_of_a_client_stays_on_the_disk(
    service: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert service.sent("/v1/predict?format=glb&max_distance=7", small())[0] == 200
    assert list(tmp_path.iterdir()) == []
