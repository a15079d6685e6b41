"""Tiny out-painting models with random weights, in diffusers' layout, made from their configs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def save_tiny(painter: str, folder: Path, **changes: Any) -> Path:
    """Write a whole pipeline, text encoders and tokenizers included; the same one every time."""
    torch.manual_seed(7)
    pipe = {"flux": _flux_fill, "flux2-klein": _flux2_klein}[painter](**changes)
    pipe.save_pretrained(folder)
    return folder


def _flux_fill() -> Any:
    from diffusers import (
        AutoencoderKL,
        FlowMatchEulerDiscreteScheduler,
        FluxFillPipeline,
        FluxTransformer2DModel,
    )
    from transformers import (
        CLIPTextConfig,
        CLIPTextModel,
        CLIPTokenizer,
        T5Config,
        T5EncoderModel,
        T5TokenizerFast,
    )

    latents = 4
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 16),
        latent_channels=latents,
        norm_num_groups=4,
        use_quant_conv=False,
        use_post_quant_conv=False,
        shift_factor=0.1,
        scaling_factor=0.4,
    )
    transformer = FluxTransformer2DModel(
        in_channels=4 * (2 * latents + 4),
        out_channels=4 * latents,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=24,
        pooled_projection_dim=20,
        guidance_embeds=True,
        axes_dims_rope=(4, 6, 6),
    )
    ends = {"<|startoftext|>": 0, "<|endoftext|>": 1}
    letters = {f"{c}</w>": 2 + i for i, c in enumerate(LETTERS)}
    plain = {c: 2 + len(LETTERS) + i for i, c in enumerate(LETTERS)}
    clip = CLIPTextConfig(
        vocab_size=60,
        hidden_size=20,
        projection_dim=20,
        intermediate_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        bos_token_id=0,
        eos_token_id=1,
    )
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    return FluxFillPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=vae,
        transformer=transformer,
        text_encoder=CLIPTextModel(clip),
        tokenizer=CLIPTokenizer(vocab={**ends, **letters, **plain}, merges=[], model_max_length=77),
        text_encoder_2=T5EncoderModel(
            T5Config(vocab_size=40, d_model=24, d_kv=8, d_ff=24, num_layers=1, num_heads=2)
        ),
        tokenizer_2=T5TokenizerFast(vocab=[*pieces, *((c, -3.0) for c in LETTERS)], extra_ids=0),
    )


def _flux2_klein(is_distilled: bool = True) -> Any:
    from diffusers import (
        AutoencoderKLFlux2,
        FlowMatchEulerDiscreteScheduler,
        Flux2KleinInpaintPipeline,
        Flux2Transformer2DModel,
    )
    from transformers import Qwen2TokenizerFast, Qwen3Config, Qwen3ForCausalLM

    latents = 4
    vae = AutoencoderKLFlux2(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 16),
        latent_channels=latents,
        norm_num_groups=4,
    )
    # of released weights these are statistics of latents
    vae.bn.running_mean.copy_(torch.randn(4 * latents) * 0.1)
    vae.bn.running_var.copy_(torch.rand(4 * latents) + 0.5)
    transformer = Flux2Transformer2DModel(
        in_channels=4 * latents,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=3 * 24,
        timestep_guidance_channels=16,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )
    text = Qwen3Config(
        vocab_size=40,
        hidden_size=24,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
    )
    words = {"<|endoftext|>": 0, "Ġ": 1, **{c: 2 + i for i, c in enumerate(LETTERS)}}
    tokenizer = Qwen2TokenizerFast(vocab=words, merges=[])
    tokenizer.chat_template = "{{ messages[0]['content'] }}"
    return Flux2KleinInpaintPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=vae,
        transformer=transformer,
        text_encoder=Qwen3ForCausalLM(text),
        tokenizer=tokenizer,
        is_distilled=is_distilled,
    )
