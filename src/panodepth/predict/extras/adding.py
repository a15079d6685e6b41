"""A prediction with what was asked for beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from panodepth.geometry.resizing import Edges
from panodepth.predict.extras.options import ExtraOptions
from panodepth.predict.request import RawOutput, Request
from panodepth.types import FloatArray, Prediction


class Network(Protocol):
    """What of a predictor is needed here."""

    edges: Edges

    def held(self, pixels: Sequence[FloatArray]) -> list[RawOutput]:
        """The network on pictures of one size, (3, h, w) each: see `Predictor`."""


def with_extras(
    prediction: Prediction, seen: tuple[Request, RawOutput], options: ExtraOptions, network: Network
) -> Prediction:
    """seen: what went into the network last, and what came out."""
    if options.confidence:
        from panodepth.predict.extras.confidence import with_confidence

        prediction = with_confidence(prediction, *seen, network.held, network.edges)
    if options.nadir != "none":
        from panodepth.predict.extras.nadir import filled

        prediction = filled(prediction, options.nadir)
    return prediction
