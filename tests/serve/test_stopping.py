"""How long a service that is told to stop goes on."""

from __future__ import annotations

import signal
import socket
import threading
import time

import pytest

from panodepth.cli.listening import answer
from panodepth.predict.predictor import Predictor
from panodepth.serve.options import ServeOptions

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

import uvicorn
from tests.serve.running import small
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
