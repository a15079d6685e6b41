"""`panodepth app`: a page that predicts in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from panodepth.cli.options import Model, Quiet


def app(
    static: Annotated[
        Path, Option("--static", metavar="DIR", help="Folder for the files of the site.")
    ],
    model: Model = "default",
    int8: Annotated[
        bool, Option("--int8", help="8-bit weights: half the download, less exact.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Write a site for any web host: it predicts in the visitor's browser and uploads nothing."""
    from panodepth.app.static import write_site

    written = write_site(static, model, int8=int8)
    if not quiet:
        size = sum(file.stat().st_size for file in written) / 1e6
        print(
            f"{static}: {len(written)} files, {size:.1f} MB; try: python -m http.server -d {static}"
        )
