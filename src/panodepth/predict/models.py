"""Names of models: the bundled one, the authors', a hub id, a folder or a file, and where it is."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

from panodepth.errors import ConfigError, ModelError, one_line
from panodepth.size import Size, check_steps

DEFAULT = "default"
BACKENDS = ("torch", "onnx", "openvino")
EXPORTED = (".onnx", ".xml")
RELEASED_REPO = "haodongli/DA-2"  # what the authors of DA² published, 345 M values, 1.4 GB
WEIGHTS = Path(__file__).parents[1] / "weights"
ALIASES = {"released": RELEASED_REPO}
STEPS = {"patch": 14, "conv": 14, "lite0": 32, "lite2": 32}  # `Backbone.STEP` by its name
MAX_HEADER = 1 << 24  # bytes of a checkpoint's header that are read
# Of a file with weights, what tells it from others: both ends, and pieces spread between them.
END_BYTES, PIECES, PIECE_BYTES = 1 << 20, 64, 1 << 12
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def _named(name_or_path: str | os.PathLike[str] | None) -> str:
    """A model's name or path as a text. Raises ModelError for another thing, and for no name."""
    if name_or_path is None:
        return DEFAULT
    text = os.fspath(name_or_path) if isinstance(name_or_path, str | os.PathLike) else ""
    if not text or "\0" in text:
        raise ModelError(
            f"a model is given by its name or path, not by {one_line(repr(name_or_path), 60)}"
        )
    return text


def is_exported(name_or_path: str | os.PathLike[str] | None) -> bool:
    """Whether a model's name is that of a file of `panodepth export`: .onnx or .xml."""
    return _named(name_or_path).lower().endswith(EXPORTED)


def chosen_backend(backend: str, name_or_path: str | os.PathLike[str] | None) -> str:
    """torch, onnx or openvino: what a model of this name runs on.

    Raises ConfigError for another backend, ModelError for what is no name.
    """
    if str(backend) not in ("auto", *BACKENDS):
        raise ConfigError(
            f"unknown --backend {one_line(repr(backend), 60)}: use auto, {', '.join(BACKENDS)}"
        )
    ending = os.path.splitext(_named(name_or_path))[1].lower()
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
    text = _named(name_or_path)
    path = Path(os.path.expanduser(text))
    if text == DEFAULT or not path.exists():
        return ALIASES.get(text, text)
    return path.resolve().stem if path.is_file() else path.resolve().name


def weights_stamp(name_or_path: str | os.PathLike[str] | None) -> str:
    """`stamp` of a model that lies here; "" of one from the hub, or that cannot be read."""
    text = _named(name_or_path)
    bundled = WEIGHTS / f"{DEFAULT}.safetensors"
    try:
        return stamp(bundled if text == DEFAULT else Path(os.path.expanduser(text)))
    except OSError:
        return ""


def stamp(path: Path) -> str:
    """A digest of a file, or of the weights in a folder; "" when there is none.

    It changes when weights are trained on, and is the same on every machine. Of a large file only
    its size, both ends and 64 pieces between are read: milliseconds for 1.4 GB.
    """
    files = sorted(path.glob("[!.]*.safetensors")) if path.is_dir() else [path]
    if path.suffix.lower() == ".xml":
        files.append(path.with_suffix(".bin"))
    if not files or not all(file.is_file() for file in files):
        return ""
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(str(size).encode())
        with file.open("rb") as opened:
            digest.update(opened.read(END_BYTES))
            for number in range(PIECES if size > 2 * END_BYTES else 0):
                opened.seek(END_BYTES + number * (size - 2 * END_BYTES) // PIECES)
                digest.update(opened.read(PIECE_BYTES))
            opened.seek(max(0, size - END_BYTES))
            digest.update(opened.read(END_BYTES))
    return digest.hexdigest()[:16]


def find_model(name_or_path: str | os.PathLike[str] | None) -> tuple[str, Path]:
    """Return (name for people, local file or folder), downloading from the hub where needed."""
    if name_or_path is None or name_or_path == DEFAULT:
        return DEFAULT, bundled_weights()
    text, repo = _named(name_or_path), model_name(name_or_path)
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


def size_to_load(name_or_path: str | os.PathLike[str] | None, size: Size) -> Size | None:
    """What a local checkpoint's header makes of a wanted (h, w): no less than the network's own.

    None = its own: at fewer pixels it would lose the whole. Reads no weights and loads no torch,
    so a wrong size is told at once. Files without such a header, and those in the released format,
    are taken at `size`. Raises ConfigError for one that the network does not take.
    """
    try:
        bundled = name_or_path is None or name_or_path == DEFAULT
        path = bundled_weights() if bundled else Path(os.path.expanduser(str(name_or_path)))
        (place,) = [path] if path.is_file() else path.glob("[!.]*.safetensors")
        with place.open("rb") as file:
            header = json.loads(file.read(min(int.from_bytes(file.read(8), "little"), MAX_HEADER)))
        stated = json.loads(header["__metadata__"]["config"])
        step = STEPS[stated.get("backbone") or stated["stem"]]
        own = (int(stated["size"][0]), int(stated["size"][1]))
        name, closed = str(stated["name"]), stated["wrap_padding"] is True
    except Exception:
        return size
    size = check_steps(size, step, own, name)
    return None if size == own or (closed and size < own) else size


def bundled_weights() -> Path:
    """Return the default model's file inside the package; ModelError when it was not shipped."""
    path = WEIGHTS / f"{DEFAULT}.safetensors"
    if not path.is_file():
        raise ModelError(
            f"the bundled weights are missing ({path}): reinstall panodepth, train them, "
            "or name a model (released, a folder or a .safetensors file)"
        )
    return path
