"""One training run of a task, resumable at every step.

Everything random comes from (seed, step) or (seed, batch number), so a run that was stopped and
resumed computes what an uninterrupted one would have. A step of a process uses its batches number
step * accumulate onwards (feed/stream.py). What is trained is in the task, processes and precision
are in engine.py.
"""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from panodepth.atomic import atomic
from panodepth.errors import ModelError, PanodepthError, is_out_of_memory
from panodepth.jobs.lock import only_run
from panodepth.lab.training.checkpoint import (
    Snapshot,
    check_resumable,
    clear_leftovers,
    list_snapshots,
    load_snapshot,
    save_snapshot,
)
from panodepth.lab.training.engine import Engine, launched_first, lost_process
from panodepth.lab.training.feed.rendering import Cancelled
from panodepth.lab.training.feed.samples import mix_seed
from panodepth.lab.training.feed.stream import SampleStream
from panodepth.lab.training.guard import keep_evidence, not_finite
from panodepth.lab.training.optimisation.optim import flat_state, load_flat_state, set_learning_rate
from panodepth.lab.training.stopping import Stopping, asked_by_signals
from panodepth.lab.training.task import Task
from panodepth.lab.training.tracking import Averages, RunLog, StopWatch, is_logged

LOCK = "train"  # one run a folder
KEPT = "the last checkpoint is kept"


@dataclass(frozen=True)
class TrainResult:
    """How a run ended. finished: all steps are done; weights: the exported file.

    signal: number of the one that asked for the end before that; None = the time limit, or none.
    """

    step: int
    finished: bool
    weights: Path
    signal: int | None = None
    scores: dict[str, dict[str, float]] = field(default_factory=dict)

    def summary(self) -> str:
        """One line for people."""
        if self.finished:
            return f"finished at step {self.step}: {self.weights}"
        return f"stopped at step {self.step}: {self.weights}; the same command goes on from there"


class Trainer:
    """One run of a task, from the last checkpoint in `run.out` if there is one.

    With several processes each has one, and all of them call the same methods. Raises
    PanodepthError subclasses when the run cannot start. quiet: print nothing but errors.
    """

    def __init__(self, task: Task[Any], *, quiet: bool = False) -> None:
        self.task, self.config, self.quiet = task, task.config, quiet
        self.out = Path(self.config.run.out)
        self.step = 0
        self.rate = 0.0  # learning rate of the last step
        self.scores: dict[str, dict[str, float]] = {}
        self.unvalidated = False  # a kill came between the last checkpoint and its scores
        if self.out.is_dir():
            with only_run(self.out, LOCK) if launched_first() else contextlib.nullcontext():
                pass  # fails now rather than after everything is loaded
        self.engine = Engine(
            self.config.run.device, task.precision, unused_parameters=task.unused_parameters
        )
        self.device = self.engine.device
        self.stopping = Stopping(self.engine)
        self.watch = StopWatch()
        self.averages = Averages()
        rank, world = self.engine.rank, self.engine.world
        self.stream = SampleStream(
            self.config, task.renderer, self.stopping.cancelled, rank=rank, world=world
        )
        if self.stream.factory.stale_cache:
            folder = self.config.data.cache
            task.start_messages.append(f"{folder} was filled by another state of the scene code")
        self._prepare()

    def _prepare(self) -> None:
        earlier = list_snapshots(self.out / "checkpoints")
        snapshot = load_snapshot(earlier[-1]) if earlier else None
        if snapshot is None:
            self.task.prepare(self.engine, None)
            return
        path = earlier[-1]
        every = self.task.validate_every
        due = every and snapshot.step % every == 0 and snapshot.step < self.config.run.steps
        self.unvalidated = bool(due) and not is_logged(self.out, "validate", snapshot.step)
        check_resumable(snapshot.state, self.config, self.task.fixed, self.engine.world, path)
        if self.task.init is not None:
            self.task.start_messages.append(f"resuming from {path}: {self.task.init} is not used")
        try:
            self.task.prepare(self.engine, snapshot)
            optimizer = snapshot.tensors["optimizer"]
            load_flat_state(self.task.optimizer, self.task.model, optimizer)
        except (KeyError, RuntimeError) as error:
            text = f"checkpoint {path} does not fit the network: {error}"
            raise ModelError(text) from None
        self.step = snapshot.step

    # ------------------------------------------------------------ one step

    def batch(self, number: int) -> Any:
        """Batch `number` of this process, as the task's loss takes it."""
        with self.watch.part("wait"):
            stored = self.stream.stored(number)
        with self.watch.part("augment"):
            return self.task.batch(stored, self._seed(self.task.batch_seed, number))

    def _seed(self, purpose: int, number: int) -> int:
        of_all = number * self.engine.world + self.engine.rank
        return mix_seed(self.config.data.seed, purpose, of_all, self.config.run.seed)

    def _batches(self, step: int) -> dict[int, Any]:
        """Those of one step, number to batch: the same whenever they are made."""
        torch.manual_seed(mix_seed(self.config.run.seed, 3, step))
        accumulate = self.config.optim.accumulate
        return {n: self.batch(n) for n in range(step * accumulate, (step + 1) * accumulate)}

    def train_step(self) -> None:
        """One optimiser step.

        Raises `Cancelled` before anything has changed when a stop is asked for while waiting.
        """
        task = self.task
        batches = self._batches(self.step)
        finite = torch.ones((), dtype=torch.bool, device=self.device)
        last = max(batches)
        for number, batch in batches.items():
            with self.engine.gather_gradients(task.wrapped, now=number == last):
                with self.watch.part("forward"):
                    loss, terms = task.loss(batch, self._seed(task.loss_seed, number))
                with self.watch.part("backward"):
                    self.engine.accelerator.backward(loss / len(batches))
            finite &= torch.isfinite(loss.detach())
            self.averages.add({"loss": loss.detach(), **terms})
        with self.watch.part("optimizer"):
            norm = self.engine.clip(task.model, self.config.optim.grad_clip)
            bad = self.stopping.add(self.step, finite & torch.isfinite(norm))
            if bad is not None:
                self._fail(bad)
            self.rate = task.rate(self.step)
            set_learning_rate(task.optimizer, self.rate)
            task.stepper.step()
            task.stepper.zero_grad(set_to_none=True)
            task.after_step()
        self.averages.add({"grad_norm": norm})
        self.step += 1

    def _fail(self, step: int) -> None:
        """Save the batches of a bad step and stop."""
        folder = self.out / f"not_finite_step_{step:08d}"
        batches = self._batches(step)
        samples = {n: self.stream.describe(n) for n in batches}
        facts = {"step": step, "scene_seed": self.config.data.seed, "rank": self.engine.rank}
        keep_evidence(folder, batches, samples, facts)
        raise not_finite(step, folder)

    @property
    def samples_per_step(self) -> int:
        """Panoramas that one step of all processes sees."""
        return self.config.data.batch * self.config.optim.accumulate * self.engine.world

    def save(self) -> None:
        """Write a checkpoint; refuses when a step is known to have gone wrong."""
        if (bad := self.stopping.check()) is not None:
            self._fail(bad)
        task = self.task
        stems = {**task.weights(), "optimizer": flat_state(task.optimizer, task.model)}
        tensors = {stem: self.engine.gather(values) for stem, values in stems.items()}
        state = {**task.state(), "processes": self.engine.world, "config": self.config.to_dict()}
        if self.engine.is_main:
            snapshot = Snapshot(self.step, tensors, state)
            save_snapshot(snapshot, self.out / "checkpoints", self.config.run.keep)

    def export(self) -> Path:
        """Write the file that the run is for."""
        return self.task.export(self.step, self.step * self.samples_per_step)

    # ------------------------------------------------------------ the loop around the steps

    def run(self) -> TrainResult:
        """Train to the last step, or until told to stop; always leaves a checkpoint and weights.

        Raises PanodepthError, one line, when memory or disk are not enough, data cannot be read or
        the loss is not a number; the last checkpoint is whole then.
        """
        run, main, first = self.config.run, self.engine.is_main, self.step
        lock = only_run(self.out, LOCK) if main else contextlib.nullcontext()
        try:
            with (
                # while all is closed, too: a launcher sends SIGTERM as soon as one process is gone
                asked_by_signals(self.stopping.ask),
                lock,
                RunLog(
                    *(self.out, run.steps, first),
                    silent=not main,
                    quiet=self.quiet,
                    board=run.tensorboard,
                ) as log,
                self.stream,
            ):
                return self._loop(log)
        except (RuntimeError, MemoryError) as error:
            if lost_process(error):
                text = (
                    "another process of the run is gone: its own error or the system's log says why"
                )
                raise PanodepthError(f"{text}; at step {self.step}, {KEPT}") from error
            if not is_out_of_memory(error):
                raise
            text = f"out of memory at step {self.step}: {self.task.memory_advice}"
            raise PanodepthError(f"{text}; {KEPT}") from error
        except OSError as error:
            text = f"cannot write to {self.out}: {error.strerror or error}"
            raise PanodepthError(f"{text}; {KEPT}") from error

    def _loop(self, log: RunLog) -> TrainResult:
        run, begun = self.config.run, time.monotonic()
        if self.engine.is_main:
            clear_leftovers(self.out, time.time())
        log.write("start", **self._facts())
        for message in self.task.start_messages:
            log.write("note", text=message)
        if self.unvalidated:
            self._validate(log)
        logged_at, logged_step = time.monotonic(), self.step
        while self.step < run.steps and not self.stopping.now:
            try:
                self.train_step()
            except Cancelled:
                break
            log.advance()
            if self.step % run.log_every == 0 or self.step == run.steps:
                self._write_progress(log, time.monotonic() - logged_at, self.step - logged_step)
                logged_at, logged_step = time.monotonic(), self.step
            self._periodic(log)
            if run.max_minutes and time.monotonic() - begun > run.max_minutes * 60:
                self.stopping.ask()
        log.check()
        self.save()
        finished = self.step >= run.steps
        if finished:
            self._validate(log)
        weights = self.export()
        if self.engine.is_main:
            size = weights.stat().st_size / 1e6
            log.write("end", step=self.step, finished=finished, megabytes=size)
        self.engine.wait()
        signal = None if finished else self.stopping.signal
        return TrainResult(self.step, finished, weights, signal, self.scores)

    def _facts(self) -> dict[str, Any]:
        parameters = list(self.task.model.parameters())
        return {
            "step": self.step,
            "device": str(self.device),
            "processes": self.engine.world,
            "parameters": sum(p.numel() for p in parameters),
            "trained": sum(p.numel() for p in parameters if p.requires_grad),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            **self.task.facts(),
            "config": self.config.to_dict(),
        }

    def _write_progress(self, log: RunLog, seconds: float, steps: int) -> None:
        """seconds, steps: since the last time."""
        stream, engine = self.stream, self.engine
        means = engine.mean(self.averages.take())
        replaced = engine.mean({"replaced": stream.replaced} if stream.readers else {})
        log.write(
            "train",
            step=self.step,
            **means,
            lr=self.rate,
            samples_per_s=steps * self.samples_per_step / max(seconds, 1e-9),
            rendered=stream.factory.rendered,
            **{k: round(v * engine.world) for k, v in replaced.items()},
            seconds_per_step={k: v / steps for k, v in self.watch.take().items()},
        )
        for text in stream.new_problems():
            log.write("note", text=text)
            if not engine.is_main:  # whose log is silent
                print(f"note: {text}", file=sys.stderr, flush=True)

    def _periodic(self, log: RunLog) -> None:
        run, step, validate_every = self.config.run, self.step, self.task.validate_every
        if step % run.save_every == 0 and step < run.steps:  # the end saves and measures anyway
            log.check()
            self.save()
            self.export()
        if validate_every and step % validate_every == 0 and step < run.steps:
            self._validate(log)
        if run.preview_every and step % run.preview_every == 0:
            self._preview(log)

    def _validate(self, log: RunLog) -> None:
        told_before = set(self.task.broken)
        scores = self.task.validate()
        for name, text in self.task.broken.items():
            if name not in told_before:
                log.write("note", text=f"held_out.{name}: left out, the first sample: {text}")
        if scores is not None:
            self.scores = scores
            own = {name: scores[name] for name in self.task.held_out if name in scores}
            rendered = {name: found for name, found in scores.items() if name not in own}
            told = {"rendered": rendered, "held_out": own}
            log.write("validate", step=self.step, **{k: v for k, v in told.items() if v})
        self.engine.wait()

    def _preview(self, log: RunLog) -> None:
        from PIL import Image

        # the last batch: what it needs is still in memory
        last = self.step * self.config.optim.accumulate - 1
        batch = self.batch(last) if self.engine.is_main else None
        picture = self.task.preview(batch)
        if picture is not None:
            with atomic(self.out / "previews" / f"step_{self.step:08d}.png") as (file,):
                Image.fromarray(picture).save(file, format="PNG")
            if log.board is not None:
                log.board.picture(self.step, picture)
        self.engine.wait()
