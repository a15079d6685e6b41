"""`panodepth app`: the demo in a browser, or a site that predicts in the browser itself."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated

from typer import Option

from panodepth.app.options import AppOptions
from panodepth.cli.options import Device, Dtype, Quiet, with_fields
from panodepth.errors import ConfigError, require

STOP_SECONDS = 5.0  # that open pages get at the end


@with_fields
def app(
    options: AppOptions,
    static: Annotated[
        Path | None,
        Option("--static", metavar="DIR", help="Write a site for any web host instead."),
    ] = None,
    model: Annotated[
        list[str] | None,
        Option(help="A model as for `predict`; repeat it to let visitors choose."),
    ] = None,
    int8: Annotated[
        bool, Option("--int8", help="With --static: half the download, less exact.")
    ] = False,
    device: Device = "auto",
    dtype: Dtype = "auto",
    quiet: Quiet = False,
) -> None:
    """Run a web page that turns pictures into distance, viewer and files, until it is stopped.

    With --static: write a site that predicts in the visitor's browser and uploads nothing.
    """
    models = model or ["default"]
    if static is not None:
        _check_alone(options, device, dtype)
        _write_site(static, models, int8, quiet)
        return
    if int8:
        raise ConfigError("--int8 is of a site that --static writes: leave it out")
    require("app", "app", "gradio")
    from functools import partial

    from panodepth.app.demo import Demo
    from panodepth.app.server import whole_app
    from panodepth.cli.listening import address, answer, listen
    from panodepth.predict import load

    listening = listen(options.host, options.port)
    loaders = {name: partial(load, name, device=device, dtype=dtype) for name in models}
    page = whole_app(Demo(options, loaders))
    if not quiet:
        print(f"panodepth shows its page at {address(listening)}", flush=True)
    answer(page, listening, STOP_SECONDS)


def _check_alone(options: AppOptions, device: str, dtype: str) -> None:
    """Raise ConfigError for an option of the page that is served: a site has none of these."""
    given = {
        field.name for field in fields(options) if getattr(options, field.name) != field.default
    }
    given |= {name for name, value in (("device", device), ("dtype", dtype)) if value != "auto"}
    if given:
        flag = min(given).replace("_", "-")
        raise ConfigError(f"--{flag} says nothing about a site that --static writes: leave it out")


def _write_site(folder: Path, models: list[str], int8: bool, quiet: bool) -> None:
    """What --static does."""
    from panodepth.app.static import write_site

    if len(models) > 1:
        raise ConfigError("--static takes one --model")
    written = write_site(folder, models[0], int8=int8)
    if not quiet:
        size = sum(file.stat().st_size for file in written) / 1e6
        told = f"{folder}: {len(written)} files, {size:.1f} MB"
        print(f'{told}; try: python -m http.server -d "{folder}"')
