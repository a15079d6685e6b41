"""FLUX.1 Fill [dev] as a base: made for in-painting."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from panodepth.lab.curation.outpainters.bases import TEXT_TOKENS, Base, Prompt, Step, grid
from panodepth.lab.curation.outpainters.settings import usual_sampling


class FluxFill(Base):
    """FLUX.1 Fill [dev]: mask and masked picture are channels beside the noisy latents."""

    steps, guidance = usual_sampling("flux", False)  # guidance is an input of the transformer

    @staticmethod
    def prompt(pipe: Any, text: str) -> Prompt:
        tokens, pooled, _ = pipe.encode_prompt(
            prompt=text, prompt_2=text, max_sequence_length=TEXT_TOKENS
        )
        return Prompt(tokens, pooled)

    def statistics(self, tokens: Tensor) -> tuple[float, float]:
        config = self.vae.config
        return config.shift_factor, 1 / config.scaling_factor

    def condition(self, clean: Tensor, known: Tensor) -> Tensor:
        # The mask at full resolution: each token gets the pixels that it covers as channels.
        unknown = F.pixel_unshuffle(F.pixel_unshuffle(1 - known, self.patch), 2)
        return torch.cat((clean, unknown), 1)

    def velocity(self, strip: Tensor, condition: Tensor, wrap: int, step: Step) -> Tensor:
        assert step.prompt.pooled is not None
        rows, width = strip.shape[-2:]
        batch = len(strip)
        beside, text, pooled = self.to_model(
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
            img_ids=self.positions(strip, wrap, 3).to(device),
            return_dict=False,
        )[0]
        return grid(found, rows, width)

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
