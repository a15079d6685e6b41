"""Train the perspective model that the fusion baseline needs, on rendered views of our worlds.

    python baselines/fusion/train.py --out runs/perspective --images 480000

The counterpart of recipes/compact.toml for pinhole views: the same preset without its sphere, the
same worlds and seeds, optimiser, schedule, precision of the loss, and number of images seen; the
views look in the directions in which they are used, turned by any yaw. Ctrl-C saves and the same
command goes on. README.md says what is left different.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from icosahedron import FOV_DEG, view_angles
from networks import perspective_config
from safetensors.torch import load_file, save_file
from torch import Tensor

from panodepth.errors import PanodepthError
from panodepth.losses import anchor, log_alignment, masked_mean
from panodepth.model import SphereViT, save_model
from panodepth.scenes import ViewSpec, render_views
from panodepth.training.config import OptimConfig
from panodepth.training.optim import (
    MovingAverage,
    build_optimizer,
    flat_state,
    learning_rate,
    load_flat_state,
    set_learning_rate,
)

MODEL_FILE, STATE_FILE, LOG_FILE = "model.safetensors", "state.safetensors", "log.jsonl"
GRADIENT, ANCHOR, SKY = 0.5, 0.02, 0.2  # weights beside the distance term
ANCHOR_TARGET = 2.0  # as in panodepth.losses
SCALES = 3  # of the gradient term: 1, 2 and 4 pixels


@dataclass(frozen=True)
class Recipe:
    """images: seen in all. size: pixels a side. worlds: per batch, each with `views` views.

    seed: of the worlds; that of the panorama's training. device: renders and trains.
    """

    images: int = 480_000
    preset: str = "compact"
    size: int = 126
    worlds: int = 8
    views: int = 4
    seed: int = 0
    device: str = "cpu"
    save_every: int = 500

    @property
    def steps(self) -> int:
        """Batches in all."""
        return max(1, self.images // (self.worlds * self.views))


def directions(step: int, count: int) -> Tensor:
    """(count, 3) yaw, pitch, roll [rad] of a step's views: icosahedron's corners, any yaw."""
    random = np.random.default_rng([step, 77])
    chosen = view_angles()[random.choice(12, count, replace=False)].clone()
    chosen[:, 0] += float(random.uniform(0, 2 * np.pi))
    return chosen


def view_loss(log_distance: Tensor, sky_logit: Tensor | None, truth: Tensor, sky: Tensor) -> Tensor:
    """Mean over the batch of log L1 after median alignment, gradients, anchor and sky.

    log_distance, sky_logit, truth, sky: (B, s, s); truth in metres, 0 in the sky. Pixels of a view
    see nearly the same solid angle, so they count alike; borders are borders.
    """
    valid = truth > 0
    log_true = torch.where(valid, truth, 1.0).log()
    ones = torch.ones_like(log_true[0])
    offset = log_alignment(log_distance, log_true, valid)
    residual = log_distance + offset[:, None, None] - log_true
    total = masked_mean(residual.abs(), valid, ones)
    total = total + ANCHOR * anchor(log_distance, valid, ones, ANCHOR_TARGET)
    for step in (2**k for k in range(SCALES)):
        for axis in (-1, -2):
            n = residual.shape[axis] - step
            a, b = residual.narrow(axis, 0, n), residual.narrow(axis, step, n)
            pair = valid.narrow(axis, 0, n) & valid.narrow(axis, step, n)
            part = masked_mean((b - a).abs(), pair, torch.ones_like(a[0]))
            total = total + GRADIENT / (2 * SCALES) * part
    if sky_logit is not None:
        wrong = torch.nn.functional.binary_cross_entropy_with_logits(
            sky_logit, sky.to(sky_logit.dtype), reduction="none"
        )
        total = total + SKY * wrong.mean(dim=(-2, -1))
    return total.mean()


class Training:
    """One run: its network, optimiser and average, and where they are kept."""

    def __init__(self, recipe: Recipe, out: Path, optim: OptimConfig) -> None:
        self.recipe, self.out, self.optim = recipe, out, optim
        torch.manual_seed(recipe.seed)
        self.model = SphereViT(perspective_config(recipe.preset, recipe.size)).to(recipe.device)
        self.optimizer = build_optimizer(self.model, optim, self.model.config.depth)
        self.average = MovingAverage(self.model, optim.ema)
        self.step = 0
        if (out / STATE_FILE).is_file():
            self._resume()

    def train_step(self) -> float:
        """Render a batch, move the weights, return the loss."""
        recipe, step = self.recipe, self.step
        worlds = range(step * recipe.worlds, (step + 1) * recipe.worlds)
        angles = directions(step, recipe.views).tolist()
        spec = ViewSpec((recipe.size, recipe.size), float(np.radians(FOV_DEG)), angles)
        with torch.no_grad():
            batch = render_views(recipe.seed, list(worlds), spec, device=recipe.device)
        image, truth, sky = (x.flatten(0, 1) for x in (batch.image, batch.distance, batch.sky))
        set_learning_rate(self.optimizer, learning_rate(step, recipe.steps, self.optim))
        self.model.train()
        raw, logit = self.model.forward_raw(image)
        loss = view_loss(raw.float() + ANCHOR_TARGET, logit, truth, sky)
        if not bool(torch.isfinite(loss)):
            raise PanodepthError(f"the loss of step {step} is not finite; lower the learning rate")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.optim.grad_clip)
        self.optimizer.step()
        self.average.update()
        self.step += 1
        return float(loss.detach())

    def save(self) -> None:
        """The averaged model, and all that is needed to go on; each file whole or not there."""
        self.out.mkdir(parents=True, exist_ok=True)
        averaged = SphereViT(self.model.config)
        averaged.load_state_dict({n: t.cpu() for n, t in self.average.tensors().items()})
        about = {"trained": json.dumps({**asdict(self.recipe), "step": self.step})}
        save_model(averaged, self.out / MODEL_FILE, about)
        state = {f"model.{n}": t for n, t in self.model.state_dict().items()}
        state |= {f"average.{n}": t for n, t in self.average.tensors().items()}
        state |= {f"optim.{n}": t for n, t in flat_state(self.optimizer, self.model).items()}
        temporary = self.out / f".{STATE_FILE}.tmp"
        kept = {n: t.detach().cpu().contiguous() for n, t in state.items()}
        save_file(
            kept, temporary, {"step": str(self.step), "recipe": json.dumps(asdict(self.recipe))}
        )
        temporary.replace(self.out / STATE_FILE)

    def _resume(self) -> None:
        from safetensors import safe_open

        path = self.out / STATE_FILE
        with safe_open(path, "pt") as file:
            about = file.metadata()
        if json.loads(about["recipe"]) != asdict(self.recipe):
            raise PanodepthError(f"{path}: of a run with another recipe; choose another --out")
        state = load_file(path, device=self.recipe.device)

        def part(name: str) -> dict[str, Tensor]:
            return {k.removeprefix(name): v for k, v in state.items() if k.startswith(name)}

        self.step = int(about["step"])
        self.model.load_state_dict(part("model."))
        self.average.load(part("average."), self.step)
        load_flat_state(self.optimizer, self.model, part("optim."))


def main(arguments: Sequence[str] | None = None) -> int:
    """Train to the end or to Ctrl-C; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    for name, value in asdict(Recipe()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    parser.add_argument("--lr", type=float, default=1e-3)
    chosen = vars(parser.parse_args(arguments))
    out, rate = chosen.pop("out"), chosen.pop("lr")
    # The optimiser of recipes/compact.toml.
    optim = OptimConfig(lr=rate, beta2=0.98, schedule="trapezoid", warmup=300, ema=0.999)
    try:
        run = Training(Recipe(**chosen), out, optim)
        _loop(run)
    except PanodepthError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _loop(run: Training) -> None:
    from tqdm import tqdm

    run.out.mkdir(parents=True, exist_ok=True)
    steps = run.recipe.steps
    bar = tqdm(total=steps, initial=run.step, unit="step", disable=not sys.stderr.isatty())
    with bar, (run.out / LOG_FILE).open("a", encoding="utf-8") as log:
        try:
            while run.step < steps:
                loss = run.train_step()
                log.write(json.dumps({"step": run.step, "loss": loss}) + "\n")
                bar.update(1)
                if run.step % run.recipe.save_every == 0:
                    run.save()
        except KeyboardInterrupt:
            print(f"stopped at step {run.step}; the same command goes on", file=sys.stderr)
        run.save()


if __name__ == "__main__":
    sys.exit(main())
