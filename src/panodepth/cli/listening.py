"""Listen at an address, and answer there until the process is told to stop."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from panodepth.errors import OutputError


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0: any that is free. Raises OutputError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=256)
    except (OSError, UnicodeError) as error:  # of a name that cannot be one
        told = getattr(error, "strerror", None) or error
        raise OutputError(f"cannot listen at {host}:{port}: {told}") from error


def address(listening: socket.socket) -> str:
    """Where that is."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def answer(
    app: Any,
    listening: socket.socket,
    stop_seconds: float,
    on_stop: Callable[[], None] = lambda: None,
    awaited: Callable[[], bool] = lambda: False,
) -> None:
    """Run an ASGI application until SIGINT or SIGTERM, and so long after it.

    on_stop: called at each of these signals. awaited: whether, after one, clients are yet to come:
    it goes on listening as long as this is so, whatever `stop_seconds` is.
    """
    import uvicorn

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            on_stop()
            super().handle_exit(sig, frame)

        async def on_tick(self, counter: int) -> bool:
            return await super().on_tick(counter) and not awaited()

    config = uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(stop_seconds),
        timeout_keep_alive=5,
    )
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a server that was told to stop has no error
    Server(config).run(sockets=[listening])
