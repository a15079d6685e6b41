"""Checkpoints: strict, safetensors only, in our own format or the released one.

Our own format has our parameter names and the ModelConfig as JSON under metadata "config". The
released format has other names; `keys/released.json` translates them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from panodepth.errors import ConfigError, ModelError
from panodepth.model.config import PRESETS, ModelConfig, find_preset
from panodepth.model.keymap import KeyMap, released_keys
from panodepth.model.layers import Float32Module
from panodepth.model.spherevit import Block, CrossBlock, SphereViT
from panodepth.model.tensor_files import TensorReader, write_tensors

PICKLE_ENDINGS = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle")
PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
Shape = tuple[int, ...]
NAMED = 3  # how many keys an error names
PREPARED = "a network prepared for inference cannot be trained, moved, cast or saved: load it again"


def find_weights(path: str | os.PathLike[str]) -> Path:
    """The .safetensors file that `path`, a file or a folder, means.

    Raises ModelError when there is none, when a folder holds several, or when it is a pickle.
    """
    place = Path(path)
    if place.is_dir():
        found = sorted(place.glob("[!.]*.safetensors"))
        if len(found) > 1:
            found = [f for f in found if f.name == "model.safetensors"]
        if not found:
            pickles = sorted(f for f in place.iterdir() if f.suffix in PICKLE_ENDINGS)
            if pickles:
                raise _pickle_error(pickles[0])
            if (place / "state.json").is_file():
                model = place.parents[1] / "model.safetensors"
                raise ModelError(f"{place}: a checkpoint to train on from; the model is {model}")
            raise ModelError(f"{place}: no model.safetensors in this folder, nor just one other")
        place = found[0]
    if not place.is_file():
        raise ModelError(f"{place}: no such weights file or folder")
    try:
        with place.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise ModelError(f"{place}: cannot be read ({error.strerror})") from error
    if place.suffix.lower() in PICKLE_ENDINGS or start.startswith(PICKLE_STARTS):
        raise _pickle_error(place)
    return place


@contextlib.contextmanager
def open_weights(path: str | os.PathLike[str]) -> Iterator[tuple[Path, Any]]:
    """The file that `path` means, and it opened by safetensors; ModelError where that fails."""
    weights = find_weights(path)
    try:
        with safe_open(str(weights), framework="pt") as file:
            yield weights, file
    except (SafetensorError, OSError) as error:
        own = weights.suffix.lower() == ".safetensors"
        advice = "copy or download it again" if own else "give the model it was made of"
        raise ModelError(f"{weights}: not a whole .safetensors file: {advice}") from error


def finite_tensor(weights: Path, file: Any, name: str) -> Tensor:
    """A tensor of the opened file (any shape). ModelError unless all values are finite floats."""
    tensor: Tensor = file.get_tensor(name)
    return _checked(weights, name, tensor)


def _checked(weights: Path, name: str, tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point() or not bool(tensor.isfinite().all()):
        raise ModelError(f"{weights}: {name} has values that are not finite numbers")
    return tensor


def _pickle_error(path: Path) -> ModelError:
    return ModelError(
        f"{path}: pickled weights can run code and are never opened; convert them to .safetensors"
        " where you trust them (safetensors.torch.save_file) and give that file"
    )


def load_model(
    path: str | os.PathLike[str],
    *,
    config: ModelConfig | Mapping[str, Any] | str | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    finish: Callable[[SphereViT, nn.Module], None] | None = None,
) -> SphereViT:
    """Load a SphereViT in eval mode from a .safetensors file or a folder with one.

    config: a ModelConfig, its fields, or the name of a preset; by default what the file's metadata
        "config" says, or else the preset that the shapes of a released-format file fit.
    dtype: of the weights; those of the head stay float32.
    finish: called with the network and each of its transformer blocks, as soon as that has its
        weights and before the next one's are read; may replace the block's layers.
    Raises ModelError (file, names, shapes) or ConfigError (config), one line each.
    """
    with open_weights(path) as (weights, file):
        names = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        keys = released_keys() if released_keys().applies_to(names) else None
        chosen = _choose_config(weights, file.metadata() or {}, names, keys, config)
        with torch.device("meta"):
            model = SphereViT(chosen)
        sources = _match(weights, names, model, keys)
        exact = _float32_names(model)
        reader = TensorReader(weights)

        def read(part: str) -> dict[str, Tensor]:
            """What the file holds of the module with this name, by the names inside it."""
            state: dict[str, Tensor] = {}
            for ours in [name for name in sources if name.startswith(part)]:
                theirs = sources.pop(ours)
                tensor = _checked(weights, theirs, reader.read(theirs))
                precision = torch.float32 if ours in exact else dtype
                state[ours.removeprefix(part)] = tensor.to(device, precision)
            return state

        blocks = [(n, m) for n, m in model.named_modules() if isinstance(m, Block | CrossBlock)]
        for name, block in blocks:
            block.load_state_dict(read(f"{name}."), strict=True, assign=True)
            if finish is not None:
                finish(model, block)
        model.load_state_dict(read(""), strict=False, assign=True)  # `_match` has been strict
    return model.eval()


def read_config(
    path: str | os.PathLike[str], config: ModelConfig | Mapping[str, Any] | str | None = None
) -> ModelConfig:
    """The configuration that `load_model` would use, from the header alone; raises what it does."""
    with open_weights(path) as (weights, file):
        names = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        keys = released_keys() if released_keys().applies_to(names) else None
        return _choose_config(weights, file.metadata() or {}, names, keys, config)


def _choose_config(
    path: Path,
    metadata: Mapping[str, str],
    names: Mapping[str, Shape],
    keys: KeyMap | None,
    config: ModelConfig | Mapping[str, Any] | str | None,
) -> ModelConfig:
    if isinstance(config, ModelConfig):
        return config
    if isinstance(config, str):
        return find_preset(config)
    if config is not None:
        return ModelConfig.from_dict(config)
    if "config" in metadata:
        try:
            return ModelConfig.from_json(metadata["config"])
        except ConfigError as error:
            raise ModelError(f"{path}: {error}") from error
    if keys is None:
        raise ModelError(
            f"{path}: not a SphereViT checkpoint (no metadata 'config' and foreign tensor names);"
            " if it is one, give config="
        )
    for preset in PRESETS.values():
        if not preset.wrap_padding and _fits(preset, names, keys):
            return preset
    raise ModelError(f"{path}: the shapes fit no released preset; give config=")


def _fits(preset: ModelConfig, names: Mapping[str, Shape], keys: KeyMap) -> bool:
    """Whether what tells presets apart is as in `preset`; a missing tensor tells nothing."""
    last = preset.depth - 1
    telling = {
        "backbone.positions": (1, 1 + preset.position_grid**2, preset.dim),
        "decoder.latents.weight": (preset.decoder[0], preset.hidden),
        "decoder.norm.weight": (preset.decoder[3],),
        f"backbone.blocks.{last}.norm_mlp.weight": (preset.dim,),
    }
    too_deep = keys.to_theirs(f"backbone.blocks.{last + 1}.norm_mlp.weight") in names
    found = {keys.to_theirs(name): shape for name, shape in telling.items()}
    seen = [names[name] == shape for name, shape in found.items() if name in names]
    return bool(seen) and all(seen) and not too_deep


def _match(
    path: Path, names: Mapping[str, Shape], model: SphereViT, keys: KeyMap | None
) -> dict[str, str]:
    """Our name -> the file's name of every parameter. Raises ModelError unless they fit exactly."""
    if keys is None:
        sources = dict(zip(names, names, strict=True))
    else:
        sources = {keys.to_ours(n) or n: n for n in names if not keys.is_ignored(n)}

    def in_file(ours: str) -> str:
        return sources.get(ours) or (ours if keys is None else keys.to_theirs(ours))

    found = {ours: names[theirs] for ours, theirs in sources.items()}
    require_fit(path, model.config.name, shapes_of(model.state_dict()), found, in_file)
    return sources


def shapes_of(tensors: Mapping[str, Tensor]) -> dict[str, Shape]:
    """The shape of each."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def require_fit(
    path: Path,
    network: str,
    wanted: Mapping[str, Shape],
    found: Mapping[str, Shape],
    in_file: Callable[[str], str] = str,
) -> None:
    """Raise ModelError unless names and shapes of a file's tensors are those a network wants.

    in_file: what the file calls a tensor of ours.
    """
    wrong = {n: f"{in_file(n)} is {found[n]}, not {wanted[n]}" for n in found if n in wanted}
    for what, texts in (
        ("missing", [in_file(n) for n in wanted if n not in found]),
        ("unexpected", [in_file(n) for n in found if n not in wanted]),
        ("misshapen", [text for n, text in wrong.items() if found[n] != wanted[n]]),
    ):
        if texts:
            more = f" and {len(texts) - NAMED} more" if len(texts) > NAMED else ""
            raise ModelError(
                f"{path}: {len(texts)} {what} tensor{'s' * (len(texts) > 1)} for the"
                f" {network!r} network: {', '.join(texts[:NAMED])}{more}"
            )


def _float32_names(model: SphereViT) -> set[str]:
    exact = {n for n, module in model.named_modules() if isinstance(module, Float32Module)}
    return {
        f"{n}.{leaf}" for n in exact for leaf in dict(model.get_submodule(n).named_parameters())
    }


def save_model(
    model: SphereViT,
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
    *,
    dtype: torch.dtype | None = None,
) -> Path:
    """Write the model as .safetensors in our own format, whole or not at all, and return the path.

    metadata: more text to keep beside the "config". dtype: to store the weights in (the head's stay
    float32); by default as they are. Raises OutputError when the place cannot be written,
    ModelError for a network prepared for inference.
    """
    if model.prepared:
        raise ModelError(PREPARED)
    target = Path(path)
    exact = _float32_names(model)
    state = {
        name: tensor.to(tensor.dtype if dtype is None or name in exact else dtype)
        for name, tensor in model.state_dict().items()
    }
    texts = {**(metadata or {}), "config": model.config.to_json()}
    write_tensors(target, state, texts)
    return target
