"""`laserscan`: what a planar laser scanner would see, in the fields of ROS's LaserScan."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from panodepth.atomic import write_atomic
from panodepth.errors import ConfigError
from panodepth.export.metadata import metadata, to_json
from panodepth.export.robots.ground import FRAME_ID, ROS_FRAME, BandOptions
from panodepth.export.robots.obstacles import Seen, seen_around
from panodepth.strict import Positive, Range
from panodepth.types import Float64Array, FloatArray, Prediction

Sectors = Annotated[int, Range(at_least=1, at_most=360)]


@dataclass(frozen=True, kw_only=True)
class ScanOptions(BandOptions):
    """beams: of the scan, all around. sectors: of the list of what is nearest. range_min [m]."""

    beams: Annotated[int, Range(at_least=4, at_most=100_000)] = 720
    sectors: Sectors = 8
    range_min: Positive = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.range_min >= self.range_max:
            least, most = self.range_min, self.range_max
            raise ConfigError(f"range_min = {least} must be below range_max = {most}")


@dataclass(frozen=True)
class LaserScan:
    """Angles [rad] counterclockwise about z (up), 0 = x (forward); those of the beams' middles.

    ranges: (beams,) float32 horizontal distance [m], inf = nothing is in the way, NaN = from
    `range_min` on neither floor nor anything in the way is seen: masked, beside what a lens sees,
    behind what is nearer.
    """

    angle_min: float
    angle_increment: float
    range_min: float
    range_max: float
    ranges: FloatArray

    @property
    def angles(self) -> Float64Array:
        """(beams,) of each beam [rad]."""
        numbers = np.arange(len(self.ranges), dtype=np.float64)
        return np.asarray(self.angle_min + self.angle_increment * numbers, np.float64)

    def fields(self) -> dict[str, Any]:
        """Those of sensor_msgs/LaserScan but its header."""
        return {
            "angle_min": self.angle_min,
            "angle_max": float(self.angles[-1]),
            "angle_increment": self.angle_increment,
            "time_increment": 0.0,
            "scan_time": 0.0,
            "range_min": self.range_min,
            "range_max": self.range_max,
            "ranges": self.ranges,
            "intensities": np.zeros(0, np.float32),
        }

    def sectors(self, count: int) -> list[dict[str, Any]]:
        """The nearest of each of so many equal sectors, the first one around straight ahead.

        A beam that two sectors share counts in both. `unseen`: of a sector's beams, how many show
        nothing at all; a range of None means that nothing is in the way of the others.
        """
        step = 2 * math.pi / count
        ranges = np.where(np.isnan(self.ranges), np.inf, self.ranges)
        found = []
        for number in range(count):
            middle = math.remainder(number * step, 2 * math.pi)
            away = np.abs((self.angles - middle + math.pi) % (2 * math.pi) - math.pi)
            mine = np.flatnonzero(away < (step + self.angle_increment) / 2 - 1e-9)
            nearest = mine[np.argmin(ranges[mine])]
            hit = bool(np.isfinite(ranges[nearest]))
            found.append(
                {
                    "sector_deg": round(math.degrees(middle), 3),
                    "range": float(ranges[nearest]) if hit else None,
                    "angle_deg": round(math.degrees(self.angles[nearest]), 3) if hit else None,
                    "unseen": int(np.isnan(self.ranges[mine]).sum()),
                }
            )
        return found


def beam_of(points: Float64Array, beams: int) -> Any:
    """(N,) number of the beam that each point (N, 2 or 3) lies in."""
    turn = (np.arctan2(points[:, 1], points[:, 0]) + math.pi) / (2 * math.pi)
    return np.minimum((turn * beams).astype(np.int64), beams - 1)


def nearest(points: Float64Array, beams: int) -> Float64Array:
    """(beams,) horizontal distance of the nearest of the points (N, 3); inf where there is none."""
    ranges = np.full(beams, np.inf)
    np.minimum.at(ranges, beam_of(points, beams), np.hypot(points[:, 0], points[:, 1]))
    return ranges


def farthest(points: Float64Array, beams: int) -> Float64Array:
    """(beams,) horizontal distance of the farthest of the points (N, 3); 0 where there is none."""
    ranges = np.zeros(beams)
    np.maximum.at(ranges, beam_of(points, beams), np.hypot(points[:, 0], points[:, 1]))
    return ranges


def laser_scan(
    prediction: Prediction,
    options: ScanOptions = ScanOptions(),
    path: Path = Path("scan"),
    seen: Seen | None = None,
) -> LaserScan:
    """The scan of a prediction in metres. path: what errors name. seen: what `seen_around` said, if
    it was asked. Raises OutputError.

    What is nearer than `range_min` is the camera's own stand: a beam goes on behind it, and is NaN
    where nothing is seen behind: it may be a wall as well.
    """
    seen = seen or seen_around(prediction, path, options)
    told = min(options.beams, seen.columns)  # beams between two columns have no point of their own
    middles = (np.arange(options.beams) + 0.5) / options.beams
    others = seen.wall[np.hypot(seen.wall[:, 0], seen.wall[:, 1]) >= options.range_min]
    ranges = nearest(others, told)
    ranges[np.isinf(ranges) & (farthest(seen.floor, told) < options.range_min)] = np.nan
    ranges = ranges[(middles * told).astype(int)]
    ranges[ranges > options.range_max] = np.inf
    step = 2 * math.pi / options.beams
    return LaserScan(
        -math.pi + step / 2, step, options.range_min, options.range_max, ranges.astype(np.float32)
    )


def write_laserscan(
    prediction: Prediction, path: Path, options: ScanOptions = ScanOptions()
) -> list[Path]:
    """JSON with the fields of sensor_msgs/LaserScan; null in `ranges`: nothing in the way (inf).

    Beside them `unseen`, the numbers of the beams that are null because they show nothing at all,
    `obstacles`, the nearest of each sector, and the metadata.
    """
    scan = laser_scan(prediction, options, path)
    quantity = (
        f"horizontal distance to what is {options.low:g} to {options.high:g} m over the floor"
    )
    meta = metadata(prediction, quantity, frame=ROS_FRAME)
    values = {**scan_values(scan, options.sectors), "metadata": json.loads(to_json(meta))}
    write_atomic(path, json.dumps(values, allow_nan=False).encode())
    return [path]


def scan_values(scan: LaserScan, sectors: int, stamp: float | None = None) -> dict[str, Any]:
    """A scan for JSON, which has neither inf nor NaN: null in `ranges`. stamp: [s since 1970]."""
    header: dict[str, Any] = {"frame_id": FRAME_ID}
    if stamp is not None:
        second = math.floor(stamp)
        header = {"stamp": {"sec": second, "nanosec": int((stamp - second) * 1e9)}, **header}
    return {
        "header": header,
        **scan.fields(),
        "ranges": [round(float(r), 4) if math.isfinite(r) else None for r in scan.ranges],
        "intensities": [],
        "unseen": np.flatnonzero(np.isnan(scan.ranges)).tolist(),
        "obstacles": scan.sectors(sectors),
    }
