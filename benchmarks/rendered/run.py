"""The rendered test set: 300 indoor and 200 outdoor worlds of a seed that is never trained on.

    python benchmarks/rendered/run.py                       # score the bundled model
    python benchmarks/rendered/run.py --weights A --weights B
    python benchmarks/rendered/run.py --check               # are these the worlds of summary.json?
    python benchmarks/rendered/run.py --write               # after the scene code has changed
    python benchmarks/rendered/run.py --render DIR          # NAME.png and NAME_distance.npz

Everything is rendered on the fly at 256×512. A network runs at its own size; its distance and sky
are resized to the truth's, aligned by the ratio of medians, and scored without a cap: AbsRel and δ1
per image, their mean with a 95 % bootstrap interval over images, the sky's intersection over union
over all pixels, beside what a constant prediction scores.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from panodepth.errors import ConfigError, PanodepthError
from panodepth.model import SphereViT, load_model
from panodepth.sphere import resize_erp
from panodepth.training.cache import scene_code
from panodepth.training.commands import RenderJob, render_dataset
from panodepth.training.config import TEST_SEED, DataConfig
from panodepth.training.rendered import RenderedPanorama, rendered_panoramas, score_panorama
from panodepth.training.scores import Score, summarise, table
from panodepth.training.validation import BUNDLED, run_network
from panodepth.types import FloatArray

COUNTS = {"indoor": 300, "outdoor": 200}
SIZE = (256, 512)
SUMMARY = Path(__file__).with_name("summary.json")
QUANTUM = 1e-3  # distances are compared exactly in steps of their logarithm of this size
TOLERANCES = {"median_log_distance": 1e-4, "sky_share": 1e-4, "brightness": 2e-3}


@dataclass(frozen=True)
class Facts:
    """What a scene is known by: natural log of metres, share of pixels, mean of the picture."""

    median_log_distance: float
    sky_share: float
    brightness: float


def facts(panorama: RenderedPanorama) -> Facts:
    """The facts of one scene."""
    truth = panorama.distance
    valid = np.isfinite(truth) & (truth > 0)
    median = float(np.median(np.log(truth[valid]))) if valid.any() else 0.0
    brightness = float(panorama.image.float().mean()) / 255.0
    return Facts(round(median, 6), round(float(np.isinf(truth).mean()), 6), round(brightness, 5))


def quantised(distance: FloatArray) -> bytes:
    """The distance map in whole steps of its logarithm; sky and unknown are marked."""
    with np.errstate(divide="ignore"):
        steps = np.round(np.log(distance) / QUANTUM)
    return np.clip(steps, -32768, 32767).astype("<i2").tobytes()


class Fingerprint:
    """Collects what `summary.json` holds while the scenes go by."""

    def __init__(self) -> None:
        self._digests = {kind: hashlib.sha256() for kind in COUNTS}
        self._scenes: dict[str, list[list[float]]] = {kind: [] for kind in COUNTS}

    def add(self, panorama: RenderedPanorama) -> None:
        self._digests[panorama.kind].update(quantised(panorama.distance))
        self._scenes[panorama.kind].append(list(asdict(facts(panorama)).values()))

    def summary(self) -> dict[str, Any]:
        """JSON values; "scenes" has one row per world, in the order of "columns"."""
        return {
            "seed": TEST_SEED,
            "size": list(SIZE),
            "scene_code": scene_code(),
            "rendered_on": f"{platform.machine()}, torch {torch.__version__}",
            "sha256": {kind: digest.hexdigest() for kind, digest in self._digests.items()},
            "columns": list(TOLERANCES),
            "scenes": self._scenes,
        }


def differences(found: Mapping[str, Any], kept: Mapping[str, Any]) -> list[str]:
    """Worlds of `found` whose facts are not those of `kept`, one line each.

    Distances that agree bit by bit (as on the same kind of machine) settle it; otherwise every fact
    has to agree within its tolerance. `found` may hold the first worlds only.
    """
    lines = []
    for kind, rows in found["scenes"].items():
        if rows and found["sha256"][kind] == kept["sha256"][kind]:
            continue
        for number, (row, other) in enumerate(zip(rows, kept["scenes"][kind], strict=False)):
            for (name, limit), a, b in zip(TOLERANCES.items(), row, other, strict=True):
                if abs(a - b) > limit:
                    lines.append(f"{kind} {number}: {name} {a:.6f}, kept {b:.6f}")
    return lines


def predict(model: SphereViT, panorama: RenderedPanorama) -> tuple[FloatArray, FloatArray | None]:
    """Distance and sky logit (or None) at the panorama's size."""
    image = panorama.image.permute(1, 2, 0).float().div(255.0).contiguous().numpy()
    height, width = panorama.distance.shape
    size = (model.config.size[0], model.config.size[1])
    distance, logit = (
        None if x is None else resize_erp(x[None], (height, width), antialias=False)[0].numpy()
        for x in run_network(model, image, size)
    )
    assert distance is not None
    return distance, logit


def evaluate(
    panoramas: Iterable[RenderedPanorama], models: Mapping[str, SphereViT]
) -> dict[str, list[Score]]:
    """Model name -> the score of every panorama; "constant" is there too."""
    scores: dict[str, list[Score]] = {name: [] for name in (*models, "constant")}
    for panorama in panoramas:
        flat = np.ones_like(panorama.distance)
        outputs = {name: predict(model, panorama) for name, model in models.items()}
        for name, (distance, logit) in {**outputs, "constant": (flat, None)}.items():
            score = score_panorama(distance, logit, panorama)
            if score is not None:
                scores[name].append(score)
    return scores


def watched(
    panoramas: Iterable[RenderedPanorama], total: int, fingerprint: Fingerprint
) -> Iterator[RenderedPanorama]:
    """The panoramas as they come, each added to the fingerprint."""
    for panorama in tqdm(panoramas, total=total, disable=not sys.stderr.isatty()):
        fingerprint.add(panorama)
        yield panorama


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, action="append", help="default: the bundled model")
    parser.add_argument("--check", action="store_true", help="compare with summary.json, no model")
    parser.add_argument("--write", action="store_true", help="write summary.json, no model")
    parser.add_argument("--render", type=Path, metavar="DIR", help="write the set as files")
    parser.add_argument("--device", default="cpu", help="of the renderer and the network")
    parser.add_argument("--first", type=int, help="only this many of each kind, for a quick look")
    parser.add_argument("--threads", type=int, default=0)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 1 when --check finds other worlds, or on an error."""
    chosen = parse(arguments)
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    counts = {k: min(n, chosen.first or n) for k, n in COUNTS.items()}
    try:
        if chosen.render:
            for kind, count in counts.items():
                job = RenderJob(count, TEST_SEED, SIZE, kind, device=chosen.device)
                render_dataset(job, chosen.render)
            return 0
        return _run(chosen, counts)
    except PanodepthError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(chosen: argparse.Namespace, counts: Mapping[str, int]) -> int:
    data = DataConfig(height=SIZE[0], width=SIZE[1], render_device=chosen.device)
    fingerprint = Fingerprint()
    made = rendered_panoramas(data, counts, TEST_SEED)
    panoramas = watched(made, sum(counts.values()), fingerprint)
    if chosen.write or chosen.check:
        for _ in panoramas:
            pass
    else:
        files = chosen.weights or [BUNDLED]
        models = {f.stem if f.stem != "model" else f.parent.name: f for f in files}
        if len(models) < len(files):
            raise ConfigError("weights files need different names")
        loaded = {name: load_model(file, device=chosen.device) for name, file in models.items()}
        scores = evaluate(panoramas, loaded)
        rows = {name: summarise(found, intervals=True) for name, found in scores.items()}
        print(table(rows))
        print(json.dumps({"seed": TEST_SEED, "size": SIZE, "counts": counts, **rows}))
    found = fingerprint.summary()
    if chosen.write:
        if counts != COUNTS:
            raise ConfigError("--write needs the whole set, without --first")
        temporary = SUMMARY.with_name(f".{SUMMARY.name}.{os.getpid()}")
        temporary.write_text(_compact(found), encoding="utf-8")
        temporary.replace(SUMMARY)
        return 0
    if not SUMMARY.exists():
        print(f"note: {SUMMARY} is not there, so whether these are the right worlds is not known")
        return int(chosen.check)
    return _compare(found)


def _compact(summary: Mapping[str, Any]) -> str:
    """JSON with one world per line."""
    head = {key: value for key, value in summary.items() if key != "scenes"}
    text = json.dumps(head, indent=1).removesuffix("\n}")
    kinds = [
        f'  "{kind}": [\n' + ",\n".join(f"   {json.dumps(row)}" for row in rows) + "\n  ]"
        for kind, rows in summary["scenes"].items()
    ]
    return f'{text},\n "scenes": {{\n' + ",\n".join(kinds) + "\n }\n}\n"


def _compare(found: Mapping[str, Any]) -> int:
    """Say whether these are the kept worlds; returns the exit code."""
    kept = json.loads(SUMMARY.read_text(encoding="utf-8"))
    if kept["scene_code"] != found["scene_code"]:
        print("note: the scene code has changed since summary.json was written")
    wrong = differences(found, kept)
    rows = [row for kind in found["scenes"].values() for row in kind]
    if wrong:
        print(f"{len(wrong)} facts differ from summary.json; the first: {wrong[0]}")
        return 1
    same = all(
        found["sha256"][kind] == kept["sha256"][kind]
        for kind, rows in found["scenes"].items()
        if rows
    )
    how = "bit by bit" if same else "within tolerance"
    print(f"{len(rows)} worlds are those of summary.json, {how}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
