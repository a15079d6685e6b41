"""Every measure with its name for people, its unit and which way is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Measure:
    """key: as in rows and files. percent: shown times 100. digits: after the point in tables.

    weight: key of the value that images weigh by in the mean; "" = all alike. unit: "{}" stands for
    the truth's; "" = a plain number.
    """

    key: str
    label: str
    better: Literal["lower", "higher"] = "lower"
    percent: bool = False
    digits: int = 3
    weight: str = ""
    unit: str = ""

    def show(self, value: float | None) -> str:
        """The value as tables print it; "–" for None."""
        if value is None:
            return "–"
        return f"{value * 100:.2f}" if self.percent else f"{value:.{self.digits}f}"

    def head(self, unit: str) -> str:
        """Label, unit and arrow, as the first column of a table. unit: the truth's."""
        told = f" [{self.unit.format(unit)}]" if self.unit else ""
        return f"{self.label}{told} {self.arrow}"

    @property
    def arrow(self) -> str:
        """↓ or ↑: which way is better."""
        return "↓" if self.better == "lower" else "↑"


MEASURES: dict[str, Measure] = {
    measure.key: measure
    for measure in (
        Measure("abs_rel", "AbsRel %", percent=True),
        Measure("sq_rel", "SqRel", digits=4, unit="{}"),
        Measure("rmse", "RMSE", digits=4, unit="{}"),
        Measure("rmse_log", "RMSElog", digits=4),
        Measure("log10", "log10", digits=4),
        Measure("delta1", "δ1 %", "higher", percent=True),
        Measure("delta2", "δ2 %", "higher", percent=True),
        Measure("delta3", "δ3 %", "higher", percent=True),
        Measure("irmse", "iRMSE", digits=4, unit="1/{}"),
        Measure("silog", "SIlog", digits=2),
        Measure("coverage", "coverage %", "higher", percent=True),
        Measure("seam", "seam", digits=4),
        Measure("seam_ratio", "seam ratio", digits=2),
        Measure("pole", "pole AbsRel %", percent=True),
        Measure("pole_spread", "pole spread", digits=4),
        Measure("normal", "normals °", digits=2),
        Measure("normal_11", "normals < 11.25° %", "higher", percent=True),
        Measure("boundary_f1", "boundary F1 %", "higher", percent=True),
        Measure("flying", "flying pixels %", percent=True),
        Measure("f_score", "cloud F-score %", "higher", percent=True),
        Measure("chamfer", "Chamfer", digits=4),
        Measure("sky_iou", "sky IoU %", "higher", percent=True, weight="sky_pixels"),
        Measure("turn_yaw", "turned by yaw", digits=4),
        Measure("turn_tilt", "tilted", digits=4),
    )
}
