"""Files of the small networks beside a model: one that sharpens, one that tells metres."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn

from panodepth.errors import ConfigError, ModelError
from panodepth.model.checkpoint import finite_tensor, open_weights, require_fit, shapes_of
from panodepth.model.tensor_files import write_tensors
from panodepth.strict import build, parse_json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

C = TypeVar("C")
N = TypeVar("N", bound=nn.Module)


def save_helper(
    kind: str,
    config: DataclassInstance,
    tensors: Mapping[str, Tensor],
    path: Path,
    texts: Mapping[str, str],
) -> None:
    """Write a network's parameters, (...) each, as float16 .safetensors; OutputError.

    config: stands as JSON in the file's metadata under `kind`, beside `texts`.
    """
    stored = {n: t.detach().to("cpu", torch.float16).contiguous() for n, t in tensors.items()}
    write_tensors(path, stored, {**texts, kind: json.dumps(asdict(config))})


def load_helper(
    kind: str,
    config: type[C],
    network: Callable[[C], N],
    path: str | os.PathLike[str],
    device: torch.device | str = "cpu",
) -> N:
    """The `network` of a `config` in eval mode, float32, from what `save_helper` has written.

    Raises ModelError, one line, for any other file.
    """
    with open_weights(path) as (weights, file):
        text = (file.metadata() or {}).get(kind)
        if text is None:
            raise ModelError(f"{weights}: not a {kind} network (no metadata {kind!r})")
        try:
            made = network(build(config, parse_json(text), f"the {kind} network's config"))
        except (ConfigError, ValueError) as error:
            raise ModelError(f"{weights}: {error}") from error
        tensors = {n: finite_tensor(weights, file, n) for n in file.keys()}  # noqa: SIM118
    require_fit(weights, kind, shapes_of(made.state_dict()), shapes_of(tensors))
    made.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    return made.to(device).eval().requires_grad_(False)
