"""How long a service that is told to stop goes on."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from panodepth.cli.listening import answer
from panodepth.client import Client
from panodepth.predict.predictor import Predictor
from panodepth.serve.options import ServeOptions

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

import uvicorn
from tests.serve.running import Running, small
from tests.serve.test_service import Held

from panodepth.serve.service import Service, StoppedError, read_wanted


def test_a_stop_does_not_wait_for_jobs_without_end(predictor: Predictor) -> None:
    """A job under way and those that wait end when the time for stopping is over."""
    held = Held(predictor)
    service = Service(held, ServeOptions(stop_seconds=0.1))
    wanted = read_wanted({"format": "json", "level": "none"})
    asked = [service.start(small(), wanted, "key", lambda _: None) for _ in range(8)]
    closing = threading.Thread(target=service.close)
    closing.start()
    time.sleep(0.3)
    held.go.set()
    closing.join(30)
    assert not closing.is_alive()
    assert all(isinstance(future.exception(), StoppedError) for future in asked)


def test_a_signal_begins_the_time_for_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []

    def run(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
        server.handle_exit(signal.SIGTERM, None)

    monkeypatch.setattr(uvicorn.Server, "run", run)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        answer(None, listening, 1.0, lambda: told.append(1))
    assert told == [1]


def test_jobs_are_fetched_from_a_service_that_is_told_to_stop(predictor: Predictor) -> None:
    """It listens until somebody has come for each that was under way, and takes nothing new."""
    held = Held(predictor)
    running = Running(held)
    parts = running.app.state.parts
    name, failing = (
        json.loads(running.sent("/v1/jobs?format=json&level=none", content)[2])["job"]
        for content in (small(), small()[:300])
    )
    while json.loads(running.sent(f"/v1/jobs/{failing}", None, "GET")[2])["state"] != "failed":
        time.sleep(0.02)
    assert not parts.awaited()
    parts.end_soon()
    assert parts.awaited()
    for path in ("/v1/predict", "/v1/jobs"):
        status, _, content = running.sent(path, small())
        assert (status, b"is stopping" in content) == (503, True)
    assert running.sent("/healthz", None, "GET")[0] == 503  # what spreads requests goes elsewhere
    held.go.set()
    while json.loads(running.sent(f"/v1/jobs/{name}", None, "GET")[2])["state"] != "done":
        time.sleep(0.02)
    running.sent(f"/v1/jobs/{name}/result", None, "HEAD")
    assert parts.awaited()
    assert running.sent(f"/v1/jobs/{name}/result", None, "GET")[0] == 200
    assert not parts.awaited()
    running.stop()


def test_nobody_is_waited_for_after_the_time_for_stopping(predictor: Predictor) -> None:
    held = Held(predictor)
    running = Running(held, stop_seconds=60)
    running.sent("/v1/jobs?format=json&level=none", small())
    parts = running.app.state.parts
    parts.end_soon()
    assert parts.awaited()
    parts.end_soon()  # a second signal
    assert not parts.awaited()
    held.go.set()
    running.stop()


def test_a_process_that_is_told_to_stop_gives_out_its_jobs() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "panodepth", "serve", "--port", "0", "--stop-seconds", "120"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PANODEPTH_API_KEY": ""},
    ) as process:
        assert process.stdout is not None
        client = Client(process.stdout.readline().split()[3], tries=1)
        jobs = [client._sent(f"/v1/jobs?max_distance={n}", small()) for n in (5, 6)]
        process.send_signal(signal.SIGTERM)
        for job in (json.loads(told)["job"] for told in jobs):
            while json.loads(client._sent(f"/v1/jobs/{job}", None))["state"] != "done":
                time.sleep(0.05)
            assert client._sent(f"/v1/jobs/{job}/result", None)[:2] == b"PK"
        assert process.wait(60) in (0, -signal.SIGTERM)
