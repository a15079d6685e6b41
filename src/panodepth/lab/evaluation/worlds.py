"""Rendered worlds to measure on: exact distance, known sky, and a seed that is never trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from panodepth.lab.evaluation.protocol import VALIDATION_SEED
from panodepth.types import Panorama

if TYPE_CHECKING:
    from panodepth.lab.worlds import Priors, SceneBatch

KINDS = ("indoor", "outdoor")


Renderer = Callable[..., "SceneBatch"]
"""A function like `panodepth.lab.worlds.render_batch`."""


def scene_renderer() -> Renderer:
    """The package's own renderer, imported only when it is needed."""
    from panodepth.lab.worlds import render_batch

    return render_batch


def as_stored(scenes: SceneBatch) -> tuple[Tensor, Tensor]:
    """Rendered panoramas as files keep them.

    scenes: N of them. Returns image (N, 3, H, W) uint8 and distance (N, H, W) float32 [m], in which
    0 = not known and inf = sky.
    """
    image = (scenes.image * 255.0 + 0.5).clamp_(0, 255).to(torch.uint8)
    unknown = torch.where(scenes.sky, torch.inf, 0.0)
    return image, torch.where(scenes.valid, scenes.distance.float(), unknown)


@dataclass(frozen=True)
class WorldSource:
    """Worlds 0 .. count - 1 of one kind as panoramas, each rendered when it is asked for.

    kind: "indoor" or "outdoor". size: (H, W). priors: None = the usual ones. device: that renders.
    """

    kind: str
    count: int
    size: tuple[int, int]
    seed: int = VALIDATION_SEED
    priors: Priors | None = None
    device: str = "cpu"
    renderer: Renderer | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The kind."""
        return self.kind

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Panorama:
        """World `index`; its name is such as "outdoor_000012"."""
        if not 0 <= index < self.count:
            raise IndexError(f"there are {self.count} worlds, not {index + 1}")
        more = {} if self.priors is None else {"priors": self.priors}
        render = self.renderer or scene_renderer()
        with torch.no_grad():
            made = render(
                self.seed, [index], *self.size, kind=self.kind, device=self.device, **more
            )
            image, distance = (x[0].cpu().numpy() for x in as_stored(made))
        picture = np.ascontiguousarray(image.transpose(1, 2, 0), np.float32) / np.float32(255)
        known = np.isfinite(distance) & (distance > 0)
        name = f"{self.kind}_{index:06d}"
        return Panorama(picture, distance, known, {"name": name, "unit": "m", "source": "worlds"})
