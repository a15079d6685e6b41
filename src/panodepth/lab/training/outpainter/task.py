"""Training the LoRA of an out-painter.

The base weights are frozen and never written; what comes out is a LoRA file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from panodepth.device import choose_dtype
from panodepth.errors import ConfigError
from panodepth.lab.curation.outpainters.licences import find_licence
from panodepth.lab.curation.outpainters.loading import (
    check_installed,
    explained,
    find_lora,
    find_weights,
    load_base,
    load_prompts,
)
from panodepth.lab.curation.outpainters.lora import ADAPTER, load_lora, open_lora, save_lora
from panodepth.lab.curation.outpainters.painter import blend, sample
from panodepth.lab.curation.outpainters.settings import PROMPT, PaintSettings
from panodepth.lab.curation.outpainters.spherical import attach
from panodepth.lab.training.checkpoint import Snapshot
from panodepth.lab.training.engine import Engine
from panodepth.lab.training.feed.samples import Stored, mix_seed
from panodepth.lab.training.outpainter.config import OutpainterConfig
from panodepth.lab.training.outpainter.objective import flow_loss
from panodepth.lab.training.outpainter.views import Masked, mask_batch
from panodepth.lab.training.task import Task
from panodepth.types import ByteArray


class OutpainterTask(Task[Masked]):
    """A learned out-painter on whole panoramas, of which a part is shown.

    Its frozen weights have a precision of their own, so autocast is off.
    """

    fixed = (
        *("painter", "lora", "views", "data", "sources"),
        *("optim.accumulate", "run.seed"),
    )
    batch_seed, loss_seed = 21, 22
    config: OutpainterConfig

    def __init__(self, config: OutpainterConfig) -> None:
        check_installed(config.painter.painter)
        super().__init__(config)
        self.weights_file = find_weights(config.painter.painter, config.painter.model)
        self.licence = find_licence(
            self.weights_file.model, self.weights_file.folder, config.painter.licence
        )

    def prepare(self, engine: Engine, snapshot: Snapshot | None) -> None:
        """The model with its LoRA layers, as they were in the snapshot, and their optimiser."""
        if engine.sharded:
            raise ConfigError("a LoRA is small: launch without FSDP")
        config, device = self.config, engine.device
        dtype = choose_dtype(config.run.dtype, device)
        texts = [config.painter.prompt or PROMPT, ""]
        self.prompts = load_prompts(self.weights_file, texts, device, dtype)
        self.base = load_base(self.weights_file, device, dtype)
        torch.manual_seed(mix_seed(config.run.seed, 0))
        model = self.base.transformer
        self._add_lora(model)
        self.trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
        if config.run.checkpoint_activations:
            model.enable_gradient_checkpointing()
        model.train()
        decay = config.optim.weight_decay
        groups = [{"params": list(self.trained.values()), "weight_decay": decay}]
        self.wrap(engine, model, torch.optim.AdamW(groups, lr=config.optim.lr))
        self.base.call = self.wrapped
        if snapshot is not None:
            with torch.no_grad():
                for name, parameter in self.trained.items():
                    parameter.copy_(snapshot.tensors["weights"][name])

    def _add_lora(self, model: Any) -> None:
        from peft import LoraConfig

        wanted = self.config.lora
        if wanted.init:
            load_lora(self.base.pipe, open_lora(find_lora(wanted.init)), 1.0)
        else:
            layers = LoraConfig(
                r=wanted.rank,
                lora_alpha=wanted.rank,  # the file says the strength by its tensors alone
                target_modules=wanted.targets,
                init_lora_weights="gaussian",
            )
            try:
                model.add_adapter(layers, adapter_name=ADAPTER)
            except ValueError as error:
                raise ConfigError(f"lora.targets: {' '.join(str(error).split())[:200]}") from None
        if wanted.spherical and self.base.spherical is None:
            attach(model)
        for name, parameter in model.named_parameters():
            train = f".{ADAPTER}." in name or name.startswith("spherical.")
            parameter.requires_grad_(train)
            if train:
                parameter.data = parameter.data.float()

    def batch(self, stored: Stored, seed: int) -> Masked:
        """Panoramas and what is shown of them."""
        return mask_batch(stored.image.to(self.engine.device), self.config.views, seed)

    def loss(self, batch: Masked, seed: int) -> tuple[Tensor, dict[str, Tensor]]:
        """See `flow_loss`; where guidance needs it, sometimes with the empty prompt."""
        painter = self.config.painter
        dropped = self.base.classifier_free and (seed >> 8) % 1000 < 1000 * painter.drop_prompt
        prompt = self.prompts[1 if dropped else 0]
        with explained(self.weights_file, self.engine.device):
            return flow_loss(self.base, batch, prompt, painter.guidance, seed), {}

    def rate(self, step: int) -> float:
        """Linear warm-up, then constant."""
        return self.config.optim.lr * min(1.0, (step + 1) / max(1, self.config.optim.warmup))

    def weights(self) -> dict[str, dict[str, Tensor]]:
        """What is trained."""
        return {"weights": {name: p.detach() for name, p in self.trained.items()}}

    def export(self, step: int, samples: int) -> Path:
        """Write `lora.safetensors` for `panodepth curate --lora` and for diffusers."""
        from peft import get_peft_model_state_dict

        path = self.out / "lora.safetensors"
        if self.engine.is_main:
            adapter = get_peft_model_state_dict(self.model, adapter_name=ADAPTER)
            channels = self.base.spherical
            facts = {
                "painter": self.weights_file.painter,
                "base_model": self.weights_file.model,
                "base_revision": self.weights_file.revision,
                "licence": self.licence.name,  # what is made from weights is under theirs
                "prompt": self.config.painter.prompt or PROMPT,
                "steps": step,
                "trained_at": f"{self.config.data.height}x{self.config.data.width}",
                "recipe": self.config.to_dict(),
            }
            save_lora(path, adapter, channels.weight if channels else None, facts)
        return path

    def facts(self) -> dict[str, Any]:
        """Of which model it is a LoRA, and under which licence that is."""
        return {"model": self.weights_file.model, "licence": self.licence.name}

    @torch.no_grad()
    def preview(self, batch: Masked | None) -> ByteArray | None:
        """(3 H, W, 3): what is shown of the first panorama, what is painted, what is there."""
        if batch is None:
            return None
        base = self.base
        image, known = (x[:1].to(base.device) for x in batch)
        settings = PaintSettings(steps=self.config.run.preview_steps)
        base.call = base.transformer  # other processes do not take part
        base.transformer.eval()
        painted = sample(base, image, known, self.prompts, settings, seed=0)
        base.transformer.train()
        base.call = self.wrapped
        truth = np.asarray(np.rint(_pixels(image)), np.uint8)
        covered = known[0, 0].bool().cpu().numpy()
        filled = blend(_pixels(painted), truth, covered)
        shown = np.where(covered[..., None], truth, np.uint8(0))
        return np.concatenate((shown, filled, truth))


def _pixels(image: Tensor) -> Any:
    """(1, 3, H, W) in [-1, 1] to (H, W, 3) float32 in 0 .. 255."""
    scaled = (image[0].float().clamp(-1, 1) + 1) * 127.5
    return np.ascontiguousarray(scaled.permute(1, 2, 0).cpu().numpy())
