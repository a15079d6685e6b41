"""Quality gates: numbers measured on a frame, and limits on them, each with its reason.

`measure` only measures and `check_limits` only compares: the report shows how every number is
distributed over the frames that were kept, and limits can be chosen from it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from panodepth.errors import ConfigError
from panodepth.lab.curation.frame import Frame, RejectedError
from panodepth.strict import build
from panodepth.types import BoolArray, ByteArray, FloatArray

STEP = 0.05  # share by which neighbouring depths must differ to be an edge
NEAREST = 1e-15  # what is nearer is no depth: 1 / z, squared, is more than float32 holds
STRONG = 0.7  # quantile of the picture's gradients above which one counts as an edge
ENOUGH_EDGES = 200  # pixels of depth edges below which their agreement says nothing
ROUNDING = 0.125  # variance that rounding to 8 bits adds: of three colours, then of their grey
HASH_BITS = 8  # a perceptual hash has 8 x 8 bits


@dataclass(frozen=True)
class Limits:
    """The limits of the quality gates. Shares are of the frame's pixels, in [0, 1].

    valid: least share with a z-depth. sky: largest share of sky. near, far: of the median z-depth
    [m], only where the unit is metres. spread: least ratio of the 95 % to the 5 % quantile of
    z-depth. contrast: least standard deviation of the grey values, of 255. sharpness:
    least share of gradient that is left at full resolution. edges: least agreement of depth edges
    with the picture's, where 1 is chance. coverage: least share of the panorama's solid angle
    with a distance. flying: largest share of flying pixels. same: perceptual hashes that differ in
    at most so many of 64 bits are one picture; -1 keeps all.
    """

    valid: float = 0.3
    sky: float = 0.8
    near: float = 0.2
    far: float = 200.0
    spread: float = 1.02
    contrast: float = 4.0
    sharpness: float = 0.05
    flying: float = 0.03
    edges: float = 1.25
    coverage: float = 0.01
    same: int = 2

    @classmethod
    def parse(cls, settings: list[str]) -> Limits:
        """Limits with "name=value" settings. Raises ConfigError."""
        values: dict[str, float] = {}
        for setting in settings:
            name, _, text = setting.partition("=")
            try:
                number = float(text)
            except ValueError:
                raise ConfigError(f"limit {setting!r}: not a number") from None
            values[name] = int(number) if number.is_integer() else number
        return build(cls, values, "--limit")


def measure(frame: Frame) -> dict[str, float]:
    """Every number that `check_limits` looks at, except coverage."""
    grey = cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    found = {"contrast": float(grey.std()), "sharpness": sharpness(grey)}
    z_depth = frame.z_depth
    if z_depth is None:
        return found
    valid = np.isfinite(z_depth) & (z_depth > 0)
    found |= {"valid": float(valid.mean()), "sky": float(np.isinf(z_depth).mean())}
    if not valid.any():
        return found
    low, middle, high = np.quantile(z_depth[valid][::7], (0.05, 0.5, 0.95))
    found |= {"median": float(middle), "spread": float(high / low)}
    found["flying"] = float(flying(z_depth).sum() / valid.sum())
    agreement = edge_agreement(grey, z_depth)
    return found if agreement is None else {**found, "edges": agreement}


def check_limits(measured: dict[str, float], limits: Limits, unit: str = "m") -> None:
    """Raise RejectedError for the first limit that is not kept.

    Numbers that were not measured are not checked; near and far only where `unit` is "m".
    """
    # Sky is not held against a frame: what is not sky must be valid.
    valid = min(limits.valid, 1 - measured.get("sky", 0))
    checks = [
        ("sky", 0.0, limits.sky, "sky_share", "share of sky"),
        ("valid", valid, math.inf, "invalid_share", "valid share"),
        ("spread", limits.spread, math.inf, "depth_range", "spread of depths"),
        ("contrast", limits.contrast, math.inf, "blank", "grey values deviate by"),
        ("sharpness", limits.sharpness, math.inf, "blur", "sharpness"),
        ("flying", 0.0, limits.flying, "flying_pixels", "share of flying pixels"),
        ("edges", limits.edges, math.inf, "edges", "agreement of edges"),
        ("coverage", limits.coverage, math.inf, "coverage", "share of the sphere"),
    ]
    if unit == "m":
        checks.append(("median", limits.near, limits.far, "depth_range", "median depth"))
    for name, least, most, reason, text in checks:
        value = measured.get(name)
        if value is not None and not least <= value <= most:
            bound = f"at most {most:g}" if value > most else f"at least {least:g}"
            raise RejectedError(reason, f"{text} {value:.3g}, {bound}")


def sharpness(grey: FloatArray) -> float:
    """Gradient energy of the finest octave as a share of the next one's, 0 (blurred) upwards.

    grey: (h, w). A picture blurred by two pixels or more, or scaled up, has almost nothing left in
    its finest octave, whatever it shows. The rounding to whole grey values does not count.
    """
    soft = cv2.GaussianBlur(grey, (0, 0), 1.0)
    softer = cv2.GaussianBlur(grey, (0, 0), 3.0)
    coarse = float(np.square(soft - softer).mean())
    fine = max(float(np.square(grey - soft).mean()) - ROUNDING, 0.0)
    return fine / coarse if coarse > 0 else 0.0


def flying(z_depth: FloatArray) -> BoolArray:
    """(h, w) pixels that float between a near and a far surface: steps on both sides, flat beyond.

    z_depth: 0 = not given, inf = sky. On a slanted surface the pixels beyond step as well.
    """
    with np.errstate(divide="ignore", over="ignore"):
        inverse = np.where(z_depth > NEAREST, 1 / z_depth, 0).astype(np.float32)
    found = np.zeros(z_depth.shape, bool)
    for values, out in ((inverse, found), (inverse.T, found.T)):
        if values.shape[1] < 5:
            continue
        step = np.diff(values, axis=1)
        before, after = step[:, 1:-2], step[:, 2:-1]
        least = STEP * values[:, 2:-2]
        both = (np.minimum(np.abs(before), np.abs(after)) > least) & (before * after > 0)
        calm = np.abs(step[:, :-3]) < 0.25 * np.abs(before)
        calm &= np.abs(step[:, 3:]) < 0.25 * np.abs(after)
        given = (values[:, 1:-3] > 0) & (values[:, 2:-2] > 0) & (values[:, 3:-1] > 0)
        out[:, 2:-2] |= both & calm & given
    return found


def edge_agreement(grey: FloatArray, z_depth: FloatArray) -> float | None:
    """How much more often depth edges lie on strong gradients than elsewhere; None with few edges.

    grey, z_depth: (h, w). "Elsewhere" is the same edges moved by a tenth of the picture's height to
    four sides, which allows for pictures with texture all over. 1 is chance.
    """
    given = z_depth > 0  # the sky's outline counts
    with np.errstate(divide="ignore"):
        inverse = np.where(given, 1 / z_depth, 0).astype(np.float32)
    edges = np.zeros(grey.shape, bool)
    for values, there, out in ((inverse, given, edges), (inverse.T, given.T, edges.T)):
        # 1 / z is affine over a plane, so that floors have no edges, however slanted.
        before, middle, after = values[:-2], values[1:-1], values[2:]
        bend = np.abs(before + after - 2 * middle)
        largest = np.maximum(np.maximum(before, after), middle)
        out[1:-1] |= (bend > STEP * largest) & there[:-2] & there[1:-1] & there[2:]
    if np.count_nonzero(edges) < ENOUGH_EDGES:
        return None
    soft = cv2.GaussianBlur(grey, (0, 0), 1.0)
    slope = np.abs(cv2.Sobel(soft, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(soft, cv2.CV_32F, 0, 1))
    near = cv2.dilate(slope, np.ones((3, 3), np.uint8))
    strong = near > np.quantile(near[::3, ::3], STRONG)
    by = max(4, grey.shape[0] // 10)
    here = float(strong[edges].mean())
    moved = [np.roll(strong, way * by, axis)[edges].mean() for way in (-1, 1) for axis in (0, 1)]
    return here / max(float(np.mean(moved)), 1e-3)


def perceptual_hash(image: ByteArray) -> int:
    """64 bits that near-identical pictures share: signs of a thumbnail's lowest cosine waves.

    image: (h, w, 3) uint8 sRGB.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    waves = cv2.dct(small)[:HASH_BITS, :HASH_BITS].ravel()
    bits = waves > np.median(waves[1:])
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def is_duplicate(value: int, earlier: list[int], limits: Limits) -> bool:
    """Whether a hash is that of a picture before it, to within `limits.same` bits."""
    return any((value ^ other).bit_count() <= limits.same for other in earlier)


def without_flying(frame: Frame) -> Frame:
    """The frame with its flying pixels "not given"."""
    if frame.z_depth is None:
        return frame
    return replace(frame, z_depth=np.where(flying(frame.z_depth), np.float32(0), frame.z_depth))
