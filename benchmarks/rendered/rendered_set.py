"""The worlds of the rendered test set: made, written as files, read back, and recognised.

Distances that agree bit by bit with those that summary.json was written from give the same SHA-256;
elsewhere each world's facts have to agree within TOLERANCES.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from panodepth.atomic import write_atomic
from panodepth.errors import ConfigError
from panodepth.lab.data.folder import DATASET_FILE
from panodepth.lab.evaluation.protocol import TEST_SEED
from panodepth.lab.evaluation.worlds import WorldSource
from panodepth.lab.training.render import Rendered
from panodepth.lab.worlds.priors import STATES
from panodepth.progress import progress
from panodepth.types import FloatArray, Panorama

COUNTS = {"indoor": 300, "outdoor": 200}
SIZE = (256, 512)
SUMMARY = Path(__file__).with_name("summary.json")
QUANTUM = 1e-3  # distances are compared exactly in steps of their logarithm of this size
QUANTILES = {"log_distance_10": 0.1, "log_distance_50": 0.5, "log_distance_90": 0.9}
TOLERANCES = {**dict.fromkeys(QUANTILES, 1e-4), "sky_share": 1e-4, "brightness": 2e-3}


@dataclass(frozen=True)
class Facts:
    """What a world is known by.

    log_distance_10, _50, _90: quantiles over its pixels, natural log of metres. sky_share: of its
    pixels. brightness: mean of the picture, 0 to 1.
    """

    log_distance_10: float
    log_distance_50: float
    log_distance_90: float
    sky_share: float
    brightness: float


def facts(panorama: Panorama) -> Facts:
    """The facts of one world."""
    truth = panorama.distance
    logs = np.log(truth[np.isfinite(truth) & (truth > 0)].astype(np.float64))
    points = np.quantile(logs, list(QUANTILES.values())) if logs.size else np.zeros(3)
    brightness = float(panorama.image.mean(dtype=np.float64))
    sky = round(float(np.isinf(truth).mean()), 6)
    return Facts(*(round(float(p), 6) for p in points), sky, round(brightness, 5))


def quantised(distance: FloatArray) -> bytes:
    """The distance map in whole steps of its logarithm; sky and unknown are marked."""
    with np.errstate(divide="ignore"):
        steps = np.round(np.log(distance) / QUANTUM)
    return np.clip(steps, -32768, 32767).astype("<i2").tobytes()


class Fingerprint:
    """Collects what `summary.json` holds while the worlds go by."""

    def __init__(self) -> None:
        self._digests = {kind: hashlib.sha256() for kind in COUNTS}
        self._scenes: dict[str, list[list[float]]] = {kind: [] for kind in COUNTS}

    def add(self, panorama: Panorama) -> None:
        kind = panorama.meta["name"].partition("_")[0]
        self._digests[kind].update(quantised(panorama.distance))
        self._scenes[kind].append(list(asdict(facts(panorama)).values()))

    def watched(self, panoramas: Iterable[Panorama], total: int) -> Iterator[Panorama]:
        """The panoramas as they come, each added."""
        with progress(total, "panorama") as bar:
            for panorama in panoramas:
                self.add(panorama)
                bar.update()
                yield panorama

    def summary(self) -> dict[str, Any]:
        """JSON values; "scenes" has one row per world, in the order of "columns"."""
        return {
            "seed": TEST_SEED,
            "size": list(SIZE),
            "state": STATES[1],
            "rendered_on": f"{platform.machine()}, torch {torch.__version__}",
            "sha256": {kind: digest.hexdigest() for kind, digest in self._digests.items()},
            "columns": list(TOLERANCES),
            "scenes": self._scenes,
        }


def made(counts: Mapping[str, int], device: str = "cpu") -> Iterator[Panorama]:
    """The worlds, rendered one after the other."""
    for kind, count in counts.items():
        yield from WorldSource(kind, count, SIZE, TEST_SEED, device=device)


def write_files(panoramas: Iterable[Panorama], folder: Path) -> int:
    """NAME.png and NAME_distance.npz of each, and dataset.json; returns how many.

    Distance is in metres, 0 = not given, NaN = sky, which the npz has as a mask too. Raises
    OutputError.
    """
    count = 0
    about = json.dumps({"unit": "m", "credit": "panodepth, rendered test set"}) + "\n"
    write_atomic(folder / DATASET_FILE, about)
    for panorama in panoramas:
        sky = np.isinf(panorama.distance)
        distance = np.where(sky, np.float32("nan"), panorama.distance)
        image = np.rint(panorama.image * np.float32(255)).astype(np.uint8)
        arrays = {"distance": distance, "sky": sky}
        Rendered(panorama.meta["name"], image, arrays).write(folder)
        count += 1
    return count


def read_files(folder: Path, counts: Mapping[str, int]) -> Iterator[Panorama]:
    """What `write_files` wrote. Raises ConfigError when a file is missing or damaged."""
    for kind, count in counts.items():
        for number in range(count):
            stem = folder / f"{kind}_{number:06d}"
            try:
                with np.load(f"{stem}_distance.npz", allow_pickle=False) as arrays:
                    distance = np.where(arrays["sky"], np.float32("inf"), arrays["distance"])
                image = np.array(Image.open(f"{stem}.png"), np.float32) / np.float32(255)
            except (OSError, ValueError, KeyError, EOFError) as error:
                raise ConfigError(f"{stem}: not whole ({error}); render the set again") from error
            yield Panorama(image, distance, meta={"name": stem.name})


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


def compare(found: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether these are the kept worlds, and what to tell people. Raises ConfigError."""
    if not SUMMARY.exists():
        return False, f"{SUMMARY} is not there, so whether these are the right worlds is not known"
    kept = json.loads(SUMMARY.read_text(encoding="utf-8"))
    if kept["columns"] != list(TOLERANCES):
        raise ConfigError(f"{SUMMARY} is of another version: write it again with --write")
    changed = kept["state"] != found["state"]
    note = "note: the worlds have changed since summary.json was written\n" if changed else ""
    wrong = differences(found, kept)
    if wrong:
        text = f"{len(wrong)} facts differ from summary.json; the first: {wrong[0]}"
        return False, note + text
    rows = [row for kind in found["scenes"].values() for row in kind]
    same = all(
        found["sha256"][kind] == kept["sha256"][kind] for kind, r in found["scenes"].items() if r
    )
    how = "bit by bit" if same else "within tolerance"
    return True, f"{note}{len(rows)} worlds are those of summary.json, {how}"


def write_summary(summary: Mapping[str, Any]) -> None:
    """summary.json, one world per line."""
    head = {key: value for key, value in summary.items() if key != "scenes"}
    text = json.dumps(head, indent=1).removesuffix("\n}")
    kinds = [
        f'  "{kind}": [\n' + ",\n".join(f"   {json.dumps(row)}" for row in rows) + "\n  ]"
        for kind, rows in summary["scenes"].items()
    ]
    write_atomic(SUMMARY, f'{text},\n "scenes": {{\n' + ",\n".join(kinds) + "\n }\n}\n")
