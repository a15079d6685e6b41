"""`panodepth evaluate`: a predictor on datasets, by a named protocol."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from panodepth.cli.options import DONE, SOME_FAILED, Device, Dtype, Size
from panodepth.errors import ConfigError
from panodepth.size import parse_size


def evaluate(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the report.")],
    data: Annotated[
        list[str],
        typer.Option(metavar="NAME=DIR", help="A dataset; repeat. NAME: its kind, or your own."),
    ] = [],  # noqa: B006 - typer reads it, nobody writes it
    predictor: Annotated[
        str, typer.Option(help="A model, FILE.py[:CLASS], or a folder of predicted files.")
    ] = "default",
    protocol: Annotated[
        str, typer.Option(help="da2, da2-fixed, affine, metric, unik3d, sphere or uncapped.")
    ] = "da2",
    split: Annotated[
        list[str], typer.Option(metavar="NAME=FILE", help="List of samples of a dataset; repeat.")
    ] = [],  # noqa: B006
    option: Annotated[
        list[str], typer.Option(metavar="KEY=VALUE", help="Passed to the predictor; repeat.")
    ] = [],  # noqa: B006
    compare: Annotated[
        list[str], typer.Option(metavar="DIR", help="An earlier report to stand beside; repeat.")
    ] = [],  # noqa: B006
    geometry: Annotated[
        bool, typer.Option("--geometry/--no-geometry", help="Seam, poles, normals, contours.")
    ] = True,
    points: Annotated[bool, typer.Option("--points", help="Point-cloud F-score (scipy).")] = False,
    rotation: Annotated[
        bool, typer.Option("--rotation", help="Consistency when the camera is turned.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes, each with its predictor.")] = 1,
    engine: Annotated[
        str, typer.Option(help="local, or ray: workers on the cluster of RAY_ADDRESS.")
    ] = "local",
    gpus: Annotated[float, typer.Option(min=0, help="GPUs of each of Ray's workers.")] = 0.0,
    threads: Annotated[int, typer.Option(min=1, help="Threads of each process.")] = 1,
    part: Annotated[
        str | None, typer.Option(metavar="I/N", help="Only part I of N, e.g. on N machines.")
    ] = None,
    pictures: Annotated[
        int, typer.Option(min=0, help="Worst and median samples shown, each, per dataset.")
    ] = 3,
    device: Device = "auto",
    dtype: Dtype = "auto",
    size: Size = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors only.")] = False,
) -> None:
    """Measure a predictor on datasets by a named protocol; the same command goes on if stopped."""
    from functools import partial

    from tqdm import tqdm

    from panodepth.jobs import Workers
    from panodepth.lab.evaluation import command
    from panodepth.lab.evaluation.protocol import find_protocol
    from panodepth.lab.evaluation.run.choice import (
        choose_predictor,
        parse_options,
        parse_part,
        stamp,
    )
    from panodepth.lab.evaluation.run.datasets import open_datasets
    from panodepth.lab.evaluation.run.runner import Run, tasks
    from panodepth.lab.evaluation.scoring import Extras

    chosen_protocol = find_protocol(protocol)
    network_size = None if size is None else parse_size(size)
    chosen_part = None if part is None else parse_part(part)
    if not data:
        raise ConfigError("give --data NAME=DIR, e.g. --data stanford2d3d=/data/2D3DS")
    datasets = tuple(open_datasets(data, chosen_protocol, split))

    from panodepth.predict import load
    from panodepth.predict.models import find_model

    load_model = partial(load, predictor, device=device, dtype=dtype, size=network_size)
    chosen = choose_predictor(predictor, load_model, datasets, parse_options(option))
    settings = {}
    if chosen.kind == "model":
        _, weights = find_model(predictor)  # fails now, not in a worker
        settings = {"device": device, "dtype": dtype, "size": size, "weights": stamp(weights)}
    run = Run(datasets, chosen.make, chosen_protocol, Extras(geometry, points, rotation), threads)
    options = command.Options(
        name=chosen.name,
        identity=f"{chosen.identity} {json.dumps(settings)}",
        workers=Workers(workers, engine, gpus=gpus),
        part=chosen_part,
        compare=tuple(compare),
        pictures=pictures,
    )
    silent = quiet or not sys.stderr.isatty()
    total = len(tasks(datasets, chosen_part))
    with tqdm(total=total, unit="image", disable=silent) as bar:
        report = command.evaluate_run(run, out, options, lambda _: bar.update(1))
    for row in report["skipped"]:
        print(f"error: {row['dataset']}: {row['name']}: {row['reason']}", file=sys.stderr)
    if not quiet:
        print(command.plain_text(report, out, options))
    raise typer.Exit(SOME_FAILED if report["skipped"] else DONE)
