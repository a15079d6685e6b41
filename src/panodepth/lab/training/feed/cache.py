"""Rendered panoramas kept on disk."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from panodepth.atomic import atomic, write_atomic
from panodepth.errors import ConfigError, OutputError
from panodepth.lab.training.config import DataConfig
from panodepth.lab.training.feed.samples import Stored
from panodepth.lab.worlds.priors import STATES
from panodepth.predict.folder.outputs import check_output_folder
from panodepth.strict import parse_json

IDENTITY = ("seed", "first_index", "chunk", "render_batch", "height", "width", "kind")
CACHE_FORMAT = 1  # raise when the stored form or the meaning of a scene index changes


class ChunkCache:
    """Rendered chunks on disk, shared between runs.

    One folder per distinct (seed, size, kind, chunk, ...), with `chunk_000012.npz` files and
    beside each a `.json` with its SHA-256. Files are written under a temporary name and renamed. A
    file without a matching checksum counts as absent and is rendered again. Panoramas of an earlier
    state of their version of the worlds are still used; `stale` then says so.
    """

    def __init__(self, root: Path, data: DataConfig) -> None:
        identity: dict[str, Any] = {"format": CACHE_FORMAT}
        identity |= {name: getattr(data, name) for name in IDENTITY}
        priors = {"openings": data.openings, "overcast": data.overcast}
        if any(priors[k] != getattr(DataConfig, k) for k in priors):  # else as ever: still valid
            identity |= priors
        if data.worlds != DataConfig.worlds:
            identity["worlds"] = data.worlds
        key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
        self.folder = root / f"{data.kind}_{data.height}x{data.width}_seed{data.seed}_{key}"
        self.stale = False
        self._note = self.folder / "identity.json"  # written with the first chunk
        self._identity = {**identity, "state": STATES[data.worlds]}
        try:
            check_output_folder(self.folder)
            if self._note.exists():
                found = dict(parse_json(self._note.read_bytes())).get("state", 1)
                self.stale = found != self._identity["state"]
        except (OSError, ValueError, TypeError, OutputError) as error:
            raise ConfigError(f"data.cache {root} cannot be used: {error}") from None

    def _path(self, chunk: int) -> Path:
        return self.folder / f"chunk_{chunk:06d}.npz"

    def has(self, chunk: int) -> bool:
        """Whether the chunk and its checksum are there (not whether they agree)."""
        path = self._path(chunk)
        return path.exists() and path.with_suffix(".json").exists()

    def read(self, chunk: int) -> Stored | None:
        """The chunk, or None when it is absent or damaged."""
        path = self._path(chunk)
        try:
            expected = parse_json(path.with_suffix(".json").read_bytes())["sha256"]
            if _sha256(path) != expected:
                return None
            with np.load(path, allow_pickle=False) as arrays:
                return Stored(
                    torch.from_numpy(arrays["image"]), torch.from_numpy(arrays["distance"])
                )
        except (OSError, LookupError, TypeError, ValueError, zipfile.BadZipFile):
            return None

    def write(self, chunk: int, stored: Stored) -> None:
        """Keep the chunk. Raises OutputError when the disk is full."""
        path = self._path(chunk)
        if not self._note.exists():
            write_atomic(self._note, json.dumps(self._identity, indent=1) + "\n")
        with atomic(path, path.with_suffix(".json")) as (arrays, index):
            with arrays.open("wb") as file:
                np.savez(
                    file, image=stored.image.cpu().numpy(), distance=stored.distance.cpu().numpy()
                )
            index.write_text(json.dumps({"sha256": _sha256(arrays)}) + "\n")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
