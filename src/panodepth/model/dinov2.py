"""DINOv2's weights under our names: queries, keys and values put together, sizes checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from panodepth.errors import ModelError
from panodepth.model.checkpoint import finite_tensor, open_weights
from panodepth.model.config import ModelConfig
from panodepth.model.keymap import dinov2_keys

HEAD_WIDTH = 64  # channels per attention head in every DINOv2; its files do not say it


def read_dinov2(config: ModelConfig, path: Path) -> tuple[dict[str, Tensor], list[str]]:
    """The backbone's tensors by our names, float32, and the names that have no place in it.

    Positions stay those of DINOv2's square grid. Raises ModelError for another kind of DINOv2, or
    another size than `config`'s.
    """
    keys = dinov2_keys()
    whole: dict[str, Tensor] = {}
    thirds: dict[str, dict[int, Tensor]] = {}
    unused = []
    with open_weights(path) as (_, file):
        for name in file.keys():  # noqa: SIM118
            ours = keys.to_ours(name)
            needless = ours == "backbone.class_token" and not config.class_token
            if needless or (ours is None and keys.is_ignored(name)):
                unused.append(name)
                continue
            if ours is None:
                raise ModelError(f"{path}: {_why_not(name)}")
            tensor = finite_tensor(path, file, name).float()
            target, _, third = ours.partition(":")
            if third:
                thirds.setdefault(target, {})[int(third)] = tensor
            else:
                whole[target] = tensor
    for target, parts in thirds.items():
        if len(parts) < 3:
            raise ModelError(f"{path}: a query, key or value of {target} is missing")
        whole[target] = torch.cat([parts[i] for i in range(3)])
    _require_same_sizes(config, path, whole)
    return whole, unused


def _why_not(name: str) -> str:
    if "register" in name:
        return (
            f"has register tokens ({name}); use the DINOv2 without them, such as"
            " facebook/dinov2-small, -base or -large"
        )
    if "weights_in" in name or ".w12." in name:
        return f"is a DINOv2 giant with a SwiGLU MLP ({name}); use small, base or large"
    return f"unexpected tensor {name} in DINOv2's weights"


def _require_same_sizes(config: ModelConfig, path: Path, state: Mapping[str, Tensor]) -> None:
    """By the last norm's (dim,), the number of blocks and the heads that DINOv2 has for a dim."""
    dim = state["backbone.norm.weight"].numel() if "backbone.norm.weight" in state else 0
    blocks = {name.split(".")[2] for name in state if name.startswith("backbone.blocks.")}
    theirs, ours = (len(blocks), dim), (config.depth, config.dim)
    if theirs != ours:
        raise ModelError(
            f"{path}: DINOv2 with {theirs[0]} blocks of {theirs[1]} channels does not fit the"
            f" {config.name!r} network's {ours[0]} of {ours[1]}"
        )
    if dim != HEAD_WIDTH * config.heads:
        raise ModelError(
            f"{path}: DINOv2 has {HEAD_WIDTH} channels per head, so {dim // HEAD_WIDTH} heads; the"
            f" {config.name!r} network has {config.heads}"
        )
