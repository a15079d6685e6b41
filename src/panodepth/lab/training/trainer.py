"""One training run: network, optimiser, average and batches, resumable at every step.

Everything random comes from (seed, step) or (seed, batch number), so a run that was stopped and
resumed computes what an uninterrupted one would have. A step of a process uses its batches number
step * accumulate onwards (stream.py). The loop around the steps is in loop.py, processes and
precision are in engine.py.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from panodepth.errors import ConfigError, ModelError
from panodepth.lab.training.checkpoint import Snapshot, list_snapshots, load_snapshot, save_snapshot
from panodepth.lab.training.config import TrainConfig
from panodepth.lab.training.engine import Engine
from panodepth.lab.training.feed.augment import augment
from panodepth.lab.training.feed.samples import Batch, Renderer, mix_seed
from panodepth.lab.training.feed.stream import SampleStream
from panodepth.lab.training.guard import keep_evidence, not_finite
from panodepth.lab.training.objective import batch_loss
from panodepth.lab.training.optimisation.optim import (
    MovingAverage,
    build_optimizer,
    flat_state,
    learning_rate,
    load_flat_state,
    set_learning_rate,
)
from panodepth.lab.training.setup import (
    averaged_model,
    build_network,
    check_output,
    check_render_device,
    check_resumable,
    checkpoint_activations,
    choose_trained,
    has_unused_parameters,
)
from panodepth.lab.training.stopping import Stopping
from panodepth.lab.training.tracking import Averages, StopWatch
from panodepth.model import ModelOutput, initialise, save_model


@dataclass(frozen=True)
class TrainResult:
    """How a run ended. finished: all steps are done; weights: the exported file."""

    step: int
    finished: bool
    weights: Path
    scores: dict[str, dict[str, float]]

    def summary(self) -> str:
        """One line for people."""
        state = "finished" if self.finished else "stopped, run the same command to go on"
        return f"{state} at step {self.step}: {self.weights}"


class Trainer:
    """One run. Construct, then `run()`; or use the function `train`.

    With several processes each has one, and all of them call the same methods.
    """

    def __init__(
        self, config: TrainConfig, *, renderer: Renderer | None = None, init: Path | None = None
    ) -> None:
        self.config = config
        self.out = Path(config.run.out)
        self.step = 0
        self.rate = 0.0  # learning rate of the last step
        self.renderer = renderer
        self.notes: list[str] = []
        check_render_device(config.data.render_device)
        check_output(config.run)
        if config.run.threads:
            torch.set_num_threads(config.run.threads)
        torch.manual_seed(mix_seed(config.run.seed, 0))
        self.model = build_network(config.network, (config.data.height, config.data.width))
        unused = has_unused_parameters(self.model, config)
        self.engine = Engine(config.run, unused_parameters=unused)
        if self.engine.sharded and config.optim.kind == "muon":
            raise ConfigError("optim.kind = muon needs whole matrices: launch without FSDP")
        self.device = self.engine.device
        self.stopping = Stopping(self.engine)
        self.watch = StopWatch()
        self.averages = Averages()
        rank, world = self.engine.rank, self.engine.world
        self.stream = SampleStream(
            config, renderer, self.stopping.cancelled, rank=rank, world=world
        )
        if self.stream.factory.stale_cache:
            self.notes.append(f"{config.data.cache} was filled by another state of the scene code")
        self._prepare(init)

    def _prepare(self, init: Path | None) -> None:
        """Weights from `init` or the last checkpoint; optimiser and average around them."""
        run = self.config.run
        earlier = list_snapshots(self.out / "checkpoints")
        snapshot = load_snapshot(earlier[-1]) if earlier else None
        if snapshot is not None:
            check_resumable(snapshot.state, self.config, self.engine.world, earlier[-1])
            if init is not None:
                self.notes.append(f"resuming from {earlier[-1]}: {init} is not used")
        elif init is not None:
            self.notes.append(initialise(self.model, init).summary())
        last = run.channels_last and not self.engine.sharded  # which wants plain weights
        layout = torch.channels_last if last else torch.contiguous_format
        self.model.to(self.device, memory_format=layout)  # type: ignore[call-overload]
        try:
            if snapshot is not None:
                self.model.load_state_dict(snapshot.tensors["weights"])
            self.model.train()
            choose_trained(self.model, self.config.network)
            optimizer = build_optimizer(self.model, self.config.optim, self.model.config.depth)
            if run.checkpoint_activations:
                checkpoint_activations(self.model)
            self._wrapped, self.optimizer = self.engine.prepare(self.model, optimizer)
            self.average = MovingAverage(self.model, self.config.optim.ema)
            if snapshot is not None:
                updates = int(snapshot.state["ema_updates"])
                # a run without an average has none: one that is switched on begins at the weights
                averaged = snapshot.tensors.get("ema", snapshot.tensors["weights"])
                self.average.load(averaged, updates)
                load_flat_state(self._plain_optimizer, self.model, snapshot.tensors["optimizer"])
                self.step = snapshot.step
        except (KeyError, RuntimeError) as error:
            if snapshot is None:
                raise
            text = f"checkpoint {earlier[-1]} does not fit the network: {error}"
            raise ModelError(text) from None
        self._forward: Any = torch.compile(self._wrapped) if run.compile else self._wrapped

    @property
    def _plain_optimizer(self) -> torch.optim.Optimizer:
        plain: torch.optim.Optimizer = getattr(self.optimizer, "optimizer", self.optimizer)
        return plain

    # ------------------------------------------------------------ one step

    def batch(self, number: int) -> Batch:
        """Augmented batch `number` of this process, on the training device."""
        with self.watch.part("wait"):
            stored = self.stream.stored(number)
        with self.watch.part("augment"):
            return augment(
                stored.to(self.device).decode(), self.config.augment, self._batch_seed(2, number)
            )

    def _batch_seed(self, purpose: int, number: int) -> int:
        of_all = number * self.engine.world + self.engine.rank
        return mix_seed(self.config.data.seed, purpose, of_all, self.config.run.seed)

    def _numbers(self, step: int) -> range:
        accumulate = self.config.optim.accumulate
        return range(step * accumulate, (step + 1) * accumulate)

    def train_step(self) -> None:
        """One optimiser step.

        Raises `Cancelled` before anything has changed when a stop is asked for while waiting.
        """
        torch.manual_seed(mix_seed(self.config.run.seed, 3, self.step))
        batches = {n: self.batch(n) for n in self._numbers(self.step)}
        finite = torch.ones((), dtype=torch.bool, device=self.device)
        last = max(batches)
        for number, batch in batches.items():
            with self.engine.gather_gradients(self._wrapped, now=number == last):
                with self.watch.part("forward"):
                    seed = self._batch_seed(5, number)
                    loss, terms = batch_loss(self._network, batch, self.config.loss, seed)
                with self.watch.part("backward"):
                    self.engine.accelerator.backward(loss / len(batches))
            finite &= torch.isfinite(loss.detach())
            self.averages.add({"loss": loss.detach(), **terms})
        with self.watch.part("optimizer"):
            norm = self.engine.clip(self.model, self.config.optim.grad_clip)
            bad = self.stopping.add(self.step, finite & torch.isfinite(norm))
            if bad is not None:
                self._fail(bad)
            self.rate = learning_rate(self.step, self.config.run.steps, self.config.optim)
            set_learning_rate(self._plain_optimizer, self.rate)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            self.average.update()
        self.averages.add({"grad_norm": norm})
        self.step += 1

    def _network(self, image: Tensor) -> ModelOutput:
        if self.config.run.channels_last:
            image = image.contiguous(memory_format=torch.channels_last)
        with self.engine.autocast():
            output: ModelOutput = self._forward(image)
        return output

    def _fail(self, step: int) -> None:
        """Save the batches of a bad step and stop."""
        folder = self.out / f"not_finite_step_{step:08d}"
        batches = {n: self.batch(n) for n in self._numbers(step)}
        samples = {n: self.stream.describe(n) for n in batches}
        facts = {"step": step, "scene_seed": self.config.data.seed, "rank": self.engine.rank}
        keep_evidence(folder, batches, samples, facts)
        raise not_finite(step, folder)

    # ------------------------------------------------------------ keeping

    def save(self) -> None:
        """Write a checkpoint; refuses when a step is known to have gone wrong."""
        if (bad := self.stopping.check()) is not None:
            self._fail(bad)
        stems = {
            "weights": dict(self.model.state_dict()),
            "optimizer": flat_state(self._plain_optimizer, self.model),
        }
        if self.average.decay:
            stems["ema"] = self.average.tensors()
        tensors = {stem: self.engine.gather(values) for stem, values in stems.items()}
        state = {
            "ema_updates": self.average.updates,
            "processes": self.engine.world,
            "config": self.config.to_dict(),
        }
        if self.engine.is_main:
            snapshot = Snapshot(self.step, tensors, state)
            save_snapshot(snapshot, self.out / "checkpoints", self.config.run.keep)

    @property
    def samples_per_step(self) -> int:
        """Panoramas that one step of all processes sees."""
        return self.config.data.batch * self.config.optim.accumulate * self.engine.world

    def averaged(self) -> Any:
        """The averaged network, for evaluation, in rank 0; None elsewhere. All processes call it.

        Not a copy, unless the weights are sharded: it changes with the next step.
        """
        buffers = dict(self.model.named_buffers())
        tensors = self.engine.gather({**buffers, **self.average.tensors()})
        made = averaged_model(self.model, tensors) if self.engine.is_main else None
        return None if made is None else made.to(self.device)

    def export(self) -> Path:
        """Write the averaged weights as float16 to `model.safetensors` for `panodepth.load`."""
        metadata = {
            "steps": str(self.step),
            "samples": str(self.step * self.samples_per_step),
            "trained_at": f"{self.config.data.height}x{self.config.data.width}",
            "training": json.dumps(self.config.to_dict()),
        }
        path = self.out / "model.safetensors"
        averaged = self.averaged()
        if averaged is not None:
            save_model(averaged, path, metadata, dtype=torch.float16)
        return path

    def run(self) -> TrainResult:
        """Train to the last step, or until told to stop; always leaves a checkpoint and weights."""
        from panodepth.lab.training.loop import run_training

        return run_training(self)


def train(
    config: TrainConfig, *, renderer: Renderer | None = None, init: str | Path | None = None
) -> TrainResult:
    """Train as configured, resuming from `run.out` when it holds a checkpoint.

    renderer: a function like `panodepth.lab.worlds.render_batch` (the default), picklable when
    workers are used. init: a model file to start from, with a fresh optimiser; ignored on resuming.
    Raises PanodepthError subclasses.
    """
    return Trainer(config, renderer=renderer, init=Path(init) if init else None).run()
