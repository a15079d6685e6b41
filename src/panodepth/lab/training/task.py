"""What a run trains: everything in which one kind of training differs from another."""

from __future__ import annotations

import importlib.util
import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from panodepth.device import choose_device
from panodepth.errors import ConfigError, OutputError
from panodepth.lab.evaluation.worlds import Renderer
from panodepth.lab.training.checkpoint import Snapshot
from panodepth.lab.training.config import AdamWConfig, LoopConfig, Recipe
from panodepth.lab.training.engine import Engine
from panodepth.lab.training.feed.samples import Stored, mix_seed
from panodepth.lab.training.optimisation.optim import MovingAverage, learning_rate
from panodepth.types import ByteArray

B = TypeVar("B")


class Task(ABC, Generic[B]):
    """A network with its batches (of type B), its loss and the file that comes out.

    The constructor checks that the run can start; `prepare` brings the network to the device. All
    processes of a run call the same methods in the same order.

    memory_advice: what to change when memory is not enough.
    fixed: tables of the recipe, or TABLE.KEY, that a resumed run may not change.
    batch_seed, loss_seed: numbers that keep the random draws of batches and losses apart.
    precision: as in `run.precision`.
    unused_parameters: whether some trained parameter may stay without a gradient.
    validate_every: steps; 0 = only at the end.
    init: weights to start from.
    held_out: groups of `validate` that are not of rendered worlds.
    """

    memory_advice = "lower data.batch (and raise optim.accumulate), or data.height and data.width"
    fixed: tuple[str, ...] = ()
    batch_seed, loss_seed = 2, 5
    precision = "fp32"
    unused_parameters = False
    validate_every = 0
    renderer: Renderer | None = None
    init: Path | None = None
    held_out: tuple[str, ...] = ()
    model: Any  # the network itself, whose names stand in checkpoints
    wrapped: Any  # what is called instead of it: the network, or DDP or FSDP around it
    stepper: Any  # what makes the optimiser's steps
    engine: Engine

    def __init__(self, config: Recipe) -> None:
        """Raises ConfigError or OutputError when no run can start from the recipe here."""
        check_render_device(config.data.render_device)
        check_output(config.run)
        if config.run.threads:
            torch.set_num_threads(config.run.threads)
        self.config = config
        self.out = Path(config.run.out)
        self.start_messages: list[str] = []  # logged when the run starts
        self.broken: dict[str, str] = {}  # group that is held out -> what its first one is

    @abstractmethod
    def prepare(self, engine: Engine, snapshot: Snapshot | None) -> None:
        """Bring the network to the device, with the weights of `snapshot`; make the optimiser.

        Ends with `wrap`. Raises KeyError or RuntimeError when the snapshot does not fit.
        """

    def wrap(self, engine: Engine, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Set `model` and what is called and stepped in its place."""
        self.engine, self.model = engine, model
        self.wrapped, self.stepper = engine.prepare(model, optimizer)

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimiser itself."""
        plain: torch.optim.Optimizer = getattr(self.stepper, "optimizer", self.stepper)
        return plain

    @abstractmethod
    def batch(self, stored: Stored, seed: int) -> B:
        """Panoramas as they are kept, made into what the loss takes, on the training device."""

    @abstractmethod
    def loss(self, batch: B, seed: int) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss () and other values () to log, detached."""

    @abstractmethod
    def rate(self, step: int) -> float:
        """Learning rate of step `step` (from 0)."""

    def after_step(self) -> None:
        """Called after each step of the optimiser."""

    @abstractmethod
    def weights(self) -> dict[str, dict[str, Tensor]]:
        """What a checkpoint keeps beside the optimiser: file stem -> name -> tensor."""

    def state(self) -> dict[str, Any]:
        """Plain values that a checkpoint keeps."""
        return {}

    @abstractmethod
    def export(self, step: int, samples: int) -> Path:
        """Write the file that the run is for, and return its path."""

    def facts(self) -> dict[str, Any]:
        """What the log's first line says of this kind of training."""
        return {}

    def validate(self) -> dict[str, dict[str, float]] | None:
        """Scores by group, in rank 0; None: nothing is measured."""
        return None

    def preview(self, batch: B | None) -> ByteArray | None:
        """A picture (h, w, 3) of what the network makes of a batch, in rank 0; others have none."""
        return None


class AveragedTask(Task[B]):
    """A network trained by AdamW's schedule, whose weights are averaged on the way."""

    optim: AdamWConfig
    average: MovingAverage

    def __init__(self, config: Recipe) -> None:
        super().__init__(config)
        assert isinstance(config.optim, AdamWConfig)
        self.optim = config.optim
        torch.manual_seed(mix_seed(config.run.seed, 0))

    def start_average(self, snapshot: Snapshot | None) -> None:
        """The average of `model`, from the snapshot where there is one."""
        self.average = MovingAverage(self.model, self.optim.ema)
        if snapshot is not None:
            # a run without an average has none: one that is switched on begins at the weights
            averaged = snapshot.tensors.get("ema", snapshot.tensors["weights"])
            self.average.load(averaged, int(snapshot.state["ema_updates"]))

    def rate(self, step: int) -> float:
        """See `learning_rate`."""
        return learning_rate(step, self.config.run.steps, self.optim)

    def after_step(self) -> None:
        """Move the average."""
        self.average.update()

    def weights(self) -> dict[str, dict[str, Tensor]]:
        """The network's, and their average if there is one."""
        averaged = {"ema": self.average.tensors()} if self.average.decay else {}
        return {"weights": dict(self.model.state_dict()), **averaged}

    def state(self) -> dict[str, Any]:
        """How often the average was moved."""
        return {"ema_updates": self.average.updates}


def check_render_device(name: str) -> None:
    """Raise ConfigError when `data.render_device` names no device of this machine."""
    if name == "auto":
        raise ConfigError("data.render_device is 'auto'; name one, such as cpu or cuda")
    choose_device(name)


def check_output(run: LoopConfig) -> None:
    """Raise OutputError when `run.out` cannot be written, ConfigError without tensorboard."""
    folder = Path(run.out)
    place = folder.absolute()  # a run that cannot start leaves no folder
    while not place.exists() and place != place.parent:
        place = place.parent
    probe = place / f".probe.{os.getpid()}"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(f"cannot write to run.out {folder}: {error.strerror or error}") from None
    if run.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise ConfigError(
            'tensorboard is not installed: pip install "panodepth[train]", or --set '
            "run.tensorboard=false"
        )
