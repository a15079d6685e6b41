"""Train the perspective model of the fusion baseline, or its end-to-end rival of equal budget.

    python baselines/fusion/train.py --out runs/perspective
    python baselines/fusion/train.py --out runs/end_to_end --network end-to-end

The perspective model sees pinhole views of our worlds in the directions in which it is used, turned
by any yaw. What both share is in budget.py; README.md says what is left different. Ctrl-C saves and
the same command goes on. The result is OUT/model.safetensors.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from budget import OPTIM, VIEW_AUGMENT, VIEWS, Budget, end_to_end_config
from icosahedron import FOV_DEG, view_angles
from networks import perspective_config
from safetensors.torch import load_file, save_file
from torch import Tensor

from panodepth.device import has_fast_bfloat16
from panodepth.errors import PanodepthError
from panodepth.losses import Truth, anchor, log_alignment, masked_mean
from panodepth.model import SphereViT, save_model
from panodepth.scenes import ViewSpec, render_views
from panodepth.training.augment import augment
from panodepth.training.optim import (
    MovingAverage,
    build_optimizer,
    flat_state,
    learning_rate,
    load_flat_state,
    set_learning_rate,
)
from panodepth.training.samples import Batch

MODEL_FILE, STATE_FILE, LOG_FILE = "model.safetensors", "state.safetensors", "log.jsonl"
GRADIENT, ANCHOR, SKY = 0.5, 0.02, 0.2  # weights beside the distance term
ANCHOR_TARGET = 2.0  # as in panodepth.losses
SCALES = 3  # of the gradient term: 1, 2 and 4 pixels


def directions(world: int) -> list[list[float]]:
    """Yaw, pitch, roll [rad] of a world's views: corners of an icosahedron, turned by any yaw."""
    random = np.random.default_rng([world, 77])
    chosen = view_angles()[random.choice(12, VIEWS, replace=False)]
    chosen[:, 0] += float(random.uniform(0, 2 * np.pi))
    angles: list[list[float]] = chosen.tolist()
    return angles


@torch.no_grad()
def render_block(budget: Budget, number: int) -> Batch:
    """The views of the worlds that are new in step `number`; (worlds · VIEWS, ...)."""
    size, fov = (budget.size, budget.size), float(np.radians(FOV_DEG))
    made = []
    for world in range(number * budget.worlds, (number + 1) * budget.worlds):
        spec = ViewSpec(size, fov, directions(world))
        film = render_views(budget.seed, [world], spec, device=budget.device)
        valid = film.distance[0] > 0
        truth = (torch.where(valid, film.distance[0], 1.0), valid, film.sky[0])
        made.append((film.image[0], *truth))
    image, distance, valid, sky = (torch.cat(parts) for parts in zip(*made, strict=True))
    return Batch(image, Truth(distance, valid, sky))


def view_loss(log_distance: Tensor, sky_logit: Tensor | None, truth: Truth) -> Tensor:
    """Mean over the batch of log L1 after median alignment, gradients, anchor and sky.

    log_distance, sky_logit: (B, s, s). Pixels of a view see nearly the same solid angle, so they
    count alike; borders are borders.
    """
    valid = truth.valid
    log_true = truth.distance.log()
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
            sky_logit, truth.sky.to(sky_logit.dtype), reduction="none"
        )
        total = total + SKY * wrong.mean(dim=(-2, -1))
    return total.mean()


class Training:
    """One run of the perspective model: its network, optimiser and average, kept in `out`."""

    def __init__(self, budget: Budget, out: Path) -> None:
        self.budget, self.out = budget, out
        torch.manual_seed(budget.seed)
        config = perspective_config(budget.preset, budget.size)
        self.model = SphereViT(config).to(budget.device)
        self.optimizer = build_optimizer(self.model, OPTIM, config.depth)
        self.average = MovingAverage(self.model, OPTIM.ema)
        self.device = torch.device(budget.device)
        self.bf16 = has_fast_bfloat16(self.device)
        self.step = 0
        self._blocks: dict[int, Batch] = {}
        if (out / STATE_FILE).is_file():
            self._resume()

    def batch(self) -> Batch:
        """The views of this step: those of its new worlds, and of the worlds just before."""
        budget = self.budget
        wanted = [max(0, self.step - k) for k in range(budget.reuse)]
        known = self._blocks
        self._blocks = {n: known.get(n) or render_block(budget, n) for n in set(wanted)}
        seeds = [(budget.seed << 40) + self.step * budget.reuse + k for k in range(len(wanted))]
        parts = [
            augment(self._blocks[n], VIEW_AUGMENT, s) for n, s in zip(wanted, seeds, strict=True)
        ]
        truth = Truth(*(torch.cat(x) for x in zip(*(p.truth for p in parts), strict=True)))
        return Batch(torch.cat([p.image for p in parts]), truth)

    def train_step(self) -> Tensor:
        """Move the weights by one batch; returns the loss, (). Raises when it is not finite."""
        image, truth = self.batch()
        set_learning_rate(self.optimizer, learning_rate(self.step, self.budget.steps, OPTIM))
        self.model.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            raw, logit = self.model.forward_raw(image)
        loss = view_loss(
            raw.float() + ANCHOR_TARGET, None if logit is None else logit.float(), truth
        )
        if not bool(torch.isfinite(loss)):
            raise PanodepthError(f"the loss of step {self.step} is not finite")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), OPTIM.grad_clip)
        self.optimizer.step()
        self.average.update()
        self.step += 1
        return loss.detach()

    def save(self) -> None:
        """The averaged model, and all that is needed to go on; each file whole or not there."""
        self.out.mkdir(parents=True, exist_ok=True)
        averaged = SphereViT(self.model.config)
        averaged.load_state_dict({n: t.cpu() for n, t in self.average.tensors().items()})
        about = {"trained": json.dumps({**asdict(self.budget), "step": self.step})}
        save_model(averaged, self.out / MODEL_FILE, about)
        state = {f"model.{n}": t for n, t in self.model.state_dict().items()}
        state |= {f"average.{n}": t for n, t in self.average.tensors().items()}
        state |= {f"optim.{n}": t for n, t in flat_state(self.optimizer, self.model).items()}
        temporary = self.out / f".{STATE_FILE}.tmp"
        kept = {n: t.detach().cpu().contiguous() for n, t in state.items()}
        save_file(
            kept, temporary, {"step": str(self.step), "budget": json.dumps(asdict(self.budget))}
        )
        temporary.replace(self.out / STATE_FILE)

    def _resume(self) -> None:
        from safetensors import safe_open

        path = self.out / STATE_FILE
        with safe_open(path, "pt") as file:
            about = file.metadata()
        if json.loads(about["budget"]) != asdict(self.budget):
            raise PanodepthError(f"{path}: of a run with another budget; choose another --out")
        state = load_file(path, device=self.budget.device)

        def part(name: str) -> dict[str, Tensor]:
            return {k.removeprefix(name): v for k, v in state.items() if k.startswith(name)}

        self.step = int(about["step"])
        self.model.load_state_dict(part("model."))
        self.average.load(part("average."), self.step)
        load_flat_state(self.optimizer, self.model, part("optim."))


def train_perspective(budget: Budget, out: Path) -> bool:
    """Train from where `out` left off; whether the end was reached. Raises PanodepthError."""
    from tqdm import tqdm

    run = Training(budget, out)
    out.mkdir(parents=True, exist_ok=True)
    steps = budget.steps
    bar = tqdm(total=steps, initial=run.step, unit="step", disable=not sys.stderr.isatty())
    with bar, (out / LOG_FILE).open("a", encoding="utf-8") as log:
        try:
            while run.step < steps:
                loss = float(run.train_step())
                log.write(json.dumps({"step": run.step, "loss": loss}) + "\n")
                bar.update(1)
                if run.step % budget.save_every == 0:
                    log.flush()
                    run.save()
        except KeyboardInterrupt:
            print(f"stopped at step {run.step}; the same command goes on", file=sys.stderr)
        run.save()
    return run.step >= steps


def train_end_to_end(budget: Budget, out: Path) -> bool:
    """The same for the whole panorama's network: `panodepth train` within the budget."""
    from panodepth.training.trainer import train

    return train(end_to_end_config(budget, out)).finished


NETWORKS = {"perspective": train_perspective, "end-to-end": train_end_to_end}


def main(arguments: Sequence[str] | None = None) -> int:
    """Train to the end or to Ctrl-C; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--network", choices=NETWORKS, default="perspective")
    for name, value in asdict(Budget()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    chosen = vars(parser.parse_args(arguments))
    out, train_network = chosen.pop("out"), NETWORKS[chosen.pop("network")]
    try:
        return 0 if train_network(Budget(**chosen), out) else 1
    except PanodepthError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
