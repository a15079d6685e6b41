"""The loop around the steps of an out-painter's training: logging, saving, previews, the end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from panodepth.lab.curation.outpainters.painter import blend, sample
from panodepth.lab.curation.outpainters.settings import PaintSettings
from panodepth.lab.training.feed.rendering import Cancelled
from panodepth.lab.training.loop import run_guarded
from panodepth.lab.training.outpainter.trainer import OutpainterTrainer
from panodepth.lab.training.previews import save_picture
from panodepth.lab.training.tracking import RunLog
from panodepth.lab.training.trainer import TrainResult
from panodepth.types import ByteArray


def run_outpainter(trainer: OutpainterTrainer) -> TrainResult:
    """Train to the last step, or until told to stop. Raises PanodepthError, one line."""
    relief = "lower data.batch (and raise optim.accumulate), or data.height and data.width"
    return run_guarded(trainer, lambda log: _loop(trainer, log), relief)


def _loop(trainer: OutpainterTrainer, log: RunLog) -> TrainResult:
    run = trainer.config.run
    log.write("start", **_facts(trainer))
    then, before = time.monotonic(), trainer.step
    while trainer.step < run.steps and not trainer.stopping.now:
        try:
            trainer.train_step()
        except Cancelled:
            break
        log.advance()
        if trainer.step % run.log_every == 0 or trainer.step == run.steps:
            means = trainer.engine.mean(trainer.averages.take())
            now = time.monotonic()
            rate = (trainer.step - before) * _per_step(trainer) / max(now - then, 1e-9)
            log.write("train", step=trainer.step, **means, lr=trainer.rate, samples_per_s=rate)
            for text in trainer.stream.news():
                log.write("note", text=text)
            then, before = now, trainer.step
        if run.preview_every and trainer.step % run.preview_every == 0:
            _preview(trainer, log)
        if trainer.step % run.save_every == 0 and trainer.step < run.steps:
            trainer.save()
            trainer.export()
    trainer.save()
    finished = trainer.step >= run.steps
    weights = trainer.export()
    log.write("end", step=trainer.step, finished=finished)
    trainer.engine.wait()
    return TrainResult(trainer.step, finished, weights, {})


def _per_step(trainer: OutpainterTrainer) -> int:
    config = trainer.config
    return config.data.batch * config.optim.accumulate * trainer.engine.world


def _facts(trainer: OutpainterTrainer) -> dict[str, Any]:
    return {
        "step": trainer.step,
        "device": str(trainer.device),
        "processes": trainer.engine.world,
        "model": trainer.weights.model,
        "licence": trainer.licence.name,
        "parameters": sum(p.numel() for p in trainer.model.parameters()),
        "trained": sum(p.numel() for p in trainer.trained.values()),
        "torch": torch.__version__,
        "config": trainer.config.to_dict(),
    }


def _preview(trainer: OutpainterTrainer, log: RunLog) -> None:
    """The first panorama of the last batch: what is shown, what is painted, what is there."""
    if trainer.engine.is_main:
        picture = draw_preview(trainer)
        save_picture(trainer.out / "previews" / f"step_{trainer.step:08d}.png", picture)
        if log.board is not None:
            log.board.picture(trainer.step, picture)
    trainer.engine.wait()


@torch.no_grad()
def draw_preview(trainer: OutpainterTrainer) -> ByteArray:
    """(3 H, W, 3) uint8."""
    config, base = trainer.config, trainer.base
    batch = trainer.batch(trainer.step * config.optim.accumulate - 1)
    image, known = batch.image[:1].to(base.device), batch.known[:1].to(base.device)
    settings = PaintSettings(steps=config.run.preview_steps)
    wrapped, base.call = base.call, base.transformer  # other processes do not take part
    base.transformer.eval()
    painted = sample(base, image, known, trainer.prompts, settings, seed=0)
    base.transformer.train()
    base.call = wrapped
    truth = _bytes(image)
    covered = known[0, 0].bool().cpu().numpy()
    filled = blend(_pixels(painted), truth, covered)
    shown = np.where(covered[..., None], truth, np.uint8(0))
    return np.concatenate((shown, filled, truth))


def _pixels(image: torch.Tensor) -> Any:
    """(1, 3, H, W) in [-1, 1] to (H, W, 3) float32 in 0 .. 255."""
    scaled = (image[0].float().clamp(-1, 1) + 1) * 127.5
    return np.ascontiguousarray(scaled.permute(1, 2, 0).cpu().numpy())


def _bytes(image: torch.Tensor) -> ByteArray:
    return np.asarray(np.rint(_pixels(image)), np.uint8)


def train_outpainter(recipe: str | Path, settings: list[str]) -> OutpainterTrainer:
    """A run that is ready to go: `.run()` trains, from where its `run.out` left off."""
    from panodepth.lab.training.outpainter.config import load_outpainter

    return OutpainterTrainer(load_outpainter(recipe, settings))
