"""The loop around a run's steps: logging, saving, measuring, previews, and how it may end."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from panodepth.errors import PanodepthError, is_out_of_memory
from panodepth.lab.losses import Truth
from panodepth.lab.training.feed.rendering import Cancelled
from panodepth.lab.training.previews import draw_preview, save_picture
from panodepth.lab.training.rendered import RenderedSet
from panodepth.lab.training.tracking import RunLog
from panodepth.lab.training.trainer import Trainer, TrainResult

PREVIEW_IMAGES = 4
MAX_EXPORT_MB = 20.0


def run_training(trainer: Trainer) -> TrainResult:
    """Train to the last step, or until told to stop; always leaves a checkpoint and weights.

    Raises PanodepthError, one line, when memory or disk are not enough, data cannot be read or the
    loss is not a number; the last checkpoint is whole then.
    """
    relief = (
        "lower data.batch (and raise optim.accumulate), set run.checkpoint_activations=true, "
        "or lower data.height and data.width"
    )
    return run_guarded(trainer, lambda log: _Loop(trainer, log).run(), relief)


def run_guarded(trainer: Any, loop: Callable[[RunLog], TrainResult], relief: str) -> TrainResult:
    """Run `loop` with the log, the data and the signals of a trainer around it.

    trainer: ours, or an out-painter's. relief: what to change when memory is not enough.
    Raises PanodepthError as `run_training` does.
    """
    run = trainer.config.run
    silent = not trainer.engine.is_main
    try:
        with (
            RunLog(
                trainer.out, run.steps, trainer.step, silent=silent, board=run.tensorboard
            ) as log,
            trainer.stream,
            asked_by_signals(trainer.stopping.ask),
        ):
            return loop(log)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise PanodepthError(
            f"out of memory at step {trainer.step}: {relief}; the last checkpoint is kept"
        ) from error
    except OSError as error:
        raise PanodepthError(
            f"cannot write to {trainer.out}: {error.strerror or error}; the last checkpoint is kept"
        ) from error


@contextlib.contextmanager
def asked_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGINT and SIGTERM ask for a clean end, by `stop`; a second one ends at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: FrameType | None) -> None:
        stop()
        signal.signal(number, before[signal.Signals(number)])

    for s in before:
        signal.signal(s, ask)
    try:
        yield
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)


class _Loop:
    def __init__(self, trainer: Trainer, log: RunLog) -> None:
        self.trainer = trainer
        self.log = log
        self.run_config = trainer.config.run
        self.scores: dict[str, dict[str, float]] = {}
        self._rendered: RenderedSet | None = None
        self._last = (time.monotonic(), trainer.step)

    def run(self) -> TrainResult:
        trainer, run = self.trainer, self.run_config
        begun = time.monotonic()
        self.log.write("start", **self._facts())
        for note in trainer.notes:
            self.log.write("note", text=note)
        self._last = (time.monotonic(), trainer.step)
        while trainer.step < run.steps and not trainer.stopping.now:
            try:
                trainer.train_step()
            except Cancelled:
                break
            self.log.advance()
            if trainer.step % run.log_every == 0 or trainer.step == run.steps:
                self._write_progress()
            self._periodic()
            if run.max_minutes and time.monotonic() - begun > run.max_minutes * 60:
                trainer.stopping.ask()
        return self._end()

    def _end(self) -> TrainResult:
        trainer = self.trainer
        finished = trainer.step >= self.run_config.steps
        trainer.save()
        if finished:
            self._validate()
        weights = trainer.export()
        if trainer.engine.is_main:
            size = weights.stat().st_size / 1e6
            self.log.write("end", step=trainer.step, finished=finished, megabytes=size)
            if size > MAX_EXPORT_MB:
                self.log.write("note", text=f"{weights} is larger than {MAX_EXPORT_MB:.0f} MB")
        trainer.engine.wait()
        return TrainResult(trainer.step, finished, weights, self.scores)

    def _periodic(self) -> None:
        run, step = self.run_config, self.trainer.step
        if step == run.steps:
            return  # the end does it all
        if step % run.save_every == 0:
            self.trainer.save()
            self.trainer.export()
        if run.validate_every and step % run.validate_every == 0:
            self._validate()
        if run.preview_every and step % run.preview_every == 0:
            self._preview()

    def _write_progress(self) -> None:
        trainer = self.trainer
        now, (then, before) = (time.monotonic(), trainer.step), self._last
        steps = now[1] - before
        seconds = {k: v / steps for k, v in trainer.watch.take().items()}
        stream = trainer.stream
        means = trainer.engine.mean(trainer.averages.take())
        broken = trainer.engine.mean({"replaced": stream.replaced} if stream.readers else {})
        self.log.write(
            "train",
            step=trainer.step,
            **means,
            lr=trainer.rate,
            samples_per_s=steps * trainer.samples_per_step / max(now[0] - then, 1e-9),
            rendered=stream.factory.rendered,
            **{k: round(v * trainer.engine.world) for k, v in broken.items()},
            seconds_per_step=seconds,
        )
        for text in stream.news():
            self.log.write("note", text=text)
            if not trainer.engine.is_main:  # whose log is silent
                print(f"note: {text}", file=sys.stderr, flush=True)
        self._last = now

    def _facts(self) -> dict[str, Any]:
        trainer = self.trainer
        parameters = list(trainer.model.parameters())
        return {
            "step": trainer.step,
            "device": str(trainer.device),
            "processes": trainer.engine.world,
            "bf16": trainer.engine.bf16,
            "parameters": sum(p.numel() for p in parameters),
            "trained": sum(p.numel() for p in parameters if p.requires_grad),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "config": trainer.config.to_dict(),
        }

    def _validate(self) -> None:
        count = self.run_config.validate_count
        if not count:
            return
        model = self.trainer.averaged()
        if model is not None:
            data = self.trainer.config.data
            if self._rendered is None:
                self._rendered = RenderedSet(data, count, self.trainer.renderer)
            self.scores = self._rendered.score(lambda x: self._predict(model, x), data.batch)
            self.log.write("validate", step=self.trainer.step, rendered=self.scores)
        self.trainer.engine.wait()

    @torch.no_grad()
    def _predict(self, model: Any, image: Tensor) -> tuple[Tensor, Tensor | None]:
        """(B, 3, H, W) to log distance (B, H, W) float32 and sky logit or None."""
        with self.trainer.engine.autocast():
            output = model(image.to(next(model.parameters()).device))
        return output.log_distance.float(), output.sky_logit

    def _preview(self) -> None:
        model = self.trainer.averaged()
        if model is None:
            return
        # the last one drawn: what it needs is still in memory
        number = self.trainer.step * self.trainer.config.optim.accumulate - 1
        batch = self.trainer.batch(number)
        image = batch.image[:PREVIEW_IMAGES]
        log_distance = self._predict(model, image)[0].to(image.device)
        truth = Truth(*(x[:PREVIEW_IMAGES] for x in batch.truth))
        pixels = draw_preview(image, truth, log_distance)
        name = f"step_{self.trainer.step:08d}.png"
        save_picture(Path(self.run_config.out) / "previews" / name, pixels)
        if self.log.board is not None:
            self.log.board.picture(self.trainer.step, pixels)
