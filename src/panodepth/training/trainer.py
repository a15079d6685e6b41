"""The training loop: one process, one device, resumable at every step.

Everything random comes from (seed, step) or (seed, batch number), so a run that was stopped and
resumed computes what an uninterrupted one would have. A step uses batches number
step * accumulate onwards of the stream (see data.py).
"""

from __future__ import annotations

import contextlib
import json
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from panodepth.device import choose_device
from panodepth.errors import ModelError
from panodepth.losses import training_loss
from panodepth.model import save_model
from panodepth.training.augment import augment
from panodepth.training.checkpoint import Snapshot, list_snapshots, load_snapshot, save_snapshot
from panodepth.training.config import TrainConfig
from panodepth.training.data import SceneStream
from panodepth.training.guard import GPU_LAG, Guard, keep_evidence, not_finite
from panodepth.training.optim import (
    MovingAverage,
    build_optimizer,
    flat_state,
    learning_rate,
    load_flat_state,
)
from panodepth.training.rendered import RenderedSet
from panodepth.training.rendering import Cancelled, ChunkFactory
from panodepth.training.samples import Batch, Renderer, mix_seed
from panodepth.training.setup import (
    build_network,
    check_same_data,
    initialise,
    use_bf16,
)
from panodepth.training.tracking import Averages, RunLog, StopWatch, save_preview

PREVIEW_IMAGES = 4
MAX_EXPORT_MB = 20.0


@dataclass(frozen=True)
class TrainResult:
    """How a run ended. finished: all steps are done; weights: the exported file."""

    step: int
    finished: bool
    weights: Path
    scores: dict[str, dict[str, float]]


class Trainer:
    """One run. Construct, then `run()`; or use the function `train`."""

    def __init__(
        self, config: TrainConfig, *, renderer: Renderer | None = None, init: Path | None = None
    ) -> None:
        self.config = config
        self.out = Path(config.run.out)
        self.step = 0
        self.device = choose_device(config.run.device)
        self.bf16 = use_bf16(config.run, self.device)
        if config.run.threads:
            torch.set_num_threads(config.run.threads)
        torch.manual_seed(mix_seed(config.run.seed, 0))
        self.model = build_network(config.network, (config.data.height, config.data.width))
        self._stop = threading.Event()
        self._guard = Guard(0 if self.device.type == "cpu" else GPU_LAG)
        self.factory = ChunkFactory(config.data, renderer, cancelled=self._stop.is_set)
        self.stream = SceneStream(config.data, self.factory)
        self.watch = StopWatch()
        self.averages = Averages()
        self.rendered_set = RenderedSet(config.data, config.run.validate_count, renderer)
        self.scores: dict[str, dict[str, float]] = {}
        earlier = list_snapshots(self.out / "checkpoints")
        self._notes: list[str] = []
        if init is not None and earlier:
            self._notes.append(f"resuming from {earlier[-1]}: {init} is not used")
        elif init is not None:
            initialise(self.model, init)
        if self.factory.stale_cache:
            self._notes.append(f"{config.data.cache} was filled by another state of the scene code")
        layout = torch.channels_last if config.run.channels_last else torch.contiguous_format
        self.model.to(self.device, memory_format=layout)  # type: ignore[call-overload]
        self.model.train()
        self.optimizer = build_optimizer(self.model, config.optim)
        self.average = MovingAverage(self.model, config.optim.ema)
        if earlier:
            self._restore(load_snapshot(earlier[-1]), earlier[-1])
        self._forward: nn.Module = self.model
        if config.run.compile:
            self._forward = torch.compile(self.model)  # type: ignore[assignment]

    # ------------------------------------------------------------ one step

    def batch(self, number: int) -> Batch:
        """Augmented batch `number` of the run, on the training device."""
        with self.watch.part("wait"):
            stored = self.stream.stored(number)
        with self.watch.part("augment"):
            stored = stored._replace(
                image=stored.image.to(self.device, non_blocking=True),
                distance=stored.distance.to(self.device, non_blocking=True),
            )
            seed = mix_seed(self.config.data.seed, 2, number)
            return augment(stored.decode(), self.config.augment, seed)

    def train_step(self) -> None:
        """One optimiser step.

        Raises `Cancelled` before anything has changed when a stop is asked for while waiting.
        """
        accumulate = self.config.optim.accumulate
        torch.manual_seed(mix_seed(self.config.run.seed, 3, self.step))
        batches = [self.batch(self.step * accumulate + i) for i in range(accumulate)]
        finite = torch.ones((), dtype=torch.bool, device=self.device)
        for batch in batches:
            with self.watch.part("forward"):
                loss, terms = self._loss(batch)
            with self.watch.part("backward"):
                torch.autograd.backward(loss / accumulate)
            finite &= torch.isfinite(loss.detach())
            self.averages.add({"loss": loss.detach(), **terms})
        with self.watch.part("optimizer"):
            norm = torch.nn.utils.clip_grad_norm_(
                self.model.parameters(), self.config.optim.grad_clip, foreach=True
            )
            finite &= torch.isfinite(norm)
            if (bad := self._guard.add(self.step, finite)) is not None:
                self._fail(bad)
            rate = learning_rate(self.step, self.config.run.steps, self.config.optim)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            self.average.update(self.model)
        self.averages.add({"grad_norm": norm})
        self.step += 1

    def _autocast(self) -> Any:
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16)

    def _loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        image = batch.image
        if self.config.run.channels_last:
            image = image.contiguous(memory_format=torch.channels_last)
        with self._autocast():
            output = self._forward(image)
        return training_loss(
            output.log_distance.float(), output.sky_logit, batch.truth, self.config.loss
        )

    def _fail(self, step: int) -> None:
        """Save the batches of a bad step and stop."""
        folder = self.out / f"not_finite_step_{step:08d}"
        accumulate = self.config.optim.accumulate
        numbers = range(step * accumulate, (step + 1) * accumulate)
        keep_evidence(
            folder,
            {n: self.batch(n) for n in numbers},
            {n: self.stream.scene_indices(n) for n in numbers},
            self.config.data.seed,
        )
        raise not_finite(step, folder)

    # ------------------------------------------------------------ the run

    def run(self) -> TrainResult:
        """Train to the last step, or until told to stop; always leaves a checkpoint and weights."""
        run = self.config.run
        begun = time.monotonic()
        first = self.step
        with (
            self.factory,
            RunLog(self.out, run.steps, first) as log,
            self._signals(),
        ):
            log.write("start", **self._facts())
            for note in self._notes:
                log.write("note", text=note)
            last_log = (time.monotonic(), self.step)
            while self.step < run.steps and not self._stop.is_set():
                try:
                    self.train_step()
                except Cancelled:
                    break
                log.advance()
                if self.step % run.log_every == 0 or self.step == run.steps:
                    last_log = self._log(log, last_log)
                self._periodic(log)
                if run.max_minutes and time.monotonic() - begun > run.max_minutes * 60:
                    self._stop.set()
            finished = self.step >= run.steps
            self.save()
            if finished:
                self._validate(log)
            weights = self.export()
            size = weights.stat().st_size / 1e6
            log.write("end", step=self.step, finished=finished, megabytes=size)
            if size > MAX_EXPORT_MB:
                log.write("note", text=f"{weights} is larger than {MAX_EXPORT_MB:.0f} MB")
        return TrainResult(self.step, finished, weights, self.scores)

    def _periodic(self, log: RunLog) -> None:
        run, step = self.config.run, self.step
        if step == run.steps:
            return  # the end does it all
        if step % run.save_every == 0:
            self.save()
            self.export()
        if run.validate_every and step % run.validate_every == 0:
            self._validate(log)
        if run.preview_every and step % run.preview_every == 0:
            self._preview()

    def _log(self, log: RunLog, last: tuple[float, int]) -> tuple[float, int]:
        now = (time.monotonic(), self.step)
        samples = (now[1] - last[1]) * self.config.data.batch * self.config.optim.accumulate
        seconds = {k: v / (now[1] - last[1]) for k, v in self.watch.take().items()}
        log.write(
            "train",
            step=self.step,
            **self.averages.take(),
            lr=self.optimizer.param_groups[0]["lr"],
            samples_per_s=samples / max(now[0] - last[0], 1e-9),
            rendered=self.factory.rendered,
            seconds_per_step=seconds,
        )
        return now

    def _facts(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "device": str(self.device),
            "bf16": self.bf16,
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "config": self.config.to_dict(),
        }

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM ask for a clean end; a second one ends at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}

        def ask(number: int, frame: FrameType | None) -> None:
            self._stop.set()
            signal.signal(number, before[signal.Signals(number)])

        for s in before:
            signal.signal(s, ask)
        try:
            yield
        finally:
            for s, handler in before.items():
                signal.signal(s, handler)

    @torch.no_grad()
    def predict(self, image: Tensor) -> tuple[Tensor, Tensor | None]:
        """Averaged model on (B, 3, H, W): log distance (B, H, W) float32, sky logit or None."""
        with self._autocast():
            output = self.average.module(image.to(self.device))
        return output.log_distance.float(), output.sky_logit

    def _validate(self, log: RunLog) -> None:
        if self.config.run.validate_count:
            self.scores = self.rendered_set.score(self.predict, self.config.data.batch)
            log.write("validate", step=self.step, rendered=self.scores)

    def _preview(self) -> None:
        number = max(0, self.step - 1) * self.config.optim.accumulate
        batch = self.batch(number)
        image = batch.image[:PREVIEW_IMAGES]
        log_distance, _ = self.predict(image)
        truth = torch.where(batch.truth.valid, batch.truth.distance, 0.0)[:PREVIEW_IMAGES]
        save_preview(
            self.out / "previews" / f"step_{self.step:08d}.png", image, log_distance, truth
        )

    # ------------------------------------------------------------ keeping

    def save(self) -> Path:
        """Write a checkpoint; refuses when a step is known to have gone wrong."""
        if (bad := self._guard.check()) is not None:
            self._fail(bad)
        tensors = {
            "weights": dict(self.model.state_dict()),
            "ema": dict(self.average.module.state_dict()),
            "optimizer": flat_state(self.optimizer, self.model),
        }
        state = {"ema_updates": self.average.updates, "config": self.config.to_dict()}
        snapshot = Snapshot(self.step, tensors, state)
        return save_snapshot(snapshot, self.out / "checkpoints", self.config.run.keep)

    def _restore(self, snapshot: Snapshot, path: Path) -> None:
        check_same_data(snapshot.state["config"], self.config, path)
        try:
            self.model.load_state_dict(snapshot.tensors["weights"])
            self.average.module.load_state_dict(snapshot.tensors["ema"])
            load_flat_state(self.optimizer, self.model, snapshot.tensors["optimizer"])
        except (KeyError, RuntimeError) as error:
            raise ModelError(f"checkpoint {path} does not fit the network: {error}") from None
        self.average.updates = int(snapshot.state["ema_updates"])
        self.step = snapshot.step

    def export(self) -> Path:
        """Write the averaged weights as float16 to `model.safetensors` for `panodepth.load`."""
        samples = self.step * self.config.data.batch * self.config.optim.accumulate
        metadata = {
            "steps": str(self.step),
            "samples": str(samples),
            "trained_at": f"{self.config.data.height}x{self.config.data.width}",
            "training": json.dumps(self.config.to_dict()),
        }
        path = self.out / "model.safetensors"
        return save_model(self.average.module, path, metadata, dtype=torch.float16)


def train(
    config: TrainConfig, *, renderer: Renderer | None = None, init: str | Path | None = None
) -> TrainResult:
    """Train as configured, resuming from `run.out` when it holds a checkpoint.

    renderer: a function like `panodepth.scenes.render_batch` (the default), picklable when workers
    are used. init: a model file to start from, with a fresh optimiser; ignored on resuming.
    Raises PanodepthError subclasses.
    """
    return Trainer(config, renderer=renderer, init=Path(init) if init else None).run()
