"""The service over HTTP: routes, limits, status codes. docs/service.md has them all."""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from panodepth.errors import (
    ConfigError,
    InputError,
    OutputError,
    PanodepthError,
    is_out_of_memory,
    one_line,
)
from panodepth.predict.predictor import Predictor
from panodepth.serve.cache import Answer
from panodepth.serve.description import HEALTH, JOB, JOB_RESULT, PICTURE, PREDICTED, STARTED, STATE
from panodepth.serve.jobs import Job, JobBook, Share
from panodepth.serve.metrics import Metrics
from panodepth.serve.options import KEY_VARIABLE, ServeOptions
from panodepth.serve.service import (
    BusyError,
    Service,
    StoppedError,
    TooLargeError,
    Wanted,
    in_fields,
    read_wanted,
)
from panodepth.version import __version__

RETRY_SECONDS = 1  # what a client that came too early is told to wait
OPEN_PATHS = ("/healthz", "/openapi.json", "/docs")  # no key is asked for there


class RefusedError(Exception):
    """A request that ends with a status code and one line."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Arriving:
    """Pictures on their way in, of all clients together."""

    def __init__(self, most: int) -> None:
        """most: of them in memory [bytes]."""
        self.most, self.held = most, 0


class Parts(NamedTuple):
    """What the routes of one service work with."""

    service: Service
    book: JobBook
    metrics: Metrics
    arriving: Arriving

    def end_soon(self) -> None:
        """Take nothing more, and finish what was taken; told again, at once."""
        self.service.end_soon()
        self.book.end()

    def awaited(self) -> bool:
        """Whether, once told to end, clients have yet to come for what is finished for them."""
        return self.service.has_time and self.book.awaited


def make_app(predictor: Predictor, options: ServeOptions) -> FastAPI:
    """The service as an ASGI application. The key is read from the environment, once."""
    metrics = Metrics()
    parts = Parts(
        Service(predictor, options, metrics.batch.observe),
        JobBook(options.jobs, int(options.job_megabytes * 1e6)),
        metrics,
        Arriving(int(options.queue * options.max_megabytes * 1e6)),
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(parts.service.close)

    app = FastAPI(
        title="panodepth",
        version=__version__,
        lifespan=lifespan,
        servers=[{"url": "."}],  # beside the description, as behind a proxy's location /depth/
        docs_url=None,
        redoc_url=None,
    )
    app.state.service, app.state.parts = parts.service, parts
    _watch(app, metrics, os.environ.get(KEY_VARIABLE, ""))
    app.add_exception_handler(HTTPException, _no_route)
    _add_prediction(app, parts)
    _add_jobs(app, parts)
    _add_state(app, parts)
    return app


def _watch(app: FastAPI, metrics: Metrics, key: str) -> None:
    """Ask for the key, make errors answers, count and log every request."""

    @app.middleware("http")
    async def watched(request: Request, call_next: Any) -> Response:
        begun = time.perf_counter()
        try:
            if key and request.scope["path"] not in OPEN_PATHS and not _has_key(request, key):
                raise RefusedError(401, "the key is missing or wrong: send it as X-API-Key")
            response: Response = await call_next(request)
        except Exception as error:
            response = problem(error)
        seconds = time.perf_counter() - begun
        route = request.scope.get("route")
        path = getattr(route, "path", "other")  # never what the client wrote
        metrics.seen(path, response.status_code, seconds)
        log(path=path, method=request.method, status=response.status_code, seconds=seconds)
        return response


def _add_prediction(app: FastAPI, parts: Parts) -> None:
    service, options = parts.service, parts.service.options

    @app.post("/v1/predict", openapi_extra=PICTURE, responses=PREDICTED, response_class=Response)
    async def predict(request: Request) -> Response:
        """The distance of every pixel of a picture, as a file of a format."""
        content, wanted, name = await _asked(request, parts)
        known = service.known(name)
        parts.metrics.cache.labels("hit" if known else "miss").inc()
        if known is not None:
            return _file(known, cached=True)
        left = threading.Event()
        watch = _until(time.monotonic() + options.seconds, options.seconds, left)
        future = asyncio.wrap_future(service.start(content, wanted, name, watch))
        del content
        leaving = asyncio.ensure_future(_leaving(request))
        either: set[asyncio.Future[Any]] = {future, leaving}
        first = asyncio.FIRST_COMPLETED
        try:
            await asyncio.wait(either, timeout=options.seconds, return_when=first)
            if future.done():
                return _file(future.result(), cached=False)
            raise ClientDisconnect if leaving.done() else _too_long(options.seconds)
        finally:  # by a stop, too: nobody waits any more, and an error unread would be a traceback
            left.set()
            leaving.cancel()
            future.add_done_callback(lambda late: late.cancelled() or late.exception())


def _add_jobs(app: FastAPI, parts: Parts) -> None:
    service, book = parts.service, parts.book

    @app.post("/v1/jobs", status_code=202, openapi_extra=PICTURE, responses=STARTED)
    async def start_job(request: Request) -> JSONResponse:
        """Begin a prediction; `GET /v1/jobs/{job}` says what became of it."""
        content, wanted, name = await _asked(request, parts)
        share = Share()
        job = book.add(service.start(content, wanted, name, share.set), share)
        return JSONResponse(_told(job), 202)

    @app.head("/v1/jobs/{job}", include_in_schema=False)
    @app.get("/v1/jobs/{job}", responses=JOB)
    async def job_state(job: str) -> JSONResponse:
        """`state`: waiting, running, done or failed; `progress`: the share that is done."""
        found = _found(book, job)
        if found.state == "failed":
            book.collected(found)
        return JSONResponse(_told(found))

    @app.head("/v1/jobs/{job}/result", include_in_schema=False)  # as download managers ask
    @app.get("/v1/jobs/{job}/result", responses=JOB_RESULT, response_class=Response)
    async def job_result(job: str, request: Request) -> Response:
        """The file, once the job is done; 409 before."""
        found = _found(book, job)
        if not found.future.done():
            raise RefusedError(409, f"the job is {found.state}")
        if request.method != "HEAD":
            book.collected(found)
        return _file(found.future.result(), cached=False)


def _add_state(app: FastAPI, parts: Parts) -> None:
    service, metrics = parts.service, parts.metrics

    @app.head("/healthz", include_in_schema=False)  # as load balancers ask
    @app.get("/healthz", responses=HEALTH)
    async def health() -> dict[str, Any]:
        """Whether it takes pictures, which model it runs, and how many wait."""
        if service.stopping:
            raise StoppedError("the service is stopping")
        said = service.predictor.describe()
        return {"status": "ok", "version": __version__, "model": said, "waiting": service.waiting}

    @app.head("/metrics", include_in_schema=False)
    @app.get("/metrics", responses=STATE, response_class=PlainTextResponse)
    async def prometheus() -> Response:
        """For Prometheus."""
        metrics.waiting.set(service.waiting)
        metrics.cached.set(service.cache.used)
        return Response(metrics.text(), media_type=metrics.media)

    @app.head("/docs", include_in_schema=False)
    @app.get("/docs", include_in_schema=False)
    async def documentation() -> HTMLResponse:
        """The description as a page, which finds it beside itself wherever a proxy has both."""
        return get_swagger_ui_html(openapi_url="openapi.json", title="panodepth")


async def _asked(request: Request, parts: Parts) -> tuple[bytes, Wanted, str]:
    """The picture's bytes, what is wanted of it, and the key of the answer."""
    query = request.query_params
    twice = next((name for name in query if len(query.getlist(name)) > 1), None)
    if twice is not None:
        raise RefusedError(400, f"{twice!r} is given more than once")
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        raise RefusedError(400, "this is a form: send the picture's file itself as the body")
    wanted = read_wanted(dict(query), request.headers.get("accept", ""))
    content = await _body(request, parts.service.options, parts.arriving)
    return content, wanted, await asyncio.to_thread(parts.service.key, content, wanted)


async def _body(request: Request, options: ServeOptions, arriving: Arriving) -> bytes:
    """The picture's bytes, as many as the limits let in."""
    limit = int(options.max_megabytes * 1e6)
    if int(request.headers.get("content-length") or 0) > limit:
        raise RefusedError(413, f"the picture is above {options.max_megabytes:g} MB")
    pieces, size = [], 0
    try:
        async with asyncio.timeout(options.body_seconds):
            async for piece in request.stream():
                size += len(piece)
                arriving.held += len(piece)
                if size > limit:
                    raise RefusedError(413, f"the picture is above {options.max_megabytes:g} MB")
                if arriving.held > arriving.most:
                    raise BusyError("as many pictures as may are on their way: try again")
                pieces.append(piece)
    except TimeoutError:
        raise RefusedError(408, f"no whole picture after {options.body_seconds:g} s") from None
    finally:
        arriving.held -= size
    content = b"".join(pieces)
    if not content:
        raise RefusedError(400, "no picture: send its file as the request's body")
    return content


async def _leaving(request: Request) -> None:
    """Ends when the client has closed its connection; for requests whose body is read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _until(deadline: float, seconds: float, left: threading.Event) -> Callable[[float], None]:
    """Called with the share done, stops work that nobody waits for any more."""

    def watch(_share: float) -> None:
        if left.is_set() or time.monotonic() > deadline:
            raise _too_long(seconds)

    return watch


def _too_long(seconds: float) -> RefusedError:
    return RefusedError(503, f"it takes more than {seconds:g} s")


def _has_key(request: Request, key: str) -> bool:
    """Compared in a time that does not tell how much of it was right."""
    given = request.headers.get("x-api-key") or ""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if not given and scheme.lower() == "bearer":
        given = token.strip()
    return hmac.compare_digest(given.encode("latin-1"), key.encode())  # as sent: bytes


def problem(error: BaseException) -> JSONResponse:
    """An error as a status code and one line; what went on inside is logged, not told."""
    headers = {}
    match error:
        case RefusedError():
            status, text = error.status, str(error)
        case BusyError():
            status, text = 429, str(error)
            headers["Retry-After"] = str(RETRY_SECONDS)
        case StoppedError():
            status, text = 503, str(error)
        case InputError() | ConfigError():
            status = 413 if isinstance(error, TooLargeError) else 400
            text = in_fields(one_line(error))
        case OutputError() if not isinstance(error.__cause__, OSError):  # nothing to write there
            status, text = 400, in_fields(one_line(error))
        case ClientDisconnect():
            status, text = 400, "the client went away"  # and does not read it
        case _ if is_out_of_memory(error):
            status, text = 503, "not enough memory for this picture now"
        case _:
            status, text = 500, "the prediction failed"
            log(error=f"{type(error).__name__}: {one_line(error)}", ours=_is_ours(error))
    return JSONResponse({"error": text}, status, headers)


async def _no_route(_request: Request, error: Exception) -> JSONResponse:
    """No such path, or not by this method: told as every other error."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


def _is_ours(error: BaseException) -> bool:
    return isinstance(error, PanodepthError)


def _file(answer: Answer, *, cached: bool) -> Response:
    headers = {
        "Content-Disposition": f'attachment; filename="{answer.name}"',
        "X-Cache": "hit" if cached else "miss",
    }
    return Response(answer.content, media_type=answer.media, headers=headers)


def _found(book: JobBook, name: str) -> Job:
    job = book.get(name)
    if job is None:
        raise RefusedError(404, "no such job, or no longer")
    return job


def _told(job: Job) -> dict[str, Any]:
    told: dict[str, Any] = {"job": job.name, "state": job.state, "progress": job.progress}
    if job.state == "failed":
        told["error"] = json.loads(bytes(problem(job.future.exception() or Exception()).body))[
            "error"
        ]
    return told


def log(**facts: Any) -> None:
    """One line of JSON on standard error; no names, addresses or pictures of clients."""
    rounded = {k: round(v, 4) if isinstance(v, float) else v for k, v in facts.items()}
    print(json.dumps({"time": round(time.time(), 3), **rounded}), file=sys.stderr, flush=True)
