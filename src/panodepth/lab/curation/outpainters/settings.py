"""What a learned out-painter is asked for, and which ones there are. Plain values, no torch."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from panodepth.errors import ConfigError
from panodepth.options import option

PROMPT = (
    "A photorealistic 360 degree equirectangular panorama of one continuous place, seamless all "
    "round, with a level horizon and natural light"
)

# Name -> (diffusers pipeline, the weights used when none are named).
PAINTERS = {
    "flux": ("FluxFillPipeline", "black-forest-labs/FLUX.1-Fill-dev"),
    "flux2-klein": ("Flux2KleinInpaintPipeline", "black-forest-labs/FLUX.2-klein-4B"),
}


@dataclass(frozen=True)
class PaintSettings:
    """How a learned out-painter paints.

    model: hub id, "ID@REVISION", or a folder in diffusers' layout; "" = the painter's own. lora:
    a .safetensors file, or "ORG/NAME:FILE" on the hub; lora_scale: its strength. prompt: "" = the
    one of the LoRA's training, else PROMPT. steps, guidance: None = the model's usual. height: rows
    of the panorama that the model works on; None = as asked, rounded up to its grid. licence: of
    the weights, where nothing else tells. device, dtype: as elsewhere ("auto", "cuda:1",
    "bfloat16"). Raises ConfigError for numbers out of range.
    """

    model: str = option(
        "", "Out-painter: folder or hub id[@revision].", flag="--paint-model", metavar="MODEL"
    )
    lora: str = option("", "LoRA for it: .safetensors, or hub ORG/NAME:FILE.", metavar="FILE")
    lora_scale: float = 1.0
    prompt: str = option("", "Its text prompt.")
    steps: int | None = option(None, "Its denoising steps.", flag="--paint-steps", min=1)
    guidance: float | None = option(None, "Its guidance.", min=0)
    height: int | None = option(None, "Rows it works on; else --size.", flag="--paint-height")
    licence: str = option("", "Licence of its weights, if they state none.", flag="--paint-licence")
    device: str = option("auto", "auto, cpu, cuda, cuda:N or mps.")
    dtype: str = option("auto", "auto, float32 or bfloat16.")

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("height", 32)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"{name} is {value}; at least {least}")
        for name in ("guidance", "lora_scale"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"{name} is {value}; give a number from 0 up")

    def describe(self) -> dict[str, Any]:
        """The settings that decide the pixels, as plain JSON: all but the device.

        With the digest of a LoRA file on this machine: trained on, it is another one.
        """
        said = {key: value for key, value in asdict(self).items() if key != "device"}
        path = Path(self.lora).expanduser()
        if self.lora and path.is_file():
            import hashlib

            with path.open("rb") as file:
                said["lora_sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
        return said


def usual_sampling(painter: str, distilled: bool) -> tuple[int, float]:
    """(steps, guidance) as the publishers sample the model; distilled: made for few steps."""
    if painter == "flux":
        return 50, 30.0
    return (4, 1.0) if distilled else (50, 4.0)
