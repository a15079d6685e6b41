"""Train the perspective model of the fusion baseline within the budget of an end-to-end recipe.

    python baselines/fusion/train.py --out runs/perspective
    panodepth train --recipe recipes/ablations/full.toml  # its end-to-end rival

Preset, worlds, steps, pixels a step, times each world is seen, optimiser, schedule, average and
precision are the recipe's. Where it has one panorama of H × 2H, the perspective model has two views
of H × H and 90°, in directions in which it is used, turned by any yaw. README.md says what is left
different. Ctrl-C saves and the same command goes on. The result is OUT/model.safetensors.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from icosahedron import FOV_DEG, view_angles
from networks import perspective_config
from safetensors.torch import load_file, save_file
from torch import Tensor

from panodepth.atomic import atomic
from panodepth.device import choose_device
from panodepth.errors import ConfigError, PanodepthError
from panodepth.lab.losses import Truth, anchor, log_alignment, masked_mean
from panodepth.lab.training.config import TrainConfig, load_config
from panodepth.lab.training.engine import use_bf16
from panodepth.lab.training.feed.augment import augment
from panodepth.lab.training.feed.samples import Batch
from panodepth.lab.training.optimisation.optim import (
    MovingAverage,
    build_optimizer,
    flat_state,
    learning_rate,
    load_flat_state,
    set_learning_rate,
)
from panodepth.lab.worlds import ViewSpec, render_views
from panodepth.model import SphereViT, save_model

RECIPE = Path(__file__).parents[2] / "recipes" / "ablations" / "full.toml"
VIEWS = 2  # of each world: together as many pixels as its panorama
MODEL_FILE, STATE_FILE, LOG_FILE = "model.safetensors", "state.safetensors", "log.jsonl"
GRADIENT, ANCHOR, SKY = 0.5, 0.02, 0.2  # weights beside the distance term
ANCHOR_TARGET = 2.0  # as in panodepth.lab.losses
SCALES = 3  # of the gradient term: 1, 2 and 4 pixels


def directions(world: int) -> list[list[float]]:
    """Yaw, pitch, roll [rad] of a world's views: corners of an icosahedron, turned by any yaw."""
    random = np.random.default_rng([world, 77])
    chosen = view_angles()[random.choice(12, VIEWS, replace=False)]
    chosen[:, 0] += float(random.uniform(0, 2 * np.pi))
    angles: list[list[float]] = chosen.tolist()
    return angles


@torch.no_grad()
def render_block(config: TrainConfig, number: int, device: torch.device) -> Batch:
    """The views of the worlds that are new in step `number`; (worlds · VIEWS, ...)."""
    data, count = config.data, new_worlds(config)
    size, fov = (data.height, data.height), float(np.radians(FOV_DEG))
    made = []
    for world in range(number * count, (number + 1) * count):
        world += data.first_index
        spec = ViewSpec(size, fov, directions(world))
        film = render_views(
            data.seed, [world], spec, kind=data.kind, device=device, priors=data.priors
        )
        valid = film.distance[0] > 0
        truth = (torch.where(valid, film.distance[0], 1.0), valid, film.sky[0])
        made.append((film.image[0], *truth))
    image, distance, valid, sky = (torch.cat(parts) for parts in zip(*made, strict=True))
    return Batch(image, Truth(distance, valid, sky))


def new_worlds(config: TrainConfig) -> int:
    """Worlds that a step sees for the first time, as many as end to end.

    Raises ConfigError for a recipe of which views cannot have the same.
    """
    data = config.data
    if config.sources or data.heights or config.optim.accumulate > 1:
        raise ConfigError("views are of rendered worlds, of one height, one batch a step")
    if data.batch % data.reuse:
        raise ConfigError(f"data.batch = {data.batch} must be a multiple of reuse = {data.reuse}")
    return data.batch // data.reuse


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

    def __init__(self, config: TrainConfig, out: Path) -> None:
        self.config, self.out = config, out
        new_worlds(config)  # may raise
        self.device = choose_device(config.run.device)
        self.bf16 = use_bf16(config.run.precision, self.device)
        torch.manual_seed(config.run.seed)
        network = perspective_config(config.network.preset, config.data.height)
        self.model = SphereViT(network).to(self.device)
        self.optimizer = build_optimizer(self.model, config.optim, self.model.groups())
        self.average = MovingAverage(self.model, config.optim.ema)
        # Mirrored and recoloured as panoramas are; what turns a sphere, or lies at its poles or
        # its seam, has no counterpart.
        self.augment = replace(config.augment, roll=False, tilt=0.0, blur=0.0, nadir=0.0)
        self.step = 0
        self._blocks: dict[int, Batch] = {}
        if (out / STATE_FILE).is_file():
            self._resume()

    def batch(self) -> Batch:
        """The views of this step: those of its new worlds, and of the worlds just before."""
        reuse, known = self.config.data.reuse, self._blocks
        wanted = [max(0, self.step - k) for k in range(reuse)]
        self._blocks = {
            n: known.get(n) or render_block(self.config, n, self.device) for n in set(wanted)
        }
        first = (self.config.run.seed << 40) + self.step * reuse
        parts = [augment(self._blocks[n], self.augment, first + k) for k, n in enumerate(wanted)]
        truth = Truth(*(torch.cat(x) for x in zip(*(p.truth for p in parts), strict=True)))
        return Batch(torch.cat([p.image for p in parts]), truth)

    def train_step(self) -> Tensor:
        """Move the weights by one batch; returns the loss, (). Raises when it is not finite."""
        image, truth = self.batch()
        optim = self.config.optim
        rate = learning_rate(self.step, self.config.run.steps, optim)
        set_learning_rate(self.optimizer, rate)
        self.model.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            raw, logit, _ = self.model.forward_raw(image)
        sky_logit = None if logit is None else logit.float()
        loss = view_loss(raw.float() + ANCHOR_TARGET, sky_logit, truth)
        if not bool(torch.isfinite(loss)):
            raise PanodepthError(f"the loss of step {self.step} is not finite")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), optim.grad_clip)
        self.optimizer.step()
        self.average.update()
        self.step += 1
        return loss.detach()

    def identity(self) -> dict[str, Any]:
        """What a resumed run must share: all of the recipe but where it runs and what it keeps."""
        values: dict[str, Any] = json.loads(json.dumps(self.config.to_dict()))
        values["run"] = {key: values["run"][key] for key in ("steps", "seed")}
        return values

    def save(self) -> None:
        """The averaged model, and all that is needed to go on; each file whole or not there."""
        self.out.mkdir(parents=True, exist_ok=True)
        averaged = SphereViT(self.model.config)
        averaged.load_state_dict({n: t.cpu() for n, t in self.average.tensors().items()})
        about = {"trained": json.dumps({**self.identity(), "step": self.step})}
        save_model(averaged, self.out / MODEL_FILE, about)
        state = {f"model.{n}": t for n, t in self.model.state_dict().items()}
        state |= {f"average.{n}": t for n, t in self.average.tensors().items()}
        state |= {f"optim.{n}": t for n, t in flat_state(self.optimizer, self.model).items()}
        kept = {n: t.detach().cpu().contiguous() for n, t in state.items()}
        facts = {"step": str(self.step), "identity": json.dumps(self.identity())}
        with atomic(self.out / STATE_FILE) as (temporary,):
            save_file(kept, temporary, facts)

    def _resume(self) -> None:
        from safetensors import safe_open

        path = self.out / STATE_FILE
        with safe_open(path, "pt") as file:
            about = file.metadata()
        if json.loads(about["identity"]) != self.identity():
            raise ConfigError(f"{path}: of a run with another recipe; choose another --out")
        state = load_file(path, device=str(self.device))

        def part(name: str) -> dict[str, Tensor]:
            return {k.removeprefix(name): v for k, v in state.items() if k.startswith(name)}

        self.step = int(about["step"])
        self.model.load_state_dict(part("model."))
        self.average.load(part("average."), self.step)
        load_flat_state(self.optimizer, self.model, part("optim."))


def train_views(config: TrainConfig, out: Path) -> bool:
    """Train from where `out` left off; whether the end was reached. Raises PanodepthError."""
    from panodepth.progress import progress

    run, steps = Training(config, out), config.run.steps
    out.mkdir(parents=True, exist_ok=True)
    with (
        progress(steps, "step", first=run.step) as bar,
        (out / LOG_FILE).open("a", encoding="utf-8", buffering=1) as log,
    ):
        try:
            while run.step < steps:
                loss = float(run.train_step())
                log.write(json.dumps({"step": run.step, "loss": loss}) + "\n")
                bar.update(1)
                if run.step % config.run.save_every == 0:
                    run.save()
        except KeyboardInterrupt:
            print(f"stopped at step {run.step}; the same command goes on", file=sys.stderr)
        run.save()
    return run.step >= steps


def main(arguments: Sequence[str] | None = None) -> int:
    """Train to the end or to Ctrl-C; returns the exit code, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE")
    chosen = parser.parse_args(arguments)
    try:
        return 0 if train_views(load_config(chosen.recipe, chosen.settings), chosen.out) else 130
    except PanodepthError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
