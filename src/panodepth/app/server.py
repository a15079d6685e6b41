"""The demo over HTTP: results as files, headers that keep the page to itself. The page is on top.

A result is written when somebody asks for a file of it, sent, and removed from the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import escape
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.background import BackgroundTask
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from panodepth.app.demo import BusyError, Demo, sentence
from panodepth.app.files import write
from panodepth.errors import PanodepthError

WRITTEN_AT_ONCE = 2  # files of results: each takes memory of its own
LOOK_BYTES = 1 << 24  # of an upload, between two looks at how much there is
LEFT_SECONDS = 600  # after which an upload that does not go on was broken off
# Nothing is asked of another host, whatever a library's page holds; Gradio needs 'unsafe-*'.
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "object-src 'none'; base-uri 'self'; form-action 'self'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


class WithHeaders:
    """Puts HEADERS on every answer, streams too."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        await self.app(scope, receive, sent)


class UploadLimit:
    """Refuses uploads while the folder holds as much as it may; Gradio limits one file alone.

    What comes without a length, or beside other uploads, is cut off once the folder is full.
    """

    def __init__(self, app: ASGIApp, folder: Path, most: int) -> None:
        """most: of the folder [bytes], with the upload that comes."""
        self.app, self._folder, self._most = app, folder, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not (scope["type"] == "http" and scope["path"].endswith("/upload")):
            await self.app(scope, receive, send)
            return
        since = 0  # bytes that came since the folder was looked at

        async def watched() -> Message:
            nonlocal since
            message = await receive()
            since += len(message.get("body", b""))
            if since > LOOK_BYTES:
                since = 0
                if await self._room() < 0:
                    return {"type": "http.disconnect"}
            return message

        said = dict(scope["headers"]).get(b"content-length", b"")
        if (int(said) if said.isdigit() else 0) > await self._room():
            text = "the server holds as many pictures as it may: try again later"
            await JSONResponse({"detail": text}, 413)(scope, receive, send)
            return
        await self.app(scope, watched, send)

    async def _room(self) -> int:
        """Bytes that the folder may still take."""
        return self._most - await asyncio.to_thread(_held, self._folder)


def _held(folder: Path) -> int:
    """Bytes of all files in a folder; some may go meanwhile.

    Uploads that were broken off lie in the folder itself, where nobody else removes them: here they
    are, once nothing has come for LEFT_SECONDS.
    """
    held, now = 0, time.time()
    for file in folder.rglob("*"):
        with contextlib.suppress(OSError):
            found = file.stat()
            if not stat.S_ISREG(found.st_mode):
                continue
            if file.parent == folder and now - found.st_mtime > LEFT_SECONDS:
                file.unlink()
            else:
                held += found.st_size
    return held


def make_app(demo: Demo) -> FastAPI:
    """The results of a demo as an ASGI application, without the page."""
    root = Path(tempfile.mkdtemp(prefix="panodepth-app-"))
    turn = threading.BoundedSemaphore(WRITTEN_AT_ONCE)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        demo.close()
        if tempfile.tempdir == str(root):
            tempfile.tempdir = None
        shutil.rmtree(root, ignore_errors=True)

    app = FastAPI(title="panodepth", openapi_url=None, lifespan=lifespan)
    app.state.folder = root

    most = int(demo.options.kept_megabytes * 1e6)
    app.add_middleware(UploadLimit, folder=root, most=most)
    app.add_middleware(WithHeaders)

    @app.get("/results/{token}/{format_name}")
    def result_file(token: str, format_name: str, inline: bool = False) -> Response:
        """A result in a format. inline: to be shown, not saved."""
        if not turn.acquire(timeout=demo.options.seconds):
            return _problem(BusyError("too many files are being written: try again in a moment"))
        try:
            written = write(demo.results.get(token), format_name, root)
        except Exception as error:
            return _problem(error)
        finally:
            turn.release()
        return FileResponse(
            written.path,
            filename=written.path.name,
            content_disposition_type="inline" if inline else "attachment",
            background=BackgroundTask(written.remove),
        )

    return app


def whole_app(demo: Demo) -> FastAPI:
    """The demo as an ASGI application: its results and its page. Imports Gradio."""
    app = make_app(demo)
    # Read when Gradio is imported: nobody is asked for a newer version, no visits are counted, and
    # uploads lie where they are removed at the end.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = str(app.state.folder / "uploads")
    tempfile.tempdir = str(app.state.folder)  # where uploads lie until they are whole
    from panodepth.app.layout import with_page

    return with_page(app, demo)


def _problem(error: Exception) -> Response:
    """An error as a page of one sentence."""
    busy = isinstance(error, BusyError)
    status = 503 if busy else 404 if isinstance(error, PanodepthError) else 500
    text = escape(sentence(error))
    return HTMLResponse(f"<!doctype html><title>panodepth</title><p>{text}</p>", status)
