"""What out-painting is worth: one network, one budget, three kinds of training panoramas.

    python benchmarks/outpainting.py --out runs/outpainting --seeds 0,1,2 --data real=FOLDER \\
        --results benchmarks/results/outpainting.json --write docs/curation.md

Renders one perspective frame and one panorama of each world (training seed), curates the frames
once for each out-painter, trains recipes/ablations/full.toml on each set alone and measures on full
rendered panoramas of the validation seed and on folders (protocol `uncapped`).
`panoramas` are those of the very worlds whose frame was kept. Loss is taken where a distance is
real, never on out-painted pixels. Whatever is there is not done again: the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pages
import torch
from ablations import (
    RECIPES,
    Plan,
    Scorer,
    columns,
    named_folder,
    run_config,
    table,
    write_json,
)

from panodepth.errors import PanodepthError
from panodepth.lab.curation.outpaint import OUTPAINTERS
from panodepth.lab.curation.pipeline import Options, curate, records
from panodepth.lab.curation.report import write_report
from panodepth.lab.curation.sources import open_frame_source
from panodepth.lab.curation.stages import Plan as CurationPlan
from panodepth.lab.training.config import load_config
from panodepth.lab.training.render import PanoramaJob, ViewJob, render_files
from panodepth.types import ByteArray

BASE, PANORAMAS = "none", "panoramas"
BEGIN = "<!-- table: benchmarks/outpainting.py -->"
TITLES = {
    "none": "P2E only: black outside the frame",
    "diffuse": "`diffuse` out-painting",
    PANORAMAS: "full panoramas of the same worlds",
}
AT_ONCE = 100  # worlds rendered before the next look at what is there


@dataclass(frozen=True)
class Sizes:
    """view: (h, w) of the frames; curated: (H, W) of what is made of them; trained: (H, W)."""

    worlds: int
    view: tuple[int, int]
    curated: tuple[int, int]
    trained: tuple[int, int]
    fov_deg: float


def render_missing(
    folder: Path, ending: str, worlds: int, render: Callable[[int, int], Any]
) -> None:
    """Call render(first, count) for worlds whose last picture is not in the folder.

    Pictures are written last and in order, so the last one of a part says that the part is whole.
    """
    for first in range(0, worlds, AT_ONCE):
        count = min(AT_ONCE, worlds - first)
        if not any(folder.glob(f"*_{first + count - 1:06d}{ending}")):
            render(first, count)
            print(f"{folder}: {first + count} of {worlds}", flush=True)


def make_data(out: Path, sizes: Sizes, rows: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Render and curate what is missing. Returns row -> its `[[sources]]` table."""
    frames, panoramas = out / "frames", out / PANORAMAS

    def views(first: int, count: int) -> None:
        render_files(ViewJob(count, first=first, size=sizes.view, fov_deg=sizes.fov_deg), frames)

    render_missing(frames, "_v00.png", sizes.worlds, views)
    sources: dict[str, dict[str, Any]] = {}
    for name in (row for row in rows if row != PANORAMAS):
        shards = out / name
        plan = CurationPlan(size=sizes.curated, outpainter=name)
        done = curate(open_frame_source("frames", frames), plan, shards, Options(chunk=250))
        write_report(shards)
        print(f"{name}: {done.kept} panoramas, rejected {done.reasons or 'none'}", flush=True)
        sources[name] = {"kind": "shards", "path": str(shards)}
    if PANORAMAS in rows:

        def full(first: int, count: int) -> None:
            render_files(PanoramaJob(count, first=first, size=sizes.trained), panoramas)

        render_missing(panoramas, ".png", sizes.worlds, full)
        sources[PANORAMAS] = {"kind": "folder", "path": str(panoramas)}
        if rows[0] != PANORAMAS:
            split = out / "panoramas.txt"
            split.write_text("\n".join(kept_worlds(out / rows[0])) + "\n", encoding="utf-8")
            sources[PANORAMAS]["split"] = str(split)
    return sources


def kept_worlds(shards: Path) -> list[str]:
    """Pictures of the panoramas whose frame is in the shards."""
    rows = (row for record in records(shards) for row in record["units"])
    return [f"{row['name'].rpartition('_v')[0]}.png" for row in rows if "key" in row]


def picture(out: Path, size: tuple[int, int], lines: int) -> ByteArray:
    """Some worlds' samples of the rows side by side, and the distance that frames know."""
    from panodepth.export.colour import colourise
    from panodepth.lab.data import load_resized, open_source

    black, painted = (open_source("shards", out / name) for name in ("none", "diffuse"))
    whole = open_source("folder", out / PANORAMAS, split=out / "panoramas.txt")
    kept, shown = kept_worlds(out / "none"), []
    for number in range(0, len(kept), len(kept) // lines)[:lines]:
        name = Path(kept[number]).stem
        same = next(i for i in range(len(whole)) if whole.pairs[i].name.endswith(name))
        samples = [load_resized(source, number, size) for source in (black, painted)]
        samples.append(load_resized(whole, same, size))
        images = [np.rint(sample.image * 255).astype(np.uint8) for sample in samples]
        known = colourise(samples[0].distance, samples[0].mask)
        shown.append(np.hstack([*images[:2], known, images[2]]))
    return np.vstack(shown)


def run_all(
    plan: Plan, sources: Mapping[str, Mapping[str, Any]], shared: Sequence[str]
) -> list[dict[str, Any]]:
    """The record of every row and seed, seed by seed."""
    scorer, found = Scorer(plan), []
    for seed in plan.seeds:
        for name, source in sources.items():
            toml = ", ".join(f"{key} = {json.dumps(value)}" for key, value in source.items())
            place = json.dumps(str(plan.out / f"{name}_seed{seed}"))
            settings = [f"sources=[{{{toml}}}]", "data.scenes_weight=0.0"]
            settings += [*shared, f"run.seed={seed}", f"run.out={place}"]
            config = load_config(RECIPES / "full.toml", settings)
            found.append(run_config(plan, name, config, scorer))
            print(f"{name}, seed {seed}: {found[-1]['seconds'] / 60:.1f} min", flush=True)
    return found


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.partition("x")
    return int(height), int(width)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--worlds", type=int, default=2000, help="one frame of each")
    parser.add_argument("--view", type=_size, default=(120, 160), metavar="HxW")
    parser.add_argument("--fov", type=float, default=90.0)
    parser.add_argument("--curated", type=_size, default=(168, 336), metavar="HxW")
    parser.add_argument("--size", type=_size, default=(84, 168), metavar="HxW", help="trained at")
    parser.add_argument("--steps", type=int, default=200, help="of 16 panoramas")
    parser.add_argument("--seeds", default="0,1,2")
    rows = [*OUTPAINTERS, PANORAMAS]
    parser.add_argument("--rows", default="none,diffuse,panoramas", help=f"of {', '.join(rows)}")
    parser.add_argument(
        "--data", type=named_folder, action="append", default=[], metavar="NAME=DIR"
    )
    parser.add_argument("--rendered", type=int, default=128, help="of the validation seed")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE")
    parser.add_argument("--results", type=Path, help="JSON file for the numbers behind the table")
    parser.add_argument("--write", type=Path, help="page to put the table into")
    parser.add_argument("--picture", type=Path, help="JPEG of some samples of the rows")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is missing, print the table; returns the exit code."""
    chosen = parse(arguments)
    torch.set_num_threads(chosen.threads)
    sizes = Sizes(chosen.worlds, chosen.view, chosen.curated, chosen.size, chosen.fov)
    rows = chosen.rows.split(",")
    seeds = tuple(int(s) for s in chosen.seeds.split(","))
    plan = Plan(chosen.out, tuple(rows), seeds, (), dict(chosen.data), chosen.rendered)
    shared = [f"run.threads={chosen.threads}", f"run.steps={chosen.steps}"]
    shared += [f"data.height={chosen.size[0]}", f"data.width={chosen.size[1]}", *chosen.settings]
    data = [*(["rendered"] if plan.rendered else []), *plan.data]
    try:
        found = run_all(plan, make_data(chosen.out, sizes, rows), shared)
        found.sort(key=lambda r: (rows.index(r["recipe"]), r["seed"]))
        text = "\n".join(table(found, data, {**{r: f"`{r}`" for r in rows}, **TITLES}, BASE))
        print(text)
        if chosen.results:
            write_json(chosen.results, summary(chosen, found, data))
        if chosen.write:
            pages.write_table(chosen.write, BEGIN, text)
        if chosen.picture:
            shown = picture(chosen.out, chosen.curated, lines=4)
            cv2.imwrite(str(chosen.picture), shown[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    except PanodepthError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
        return 1
    return 0


def summary(
    chosen: argparse.Namespace, found: Sequence[Mapping[str, Any]], data: Sequence[str]
) -> dict[str, Any]:
    """What was run and the numbers of every run."""
    said = {"worlds": chosen.worlds, "view": chosen.view, "fov_deg": chosen.fov}
    said |= {"curated": chosen.curated, "size": chosen.size, "steps": chosen.steps}
    runs = [
        {"row": r["recipe"], "seed": r["seed"], "seconds": r["seconds"], **columns(r, data)}
        for r in found
    ]
    return {"settings": said, "runs": runs}


if __name__ == "__main__":
    sys.exit(main())
