"""The client before servers that are not ours, and with values that cannot be: one line each."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import numpy as np
import pytest

from panodepth.client import Client, ServiceError, _said
from panodepth.errors import ConfigError, InputError


def archive() -> bytes:
    place = io.BytesIO()
    np.savez(place, other=np.zeros(3))
    return place.getvalue()


class Stranger(BaseHTTPRequestHandler):
    """Answers as the first part of the path says."""

    answers: ClassVar[dict[str, tuple[int, bytes]]] = {
        "page": (200, b"<html>please log in</html>"),
        "empty": (200, b""),
        "list": (200, b"[1]"),
        "deep": (200, b"[" * 100_000),
        "cut": (200, archive()[:40]),
        "other": (200, archive()),
        "refused-deep": (400, b"[" * 100_000),
        "refused-long": (400, b'{"error": "a\\n' + b"b " * 50_000 + b'"}'),
        "refused-page": (502, b"<html>Bad Gateway</html>"),
    }

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, content = self.answers[self.path.split("/")[1]]
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stranger)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("kind", Stranger.answers)
def test_an_answer_of_another_server_is_one_line(address: str, kind: str) -> None:
    client = Client(f"{address}/{kind}", seconds=20)
    asks: list[Callable[[bytes], Any]] = [client.distance, client.facts, lambda _: client.health()]
    for ask in asks:
        with pytest.raises(ServiceError) as caught:
            ask(b"picture")
        assert caught.value.status == Stranger.answers[kind][0]
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) <= 1000


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8360", "file:///etc/hostname", "data:,x", "http://a\nb"]
)
def test_what_is_no_address_is_not_opened(url: str) -> None:
    with pytest.raises(ServiceError) as caught:
        Client(url).health()
    assert (caught.value.status, "\n" in str(caught.value)) == (0, False)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"url": None}, "url"),
        ({"url": b"http://x"}, "url"),
        ({"key": 3}, "key"),
        ({"seconds": "3"}, "seconds"),
        ({"seconds": float("inf")}, "seconds"),
        ({"seconds": 0}, "seconds"),
        ({"tries": "2"}, "tries"),
        ({"tries": 1.5}, "tries"),
    ],
)
def test_a_client_of_other_types_is_not_made(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=f"{told} in Client must be"):
        Client(**{"url": "http://127.0.0.1", **values})


def test_the_key_is_not_shown() -> None:
    assert "secret" not in repr(Client("http://127.0.0.1", key="secret"))
    assert Client("http://127.0.0.1", key=None).key is None  # as os.environ.get has it


def test_a_name_that_no_file_can_have(address: str) -> None:
    with pytest.raises(InputError, match="null byte"):
        Client(address).predict("a\0b")


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("fov", np.array(90.0), "90.0"),
        ("size", (np.int64(84), 168), "84x168"),
        ("known_distance", (1, 2, 3.5), "1,2=3.5"),
        ("known_distance", (), ""),
    ],
)
def test_options_are_written_as_the_service_reads_them(name: str, value: Any, text: str) -> None:
    assert _said(name, value) == text
