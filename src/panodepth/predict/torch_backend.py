"""The torch backend: `SphereViT` on any device behind the stages that all backends share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from panodepth.model import SphereViT
from panodepth.predict.predictor import Predictor
from panodepth.predict.request import RawOutput
from panodepth.size import Size
from panodepth.types import FloatArray

if TYPE_CHECKING:
    from panodepth.predict.cuda.compiled import Compiled


class TorchPredictor(Predictor):
    """A loaded network with its preprocessing; get one from `panodepth.load`.

    Several threads may call it at once. On a CUDA device `start` returns before the network is
    done; see `predict.cuda.gpu` for how it runs there.

    Attributes: model, name (for people), size ((h, w) the network runs at), dtype, device.
    """

    def __init__(
        self,
        model: SphereViT,
        *,
        name: str = "custom",
        size: Size | None = None,
        dtype: torch.dtype = torch.float32,
        compile: bool = False,
    ) -> None:
        """model: on its device and in evaluation mode; size: (h, w), None = the model's own.

        compile: run it by torch.compile where that works; the model must not be prepared.
        """
        self.model = model.eval()
        self.name = name
        self.own_size = model.config.size
        self.size = self.checked_size(size or self.own_size)
        self.edges = "sphere" if model.config.wrap_padding else "cut"
        self.dtype = dtype
        self.device = next(model.parameters()).device
        if dtype == torch.float16:
            self.nan_reason = "float16 ends at 65504: use --dtype float32, or bfloat16"
        self._compiled: Compiled | None = None
        if compile:
            from panodepth.predict.cuda.compiled import Compiled

            self._compiled = Compiled(model)
        self._staged = None
        self.overlaps = self.device.type == "cuda"
        if self.overlaps:
            from panodepth.predict.cuda.gpu import staged

            self._staged = staged(model, self._compiled, self.device)

    def __reduce__(self) -> tuple[Any, ...]:
        """To copy it, or to pickle it for another process: prepared anew on the other side."""
        make = partial(TorchPredictor, name=self.name, size=self.size, dtype=self.dtype)
        make = partial(make, compile=self._compiled is not None)
        return make, (self.model,), {"choice": self.choice}

    def describe(self) -> dict[str, Any]:
        """Plain values for people and logs: what runs, how large, where and how precisely."""
        return {
            "model": self.name,
            "network": self.model.config.name,
            "parameters": self.model.parameter_count,
            "network_size": list(self.size),
            "device": str(self.device),
            "dtype": "int8" if self.model.int8 else str(self.dtype).removeprefix("torch."),
            "compiled": self._compiled is not None and self._compiled.active,
            "sky": "model" if self.model.config.sky_head else "classical",
        }

    def checked_size(self, size: Size) -> Size:
        """(h, w) if the network can run at it and h <= w, else ConfigError."""
        return self.model.config.check_size(size)

    @contextmanager
    def leaving_cores(self, count: int) -> Iterator[None]:
        """Inside, the network on a CPU uses `count` threads less, but one at least."""
        before = torch.get_num_threads()
        if self.device.type == "cpu":
            torch.set_num_threads(max(1, before - count))
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def best_batch_size(self, size: Size | None = None) -> int:
        """By the free memory on a CUDA device (runs one blank picture), else 1."""
        if self.device.type != "cuda":
            return 1
        from panodepth.predict.cuda.gpu import measured_batch

        return measured_batch(self.model, self.checked_size(size or self.size), self.device)

    def start(self, pixels: Sequence[FloatArray]) -> Callable[[], list[RawOutput]]:
        """`run`, begun, on pictures (3, h, w), to be taken once; a CUDA device goes on alone."""
        return super().start(pixels) if self._staged is None else self._staged.start(pixels)

    def run(self, pixels: Sequence[FloatArray]) -> list[RawOutput]:
        """The network on pictures of one size, (3, h, w) float32 in [0, 1] each."""
        if self._staged is not None:
            return self._staged.start(pixels)()
        batch = torch.from_numpy(np.stack(pixels)).to(self.device)
        with torch.inference_mode():
            if self._compiled is not None:
                memory = self.model.memory_for((batch.shape[-2], batch.shape[-1]))
                output = self._compiled(batch, memory)
            else:
                output = self.model(batch)
        logs = output.log_distance.float().cpu().numpy()
        logit = output.sky_logit
        skies = [None] * len(logs) if logit is None else logit.float().cpu().numpy()
        return list(map(RawOutput, logs, skies))
