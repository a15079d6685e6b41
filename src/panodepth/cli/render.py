"""`panodepth render`: synthetic panoramas and perspective views with exact distance."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from panodepth.cli.options import DONE, AsJson, Quiet, fail_if_begun
from panodepth.errors import ConfigError
from panodepth.progress import progress
from panodepth.size import parse_size
from panodepth.streams import print_document


def render(
    count: Annotated[int, Option(min=1, help="How many worlds.")],
    out: Annotated[Path, Option(metavar="DIR", help="Folder for the files.")],
    seed: Annotated[int, Option(min=0, help="Other seeds, other worlds; training uses 0.")] = 0,
    size: Annotated[
        str | None,
        Option(metavar="HxW", help="Default: 512x1024; with --views any size, default 480x640."),
    ] = None,
    kind: Annotated[str, Option(help="mixed, indoor or outdoor.")] = "mixed",
    worlds: Annotated[int, Option(min=1, max=2, help="Version of the worlds.")] = 1,
    first: Annotated[int, Option(min=0, help="Number of the first world.")] = 0,
    views: Annotated[
        int,
        Option(min=0, help="Instead of panoramas, this many perspective RGB-D views per world."),
    ] = 0,
    fov: Annotated[
        float, Option(metavar="DEG", help="Horizontal field of view, with --views.")
    ] = 90.0,
    move: Annotated[
        float, Option(metavar="M", min=0, help="Views from up to this far away [m], with --views.")
    ] = 0.0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Render synthetic panoramas with exact distance: NAME.png with NAME_distance.npz.

    With --views, perspective frames, and beside them NAME.json: intrinsics and pose.
    """
    if not views and (fov, move) != (90.0, 0.0):
        raise ConfigError("--fov and --move are of perspective views: give --views, too")
    shape = parse_size(size or ("480x640" if views else "512x1024"))

    from panodepth.lab.training.render import PanoramaJob, ViewJob, render_files
    from panodepth.strict import build

    chosen = {"count": count, "seed": seed, "size": shape, "kind": kind, "first": first}
    chosen["worlds"] = worlds
    camera = {"views": views, "fov_deg": fov, "move_m": move}
    values, kind_of_job = (chosen | camera, ViewJob) if views else (chosen, PanoramaJob)
    job = build(kind_of_job, values, "render")
    total = count * (views or 1)
    with (
        progress(total, "image", silent=quiet, as_json=as_json) as bar,
        fail_if_begun("were written") as done,
    ):

        def advance(_: Path) -> None:
            done.add()
            bar.update(1)

        files = render_files(job, out, on_done=advance)
    if as_json:
        paths = [str(file) for file in files]
        print_document({"written": len(files), "exit_code": DONE, "out": str(out), "files": paths})
    elif not quiet:
        print(f"{len(files)} {'views' if views else 'panoramas'} in {out}")
