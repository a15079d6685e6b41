"""Where training starts from: a model file whole, or a backbone alone (DINOv2, released DA²)."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from panodepth.errors import ConfigError, ModelError
from panodepth.model.checkpoint import (
    finite_tensor,
    load_model,
    open_weights,
    require_fit,
    shapes_of,
)
from panodepth.model.config import ModelConfig
from panodepth.model.dinov2 import read_dinov2
from panodepth.model.keymap import dinov2_keys, released_keys
from panodepth.model.spherevit import SphereViT

HEAD_ROWS = ("head.out.weight", "head.out.bias")  # a sky output adds a row, a second depth two
APART = 0.04  # between two depths that start as one, in log distance: else they would stay one
OURS, RELEASED, DINOV2 = "panodepth", "DA² release", "DINOv2"
STEM, BLOCKS = "backbone.stem.", "backbone.blocks."
ENDS = ("out.", "mlp_out.")  # the last layers of a block's two branches


@dataclass(frozen=True)
class InitReport:
    """What a network took from a file.

    path: the file; source: its format ("panodepth", "DA² release" or "DINOv2").
    taken: names of our parameters whose values come from it. adapted: those of them, or of
    parameters the file knows nothing of, that were fitted, and how. fresh: left as they were
    initialised. unused: tensors of the file that have no place in the network.
    """

    path: Path
    source: str
    taken: tuple[str, ...]
    adapted: Mapping[str, str]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]

    def summary(self) -> str:
        """One line for a log."""
        parts = [f"{self.path}: {len(self.taken)} tensors from {self.source}"]
        by_how: dict[str, list[str]] = {}
        for name, how in self.adapted.items():
            by_how.setdefault(how, []).append(name)
        for how, names in by_how.items():
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            parts.append(f"{names[0]}{more} {how}")
        if self.fresh:
            groups = dict.fromkeys(name.split(".")[0] for name in self.fresh)
            parts.append(f"fresh: {len(self.fresh)} tensors of {', '.join(groups)}")
        return "; ".join(parts)


def initialise(
    model: SphereViT, path: str | os.PathLike[str], *, backbone_only: bool = False
) -> InitReport:
    """Copy weights of a file into `model`, in place, and say what was taken and what is fresh.

    path: a .safetensors file, or a folder with one. A file of ours or the released DA² checkpoint
    gives the whole network, which must fit exactly (but for a sky output or a second depth that
    the file lacks, and for more transformer blocks, which begin as ones that add nothing), or its
    backbone alone with `backbone_only`. DINOv2's weights (ViT-S, B or L without registers, in
    the layout of `transformers` or the original one) always give the backbone alone:

    - learned positions (37×37 and the class token's) are taken as they are, resized bicubically to
      another `position_grid`, or, with `latitude_positions`, averaged over the columns;
    - the class token and its position are left out where the network has none;
    - a great-circle bias is set to zero, so that the blocks start as they were pretrained;
    - LayerNorms keep this package's eps of 1e-5 (DINOv2: 1e-6), as in the DA² release.

    Raises ModelError (file, names, shapes), one line.
    """
    with open_weights(path) as (weights, file):
        names = list(file.keys())
        if "config" in (file.metadata() or {}):
            source = OURS
        elif released_keys().applies_to(dict.fromkeys(names)):
            source = RELEASED
        elif dinov2_keys().applies_to(dict.fromkeys(names)):
            source = DINOV2
        else:
            raise ModelError(
                f"{weights}: neither a SphereViT file, nor the DA² release, nor DINOv2's weights"
            )
    if source == DINOV2:
        return _from_dinov2(model, weights)
    return _from_spherevit(model, weights, source, backbone_only)


def start_pretrained(model: SphereViT) -> InitReport:
    """Copy the first weights that the network's backbone has into it, in place.

    Raises ConfigError for a backbone that has none, or whose package is not installed.
    """
    path = model.config.backbone_class.first_weights()
    if path is None:
        raise ConfigError(
            f"backbone {model.config.backbone!r} brings no weights: set network.pretrained = false,"
            " or give a file to start from"
        )
    with open_weights(path) as (weights, file):
        state = {STEM + n: finite_tensor(weights, file, n) for n in file.keys()}  # noqa: SIM118
    starts = tuple(start for group in model.groups() for start in group)
    _require_same(model, path, state, starts)
    return _copy(model, path, "ImageNet", state, {}, [])


def _from_spherevit(model: SphereViT, path: Path, source: str, backbone_only: bool) -> InitReport:
    config = dataclasses.replace(model.config, sky_head=False) if source == RELEASED else None
    other = load_model(path, config=config)
    state = dict(other.state_dict())
    adapted: dict[str, str] = {}
    if backbone_only:
        unused = [name for name in state if not name.startswith("backbone.")]
        state = {name: t for name, t in state.items() if name.startswith("backbone.")}
        square = not other.config.latitude_positions
        state, adapted = _fit_backbone(model, path, state, square)
    else:
        unused = []
        changed = _behaviour_changes(other.config, model.config)
        if changed:
            adapted["network"] = f"now has {changed}"
        adapted |= _deepen(model.config, other.config, state)
        if how := _fit_outputs(model, other.config, state):
            adapted |= dict.fromkeys(HEAD_ROWS, how)
        try:
            _require_same(model, path, state)
        except ModelError as error:
            if other.config.name in (model.config.name, "custom"):
                raise
            wanted = f"set network.preset = {other.config.name!r}, which the file holds"
            raise ModelError(f"{error}; {wanted}") from None
    return _copy(model, path, source, state, adapted, unused)


def _deepen(now: ModelConfig, before: ModelConfig, state: dict[str, Tensor]) -> dict[str, str]:
    """Give `state` the transformer blocks that it lacks, in place; names of the new ones and how.

    state: by name, with each block's factors (dim,) and layers, (out, in). Between two features the
    blocks of the file come first. A new block is a copy of the last of them whose last layers are
    0: the network says what it said until it is trained on (block expansion of LLaMA Pro, arXiv
    2401.02415). The residual factors stay, since 0 there would hardly grow: only Muon is quick, and
    it is for matrices. Nothing is done where a feature would lose blocks.
    """
    old, new = ((0, *c.features, c.depth) for c in (before, now))
    counts = [(b - a, d - c) for (a, b), (c, d) in zip(pairwise(old), pairwise(new), strict=True)]
    if now.depth <= before.depth or any(n < o or (n > o == 0) for o, n in counts):
        return {}
    sources: list[tuple[int, bool]] = []  # for each block: where it is from, and whether it is new
    for start, (kept, wanted) in zip(old, counts, strict=False):
        sources += [(start + min(i, kept - 1), i >= kept) for i in range(wanted)]
    before_it, adapted = dict(state), {}
    for i, (source, fresh) in enumerate(sources):
        place = f"{BLOCKS}{source}."
        for name in [n for n in before_it if n.startswith(place)]:
            key = f"{BLOCKS}{i}.{name.removeprefix(place)}"
            state[key] = before_it[name]
            if fresh:
                adapted[key] = "copied from the block before"
                if name.startswith(ENDS, len(place)):
                    state[key], adapted[key] = torch.zeros_like(before_it[name]), "set to zero"
    return adapted


def _fit_outputs(model: SphereViT, before: ModelConfig, state: dict[str, Tensor]) -> str:
    """Give the head in `state` the outputs it lacks, in place; says which, "" if none.

    state: with the head's last layer, (outputs, C, 1, 1) and (outputs,). A second depth starts
    beside the first, equally likely.
    """
    now, own, fresh = model.config, model.state_dict(), []
    if now.depths > before.depths:
        fresh.append("second depth")
        for name in HEAD_ROWS:
            first, rest = state[name][:1], state[name][1:]
            apart = APART / 2 if name.endswith("bias") else 0.0
            state[name] = torch.cat([first - apart, first + apart, torch.zeros_like(first), rest])
    if now.sky_head and not before.sky_head:
        fresh.append("sky output")
        for name in HEAD_ROWS:
            state[name] = torch.cat([state[name], own[name][-1:].to("cpu", torch.float32)])
    return f"has a fresh {' and '.join(fresh)}" if fresh else ""


def _behaviour_changes(before: ModelConfig, now: ModelConfig) -> str:
    """Fields that differ although all shapes may fit; "" where none do."""
    free = ("name", "size", "layer_scale", "sky_head", "depths")
    old, new = before.to_dict(), now.to_dict()
    names = [key for key in new if key not in free and old[key] != new[key]]
    return ", ".join(f"{key} {new[key]} (was {old[key]})" for key in names)


def _from_dinov2(model: SphereViT, path: Path) -> InitReport:
    config = model.config
    if config.backbone_class.KEYS != "dinov2":
        raise ModelError(
            f"{path}: DINOv2 has a patch backbone; the {config.name!r} network's is"
            f" {config.backbone!r}"
        )
    whole, unused = read_dinov2(config, path)
    state, adapted = _fit_backbone(model, path, whole, square=True)
    return _copy(model, path, DINOV2, state, adapted, unused)


def _fit_backbone(
    model: SphereViT, path: Path, state: dict[str, Tensor], square: bool
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Positions fitted and missing great-circle biases set to zero; then all must fit.

    state: with positions (1, n, dim) as `fit_positions` takes them. square: they are those of a
    square grid, not of rows alone. Raises ModelError when names or shapes do not fit.
    """
    adapted: dict[str, str] = {}
    state = dict(state)
    name = "backbone.positions"
    if square and name in state:
        state[name], how = fit_positions(state[name], model.config)
        if how:
            adapted[name] = how
    own = model.backbone.state_dict(prefix="backbone.")
    if not any(".bias.weight" in key for key in state):
        for key, tensor in own.items():
            if key.endswith(".bias.weight"):
                state[key] = torch.zeros_like(tensor, device="cpu")
                adapted[key] = "set to zero"
    _require_same(model, path, state, prefix="backbone.")
    return state, adapted


def fit_positions(positions: Tensor, config: ModelConfig) -> tuple[Tensor, str]:
    """Learned positions of a square grid as `config` wants them, and what was done ("" = nothing).

    positions: (1, 1 + g·g, dim), the class token's first, or (1, g·g, dim). Returns
    (1, [1 +] G·G or G, dim) for G = position_grid.
    """
    count, dim = positions.shape[1:]
    side = int(count**0.5)  # the class token's makes it g² + 1: the root's whole part stays g
    leading, grid = positions[:, : count - side * side], positions[:, count - side * side :]
    done = []
    square = grid.reshape(1, side, side, dim).permute(0, 3, 1, 2)
    wanted = config.position_grid
    if config.latitude_positions:
        rows = square.mean(dim=-1)
        done.append("averaged over columns")
        if side != wanted:
            rows = F.interpolate(rows, size=wanted, mode="linear")
        grid = rows.transpose(1, 2)
    elif side != wanted:
        resized = F.interpolate(square, size=(wanted, wanted), mode="bicubic")
        grid = resized.flatten(2).transpose(1, 2)
    if side != wanted:
        done.append(f"resized from {side} to {wanted}")
    if not config.class_token:
        leading = leading[:, :0]
    return torch.cat([leading, grid], dim=1), " and ".join(done)


def _require_same(
    model: SphereViT, path: Path, state: Mapping[str, Tensor], prefix: str | tuple[str, ...] = ""
) -> None:
    """ModelError unless the names that start with `prefix`, and shapes, are the model's own."""
    own = {n: t for n, t in model.state_dict().items() if n.startswith(prefix)}
    require_fit(path, model.config.name, shapes_of(own), shapes_of(state))


def _copy(
    model: SphereViT,
    path: Path,
    source: str,
    state: Mapping[str, Tensor],
    adapted: Mapping[str, str],
    unused: list[str],
) -> InitReport:
    own = model.state_dict()
    with torch.no_grad():
        for name, tensor in state.items():
            own[name].copy_(tensor)
    zeroed = {name for name, how in adapted.items() if how == "set to zero"}
    taken = tuple(name for name in own if name in state and name not in zeroed)
    fresh = tuple(name for name in own if name not in state)
    return InitReport(path, source, taken, dict(adapted), fresh, tuple(unused))
