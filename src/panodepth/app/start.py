"""Start the demo and keep it until it is stopped."""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from panodepth.app.options import AppOptions
from panodepth.errors import OutputError, require

if TYPE_CHECKING:
    from fastapi import FastAPI

    from panodepth.app.demo import Demo


def start(
    options: AppOptions,
    models: Sequence[str] = ("default",),
    *,
    device: str = "auto",
    dtype: str = "auto",
    quiet: bool = False,
) -> None:
    """Serve the demo until SIGINT or SIGTERM; loads the first model, others when they are chosen.

    models: as `load` takes them. Raises ConfigError without the extra app, ModelError, OutputError
    when nothing can listen there.
    """
    require("app", "app", "gradio")
    import uvicorn

    from panodepth.app.demo import Demo
    from panodepth.predict import load

    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    try:
        listening = socket.create_server((options.host, options.port), family=family, backlog=256)
    except OSError as error:
        raise OutputError(
            f"cannot listen at {options.host}:{options.port}: {error.strerror or error}"
        ) from error
    loaders = {name: functools.partial(load, name, device=device, dtype=dtype) for name in models}
    app = whole_app(Demo(options, loaders))
    host, port = listening.getsockname()[:2]
    if not quiet:
        print(f"panodepth shows its page at http://{host}:{port}", flush=True)
    config = uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    uvicorn.Server(config).run(sockets=[listening])


def whole_app(demo: Demo) -> FastAPI:
    """The demo as an ASGI application: its results and its page. Imports Gradio."""
    from panodepth.app.server import make_app

    app = make_app(demo)
    # Read when Gradio is imported: nobody is asked for a newer version, no visits are counted, and
    # uploads lie where they are removed at the end.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = str(app.state.folder / "uploads")
    from panodepth.app.layout import with_page

    return with_page(app, demo)
