"""From a name to a ready `Predictor`: the bundled model, the hub, a folder or a file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from panodepth.device import choose_device, choose_precision
from panodepth.errors import ConfigError, ModelError
from panodepth.model import ModelConfig, load_model, load_prepared
from panodepth.predict.torch_backend import Predictor

DEFAULT = "default"
RELEASED_REPO = "haodongli/DA-2"  # what the authors of DA² published, 345 M values, 1.4 GB
ALIASES = {"released": RELEASED_REPO}
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
HUB_FILES = ["*.safetensors", "config.json"]


def load(
    name_or_path: str | os.PathLike[str] | None = None,
    *,
    device: str = "auto",
    dtype: str = "auto",
    size: tuple[int, int] | None = None,
    config: ModelConfig | Mapping[str, Any] | str | None = None,
    compile: bool = False,
) -> Predictor:
    """Load a model and return what predicts with it.

    name_or_path: None or "default" for the bundled model; "released" for the authors' checkpoint
        from the hub; a hub id "org/name"; a folder; a .safetensors file. A path that exists wins.
    device: "auto", "cpu", "cuda", "cuda:N" or "mps". dtype: "auto", "float32", "bfloat16"; on
        GPUs "float16" too; on CPUs "int8": linear layers in 8 bits, faster and less exact.
    size: (h, w) the network runs at, multiples of 14; None = the model's own.
    config: a ModelConfig, its fields or a preset's name, for checkpoints that do not say.
    compile: run the network by torch.compile; the first picture of a size then takes long.
    Raises ModelError when the model cannot be found or read, ConfigError for a bad option.
    """
    chosen_device = choose_device(device)
    precision, int8 = choose_precision(dtype, chosen_device)
    if compile and int8:
        raise ConfigError("a network in int8 cannot be compiled: leave out compile, or dtype int8")
    name, path = find_checkpoint(name_or_path)
    if compile:
        model = load_model(path, config=config, device=chosen_device, dtype=precision)
    else:
        model = load_prepared(path, config=config, device=chosen_device, dtype=precision, int8=int8)
    return Predictor(model, name=name, size=size, dtype=precision, compile=compile)


def find_checkpoint(name_or_path: str | os.PathLike[str] | None) -> tuple[str, Path]:
    """Return (name for people, local file or folder), downloading from the hub where needed."""
    if name_or_path is None or name_or_path == DEFAULT:
        return DEFAULT, bundled_weights()
    text = os.fspath(name_or_path)
    path = Path(text).expanduser()
    if path.exists():
        return path.resolve().stem if path.is_file() else path.resolve().name, path
    repo = ALIASES.get(text, text)
    looks_like_a_file = bool(path.suffix) and path.suffix[1:].isalpha()
    if isinstance(name_or_path, str) and HUB_ID.fullmatch(repo) and not looks_like_a_file:
        return repo, download(repo)
    raise ModelError(
        f"no model {text!r}: give default, released, a hub id org/name, or a folder or "
        ".safetensors file that exists"
    )


def bundled_weights() -> Path:
    """Return the default model's file inside the package; ModelError when it was not shipped."""
    path = Path(str(resources.files("panodepth"))) / "weights" / f"{DEFAULT}.safetensors"
    if not path.is_file():
        raise ModelError(
            f"the bundled weights are missing ({path}): reinstall panodepth, train them, "
            "or name a model (released, a folder or a .safetensors file)"
        )
    return path


def download(repo: str) -> Path:
    """Return the local folder of a hub repository's weights: the cache's, else fetched now.

    The hub library is imported here alone; it shows the progress bar. Raises ModelError, offline
    and uncached too.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    cached = _cached(repo)
    if cached is not None:
        return cached
    try:
        folder = Path(snapshot_download(repo, allow_patterns=HUB_FILES))
    except GatedRepoError:
        raise ModelError(f"{repo} on the hub asks for a login first: run `hf auth login`") from None
    except RepositoryNotFoundError:
        raise ModelError(f"the hub has no model {repo!r}, or it is private") from None
    except Exception as error:  # whatever the hub's HTTP library raises when the network is down
        fetch = f"hf download {repo} --local-dir {repo.partition('/')[2]}"
        raise ModelError(
            f"{repo} is not in the local cache and cannot be fetched ({_first_line(error)}): where "
            f"there is internet run `{fetch}`, copy that folder here and give it as the model"
        ) from error
    if not any(folder.glob("*.safetensors")):
        raise ModelError(f"{repo} on the hub has no .safetensors file; pickled weights are refused")
    return folder


def _cached(repo: str) -> Path | None:
    """The newest complete snapshot of `repo` in the local cache, without asking the network."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = snapshot_download(repo, allow_patterns=HUB_FILES, local_files_only=True)
    except (LocalEntryNotFoundError, ValueError):
        return None
    return Path(folder) if any(Path(folder).glob("*.safetensors")) else None


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
