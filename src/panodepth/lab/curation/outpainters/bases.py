"""The diffusion models that can paint, as functions on grids of tokens.

Each takes one of diffusers' pipelines apart: text encoders, VAE and transformer. Images are
(B, 3, H, W) in [-1, 1]; tokens (B, C, h, w) with one token per `stride` x `stride` pixels.
Velocities are those of flow matching: x = (1 - s) picture + s noise, so d x / d s is noise minus
picture (Lipman et al., 2023); s runs from 1, noise, to 0, the picture.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from panodepth.lab.curation.outpainters.circular import make_circular, reroll, unroll, wrap_width
from panodepth.lab.curation.outpainters.spherical import SphericalChannels, token_places

TEXT_TOKENS = 512


class Prompt(NamedTuple):
    """A prompt as the transformer takes it. tokens: (1, n, d); pooled: (1, d') or None."""

    tokens: Tensor
    pooled: Tensor | None = None


class Step(NamedTuple):
    """sigma: (B,) noise levels. guidance: what it means depends on the model."""

    sigma: Tensor
    prompt: Prompt
    guidance: float


@dataclass(frozen=True)
class Scene:
    """What a panorama is painted from, on the grid of tokens.

    condition: (B, C', h, w), what the transformer sees beside the noisy tokens. known: (B, 1, h, w)
    bool, tokens all of whose pixels are known. clean: (B, C, h, w), of the known picture.
    """

    condition: Tensor
    known: Tensor
    clean: Tensor


class Base(ABC):
    """A diffusion model on a panorama: what all of them share.

    pipe: a diffusers pipeline with transformer, VAE and scheduler; its VAE is made circular.
    """

    steps, guidance = 50, 1.0  # as usually sampled
    classifier_free = False  # guidance by a second pass with an empty prompt
    keeps_known = False  # known tokens are set anew after every step

    def __init__(self, pipe: Any) -> None:
        self.pipe = pipe
        self.vae, self.transformer, self.scheduler = pipe.vae, pipe.transformer, pipe.scheduler
        self.vae.requires_grad_(False)
        make_circular(self.vae)
        self.patch = 2 ** (len(self.vae.config.block_out_channels) - 1)  # pixels per latent
        self.stride = 2 * self.patch  # pixels per token
        self.call: Any = self.transformer  # or what wraps it in training

    @property
    def spherical(self) -> SphericalChannels | None:
        """The channels that say where a token is, or None when the weights have none."""
        found: SphericalChannels | None = getattr(self.transformer, "spherical", None)
        return found

    @property
    def device(self) -> torch.device:
        device: torch.device = next(self.vae.parameters()).device
        return device

    @staticmethod
    @abstractmethod
    def prompt(pipe: Any, text: str) -> Prompt:
        """A text through the text encoders of `pipe`."""

    @abstractmethod
    def statistics(self, tokens: Tensor) -> tuple[Any, Any]:
        """Mean and standard deviation of the VAE's latents as tokens: numbers or (1, C, 1, 1)."""

    def encode(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] to tokens (B, C, h, w) float32 of about unit variance."""
        latents = self.vae.encode(image.to(self.device, self.vae.dtype)).latent_dist.mode()
        tokens = F.pixel_unshuffle(latents.float(), 2)
        mean, deviation = self.statistics(tokens)
        return torch.as_tensor((tokens - mean) / deviation)

    def decode(self, tokens: Tensor) -> Tensor:
        """Inverse of `encode`: (B, C, h, w) to (B, 3, H, W) float32 in about [-1, 1]."""
        mean, deviation = self.statistics(tokens)
        latents = F.pixel_shuffle(tokens * deviation + mean, 2)
        image: Tensor = self.vae.decode(latents.to(self.vae.dtype), return_dict=False)[0]
        return image.float()

    @abstractmethod
    def condition(self, clean: Tensor, known: Tensor) -> Tensor:
        """What goes beside the noisy tokens, (B, D, h, w).

        clean: (B, C, h, w), tokens of the known picture. known: (B, 1, H, W) in {0, 1}.
        """

    @abstractmethod
    def velocity(self, strip: Tensor, condition: Tensor, wrap: int, step: Step) -> Tensor:
        """The velocity of a strip of noisy tokens, of its shape.

        strip: (B, C, h, w + 2 · wrap), a panorama that repeats itself at its ends. condition:
        (B, D, h, w + 2 · wrap). wrap: how many of its columns lie to the left of the panorama's
        first.
        """

    @abstractmethod
    def shift(self, tokens: int, steps: int) -> float:
        """How far the noise levels move up for so many tokens, as the model was trained."""

    def scene(self, image: Tensor, known: Tensor) -> Scene:
        """image: (B, 3, H, W) in [-1, 1]; known: (B, 1, H, W) in {0, 1}. Unknown is mid-grey."""
        clean = self.encode(image * known)
        whole = -F.max_pool2d(-known.to(clean), self.stride)
        return Scene(self.condition(clean, known.to(clean)), whole > 0.5, clean)

    def sigmas(self, steps: int, tokens: int) -> list[float]:
        """steps + 1 noise levels from about 1 down to 0."""
        return [*self.shifted(np.linspace(1, 1 / steps, steps), tokens, steps), 0.0]

    def shifted(self, sigmas: Any, tokens: int, steps: int) -> list[float]:
        """Even noise levels in (0, 1] moved to where the model spends its steps."""
        levels = np.asarray(sigmas, np.float32)
        self.scheduler.set_timesteps(sigmas=levels, mu=self.shift(tokens, steps), device="cpu")
        return [float(level) for level in self.scheduler.sigmas[: levels.size]]

    def erp_velocity(self, tokens: Tensor, scene: Scene, step: Step) -> Tensor:
        """Velocity (B, C, h, w) float32 of a panorama's tokens, without a seam."""
        wrap = wrap_width(tokens.shape[-1])
        if self.spherical is not None:
            rows, columns = tokens.shape[-2:]
            self.spherical.places = self.places(rows, columns, wrap)
        strip, beside = unroll(tokens, wrap), unroll(scene.condition, wrap)
        return reroll(self.velocity(strip, beside, wrap, step).float(), wrap)

    def places(self, rows: int, columns: int, wrap: int) -> Tensor:
        """`token_places` of a strip, in the order in which the transformer gets its tokens."""
        return token_places(rows, columns, wrap)

    def to_model(self, *tensors: Tensor) -> list[Tensor]:
        return [t.to(self.transformer.device, self.transformer.dtype) for t in tensors]

    @staticmethod
    def positions(strip: Tensor, wrap: int, axes: int) -> Tensor:
        """(n, axes) whole-number positions of n tokens; the panorama's own first column is 0.

        strip: (B, C, h, w + 2 · wrap).
        """
        rows, width = strip.shape[-2:]
        ids = torch.zeros(rows, width, axes)
        ids[..., 1] = torch.arange(rows)[:, None]
        ids[..., 2] = torch.arange(-wrap, width - wrap)[None, :]
        return ids.flatten(0, 1)


def grid(sequence: Tensor, rows: int, columns: int) -> Tensor:
    """(B, rows * columns, C) to (B, C, rows, columns)."""
    return sequence.transpose(1, 2).reshape(len(sequence), -1, rows, columns)
