"""The stages in order: a frame (or the views of one place) becomes a panorama, or is rejected.

Pure: what comes out depends on the frame, the plan and the frame's name alone.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from panodepth.errors import ConfigError
from panodepth.geometry.grid import solid_angles
from panodepth.geometry.lens import Pinhole, View
from panodepth.geometry.rotation import random_rotation, rotation_from_yaw_pitch_roll
from panodepth.lab.curation.estimate import DepthEstimator, align_scales, estimate_z_depth
from panodepth.lab.curation.frame import Frame, Matrix, RejectedError
from panodepth.lab.curation.outpaint import Outpainter
from panodepth.lab.curation.outpainters.settings import PAINTERS, PaintSettings
from panodepth.lab.curation.project import Placed, place
from panodepth.lab.curation.quality import (
    Limits,
    check_limits,
    measure,
    perceptual_hash,
    without_flying,
)
from panodepth.lab.curation.stitch import stitch
from panodepth.strict import Index, check_fields
from panodepth.types import BoolArray, FloatArray, Panorama

Orientation = Literal["level", "front", "random"]
PITCH_DEG, ROLL_DEG = 10.0, 3.0  # deviations drawn for level frames whose pose is not known


@dataclass(frozen=True)
class Plan:
    """What is done with every frame. Raises ConfigError for values that cannot work.

    size: (H, W) of the panoramas. orientation: "level", by the pose where its world is level (else
    a little pitch and roll), turned by a random yaw; "front", to the panorama's centre; "random",
    uniform over all rotations. keep_flying: leave pixels that float between two surfaces.
    painting: how a learned out-painter paints; others have no use for it.
    """

    size: tuple[int, int] = (512, 1024)
    outpainter: str = "diffuse"
    orientation: Orientation = "level"
    limits: Limits = field(default_factory=Limits)
    seed: Index = 0
    keep_flying: bool = False
    stitch: bool = False
    painting: PaintSettings = field(default_factory=PaintSettings)

    def __post_init__(self) -> None:
        height, width = self.size
        if height < 16 or height % 8 or width != 2 * height:
            raise ConfigError(f"size is {height}x{width}; W = 2H, H a multiple of 8 from 16 on")
        check_fields(self, "the plan")

    def describe(self) -> dict[str, Any]:
        """Plain JSON of everything that the bytes of a sample depend on."""
        said = {**asdict(self), "size": list(self.size)}
        del said["painting"]
        learned = self.outpainter in PAINTERS
        return {**said, "painting": self.painting.describe()} if learned else said


@dataclass(frozen=True)
class Tools:
    """What stages need besides the plan; made once per worker."""

    outpainter: Outpainter
    estimator: DepthEstimator | None = None


@dataclass(frozen=True)
class Curated:
    """A panorama with what was measured on the way. digest: perceptual hash of the frame."""

    panorama: Panorama
    measured: dict[str, float]
    digest: int


def curate_views(frames: Sequence[Frame], plan: Plan, tools: Tools) -> Curated:
    """One frame, or the views of one place (stitched), through all stages.

    Raises RejectedError when a frame cannot be used.
    """
    passed: list[Frame] = []
    measured: dict[str, float] = {}
    for frame in frames:
        frame = _with_z_depth(frame, tools)
        found = measure(frame)
        check_limits(found, plan.limits, frame.unit)
        measured = measured or found
        passed.append(frame if plan.keep_flying else without_flying(frame))
    first = passed[0]
    facts: dict[str, Any] = {}
    if len(passed) == 1:
        placed = place(first, orientation(first, plan), plan.size)
        facts["view"] = view_facts(first, placed.rotation)
    else:
        if any("pseudo_label" in frame.meta for frame in passed):
            passed = align_scales(passed)
        merged = stitch(passed, plan.size)
        placed = merged.placed
        measured = {**measured, "agreement": merged.agreement}
        facts["views"] = [frame.name for frame in passed]
    valid = np.isfinite(placed.distance) & (placed.distance > 0)
    measured = {**measured, "coverage": solid_share(valid)}
    check_limits({"coverage": measured["coverage"]}, plan.limits)
    measured = {key: float(f"{value:.5g}") for key, value in measured.items()}
    panorama = _finish(first, placed, valid, plan, tools, {**facts, "measured": measured})
    return Curated(panorama, measured, perceptual_hash(first.image))


def _with_z_depth(frame: Frame, tools: Tools) -> Frame:
    if frame.z_depth is not None:
        return frame
    if tools.estimator is None:
        raise RejectedError("no_depth", "the frame has none")
    return estimate_z_depth(frame, tools.estimator)


def orientation(frame: Frame, plan: Plan) -> Matrix:
    """(3, 3) frame to panorama, drawn from the plan's seed and the frame's name."""
    rng = frame_rng(frame.name, plan.seed)
    if plan.orientation == "front":
        return np.eye(3)
    if plan.orientation == "random":
        rotation: Matrix = random_rotation(1, rng)[0]
        return rotation
    yaw = rng.uniform(-180, 180)
    if frame.level and frame.pose is not None:
        rotation = rotation_from_yaw_pitch_roll(math.radians(yaw)) @ frame.pose[:3, :3]
    else:
        pitch, roll = rng.normal(0, (PITCH_DEG, ROLL_DEG)).clip(-45, 45)
        rotation = rotation_from_yaw_pitch_roll(*np.radians([yaw, pitch, roll]))
    return rotation


def frame_rng(name: str, seed: int) -> np.random.Generator:
    """A frame's own random numbers: the same in any order and on any number of workers."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def view_facts(frame: Frame, rotation: Matrix) -> dict[str, Any]:
    """A placed frame's `View` as plain JSON. rotation: (3, 3), frame to panorama."""
    return {
        "intrinsics": frame.lens.matrix().tolist(),
        "rotation": rotation.tolist(),
        "size": list(frame.size),
    }


def view_of(facts: dict[str, Any]) -> View:
    """The view of `view_facts`; by `project.coverage_of` it tells real pixels from painted ones."""
    height, width = facts["size"]
    lens = Pinhole.from_matrix(np.array(facts["intrinsics"], np.float64))
    return View(lens, (height, width), np.array(facts["rotation"], np.float64))


def solid_share(mask: BoolArray) -> float:
    """Share of the sphere's solid angle that a mask (H, W) covers."""
    return float((mask * solid_angles(*mask.shape)).sum() / (4 * math.pi))


def _finish(
    frame: Frame, placed: Placed, valid: BoolArray, plan: Plan, tools: Tools, facts: dict[str, Any]
) -> Panorama:
    """Out-paint a placed frame and say where it comes from. valid: (H, W), where distance holds."""
    # Another generator than that of the orientation, so that neither depends on the other's draws.
    seed = int(frame_rng(frame.name, plan.seed + 1).integers(1 << 31))
    painted = tools.outpainter.fill(placed.image, placed.coverage, seed)
    image: FloatArray = np.divide(painted, np.float32(255), dtype=np.float32)
    meta = {
        **frame.meta,
        **facts,
        "name": frame.group if plan.stitch and frame.group else frame.name,
        "unit": frame.unit,
        "orientation": plan.orientation,
        "seed": plan.seed,
        "outpainter": {"name": tools.outpainter.name, **tools.outpainter.facts},
        "covered": round(float(placed.coverage.mean()), 5),
    }
    return Panorama(image, placed.distance, valid, meta)
