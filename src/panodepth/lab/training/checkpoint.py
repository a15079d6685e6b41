"""Checkpoints of a run: tensors as safetensors, everything else as JSON; never a pickle.

A checkpoint is a folder `step_00001000` with weights.safetensors, ema.safetensors,
optimizer.safetensors and state.json. It is written under a temporary name and renamed, so a folder
with that name is always whole.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from panodepth.errors import PanodepthError

FORMAT = 1
STATE = "state.json"
PREFIX = "step_"


@dataclass(frozen=True)
class Snapshot:
    """What is needed to go on. tensors: file stem -> name -> tensor; state: plain JSON values."""

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
        if target.exists():
            shutil.rmtree(target)
        temporary.replace(target)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise PanodepthError(f"cannot write checkpoint {target}: {error}") from None
    for old in list_snapshots(folder)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def list_snapshots(folder: Path) -> list[Path]:
    """All whole checkpoints, oldest first."""
    found = [p for p in folder.glob(f"{PREFIX}*") if (p / STATE).exists()]
    return sorted(found, key=lambda p: int(p.name.removeprefix(PREFIX)))


def load_snapshot(path: Path) -> Snapshot:
    """Read one checkpoint folder. Raises PanodepthError when it is damaged or of another format."""
    try:
        state = json.loads((path / STATE).read_text(encoding="utf-8"))
        if state.pop("format") != FORMAT:
            raise PanodepthError(f"checkpoint {path} is of another version of this package")
        tensors = {p.stem: load_file(p) for p in sorted(path.glob("*.safetensors"))}
        return Snapshot(int(state.pop("step")), tensors, state)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise PanodepthError(
            f"cannot read checkpoint {path}: {error}; remove that folder to go on from an earlier "
            "one"
        ) from None
