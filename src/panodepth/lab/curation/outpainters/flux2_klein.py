"""FLUX.2 [klein] as a base: made for editing, with weights that may be used commercially."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from panodepth.lab.curation.outpainters.bases import TEXT_TOKENS, Base, Prompt, Step, grid
from panodepth.lab.curation.outpainters.settings import usual_sampling
from panodepth.lab.curation.outpainters.spherical import token_places

REFERENCE_TIME = 10  # where FLUX.2 puts its first reference picture on its time axis


class Flux2Klein(Base):
    """FLUX.2 [klein]: the known picture is a reference beside the noisy tokens, in the sequence.

    The model knows no mask, so known tokens are also set to the picture, noised, after every step.
    """

    keeps_known = True

    def __init__(self, pipe: Any) -> None:
        super().__init__(pipe)
        distilled = bool(pipe.config.get("is_distilled", False))
        self.steps, self.guidance = usual_sampling("flux2-klein", distilled)
        self.classifier_free = not distilled

    @staticmethod
    def prompt(pipe: Any, text: str) -> Prompt:
        depth = int(pipe.text_encoder.config.num_hidden_layers)
        # The layers that FLUX.2 reads; released encoders have 36, tiny ones for tests fewer.
        layers = (9, 18, 27) if depth >= 27 else (0, depth // 2, depth)
        tokens, _ = pipe.encode_prompt(
            prompt=text, max_sequence_length=TEXT_TOKENS, text_encoder_out_layers=layers
        )
        return Prompt(tokens)

    def statistics(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        norm = self.vae.bn
        mean = norm.running_mean.view(1, -1, 1, 1).to(tokens)
        variance = norm.running_var.view(1, -1, 1, 1).to(tokens)
        return mean, torch.sqrt(variance + self.vae.config.batch_norm_eps)

    def condition(self, clean: Tensor, known: Tensor) -> Tensor:
        return clean

    def velocity(self, strip: Tensor, condition: Tensor, wrap: int, step: Step) -> Tensor:
        rows, width = strip.shape[-2:]
        batch = len(strip)
        sequence = torch.cat((strip.flatten(2), condition.flatten(2)), -1).transpose(1, 2)
        hidden, text = self.to_model(sequence, step.prompt.tokens)
        # The reference lies at the same places as the noisy tokens, but at another time.
        own = self.positions(strip, wrap, 4)
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
        return grid(found[:, : rows * width], rows, width)

    def places(self, rows: int, columns: int, wrap: int) -> Tensor:
        return token_places(rows, columns, wrap).repeat(2, 1)  # the reference lies where it was

    def shift(self, tokens: int, steps: int) -> float:
        from diffusers.pipelines.flux2.pipeline_flux2_klein_inpaint import compute_empirical_mu

        return float(compute_empirical_mu(image_seq_len=tokens, num_steps=steps))
