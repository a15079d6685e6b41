"""The training loop: one process, one device, resumable at every step.

Everything random comes from (seed, step) or (seed, batch number), so a run that was stopped and
resumed computes what an uninterrupted one would have. A step uses batches number
step * accumulate onwards of the stream (see data.py).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from panodepth.errors import ConfigError, ModelError, PanodepthError
from panodepth.losses import training_loss
from panodepth.model import ModelConfig, SphereViT, find_preset, load_model, save_model
from panodepth.training.augment import augment
from panodepth.training.checkpoint import Snapshot, list_snapshots, load_snapshot, save_snapshot
from panodepth.training.config import NetworkConfig, RunConfig, TrainConfig
from panodepth.training.data import (
    Batch,
    Cancelled,
    ChunkFactory,
    Renderer,
    SceneStream,
    mix_seed,
)
from panodepth.training.optim import (
    MovingAverage,
    build_optimizer,
    flat_state,
    learning_rate,
    load_flat_state,
)
from panodepth.training.tracking import Averages, RunLog, StopWatch, save_preview
from panodepth.training.validation import RenderedSet

# Data settings that say where the work is done, not what is seen: a resumed run may change them.
FREE_DATA_FIELDS = ("workers", "worker_threads", "render_device", "cache")
PREVIEW_IMAGES = 4
GUARD_LAG = 2  # steps that a GPU may run ahead of the check for not-a-number
MAX_EXPORT_MB = 20.0


@dataclass(frozen=True)
class TrainResult:
    """How a run ended. finished: all steps are done; weights: the exported file."""

    step: int
    finished: bool
    weights: Path
    scores: dict[str, dict[str, float]]


def build_network(config: NetworkConfig) -> SphereViT:
    """The preset with single fields changed, randomly initialised."""
    values = {**find_preset(config.preset).to_dict(), **config.overrides}
    return SphereViT(ModelConfig.from_dict(values))


def choose_device(run: RunConfig) -> torch.device:
    """The device of `run.device`; "auto" is CUDA where there is one, else the CPU."""
    name = run.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"run.device {name!r} is no device; use auto, cpu or cuda") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError("run.device is cuda, but this machine has none; use auto or cpu")
    return device


def use_bf16(run: RunConfig, device: torch.device) -> bool:
    """Whether to compute in bfloat16; "auto": on CUDA, and on CPUs with instructions for it."""
    if run.precision != "auto":
        return run.precision == "bf16"
    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return device.type == "cuda" or bool(probe and probe())


class Guard:
    """Notices a loss or gradient that is not a number; on a GPU some steps late, not to wait."""

    def __init__(self, lag: int) -> None:
        self._lag = lag
        self._open: deque[tuple[int, Tensor]] = deque()

    def add(self, step: int, finite: Tensor) -> int | None:
        """Note one step; returns the number of a bad one, if any is known by now."""
        self._open.append((step, finite))
        return self.check(self._lag)

    def check(self, lag: int = 0) -> int | None:
        """Look at all but the latest `lag` steps."""
        while len(self._open) > lag:
            step, finite = self._open.popleft()
            if not finite.item():
                return step
        return None


class Trainer:
    """One run. Construct, then `run()`; or use the function `train`."""

    def __init__(
        self, config: TrainConfig, *, renderer: Renderer | None = None, init: Path | None = None
    ) -> None:
        self.config = config
        self.out = Path(config.run.out)
        self.step = 0
        self.device = choose_device(config.run)
        self.bf16 = use_bf16(config.run, self.device)
        if config.run.threads:
            torch.set_num_threads(config.run.threads)
        torch.manual_seed(mix_seed(config.run.seed, 0))
        self.model = build_network(config.network)
        self._stop = threading.Event()
        self._guard = Guard(0 if self.device.type == "cpu" else GUARD_LAG)
        self.factory = ChunkFactory(config.data, renderer, cancelled=self._stop.is_set)
        self.stream = SceneStream(config.data, self.factory)
        self.watch = StopWatch()
        self.averages = Averages()
        self.rendered_set = RenderedSet(config.data, config.run.validate_count, renderer)
        self.scores: dict[str, dict[str, float]] = {}
        earlier = list_snapshots(self.out / "checkpoints")
        if init is not None and not earlier:
            initialise(self.model, init)
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
        stored = self.stream.stored(number)
        stored = stored._replace(
            image=stored.image.to(self.device, non_blocking=True),
            distance=stored.distance.to(self.device, non_blocking=True),
        )
        return augment(
            stored.decode(), self.config.augment, mix_seed(self.config.data.seed, 2, number)
        )

    def train_step(self) -> None:
        """One optimiser step.

        Raises `Cancelled` before anything has changed when a stop is asked for while waiting.
        """
        accumulate = self.config.optim.accumulate
        torch.manual_seed(mix_seed(self.config.run.seed, 3, self.step))
        with self.watch.part("data"):
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
        folder.mkdir(parents=True, exist_ok=True)
        numbers = range(
            step * self.config.optim.accumulate, (step + 1) * self.config.optim.accumulate
        )
        for number in numbers:
            batch = self.batch(number)
            tensors = {"image": batch.image, **batch.truth._asdict()}
            save_file(
                {k: v.detach().cpu().contiguous() for k, v in tensors.items()},
                folder / f"batch_{number}.safetensors",
            )
        scenes = {n: self.stream.scene_indices(n) for n in numbers}
        report = {"step": step, "scene_seed": self.config.data.seed, "scene_indices": scenes}
        (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n")
        raise PanodepthError(
            f"loss or gradient is not a number at step {step}; the batch is kept in {folder}, the "
            "last checkpoint is untouched: resume with a lower optim.lr"
        )

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


def check_same_data(before: dict[str, Any], config: TrainConfig, path: Path) -> None:
    """Raise ConfigError when a resumed run would see other data, or be another network."""
    now = config.to_dict()
    for table, free in (("network", ()), ("data", FREE_DATA_FIELDS)):
        for key, value in now[table].items():
            if key not in free and before[table].get(key, value) != value:
                raise ConfigError(
                    f"{table}.{key} is {value!r}, but checkpoint {path} was trained with "
                    f"{before[table][key]!r}; use another run.out (and --init to keep the weights)"
                )
    if before["optim"]["accumulate"] != config.optim.accumulate:
        raise ConfigError(f"optim.accumulate differs from that of checkpoint {path}")


def initialise(model: SphereViT, path: Path) -> None:
    """Start from the weights of a model file. Raises ModelError when they do not fit."""
    source = load_model(path, device="cpu", dtype=torch.float32)
    try:
        model.load_state_dict(source.state_dict())
    except RuntimeError as error:
        raise ModelError(f"weights {path} do not fit the network: {error}") from None


def train(
    config: TrainConfig, *, renderer: Renderer | None = None, init: str | Path | None = None
) -> TrainResult:
    """Train as configured, resuming from `run.out` when it holds a checkpoint.

    renderer: a function like `panodepth.scenes.render_batch` (the default), picklable when workers
    are used. init: a model file to start from, with a fresh optimiser; ignored on resuming.
    Raises PanodepthError subclasses.
    """
    config = dataclasses.replace(config)
    return Trainer(config, renderer=renderer, init=Path(init) if init else None).run()
