"""`panodepth evaluate`: a predictor on datasets, by a named protocol."""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import TYPE_CHECKING

from typer import Exit

from panodepth.cli.options import (
    DONE,
    SOME_FAILED,
    AsJson,
    Device,
    Dtype,
    Quiet,
    Size,
    fail_if_begun,
    with_fields,
)
from panodepth.errors import ConfigError, printable
from panodepth.jobs import Workers
from panodepth.lab.evaluation.protocol import Extras
from panodepth.lab.evaluation.request import Request
from panodepth.progress import progress
from panodepth.size import parse_size
from panodepth.streams import print_document

if TYPE_CHECKING:
    from panodepth.lab.evaluation.run.choice import NamedPredictor
    from panodepth.lab.evaluation.run.datasets import Dataset
    from panodepth.lab.evaluation.run.journal import Row


RENDERED_SIZE = (256, 512)  # of worlds for predictors that name no size of their own


@with_fields
def evaluate(
    request: Request,
    extras: Extras,
    workers: Workers,
    device: Device = "auto",
    dtype: Dtype = "auto",
    size: Size = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure a predictor on datasets by a named protocol; run it again to continue if stopped."""
    from panodepth.lab.evaluation.command import evaluate_run, plain_text, skipped_lines
    from panodepth.lab.evaluation.protocol import find_protocol
    from panodepth.lab.evaluation.run.datasets import open_datasets, split_groups
    from panodepth.lab.evaluation.run.runner import Run, tasks

    protocol = find_protocol(request.protocol)
    if not (request.data or request.rendered):
        raise ConfigError(
            "give --data NAME=DIR, e.g. --data stanford2d3d=/data/2D3DS, or a folder of your own"
        )
    folders = split_groups(open_datasets(request.data, protocol, request.split), request.group)
    predictor, identity = _choose(request, folders, device, dtype, size, extras.rotation)
    datasets = (*folders, *_rendered(request, predictor, size))
    run = Run(datasets, predictor.make, protocol, extras, request.threads)
    total = len(tasks(datasets, request.part))
    with progress(total, "image", silent=quiet, as_json=as_json) as bar, fail_if_begun() as done:

        def advance(_: Row) -> None:
            done.add()
            bar.update(1)

        report = evaluate_run(run, request, workers, identity, advance)
    for line in skipped_lines(report):
        print(f"error: {printable(line)}", file=sys.stderr)
    code = SOME_FAILED if report["skipped"] else DONE
    if as_json:
        print_document({**report, "out": str(request.out), "exit_code": code})
    elif not quiet:
        print(plain_text(report, request))
    raise Exit(code)


def _choose(
    request: Request,
    datasets: list[Dataset],
    device: str,
    dtype: str,
    size: str | None,
    turned: bool,
) -> tuple[NamedPredictor, str]:
    """The predictor, and all that tells it from others: its options, digests, how it is loaded."""
    from panodepth.lab.evaluation.run.choice import choose_predictor, parse_options
    from panodepth.predict import load
    from panodepth.predict.models import find_model, stamp

    network_size = None if size is None else parse_size(size)
    load_model = partial(load, request.predictor, device=device, dtype=dtype, size=network_size)
    options = parse_options(request.all_options)
    named = choose_predictor(request.predictor, load_model, datasets, options)
    if request.quality and named.kind != "model":
        raise ConfigError("--quality is of models: leave it out")
    if turned and named.kind == "folder":
        raise ConfigError("--rotation predicts turned pictures, a folder cannot: leave it out")
    settings = {}
    if named.kind == "model":
        _, weights = find_model(request.predictor)  # fails now, not in a worker
        settings = {"device": device, "dtype": dtype, "size": size, "weights": stamp(weights)}
    return named, f"{named.identity} {json.dumps(settings)}"


def _rendered(request: Request, predictor: NamedPredictor, size: str | None) -> list[Dataset]:
    """The rendered worlds asked for, at the size that the network works at."""
    from panodepth.lab.evaluation.run.datasets import rendered_datasets
    from panodepth.predict import load

    if not request.rendered:
        return []
    if size is not None:
        at = parse_size(size)
    else:
        at = load(request.predictor).size if predictor.kind == "model" else RENDERED_SIZE
    return rendered_datasets(request.rendered, at, request.seed, request.worlds)
