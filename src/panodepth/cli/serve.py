"""`panodepth serve`: predictions over HTTP, until it is stopped."""

from __future__ import annotations

from panodepth.cli.options import Device, Dtype, Model, with_fields
from panodepth.errors import OutputError, require
from panodepth.serve.options import KEY_VARIABLE, ServeOptions


@with_fields
def serve(
    options: ServeOptions,
    model: Model = "default",
    device: Device = "auto",
    dtype: Dtype = "auto",
) -> None:
    """Answer pictures with distance files over HTTP; SIGTERM finishes what was accepted."""
    require("serve", "serve", "fastapi", "uvicorn", "prometheus_client")
    import os
    import socket

    import uvicorn

    from panodepth.predict import load
    from panodepth.serve.http import make_app

    try:
        listening = socket.create_server(
            (options.host, options.port), family=_family(options.host), backlog=256
        )
    except OSError as error:
        raise OutputError(
            f"cannot listen at {options.host}:{options.port}: {error.strerror or error}"
        ) from error
    app = make_app(load(model, device=device, dtype=dtype), options)
    host, port = listening.getsockname()[:2]
    key = "a key is asked for" if os.environ.get(KEY_VARIABLE) else "no key is asked for"
    print(f"panodepth serves at http://{host}:{port} ({key}; API: /docs)", flush=True)
    config = uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(options.stop_seconds),
        timeout_keep_alive=5,
    )
    uvicorn.Server(config).run(sockets=[listening])


def _family(host: str) -> int:
    import socket

    return socket.AF_INET6 if ":" in host else socket.AF_INET
