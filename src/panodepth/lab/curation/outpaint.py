"""Out-painting: colours where no frame was, by name. Distance is never out-painted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from panodepth.errors import ConfigError
from panodepth.lab.curation.outpainters.diffuse import Diffusion
from panodepth.lab.curation.outpainters.settings import PAINTERS, PaintSettings
from panodepth.types import BoolArray, ByteArray


class Outpainter(Protocol):
    """Fills the unknown part of a panorama.

    `name` and `facts` (licence of the weights, prompt, ...) go into every sample's provenance.
    """

    @property
    def name(self) -> str: ...

    @property
    def facts(self) -> dict[str, Any]: ...

    def fill(self, image: ByteArray, known: BoolArray, seed: int) -> ByteArray:
        """image: (H, W, 3) uint8, sRGB; known: (H, W), True = keep. Returns (H, W, 3) uint8.

        Known pixels come back as they are; the same arguments give the same bytes.
        """
        ...


@dataclass(frozen=True)
class NoOutpainting:
    """Leaves black what is not known."""

    name: str = "none"

    @property
    def facts(self) -> dict[str, Any]:
        return {}

    def fill(self, image: ByteArray, known: BoolArray, seed: int) -> ByteArray:
        """image: (H, W, 3); known: (H, W), True = keep. The rest becomes 0."""
        return np.where(known[..., None], image, np.uint8(0))


OUTPAINTERS: dict[str, Callable[[], Outpainter]] = {"none": NoOutpainting, "diffuse": Diffusion}


def make_outpainter(name: str, settings: PaintSettings | None = None) -> Outpainter:
    """The out-painter `name`, a key of OUTPAINTERS or a learned one of PAINTERS.

    settings: of a learned one; its weights are found here, and loaded when it first paints. Raises
    ConfigError, and ModelError for weights that cannot be had.
    """
    if name in PAINTERS:
        from panodepth.lab.curation.outpainters.painter import open_painter

        return open_painter(name, settings or PaintSettings())
    if name not in OUTPAINTERS:
        raise ConfigError(
            f"out-painter {name!r}; choose one of {', '.join([*OUTPAINTERS, *PAINTERS])}"
        )
    return OUTPAINTERS[name]()
