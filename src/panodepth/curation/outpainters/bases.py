"""The diffusion models that can paint, as functions on grids of tokens.

Each takes one of diffusers' pipelines apart: text encoders, VAE and transformer. Images are
(B, 3, H, W) in [-1, 1]; tokens (B, C, h, w) with one token per `stride` x `stride` pixels.
Velocities are those of flow matching: x = (1 - s) picture + s noise, so d x / d s is noise minus
picture (Lipman et al., 2023); s runs from 1, noise, to 0, the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from panodepth.curation.outpainters.circular import make_circular, reroll, unroll, wrap_width
from panodepth.curation.outpainters.spherical import SphericalChannels, token_places

TEXT_TOKENS = 512
REFERENCE_TIME = 10  # where FLUX.2 puts its first reference picture on its time axis


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


class Base:
    """What all models share.

    pipe: a diffusers pipeline with transformer, VAE and scheduler; its VAE is made circular.
    """

    steps = 50
    guidance = 1.0
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
        """The extra channels, where the weights have them."""
        found: SphericalChannels | None = getattr(self.transformer, "spherical", None)
        return found

    @property
    def device(self) -> torch.device:
        device: torch.device = next(self.vae.parameters()).device
        return device

    @staticmethod
    def prompt(pipe: Any, text: str) -> Prompt:
        """A text through the text encoders of `pipe`."""
        raise NotImplementedError

    def encode(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] to tokens (B, C, h, w) float32."""
        raise NotImplementedError

    def decode(self, tokens: Tensor) -> Tensor:
        """Inverse of `encode`."""
        raise NotImplementedError

    def condition(self, clean: Tensor, known: Tensor) -> Tensor:
        """What goes beside the noisy tokens. clean: tokens of the known picture; known: (B, 1, H,
        W) in {0, 1}."""
        raise NotImplementedError

    def velocity(self, strip: Tensor, condition: Tensor, wrap: int, step: Step) -> Tensor:
        """(B, C, h, w') of a strip (B, C, h, w') and what it is conditioned on, (B, C', h, w').

        wrap: columns of the strip to the left of the panorama's first.
        """
        raise NotImplementedError

    def shift(self, tokens: int, steps: int) -> float:
        """How far the noise levels move up for so many tokens, as the model was trained."""
        raise NotImplementedError

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

    def around(self, tokens: Tensor, scene: Scene, step: Step) -> Tensor:
        """Velocity (B, C, h, w) float32 of a panorama's tokens, without a seam."""
        wrap = wrap_width(tokens.shape[-1])
        if self.spherical is not None:
            rows, columns = tokens.shape[-2:]
            self.spherical.places = self.places(rows, columns, wrap)
        strip, beside = unroll(tokens, wrap), unroll(scene.condition, wrap)
        return reroll(self.velocity(strip, beside, wrap, step).float(), wrap)

    def places(self, rows: int, columns: int, wrap: int) -> Tensor:
        """Of the tokens in the order in which the transformer gets them."""
        return token_places(rows, columns, wrap)

    def _to_model(self, *tensors: Tensor) -> list[Tensor]:
        return [t.to(self.transformer.device, self.transformer.dtype) for t in tensors]

    @staticmethod
    def _positions(strip: Tensor, wrap: int, axes: int) -> Tensor:
        """(h * w', axes) whole-number positions; the panorama's own first column is 0."""
        rows, width = strip.shape[-2:]
        ids = torch.zeros(rows, width, axes)
        ids[..., 1] = torch.arange(rows)[:, None]
        ids[..., 2] = torch.arange(-wrap, width - wrap)[None, :]
        return ids.flatten(0, 1)


class FluxFill(Base):
    """FLUX.1 Fill [dev]: mask and masked picture are channels beside the noisy latents."""

    guidance = 30.0  # an input of the transformer

    @staticmethod
    def prompt(pipe: Any, text: str) -> Prompt:
        tokens, pooled, _ = pipe.encode_prompt(
            prompt=text, prompt_2=text, max_sequence_length=TEXT_TOKENS
        )
        return Prompt(tokens, pooled)

    def encode(self, image: Tensor) -> Tensor:
        latents = self.vae.encode(image.to(self.device, self.vae.dtype)).latent_dist.mode()
        config = self.vae.config
        latents = (latents.float() - config.shift_factor) * config.scaling_factor
        return F.pixel_unshuffle(latents, 2)

    def decode(self, tokens: Tensor) -> Tensor:
        config = self.vae.config
        latents = F.pixel_shuffle(tokens, 2) / config.scaling_factor + config.shift_factor
        image: Tensor = self.vae.decode(latents.to(self.vae.dtype), return_dict=False)[0]
        return image.float()

    def condition(self, clean: Tensor, known: Tensor) -> Tensor:
        unknown = F.pixel_unshuffle(F.pixel_unshuffle(1 - known, self.patch), 2)
        return torch.cat((clean, unknown), 1)

    def velocity(self, strip: Tensor, condition: Tensor, wrap: int, step: Step) -> Tensor:
        assert step.prompt.pooled is not None
        rows, width = strip.shape[-2:]
        batch = len(strip)
        beside, text, pooled = self._to_model(
            torch.cat((strip, condition), 1), step.prompt.tokens, step.prompt.pooled
        )
        device = beside.device
        strength = None
        if self.transformer.config.guidance_embeds:
            strength = torch.full((batch,), step.guidance, device=device)
        found = self.call(
            hidden_states=beside.flatten(2).transpose(1, 2),
            timestep=step.sigma.to(device, beside.dtype),
            guidance=strength,
            pooled_projections=pooled.expand(batch, -1),
            encoder_hidden_states=text.expand(batch, -1, -1),
            txt_ids=torch.zeros(text.shape[1], 3, device=device),
            img_ids=self._positions(strip, wrap, 3).to(device),
            return_dict=False,
        )[0]
        return _grid(found, rows, width)

    def shift(self, tokens: int, steps: int) -> float:
        from diffusers.pipelines.flux.pipeline_flux_fill import calculate_shift

        config = self.scheduler.config
        found: float = calculate_shift(
            tokens,
            config.get("base_image_seq_len", 256),
            config.get("max_image_seq_len", 4096),
            config.get("base_shift", 0.5),
            config.get("max_shift", 1.15),
        )
        return found


class Flux2Klein(Base):
    """FLUX.2 [klein]: the known picture is a reference beside the noisy tokens, in the sequence.

    The model knows no mask, so known tokens are also set to the picture, noised, after every step.
    """

    keeps_known = True

    def __init__(self, pipe: Any) -> None:
        super().__init__(pipe)
        distilled = bool(pipe.config.get("is_distilled", False))
        self.steps, self.guidance = (4, 1.0) if distilled else (50, 4.0)
        self.classifier_free = not distilled

    @staticmethod
    def prompt(pipe: Any, text: str) -> Prompt:
        depth = int(pipe.text_encoder.config.num_hidden_layers)
        layers = (9, 18, 27) if depth >= 27 else (0, depth // 2, depth)  # released weights have 36
        tokens, _ = pipe.encode_prompt(
            prompt=text, max_sequence_length=TEXT_TOKENS, text_encoder_out_layers=layers
        )
        return Prompt(tokens)

    def _statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the latents, (1, C, 1, 1)."""
        norm = self.vae.bn
        mean = norm.running_mean.view(1, -1, 1, 1).to(like)
        variance = norm.running_var.view(1, -1, 1, 1).to(like)
        return mean, torch.sqrt(variance + self.vae.config.batch_norm_eps)

    def encode(self, image: Tensor) -> Tensor:
        latents = self.vae.encode(image.to(self.device, self.vae.dtype)).latent_dist.mode()
        tokens = F.pixel_unshuffle(latents.float(), 2)
        mean, deviation = self._statistics(tokens)
        return (tokens - mean) / deviation

    def decode(self, tokens: Tensor) -> Tensor:
        mean, deviation = self._statistics(tokens)
        latents = F.pixel_shuffle(tokens * deviation + mean, 2)
        image: Tensor = self.vae.decode(latents.to(self.vae.dtype), return_dict=False)[0]
        return image.float()

    def condition(self, clean: Tensor, known: Tensor) -> Tensor:
        return clean

    def velocity(self, strip: Tensor, condition: Tensor, wrap: int, step: Step) -> Tensor:
        rows, width = strip.shape[-2:]
        batch = len(strip)
        sequence = torch.cat((strip.flatten(2), condition.flatten(2)), -1).transpose(1, 2)
        hidden, text = self._to_model(sequence, step.prompt.tokens)
        own = self._positions(strip, wrap, 4)
        reference = own.clone()
        reference[:, 0] = REFERENCE_TIME
        words = torch.zeros(text.shape[1], 4)
        words[:, 3] = torch.arange(text.shape[1])
        device = hidden.device
        found = self.call(
            hidden_states=hidden,
            timestep=step.sigma.to(device, hidden.dtype),
            guidance=None,
            encoder_hidden_states=text.expand(batch, -1, -1),
            txt_ids=words.to(device),
            img_ids=torch.cat((own, reference)).to(device),
            return_dict=False,
        )[0]
        return _grid(found[:, : rows * width], rows, width)

    def places(self, rows: int, columns: int, wrap: int) -> Tensor:
        return token_places(rows, columns, wrap).repeat(2, 1)  # the reference lies where it was

    def shift(self, tokens: int, steps: int) -> float:
        from diffusers.pipelines.flux2.pipeline_flux2_klein_inpaint import compute_empirical_mu

        return float(compute_empirical_mu(image_seq_len=tokens, num_steps=steps))


BASES: dict[str, type[Base]] = {"flux": FluxFill, "flux2-klein": Flux2Klein}


def _grid(sequence: Tensor, rows: int, columns: int) -> Tensor:
    """(B, rows * columns, C) to (B, C, rows, columns)."""
    return sequence.transpose(1, 2).reshape(len(sequence), -1, rows, columns)
