"""`panodepth serve`: predictions over HTTP, until it is stopped."""

from __future__ import annotations

from panodepth.cli.options import Device, Dtype, Model, Quiet, with_fields
from panodepth.errors import require
from panodepth.serve.options import KEY_VARIABLE, ServeOptions


@with_fields
def serve(
    options: ServeOptions,
    model: Model = "default",
    device: Device = "auto",
    dtype: Dtype = "auto",
    quiet: Quiet = False,
) -> None:
    """Serve predictions over HTTP: pictures in, files out; SIGTERM finishes what was accepted."""
    require("serve", "serve", "fastapi", "uvicorn", "prometheus_client")
    import os

    from panodepth.cli.listening import address, answer, listen
    from panodepth.predict import load
    from panodepth.serve.http import make_app

    listening = listen(options.host, options.port)
    app = make_app(load(model, device=device, dtype=dtype), options)
    key = "a key is asked for" if os.environ.get(KEY_VARIABLE) else "no key is asked for"
    if not quiet:
        print(f"panodepth serves at {address(listening)} ({key}; API: /docs)", flush=True)
    parts = app.state.parts
    answer(app, listening, options.stop_seconds, parts.end_soon, parts.awaited)
