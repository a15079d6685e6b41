"""Checkpoints of a run: tensors as safetensors, everything else as JSON; never a pickle.

A checkpoint is a folder `step_00001000` with weights.safetensors, ema.safetensors,
optimizer.safetensors and state.json. It is written under a temporary name and renamed, so a folder
with that name is always whole.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from panodepth.errors import ConfigError, PanodepthError
from panodepth.lab.training.config import FREE_DATA_FIELDS, Recipe
from panodepth.strict import first_difference, parse_json

FORMAT = 1
STATE = "state.json"
PREFIX = "step_"


@dataclass(frozen=True)
class Snapshot:
    """All that a resumed run needs. tensors: file stem -> name -> tensor. state: plain JSON."""

    step: int
    tensors: dict[str, dict[str, Tensor]]
    state: dict[str, Any]


def save_snapshot(snapshot: Snapshot, folder: Path, keep: int) -> Path:
    """Write atomically into `folder`, then remove all but the newest `keep`.

    Raises PanodepthError when the disk refuses (full, read-only); older checkpoints stay.
    """
    target = folder / f"{PREFIX}{snapshot.step:08d}"
    temporary = folder / f".{target.name}.{os.getpid()}"
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        for stem, tensors in snapshot.tensors.items():
            # the file format wants every tensor contiguous and in memory of its own
            plain = {
                name: torch.empty(t.shape, dtype=t.dtype).copy_(t.detach())
                for name, t in tensors.items()
            }
            save_file(plain, temporary / f"{stem}.safetensors")
        state = {"format": FORMAT, "step": snapshot.step, **snapshot.state}
        (temporary / STATE).write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
        if target.exists():  # a folder cannot be replaced; one that is moved away is not lost
            target.replace(folder / f".{target.name}.old")
        temporary.replace(target)
        shutil.rmtree(folder / f".{target.name}.old", ignore_errors=True)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise PanodepthError(f"cannot write checkpoint {target}: {error}") from None
    for old in list_snapshots(folder)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def list_snapshots(folder: Path) -> list[Path]:
    """All whole checkpoints, oldest first; a copy under another name, as in step_1.bak, is none."""
    named = ((p.name.removeprefix(PREFIX), p) for p in folder.glob(f"{PREFIX}*"))
    found = [(int(step), p) for step, p in named if step.isdecimal() and (p / STATE).exists()]
    return [path for _, path in sorted(found)]


def clear_leftovers(out: Path, before: float) -> None:
    """Remove what killed runs left in `out`: unfinished checkpoints and files, with hidden names.

    before: time [s since 1970]; what was changed later stays. A checkpoint that was moved away to
    be replaced, and was not, gets its name back.
    """
    for old in (out / "checkpoints").glob(f".{PREFIX}*.old"):
        if not (target := old.with_name(old.name[1 : -len(".old")])).exists():
            old.replace(target)
    places = [out.glob(".*.tmp"), (out / "previews").glob(".*.tmp")]
    places += [(out / "checkpoints").glob(f".{PREFIX}*"), out.glob(".probe.*")]
    for left in (path for place in places for path in place):
        with contextlib.suppress(OSError):
            if left.stat().st_mtime > before:
                continue
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink()


def load_snapshot(path: Path) -> Snapshot:
    """Read one checkpoint folder. Raises PanodepthError when it is damaged or of another format."""
    try:
        state = dict(parse_json((path / STATE).read_bytes()))
        if state.pop("format") != FORMAT:
            raise PanodepthError(f"checkpoint {path} is of another version of this package")
        tensors = {p.stem: load_file(p) for p in sorted(path.glob("[!.]*.safetensors"))}
        return Snapshot(int(state.pop("step")), tensors, state)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise PanodepthError(
            f"cannot read checkpoint {path}: {error}; remove that folder to go on from an earlier "
            "one"
        ) from None


def check_resumable(
    state: Mapping[str, Any], config: Recipe, fixed: Iterable[str], world: int, path: Path
) -> None:
    """Raise ConfigError when a resumed run would see other data, or be another network.

    state: of the checkpoint at `path`. fixed: tables of the recipe, or TABLE.KEY, that must be what
    they were. world: number of processes now.
    """
    processes = int(state.get("processes", 1))
    if processes != world:
        raise ConfigError(
            f"checkpoint {path} was written by {processes} process{'es' * (processes > 1)}, this "
            f"run has {world}, which would draw other samples: launch {processes} again, or take "
            "another run.out with --init"
        )
    # keys that the checkpoint's time lacked had the values that are defaults now
    before = type(config)().to_dict()
    for table, values in state["config"].items():
        if table not in before:
            raise ConfigError(
                f"checkpoint {path} is of another kind of training (it has [{table}]); use another "
                "run.out"
            )
        before[table] = {**before[table], **values} if isinstance(values, dict) else values
    now = config.to_dict()
    for values in (before, now):
        values["sources"] = [dict(source) for source in values["sources"]]
        for key in FREE_DATA_FIELDS:
            del values["data"][key]
    for name in fixed:
        table, _, key = name.partition(".")
        old, new = ((v[table][key] if key else v[table]) for v in (before, now))
        if old != new and isinstance(new, list) and len(old) != len(new):
            raise ConfigError(
                f"[[{name}]] differ from those of checkpoint {path}; use another run.out"
            )
        if old != new:
            where, old, new = first_difference(name, old, new)
            raise ConfigError(
                f"{where} is {new!r}, but checkpoint {path} was trained with {old!r}; use another "
                "run.out (and --init to keep the weights)"
            )
