"""Finding and loading the weights of an out-painter, and saying in one line why that fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from panodepth.errors import ConfigError, ModelError, is_out_of_memory, one_line, require
from panodepth.lab.curation.outpainters.settings import PAINTERS, usual_sampling
from panodepth.predict.hub import fetch, refusal
from panodepth.strict import parse_json

if TYPE_CHECKING:
    import torch

    from panodepth.lab.curation.outpainters.bases import Base, Prompt

NEEDED = ("diffusers", "transformers", "peft", "accelerate")
INDEX = "model_index.json"
HUB_FILES = [INDEX, "README.md", "LICENSE*", "*/*.json", "*/*.safetensors", "*/*.txt"]
HUB_FILES += ["*/*.model", "*/*.jinja"]
TEXT_PARTS = ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")
PICTURE_PARTS = ("transformer", "vae")
HEADROOM = 1.15  # of the weights' size: what computing with them takes at 512 x 1024


@dataclass(frozen=True)
class Weights:
    """Weights on disk.

    model: as asked for, without revision; revision: the hub's commit or "". steps, guidance: as the
    model is usually sampled.
    """

    painter: str
    model: str
    folder: Path
    revision: str = ""
    steps: int = 50
    guidance: float = 1.0


def check_installed(painter: str) -> None:
    """Raise ConfigError when a package that a learned out-painter needs is missing."""
    require(f"out-painter {painter!r}", "outpaint", *NEEDED)


def find_weights(painter: str, model: str) -> Weights:
    """A folder as it is; a hub id (ID or ID@REVISION) from the cache or the hub.

    Raises ConfigError for a folder that holds something else, ModelError when the hub refuses.
    """
    _, usual = PAINTERS[painter]
    wanted = model or usual
    folder = Path(wanted).expanduser()
    if folder.is_dir():
        return _weights(painter, wanted, folder)
    name, _, revision = wanted.partition("@")
    if name.count("/") != 1 or wanted.startswith((".", "/", "~")):
        raise ConfigError(
            f"{wanted}: no such folder; give a folder in diffusers' layout or a hub id ORG/NAME"
        )
    return _weights(painter, name, fetch(name, HUB_FILES, revision))


def _weights(painter: str, model: str, folder: Path) -> Weights:
    """What a folder's index says of its weights. Raises ConfigError for those of another family."""
    pipeline = PAINTERS[painter][0]
    try:
        index = dict(parse_json((folder / INDEX).read_bytes()))
    except (OSError, ValueError, TypeError):
        raise ConfigError(
            f"{folder}: no readable {INDEX}; weights must be in diffusers' layout"
        ) from None
    found = str(index.get("_class_name"))
    family = pipeline.removesuffix("Pipeline").removesuffix("Inpaint")
    if not found.startswith(family):
        raise ConfigError(f"{folder}: holds a {found}, out-painter {painter!r} wants a {pipeline}")
    commit = folder.name if folder.parent.name == "snapshots" else ""  # as the hub's cache is laid
    usual = usual_sampling(painter, bool(index.get("is_distilled", False)))
    return Weights(painter, model, folder, commit, *usual)


def find_lora(text: str) -> Path:
    """A file, or ORG/NAME:FILE from the hub. Raises ConfigError or ModelError."""
    path = Path(text).expanduser()
    name, colon, file = text.partition(":")
    if path.is_file() or not colon or name.count("/") != 1:
        return path
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(name, file))
    except Exception as error:  # the hub has many kinds
        raise ModelError(f"--lora {text}: {refusal(name, error)}") from None


def base_of(painter: str) -> type[Base]:
    """The class that knows a painter's model."""
    from panodepth.lab.curation.outpainters.flux2_klein import Flux2Klein
    from panodepth.lab.curation.outpainters.flux_fill import FluxFill

    return {"flux": FluxFill, "flux2-klein": Flux2Klein}[painter]


def load_base(weights: Weights, device: torch.device, dtype: torch.dtype) -> Base:
    """Transformer (in `dtype`), VAE (in float32) and scheduler on `device`; no text encoders.

    Raises ModelError for damaged weights, ConfigError when the device's memory is too small.
    """
    check_memory(weights, PICTURE_PARTS, device)
    with explained(weights, device):
        pipe = _pipeline(weights, dtype, without=TEXT_PARTS)
        pipe.transformer.requires_grad_(False).eval().to(device)
        pipe.vae.eval().to(device)
        return base_of(weights.painter)(pipe)


def load_prompts(
    weights: Weights, texts: list[str], device: torch.device, dtype: torch.dtype
) -> list[Prompt]:
    """Texts through the text encoders, which are loaded for this alone and then freed."""
    import torch

    check_memory(weights, TEXT_PARTS, device)
    with explained(weights, device), torch.no_grad():
        pipe = _pipeline(weights, dtype, without=PICTURE_PARTS)
        for name in ("text_encoder", "text_encoder_2"):
            encoder = getattr(pipe, name, None)
            if encoder is not None:
                encoder.eval().to(device)
        with quiet():  # FLUX's first text encoder cuts long prompts and says so
            return [base_of(weights.painter).prompt(pipe, text) for text in texts]


def _pipeline(weights: Weights, dtype: torch.dtype, without: tuple[str, ...]) -> Any:
    import diffusers
    import torch

    wanted = getattr(diffusers, PAINTERS[weights.painter][0])
    index = json.loads((weights.folder / INDEX).read_text(encoding="utf-8"))
    absent = {name: None for name in without if name in index}
    types = {"vae": torch.float32, "default": dtype}  # a VAE in bfloat16 shows bands in skies
    with quiet():
        return wanted.from_pretrained(
            weights.folder, dtype=types, local_files_only=True, use_safetensors=True, **absent
        )


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and warnings from diffusers and transformers: ours is one line or none."""
    import diffusers
    import transformers

    libraries = (diffusers.utils.logging, transformers.utils.logging)
    before = [library.get_verbosity() for library in libraries]
    for library in libraries:
        library.set_verbosity_error()
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library, level in zip(libraries, before, strict=True):
            library.set_verbosity(level)
            library.enable_progress_bar()


@contextmanager
def explained(weights: Weights, device: torch.device) -> Iterator[None]:
    """Errors of loading and computing as one line: ConfigError for memory, else ModelError."""
    try:
        yield
    except (ConfigError, ModelError):
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        raise ModelError(f"{weights.model}: cannot be loaded: {one_line(error, 300)}") from error
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise ConfigError(
                f"{device} has not enough memory for {weights.model}: take a smaller model, a "
                "smaller height, dtype bfloat16 or another device"
            ) from error
        raise ModelError(f"{weights.model}: cannot be used: {one_line(error, 300)}") from error


def free_memory(device: torch.device) -> int | None:
    """Free bytes of a CUDA device; None for other devices."""
    import torch

    return int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else None


def check_memory(weights: Weights, parts: tuple[str, ...], device: torch.device) -> None:
    """Raise ConfigError when parts of a model cannot fit on the device, before they are read."""
    free = free_memory(device)
    files = [f for part in parts for f in (weights.folder / part).glob("*.safetensors")]
    size = sum(f.stat().st_size for f in files) * HEADROOM
    if free is not None and size > free:
        raise ConfigError(
            f"{device} has {free / 1e9:.1f} GB free, {weights.model} needs about {size / 1e9:.1f} "
            "GB: take a smaller model or another device"
        )
