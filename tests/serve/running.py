"""A service in a thread of the tests' process, and a small picture to send."""

from __future__ import annotations

import http.client
import io
import socket
import threading
from pathlib import Path
from typing import Any

import uvicorn
from PIL import Image

from panodepth.client import Client
from panodepth.predict.predictor import Predictor
from panodepth.serve.http import make_app
from panodepth.serve.options import ServeOptions

PICTURE = Path(__file__).parents[2] / "examples" / "interior.jpg"


def small() -> bytes:
    """A JPEG of 64 × 128."""
    place = io.BytesIO()
    Image.open(PICTURE).resize((128, 64)).save(place, "JPEG")
    return place.getvalue()


class Running:
    """A service in a thread of this process."""

    def __init__(self, predictor: Predictor, **options: Any) -> None:
        self.options = ServeOptions(port=0, **options)
        listening = socket.create_server(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        self.app = make_app(predictor, self.options)
        config = uvicorn.Config(self.app, log_level="error", access_log=False)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([listening],), daemon=True)
        self.thread.start()

    def client(self, **more: Any) -> Client:
        return Client(f"http://127.0.0.1:{self.port}", **more)

    def sent(
        self, path: str, body: bytes | None = None, method: str = "POST", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, names)
        answer = connection.getresponse()
        told = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, told, answer.read()

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(30)
