"""How frames become scans; nothing heavy, as the command line reads the fields."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from panodepth.errors import ConfigError
from panodepth.export.formats import check_metres
from panodepth.options import option
from panodepth.predict.lenses.options import Numbers
from panodepth.predict.options import PredictOptions
from panodepth.size import Size

if TYPE_CHECKING:
    from panodepth.export.robots.scan import ScanOptions

_scan = partial(option, rich_help_panel="Scan")


@dataclass(frozen=True, kw_only=True)
class LiveOptions(PredictOptions):
    """How each frame is predicted and scanned. Raises ConfigError for values that cannot be.

    Something has to give metres: `camera_height` for a camera that is fixed to a robot. Frames are
    taken to be level unless `level`, `pitch` or `roll` say otherwise.

    low, high, range_min, range_max, beams: as `ScanOptions` has them. rows: frames with more
    are reduced to so many first, as many as a network of up to this height can make use of; not
    where an option counts in pixels of the frame: a lens, a distance or length that is known.
    Confidence and `out_*` change nothing in a scan, and are refused.
    """

    confidence: bool = False  # without `option`: the command line does not offer them
    out_projection: str = "erp"
    out_fov: float | None = None
    out_size: Size | None = None
    out_view: Numbers | None = None

    level: str = option("none", "Turn tilted frames upright: auto, best (slower) or none.")
    quality: str = option("fast", "fast = 1 run of the network, standard = 3; balanced, best.")
    one_view: bool = option(  # the next frame is waiting, and says as much again
        True,
        "Metres from the floor of one view, or of four (more certain).",
        flag="--one-view/--four-views",
    )
    low: float = _scan(0.1, "Obstacles start at this height over the floor [m].")
    high: float = _scan(1.8, "Obstacles end at this height over the floor [m].")
    range_max: float = _scan(30.0, "Farther points are left out [m].")
    range_min: float = _scan(0.3, "Nearer points (the robot itself) are left out [m].")
    beams: int = _scan(360, "Beams of the scan, all around.")
    rows: int = _scan(192, "Larger frames are reduced to this many rows.", min=64)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("confidence", "out_projection", "out_fov", "out_size", "out_view"):
            if getattr(self, name) != getattr(LiveOptions, name):
                raise ConfigError(f"{name} changes nothing in a scan: leave it out")
        if not self.in_metres:
            check_metres(["laserscan"])
        if self.rows < 64:
            raise ConfigError(f"rows must be at least 64: {self.rows}")
        self.scan_options()  # says what is wrong

    @property
    def counts_pixels(self) -> bool:
        """Whether an option says where something is in pixels of the frame."""
        known = (self.known_distance, self.known_length)
        return self.has_lens or any(value is not None for value in known)

    def scan_options(self) -> ScanOptions:
        """Those of the scan. Raises ConfigError."""
        from panodepth.export.robots.scan import ScanOptions
        from panodepth.strict import build

        names = ("low", "high", "range_min", "range_max", "beams")
        return build(ScanOptions, {name: getattr(self, name) for name in names}, "the scan")
