"""`panodepth curate`: perspective RGB-D into panoramic training shards."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from panodepth.cli.options import DONE, SOME_FAILED, AsJson, Device, Dtype
from panodepth.size import parse_size


def curate(
    source: Annotated[
        str, typer.Option(metavar="KIND=DIR", help="Frames, e.g. vkitti2=DIR; DIR alone: your own.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for shards and report.")],
    size: Annotated[str, typer.Option(metavar="HxW", help="Of the panoramas.")] = "512x1024",
    outpainter: Annotated[
        str,
        typer.Option(help="diffuse, none; flux, flux2-klein: docs/outpainting.md."),
    ] = "diffuse",
    orientation: Annotated[str, typer.Option(help="level, front or random.")] = "level",
    seed: Annotated[int, typer.Option(min=0)] = 0,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes, 1; with ray, one per CPU.")
    ] = None,
    chunk: Annotated[int, typer.Option(min=1, help="Frames of a shard.")] = 64,
    count: Annotated[int | None, typer.Option(min=1, help="Only so many frames.")] = None,
    stitch: Annotated[bool, typer.Option("--stitch", help="Merge the views of a place.")] = False,
    image: Annotated[str, typer.Option(help="jpg or png.")] = "jpg",
    distance: Annotated[str, typer.Option(help="npy (float16), or png: smaller, coarser.")] = "npy",
    limit: Annotated[
        list[str], typer.Option(metavar="NAME=VALUE", help="Of a quality gate; repeat.")
    ] = [],  # noqa: B006 - typer reads it, nobody writes it
    estimate: Annotated[
        str | None, typer.Option(metavar="MODEL[:FORM]", help="Depth by a transformers model.")
    ] = None,
    paint_model: Annotated[
        str,
        typer.Option(metavar="MODEL", help="Out-painter: folder or hub id[@revision]."),
    ] = "",
    lora: Annotated[
        str, typer.Option(metavar="FILE", help="LoRA for it: .safetensors, or hub ORG/NAME:FILE.")
    ] = "",
    prompt: Annotated[str, typer.Option(help="What it is told to paint.")] = "",
    paint_steps: Annotated[int | None, typer.Option(min=1, help="Its denoising steps.")] = None,
    guidance: Annotated[float | None, typer.Option(min=0, help="Its guidance.")] = None,
    paint_height: Annotated[int | None, typer.Option(help="Rows it works on; else --size.")] = None,
    paint_licence: Annotated[str, typer.Option(help="Licence of its weights, if untold.")] = "",
    device: Device = "auto",
    dtype: Dtype = "auto",
    engine: Annotated[
        str, typer.Option(help="local, or ray: a cluster; the same bytes.")
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Of a running Ray cluster, or auto; else its own."),
    ] = None,
    gpus: Annotated[
        float | None, typer.Option(min=0, help="GPUs of each of Ray's workers; 1 for a model.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Turn perspective RGB-D into panoramic training shards; goes on where it left off."""
    shape = parse_size(size)
    from tqdm import tqdm

    from panodepth.jobs import Workers
    from panodepth.lab.curation.estimate import parse_estimator
    from panodepth.lab.curation.outpainters.settings import PaintSettings
    from panodepth.lab.curation.pipeline import Options, pending_units
    from panodepth.lab.curation.pipeline import curate as run
    from panodepth.lab.curation.quality import Limits
    from panodepth.lab.curation.report import write_report
    from panodepth.lab.curation.sources import parse_source
    from panodepth.lab.curation.stages import Plan
    from panodepth.lab.data import Encoding

    painting = PaintSettings(
        model=paint_model,
        lora=lora,
        prompt=prompt,
        steps=paint_steps,
        guidance=guidance,
        height=paint_height,
        licence=paint_licence,
        device=device,
        dtype=dtype,
    )
    frames = parse_source(source, without_depth=estimate is not None)
    limits = Limits.parse(limit)
    plan = Plan(shape, outpainter, cast(Any, orientation), limits, seed, False, stitch, painting)
    encoding = Encoding(cast(Any, image), cast(Any, distance))
    options = Options(Workers(workers, engine, address, gpus), chunk, 0, count, encoding)
    estimator = None if estimate is None else parse_estimator(estimate, device)
    pending = pending_units(frames, plan, out, options)
    with tqdm(total=pending, unit="frame", disable=as_json or not sys.stderr.isatty()) as bar:
        done = run(frames, plan, out, options, estimator, lambda kept: bar.update(1))
    write_report(out)
    if as_json:
        print(json.dumps({"kept": done.kept, "rejected": done.reasons, "out": str(out)}))
    else:
        rejected = ", ".join(f"{count} {reason}" for reason, count in done.reasons.items())
        print(f"{done.kept} panoramas in {out}; rejected: {rejected or 'none'}")
        print(f"report: {out / 'report.html'}")
    raise typer.Exit(DONE if done.kept else SOME_FAILED)
