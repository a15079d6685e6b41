"""Names of models: the bundled one, the authors', a hub id, a folder or a file, and where it is."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from panodepth.errors import ConfigError, ModelError
from panodepth.size import Size, check_steps

DEFAULT = "default"
BACKENDS = ("torch", "onnx", "openvino")
EXPORTED = (".onnx", ".xml")
RELEASED_REPO = "haodongli/DA-2"  # what the authors of DA² published, 345 M values, 1.4 GB
WEIGHTS = Path(__file__).parents[1] / "weights"
ALIASES = {"released": RELEASED_REPO}
STEPS = {"patch": 14, "conv": 14, "lite0": 32, "lite2": 32}  # `Backbone.STEP` by its name
MAX_HEADER = 1 << 24  # bytes of a checkpoint's header that are read
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def is_exported(name_or_path: str | os.PathLike[str] | None) -> bool:
    """Whether a model's name is that of a file of `panodepth export`: .onnx or .xml."""
    return name_or_path is not None and os.fspath(name_or_path).lower().endswith(EXPORTED)


def chosen_backend(backend: str, name_or_path: str | os.PathLike[str] | None) -> str:
    """torch, onnx or openvino: what a model of this name runs on. Raises ConfigError."""
    if backend not in ("auto", *BACKENDS):
        raise ConfigError(f"unknown --backend {backend!r}: use auto, {', '.join(BACKENDS)}")
    ending = os.path.splitext(os.fspath(name_or_path or ""))[1].lower()
    runs = {".onnx": ("onnx", "openvino"), ".xml": ("openvino",)}.get(ending, ("torch", "openvino"))
    if backend == "auto":
        return runs[0]
    if backend == "onnx" and backend not in runs:
        raise ConfigError("--backend onnx needs --model FILE.onnx; `panodepth export` makes one")
    if backend not in runs:
        raise ConfigError(f"--backend {backend} cannot run {name_or_path}: use {runs[0]}")
    return backend


def model_name(name_or_path: str | os.PathLike[str] | None) -> str:
    """What a model is called in results, which loads nothing: default, a file's stem, a hub id."""
    text = os.fspath(name_or_path or DEFAULT)
    path = Path(os.path.expanduser(text))
    if text == DEFAULT or not path.exists():
        return ALIASES.get(text, text)
    return path.resolve().stem if path.is_file() else path.resolve().name


def find_model(name_or_path: str | os.PathLike[str] | None) -> tuple[str, Path]:
    """Return (name for people, local file or folder), downloading from the hub where needed."""
    if name_or_path is None or name_or_path == DEFAULT:
        return DEFAULT, bundled_weights()
    text, repo = os.fspath(name_or_path), model_name(name_or_path)
    path = Path(os.path.expanduser(text))
    if path.exists():
        return repo, path
    looks_like_a_file = bool(path.suffix) and path.suffix[1:].isalpha()
    if isinstance(name_or_path, str) and HUB_ID.fullmatch(repo) and not looks_like_a_file:
        from panodepth.predict.hub import download

        return repo, download(repo)
    if is_exported(text):
        raise ModelError(f"{text}: no such file; `panodepth export {path.name}` makes one")
    raise ModelError(
        f"no model {text!r}: give default, released, a hub id org/name, or a folder or a "
        ".safetensors, .onnx or .xml file that exists"
    )


def check_stated_size(name_or_path: str | os.PathLike[str] | None, size: Size) -> None:
    """Raise ConfigError when a local checkpoint's header says that its network takes no (h, w).

    Reads no weights and loads no torch, so a wrong size is told at once. Says nothing of files
    without such a header: whoever loads them does.
    """
    try:
        bundled = name_or_path is None or name_or_path == DEFAULT
        path = bundled_weights() if bundled else Path(os.path.expanduser(str(name_or_path)))
        (place,) = [path] if path.is_file() else path.glob("*.safetensors")
        with place.open("rb") as file:
            header = json.loads(file.read(min(int.from_bytes(file.read(8), "little"), MAX_HEADER)))
        stated = json.loads(header["__metadata__"]["config"])
        step = STEPS[stated.get("backbone") or stated["stem"]]
        own = (int(stated["size"][0]), int(stated["size"][1]))
        name = str(stated["name"])
    except Exception:
        return
    check_steps(size, step, own, name)


def bundled_weights() -> Path:
    """Return the default model's file inside the package; ModelError when it was not shipped."""
    path = WEIGHTS / f"{DEFAULT}.safetensors"
    if not path.is_file():
        raise ModelError(
            f"the bundled weights are missing ({path}): reinstall panodepth, train them, "
            "or name a model (released, a folder or a .safetensors file)"
        )
    return path
