"""Protocols: how a prediction is made comparable with the truth, as frozen, named data.

docs/protocols.md gives the formulas and says what each published number assumes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from panodepth.options import option
from panodepth.strict import find_named

# Seeds of rendered worlds from here on are for measuring: to choose by, and to report once.
VALIDATION_SEED = 1_000_000
TEST_SEED = 2_000_000

Alignment = Literal["median", "affine", "none"]
Black = Literal["keep", "alignment", "everywhere"]

RELEASED_LONG_SIDE = 1092  # [px] DA² release: pictures are resized to this before the network
FIT_SIDES = {"panosuncg": 1024}  # [px] longest side of the least-squares copy, DA² release
FIT_SIDE = 2048  # [px] of every other dataset


@dataclass(frozen=True)
class Extras:
    """What to measure beside the ten metrics.

    geometry: seam, poles, normals, contours. points: F-score and Chamfer, half a second an image.
    rotation: two more predictions an image.
    """

    geometry: bool = option(
        True, "Measure seam, poles, normals and contours too.", flag="--geometry/--no-geometry"
    )
    points: bool = option(False, "Measure point clouds too: F-score (needs scipy).")
    rotation: bool = option(False, "Measure how little changes when the camera is turned.")


@dataclass(frozen=True)
class Protocol:
    """One way of measuring; every field is printed in the report.

    near, far: truth counts where near < distance < far [m]; far None = no upper limit.
    alignment: "median" (one factor), "affine" (least-squares factor and shift), "none" (metres).
    clip: the aligned prediction is clipped to [near, far] for the ten metrics.
    black: whether pixels of RGB (0, 0, 0) are kept, left out of the alignment, or of everything.
    solid_angle: pixels weigh by their solid angle, in the alignment too; else all alike.
    released_units: dataset steps of DA²'s released evaluation instead of the true ones.
    long_side: the picture is resized to this long side [px] before the predictor; None = as it is.
    closed: pictures and predictions are resized across the seam and the poles.
    """

    name: str
    summary: str
    near: float = 1e-3
    far: float | None = 5.0
    alignment: Alignment = "median"
    clip: bool = True
    black: Black = "everywhere"
    solid_angle: bool = False
    released_units: bool = False
    long_side: int | None = None
    closed: bool = True

    def describe(self) -> dict[str, Any]:
        """Plain values, for reports and for telling whether two runs may be compared."""
        return asdict(self)

    def facts(self) -> list[str]:
        """What the protocol does, one sentence a fact, for people."""
        limit = "no upper limit" if self.far is None else f"truth < {self.far:g} m"
        align = {
            "median": "one factor: median(truth) / median(prediction)",
            "affine": "least-squares factor and shift on a nearest-neighbour copy",
            "none": "no alignment, metres are compared",
        }[self.alignment]
        black = {
            "keep": "black pixels count like all others",
            "alignment": "black pixels are left out of the alignment only",
            "everywhere": "black pixels are left out",
        }[self.black]
        units = "the released evaluation's" if self.released_units else "the datasets' own"
        side = "as it is" if self.long_side is None else f"resized to {self.long_side} px wide"
        return [
            f"valid: truth > {self.near:g} m, {limit}",
            align,
            "prediction clipped to the valid range" if self.clip else "prediction not clipped",
            black,
            "pixels weigh by solid angle" if self.solid_angle else "every pixel counts alike",
            f"units: {units}",
            f"picture given {side}",
            f"resizing {'across' if self.closed else 'with a border at'} the seam and poles",
        ]


_RELEASED: dict[str, Any] = {
    "black": "alignment",
    "released_units": True,
    "long_side": RELEASED_LONG_SIDE,
    "closed": False,
}
_EVERYTHING: dict[str, Any] = {"far": None, "clip": False, "black": "keep"}

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "da2",
            "DA²'s released evaluation, quirks included: comparable with the paper",
            **_RELEASED,
        ),
        Protocol("da2-fixed", "DA²'s rules applied alike in every step, true units"),
        Protocol(
            "affine",
            "da2 with least-squares factor and shift: the paper's affine rows",
            alignment="affine",
            **_RELEASED,
        ),
        Protocol("metric", "no alignment: for predictors that give metres", alignment="none"),
        Protocol(
            "unik3d",
            "truth up to 10 m: our reading of UniK3D's indoor limit, not verified",
            far=10.0,
        ),
        Protocol(
            "sphere", "the whole sphere by solid angle, no limit", solid_angle=True, **_EVERYTHING
        ),
        Protocol(
            "uncapped",
            "every pixel alike, no limit: rendered and outdoor panoramas, any unit",
            **_EVERYTHING,
        ),
    )
}


def find_protocol(name: str) -> Protocol:
    """The protocol of this name. Raises ConfigError naming the nearest one."""
    return find_named("protocol", name, PROTOCOLS)
