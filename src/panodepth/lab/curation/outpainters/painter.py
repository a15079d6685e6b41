"""A learned out-painter behind the `Outpainter` protocol."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from panodepth.errors import ConfigError
from panodepth.lab.curation.outpainters.diffuse import border_correction
from panodepth.lab.curation.outpainters.licences import Licence, both, find_licence, licence_called
from panodepth.lab.curation.outpainters.loading import (
    Weights,
    check_installed,
    explained,
    find_lora,
    find_weights,
    load_base,
    load_prompts,
)
from panodepth.lab.curation.outpainters.lora import LoraFile, load_lora, open_lora
from panodepth.lab.curation.outpainters.seam import blur_poles, columns_to_middle
from panodepth.lab.curation.outpainters.settings import PROMPT, PaintSettings
from panodepth.types import BoolArray, ByteArray, FloatArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from panodepth.lab.curation.outpainters.bases import Base, Prompt


@dataclass
class _Ready:
    """What is loaded at the first panorama."""

    base: Base
    prompts: list[Prompt]  # the prompt, and the empty one where guidance needs it


@dataclass
class LearnedOutpainter:
    """A diffusion model that paints the rest of a panorama; loads its weights when first used.

    Use `open_painter`. Known pixels are kept to the bit; what is painted depends on picture, seed
    and settings (and, in its last bits, on device and versions). Rolling the input rolls the
    result.
    """

    name: str
    weights: Weights
    settings: PaintSettings
    licence: Licence
    lora: LoraFile | None = None
    _ready: _Ready | None = field(default=None, repr=False)

    @property
    def prompt(self) -> str:
        trained_with = self.lora.facts.get("prompt", "") if self.lora else ""
        return self.settings.prompt or str(trained_with) or PROMPT

    @property
    def facts(self) -> dict[str, Any]:
        """Model, revision, licences and prompt: they go into every sample."""
        settings, lora = self.settings, self.lora
        adapter = self.licence
        found: dict[str, Any] = {
            "model": self.weights.model,
            "revision": self.weights.revision or None,
            "licence": self.licence.name,
            "prompt": self.prompt,
            "steps": settings.steps or self.weights.steps,
            "guidance": self.weights.guidance if settings.guidance is None else settings.guidance,
        }
        if lora is not None:
            adapter = licence_called(str(lora.facts.get("licence", "")))
            found["lora"] = lora.path.name
            found["lora_sha256"] = lora.sha256
            found["lora_licence"] = adapter.name
            found["lora_scale"] = settings.lora_scale
            found["spherical_channels"] = lora.spherical
        found["commercial_use"] = both(self.licence, adapter)
        return found

    def fill(self, image: ByteArray, known: BoolArray, seed: int) -> ByteArray:
        """image: (H, W, 3) uint8; known: (H, W), True = keep. Returns (H, W, 3) uint8.

        Raises ConfigError unless W = 2H, or when the device's memory is too small; ModelError for
        weights that cannot be used.
        """
        height, width = known.shape
        if width != 2 * height or image.shape[:2] != known.shape:
            raise ConfigError(f"{width}x{height}: out-painting needs a panorama with W = 2H")
        if known.all() or not known.any():
            return image.copy()
        shift = columns_to_middle(known, image)
        image, known = np.roll(image, shift, axis=1), np.roll(known, shift, axis=1)
        with explained(self.weights, self._device()):
            painted = self._paint(image, known, seed)
        filled = blend(painted, image, known)
        return np.roll(filled, -shift, axis=1)

    def _device(self) -> torch.device:
        from panodepth.device import choose_device

        return choose_device(self.settings.device)

    def _load(self) -> _Ready:
        if self._ready is None:
            from panodepth.device import choose_dtype

            settings, device = self.settings, self._device()
            dtype = choose_dtype(settings.dtype, device)
            prompts = load_prompts(self.weights, [self.prompt, ""], device, dtype)
            base = load_base(self.weights, device, dtype)
            if self.lora is not None:
                load_lora(base.pipe, self.lora, settings.lora_scale)
            self._ready = _Ready(base, prompts)
        return self._ready

    def _paint(self, image: ByteArray, known: BoolArray, seed: int) -> FloatArray:
        """(H, W, 3) in 0 .. 255, of a panorama whose known part lies in the middle."""
        import torch

        from panodepth.geometry.resizing import resize_erp

        ready, settings = self._load(), self.settings
        size = working_size(known.shape[0], settings.height, ready.base.stride)
        planes = image.transpose(2, 0, 1).astype(np.float32)
        small = torch.from_numpy(resize_erp(planes, size))[None] / 127.5 - 1
        # A pixel that is partly unknown is unknown: its colour is mixed with black.
        partly = torch.from_numpy(resize_erp(known.astype(np.float32), size))
        given = (partly > 0.999).float()[None, None]
        with torch.no_grad():
            device = ready.base.device
            painted = sample(
                ready.base, small.to(device), given.to(device), ready.prompts, settings, seed
            )
        planes = painted[0].clamp(-1, 1).float().cpu().numpy()
        whole = resize_erp(planes, (known.shape[0], known.shape[1]))
        return np.ascontiguousarray((whole.transpose(1, 2, 0) + 1) * 127.5, np.float32)


def open_painter(name: str, settings: PaintSettings) -> LearnedOutpainter:
    """The learned out-painter `name`, a key of PAINTERS; finds its weights but does not load them.

    Raises ConfigError for a missing package or folder, ModelError when the hub refuses.
    """
    check_installed(name)
    lora = open_lora(find_lora(settings.lora)) if settings.lora else None
    made_for = lora.facts.get("painter", name) if lora else name
    if made_for != name:
        raise ConfigError(f"--lora {settings.lora}: was trained for {made_for}, not for {name}")
    weights = find_weights(name, settings.model)
    licence = find_licence(weights.model, weights.folder, settings.licence)
    return LearnedOutpainter(name, weights, settings, licence, lora)


def working_size(height: int, wanted: int | None, stride: int) -> tuple[int, int]:
    """(H, W) that the model works on: `wanted` rows, else `height`, rounded up to its grid."""
    rows = -(-(wanted or height) // stride) * stride
    return rows, 2 * rows


def sample(
    base: Base,
    image: Tensor,
    known: Tensor,
    prompts: list[Prompt],
    settings: PaintSettings,
    seed: int,
) -> Tensor:
    """Paint with Euler steps from noise: (1, 3, H, W), about in [-1, 1].

    image: (1, 3, H, W) in [-1, 1]; known: (1, 1, H, W) in {0, 1}. prompts: the prompt and the empty
    one. seed: of the noise, which is the same on every device.
    """
    import torch

    from panodepth.lab.curation.outpainters.bases import Step

    scene = base.scene(image, known)
    # On the CPU: other devices draw other numbers from the same seed.
    rng = torch.Generator().manual_seed(seed)
    noise = torch.randn(scene.clean.shape, generator=rng).to(scene.clean)
    steps = settings.steps or base.steps
    guidance = base.guidance if settings.guidance is None else settings.guidance
    tokens = noise
    for now, after in pairwise(base.sigmas(steps, noise.shape[-2] * noise.shape[-1])):
        sigma = torch.full((1,), now, device=noise.device)
        # x = (1 - s) picture + s noise, so one Euler step adds (s' - s) dx/ds.
        velocity = base.erp_velocity(tokens, scene, Step(sigma, prompts[0], guidance))
        if base.classifier_free and guidance > 1:
            plain = base.erp_velocity(tokens, scene, Step(sigma, prompts[1], guidance))
            # Classifier-free guidance (Ho and Salimans, 2022): away from no prompt at all.
            velocity = plain + guidance * (velocity - plain)
        tokens = tokens + (after - now) * velocity
        if base.keeps_known:  # known tokens: the picture, with as much noise as the others have
            tokens = torch.where(scene.known, (1 - after) * scene.clean + after * noise, tokens)
    return base.decode(tokens)


def blend(painted: FloatArray, image: ByteArray, known: BoolArray) -> ByteArray:
    """(H, W, 3) uint8: painted colours round the known pixels, which stay as they are.

    At the border of the known the painted colours are moved to the known ones, fading outwards;
    towards the poles they lose the detail that the sphere has no room for.
    painted: (H, W, 3), 0 .. 255. image: (H, W, 3) uint8. known: (H, W).
    """
    moved = painted + border_correction(image, painted, known)
    whole = np.where(known[..., None], image, moved).astype(np.float32)
    calm = np.clip(np.rint(blur_poles(whole)), 0, 255).astype(np.uint8)
    return np.where(known[..., None], image, calm)
