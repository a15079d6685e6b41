"""Training a SphereViT to predict distance: what `panodepth train` does in every step."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from panodepth.errors import ConfigError, InputError
from panodepth.lab.evaluation.protocol import PROTOCOLS
from panodepth.lab.evaluation.report.pictures import panels
from panodepth.lab.evaluation.report.summary import summarise
from panodepth.lab.evaluation.run.predictors import Predicted, Predictor
from panodepth.lab.evaluation.scoring import compare, score_panoramas
from panodepth.lab.evaluation.worlds import KINDS, Renderer, WorldSource
from panodepth.lab.training.checkpoint import Snapshot
from panodepth.lab.training.config import TrainConfig
from panodepth.lab.training.distance.held_out import also_trained_on, open_held_out, readable
from panodepth.lab.training.distance.network import (
    averaged_model,
    build_network,
    checkpoint_activations,
    choose_trained,
    has_unused_parameters,
)
from panodepth.lab.training.distance.objective import batch_loss
from panodepth.lab.training.engine import Engine
from panodepth.lab.training.feed.augment import augment, shrink
from panodepth.lab.training.feed.samples import Batch, Stored
from panodepth.lab.training.optimisation.optim import build_optimizer
from panodepth.lab.training.task import AveragedTask
from panodepth.model import ModelOutput, SphereViT, save_model
from panodepth.model.initialisation import initialise, start_pretrained
from panodepth.types import ByteArray, Panorama

PREVIEW_IMAGES = 4


class DistanceTask(AveragedTask[Batch]):
    """A SphereViT on rendered panoramas and those from disk.

    renderer: a function like `panodepth.lab.worlds.render_batch` (the default), picklable when
    workers are used. init: a model file to start from, with a fresh optimiser; not used on
    resuming.
    """

    memory_advice = (
        "lower data.batch (and raise optim.accumulate), set run.checkpoint_activations=true, "
        "or lower data.height and data.width"
    )
    fixed = ("network", "data", "sources", "optim.accumulate", "optim.kind", "run.seed")
    config: TrainConfig

    def __init__(
        self, config: TrainConfig, *, renderer: Renderer | None = None, init: Path | None = None
    ) -> None:
        super().__init__(config)
        self.renderer, self.init = renderer, init
        self.precision, self.validate_every = config.run.precision, config.run.validate_every
        self.model = build_network(config.network, (config.data.height, config.data.width))
        for height in config.data.heights:
            replace(self.model.config, size=(height, 2 * height))  # refuses what does not fit
        self.unused_parameters = has_unused_parameters(self.model, config)
        self._worlds: dict[str, list[Panorama]] = {}
        self._held_out = open_held_out(config.held_out)
        self.held_out = tuple(self._held_out)
        self.start_messages += also_trained_on(config.held_out, config.sources)

    def prepare(self, engine: Engine, snapshot: Snapshot | None) -> None:
        """Weights from `init` or the snapshot; optimiser and average around them."""
        config, run, model = self.config, self.config.run, self.model
        if engine.sharded and config.optim.kind == "muon":
            raise ConfigError("optim.kind = muon needs whole matrices: launch without FSDP")
        if snapshot is None and self.init is not None:
            self.start_messages.append(initialise(model, self.init).summary())
        elif snapshot is None and config.network.pretrained:
            self.start_messages.append(start_pretrained(model).summary())
        elif snapshot is None and config.network.train != "all":
            told = f"network.train = {config.network.train!r} keeps part of the network as it is"
            self.start_messages.append(f"{told}, at random weights: give --init MODEL")
        last = run.channels_last and not engine.sharded  # which wants plain weights
        layout = torch.channels_last if last else torch.contiguous_format
        model.to(engine.device, memory_format=layout)
        if snapshot is not None:
            model.load_state_dict(snapshot.tensors["weights"])
        model.train()
        choose_trained(model, config.network)
        optimizer = build_optimizer(model, config.optim, model.groups())
        if run.checkpoint_activations:
            checkpoint_activations(model)
        self.wrap(engine, model, optimizer)
        self.start_average(snapshot)
        self._forward: Any = torch.compile(self.wrapped) if run.compile else self.wrapped

    def batch(self, stored: Stored, seed: int) -> Batch:
        """Augmented panoramas, all of one size."""
        batch = shrink(stored.to(self.engine.device).decode(), self.config.data.heights, seed)
        return augment(batch, self.config.augment, seed)

    def loss(self, batch: Batch, seed: int) -> tuple[Tensor, dict[str, Tensor]]:
        """See `batch_loss`."""
        return batch_loss(self._network, batch, self.config.loss, seed)

    def _network(self, image: Tensor) -> ModelOutput:
        """image: (B, 3, H, W) in [0, 1]."""
        if self.config.run.channels_last:
            image = image.contiguous(memory_format=torch.channels_last)
        with self.engine.autocast():
            output: ModelOutput = self._forward(image)
        return output

    def averaged(self) -> Any:
        """The averaged network, for evaluation, in rank 0; None elsewhere. All processes call it.

        Not a copy, unless the weights are sharded: it changes with the next step.
        """
        buffers = dict(self.model.named_buffers())
        tensors = self.engine.gather({**buffers, **self.average.tensors()})
        if not self.engine.is_main:
            return None
        return averaged_model(self.model, tensors).to(self.engine.device)

    def export(self, step: int, samples: int) -> Path:
        """Write the averaged weights as float16 to `model.safetensors` for `panodepth.load`."""
        metadata = {
            "steps": str(step),
            "samples": str(samples),
            "trained_at": f"{self.config.data.height}x{self.config.data.width}",
            "training": json.dumps(self.config.to_dict()),
        }
        path = self.out / "model.safetensors"
        averaged = self.averaged()
        if averaged is not None:
            save_model(averaged, path, metadata, dtype=torch.float16)
        return path

    def facts(self) -> dict[str, Any]:
        """In which precision it computes."""
        return {"bf16": self.engine.bf16}

    def _predictor(self, model: SphereViT) -> Predictor:
        """The network at the size of the panoramas it is given."""
        device = next(model.parameters()).device

        @torch.no_grad()
        def predict(panorama: Panorama) -> Predicted:
            image = torch.from_numpy(panorama.image).permute(2, 0, 1)[None]
            with self.engine.autocast():
                output: ModelOutput = model(image.to(device))
            distance = output.log_distance[0].float().exp().cpu().numpy()
            logit = output.sky_logit
            return Predicted(distance, sky=None if logit is None else (logit[0] > 0).cpu().numpy())

        return predict

    def validate(self) -> dict[str, dict[str, float]] | None:
        """Scores of the averaged network on rendered panoramas of the validation seed, and on what
        is held out; `left_out` counts what of that could not be read, `broken` names the first.
        """
        data, count = self.config.data, self.config.run.validate_count
        model = self.averaged() if count or self._held_out else None
        if model is None:
            return None
        self._worlds = self._worlds or (self._render_worlds() if count else {})
        size = data.height, data.width
        own = {
            name: readable(source, size, partial(self.broken.setdefault, name))
            for name, source in self._held_out.items()
        }
        scores: dict[str, dict[str, float]] = {}
        for found in summarise(score_panoramas({**self._worlds, **own}, self._predictor(model))):
            measures = {key: value.mean for key, value in found.measures.items()}
            kept = {key: measures[key] for key in ("abs_rel", "delta1")}
            scores[found.dataset] = {**kept, "images": found.images}
            if "sky_iou" in measures and found.dataset in self._worlds:
                scores["sky"] = {"iou": measures["sky_iou"]}
        for name, source in self._held_out.items():
            told = scores.setdefault(name, {"images": 0})
            if left_out := len(source) - told["images"]:
                told["left_out"] = left_out
        return scores

    def _render_worlds(self) -> dict[str, list[Panorama]]:
        """Half of them indoor, at the size that is trained at; kept in memory."""
        data, half = self.config.data, max(1, self.config.run.validate_count // 2)
        sources = (
            WorldSource(
                kind,
                half,
                (data.height, data.width),
                priors=data.priors,
                device=data.render_device,
                renderer=self.renderer,
            )
            for kind in KINDS
        )
        return {source.kind: [source[i] for i in range(half)] for source in sources}

    def preview(self, batch: Batch | None) -> ByteArray | None:
        """(n H, 4 W, 3): input, truth, prediction and error of the first panoramas."""
        model = self.averaged()
        if model is None or batch is None:
            return None
        predict, rows = self._predictor(model), []
        for panorama in as_panoramas(batch)[:PREVIEW_IMAGES]:
            with contextlib.suppress(InputError):  # no pixel of it has a truth
                predicted = predict(panorama)
                compared = compare(panorama, predicted, PROTOCOLS["uncapped"])
                seen = panels(panorama.image, compared, predicted.sky)
                rows.append(np.concatenate(seen, axis=1))
        return np.concatenate(rows) if rows else None


def as_panoramas(batch: Batch) -> list[Panorama]:
    """A batch's panoramas, each with its truth."""
    images = batch.image.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    distance, valid, sky = batch.truth
    truths = torch.where(valid, distance, torch.where(sky, torch.inf, 0.0)).cpu().numpy()
    return [Panorama(*found) for found in zip(images, truths, valid.cpu().numpy(), strict=True)]
