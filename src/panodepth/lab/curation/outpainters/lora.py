"""LoRA files: safetensors in diffusers' naming, with our spherical channels and facts beside them.

Keys are `transformer.MODULE.lora_A.weight` and `lora_B`; a file of ours may also hold
`spherical.weight` and says in its header ("panodepth", JSON) what it was trained on and how.
The strength is always alpha = rank, so the tensors alone say everything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from panodepth.errors import ConfigError, ModelError, one_line

if TYPE_CHECKING:
    from torch import Tensor

ADAPTER = "panorama"
SPHERICAL = "spherical.weight"
PREFIX = "transformer."
FACTS = "panodepth"
ENDINGS = ("lora_A.weight", "lora_B.weight")


@dataclass(frozen=True)
class LoraFile:
    """A LoRA on disk. facts: of its header, empty unless we wrote it. sha256: of the whole file."""

    path: Path
    facts: dict[str, Any] = field(default_factory=dict)
    sha256: str = ""
    spherical: bool = False


def open_lora(path: Path) -> LoraFile:
    """Read a file's header. Raises ModelError when it is no LoRA in safetensors."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            keys, header = list(file.keys()), file.metadata() or {}
        with path.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        facts = json.loads(header.get(FACTS, "{}"))
    except FileNotFoundError:
        raise ConfigError(f"--lora {path}: no such file") from None
    except (OSError, SafetensorError, ValueError) as error:
        raise ModelError(f"--lora {path}: not a readable .safetensors file ({error})") from None
    if not any("lora" in key for key in keys):
        raise ModelError(f"--lora {path}: holds no LoRA weights")
    return LoraFile(path, facts, digest, SPHERICAL in keys)


def load_lora(pipe: Any, file: LoraFile, scale: float) -> None:
    """Put a LoRA, and the spherical channels that it may hold, into a pipeline's transformer.

    Raises ModelError when it was made for another model.
    """
    import torch
    from safetensors.torch import load_file

    from panodepth.lab.curation.outpainters.loading import quiet
    from panodepth.lab.curation.outpainters.spherical import attach

    tensors = load_file(file.path)
    weight = tensors.pop(SPHERICAL, None)
    try:
        with quiet():  # of tensors without a place diffusers only warns; here that is an error
            wanted = sum(key.endswith(ENDINGS) for key in pipe.lora_state_dict(dict(tensors)))
            pipe.load_lora_weights(tensors, adapter_name=ADAPTER)
        found = sum(f".{ADAPTER}." in name for name, _ in pipe.transformer.named_parameters())
        if found < wanted:
            raise ValueError(f"{wanted - found} of its {wanted} tensors have no place in it")
        pipe.set_adapters([ADAPTER], [scale])
        if weight is not None:
            channels = attach(pipe.transformer)
            channels.weight.data = torch.empty_like(channels.weight).copy_(weight) * scale
    except (ValueError, KeyError, RuntimeError, AttributeError) as error:
        raise ModelError(
            f"--lora {file.path}: does not fit {type(pipe).__name__}: {one_line(error, 300)}"
        ) from None


def save_lora(
    path: Path, adapter: Mapping[str, Tensor], spherical: Tensor | None, facts: Mapping[str, Any]
) -> None:
    """Write a LoRA file, whole or not at all.

    adapter: as peft's `get_peft_model_state_dict` names them. Raises OutputError.
    """
    from panodepth.model.tensor_files import write_tensors

    tensors = {f"{PREFIX}{name}": tensor for name, tensor in adapter.items()}
    if spherical is not None:
        tensors[SPHERICAL] = spherical
    plain = {name: t.float().clone() for name, t in tensors.items()}
    write_tensors(path, plain, {"format": "pt", FACTS: json.dumps(dict(facts))})
