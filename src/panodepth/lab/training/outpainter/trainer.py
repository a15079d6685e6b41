"""One run: the LoRA of an out-painter, resumable at every step.

Everything random comes from (seed, batch number), so that a run that was stopped and resumed
computes what an uninterrupted one would have. Data, processes, checkpoints and logs are those of
`panodepth train`. The base weights are frozen and never written; what comes out is a LoRA file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from panodepth.device import choose_dtype
from panodepth.errors import ConfigError, ModelError, PanodepthError
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
from panodepth.lab.curation.outpainters.settings import PROMPT
from panodepth.lab.curation.outpainters.spherical import attach
from panodepth.lab.training.checkpoint import Snapshot, list_snapshots, load_snapshot, save_snapshot
from panodepth.lab.training.config import RunConfig
from panodepth.lab.training.engine import Engine
from panodepth.lab.training.feed.samples import mix_seed
from panodepth.lab.training.feed.stream import SampleStream
from panodepth.lab.training.optimisation.optim import flat_state, load_flat_state, set_learning_rate
from panodepth.lab.training.outpainter.config import OutpainterConfig
from panodepth.lab.training.outpainter.objective import flow_loss
from panodepth.lab.training.outpainter.views import Masked, mask_batch
from panodepth.lab.training.setup import FREE_DATA_FIELDS, check_output, check_render_device
from panodepth.lab.training.stopping import Stopping
from panodepth.lab.training.tracking import Averages
from panodepth.lab.training.trainer import TrainResult

# Tables that decide what a run computes: a resumed run may not change them.
FIXED = ("painter", "lora", "views", "data", "sources")


class OutpainterTrainer:
    """Construct, then `run()`. With several processes each has one.

    Raises PanodepthError subclasses when the run cannot start.
    """

    def __init__(self, config: OutpainterConfig) -> None:
        self.config = config
        self.out = Path(config.run.out)
        self.step = 0
        self.rate = 0.0
        run = RunConfig(
            out=config.run.out,
            device=config.run.device,
            precision="fp32",  # autocast is off: the frozen weights have their own precision
            tensorboard=config.run.tensorboard,
        )
        check_installed(config.painter.painter)
        check_render_device(config.data.render_device)
        check_output(run)
        self.weights = find_weights(config.painter.painter, config.painter.model)
        self.licence = find_licence(self.weights.model, self.weights.folder, config.painter.licence)
        self.engine = Engine(run)
        if self.engine.sharded:
            raise ConfigError("a LoRA is small: launch without FSDP")
        self.device = self.engine.device
        self.stopping = Stopping(self.engine)
        self.averages = Averages()
        rank, world = self.engine.rank, self.engine.world
        self.stream = SampleStream(
            config.stream(), None, self.stopping.cancelled, rank=rank, world=world
        )
        dtype = choose_dtype(config.run.dtype, self.device)
        texts = [config.painter.prompt or PROMPT, ""]
        self.prompts = load_prompts(self.weights, texts, self.device, dtype)
        self.base = load_base(self.weights, self.device, dtype)
        self._prepare()

    def _prepare(self) -> None:
        """LoRA layers and optimiser, from the last checkpoint if there is one."""
        config = self.config
        torch.manual_seed(mix_seed(config.run.seed, 0))
        self._add_lora()
        self.trained = {n: p for n, p in self.model.named_parameters() if p.requires_grad}
        if config.run.checkpoint_activations:
            self.model.enable_gradient_checkpointing()
        self.model.train()
        groups = [
            {"params": list(self.trained.values()), "weight_decay": config.optim.weight_decay}
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=config.optim.lr)
        wrapped, self._stepper = self.engine.prepare(self.model, self.optimizer)
        self.base.call = wrapped
        self._wrapped = wrapped
        earlier = list_snapshots(self.out / "checkpoints")
        if earlier:
            self._resume(load_snapshot(earlier[-1]), earlier[-1])

    @property
    def model(self) -> Any:
        """The transformer itself."""
        return self.base.transformer

    def _add_lora(self) -> None:
        from peft import LoraConfig

        wanted, model = self.config.lora, self.model
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

    def _resume(self, snapshot: Snapshot, path: Path) -> None:
        before, now = snapshot.state, self.config.to_dict()
        if before.get("processes") != self.engine.world:
            raise ConfigError(f"{path} was written by {before.get('processes')} processes")
        for table in FIXED:
            for key, value in _rows(now[table], before["config"].get(table)):
                if table != "data" or key not in FREE_DATA_FIELDS:
                    raise ConfigError(
                        f"{table}{'.' * bool(key)}{key} is now {value!r}, which differs from "
                        f"checkpoint {path}; use another run.out (and lora.init to go on from it)"
                    )
        try:
            with torch.no_grad():
                for name, parameter in self.trained.items():
                    parameter.copy_(snapshot.tensors["weights"][name])
            load_flat_state(self.optimizer, self.model, snapshot.tensors["optimizer"])
        except (KeyError, RuntimeError) as error:
            raise ModelError(f"checkpoint {path} does not fit: {error}") from None
        self.step = snapshot.step

    # ------------------------------------------------------------ one step

    def _seed(self, purpose: int, number: int) -> int:
        of_all = number * self.engine.world + self.engine.rank
        return mix_seed(self.config.data.seed, purpose, of_all, self.config.run.seed)

    def batch(self, number: int) -> Masked:
        """Batch `number` of this process: panoramas and what is shown of them."""
        stored = self.stream.stored(number)
        return mask_batch(stored.image.to(self.device), self.config.views, self._seed(21, number))

    def _loss(self, number: int) -> Tensor:
        painter, seed = self.config.painter, self._seed(22, number)
        dropped = self.base.classifier_free and (seed >> 8) % 1000 < 1000 * painter.drop_prompt
        prompt = self.prompts[1 if dropped else 0]
        return flow_loss(self.base, self.batch(number), prompt, painter.guidance, seed)

    def train_step(self) -> None:
        """One optimiser step. Raises `Cancelled` when a stop is asked for while waiting."""
        optim = self.config.optim
        numbers = range(self.step * optim.accumulate, (self.step + 1) * optim.accumulate)
        finite = torch.ones((), dtype=torch.bool, device=self.device)
        with explained(self.weights, self.device):
            for number in numbers:
                with self.engine.gather_gradients(self._wrapped, now=number == numbers[-1]):
                    loss = self._loss(number)
                    self.engine.accelerator.backward(loss / len(numbers))
                finite &= torch.isfinite(loss.detach())
                self.averages.add({"loss": loss.detach()})
        norm = torch.nn.utils.clip_grad_norm_(self.trained.values(), optim.grad_clip)
        bad = self.stopping.add(self.step, finite & torch.isfinite(norm))
        if bad is not None:
            raise _not_finite(bad)
        self.rate = optim.lr * min(1.0, (self.step + 1) / max(1, optim.warmup))
        set_learning_rate(self.optimizer, self.rate)
        self._stepper.step()
        self._stepper.zero_grad(set_to_none=True)
        self.averages.add({"grad_norm": norm})
        self.step += 1

    # ------------------------------------------------------------ keeping

    def save(self) -> None:
        """Write a checkpoint of what is trained."""
        if (bad := self.stopping.check()) is not None:
            raise _not_finite(bad)
        if self.engine.is_main:
            weights = {name: p.detach() for name, p in self.trained.items()}
            tensors = {"weights": weights, "optimizer": flat_state(self.optimizer, self.model)}
            state = {"processes": self.engine.world, "config": self.config.to_dict()}
            folder = self.out / "checkpoints"
            save_snapshot(Snapshot(self.step, tensors, state), folder, self.config.run.keep)

    def export(self) -> Path:
        """Write `lora.safetensors` for `panodepth curate --lora` and for diffusers."""
        from peft import get_peft_model_state_dict

        path = self.out / "lora.safetensors"
        if self.engine.is_main:
            adapter = get_peft_model_state_dict(self.model, adapter_name=ADAPTER)
            channels = self.base.spherical
            facts = {
                "painter": self.weights.painter,
                "base_model": self.weights.model,
                "base_revision": self.weights.revision,
                "licence": self.licence.name,  # what is made from weights is under theirs
                "prompt": self.config.painter.prompt or PROMPT,
                "steps": self.step,
                "trained_at": f"{self.config.data.height}x{self.config.data.width}",
                "recipe": self.config.to_dict(),
            }
            save_lora(path, adapter, channels.weight if channels else None, facts)
        return path

    def run(self) -> TrainResult:
        """Train to the last step, or until told to stop; leaves a checkpoint and a LoRA file."""
        from panodepth.lab.training.outpainter.loop import run_outpainter

        return run_outpainter(self)


def _not_finite(step: int) -> PanodepthError:
    return PanodepthError(
        f"loss or gradient is not a number at step {step}; the last checkpoint is untouched: "
        "resume with a lower optim.lr"
    )


def _rows(now: Any, before: Any) -> list[tuple[str, Any]]:
    """(key, value now) of what differs; ("", table) when a whole list does."""
    if isinstance(now, dict) and isinstance(before, dict):
        return [(key, value) for key, value in now.items() if before.get(key) != value]
    rows = [list(map(dict, x or ())) for x in (now, before)]
    return [] if rows[0] == rows[1] else [("", rows[0])]
