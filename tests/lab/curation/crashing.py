"""Run by test_pipeline: two workers over frames one of which kills its process, one raises."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from panodepth.jobs import Workers
from panodepth.lab.curation.frame import Frame
from panodepth.lab.curation.pipeline import Options, curate
from panodepth.lab.curation.quality import Limits
from panodepth.lab.curation.sources import FrameSource, open_frame_source
from panodepth.lab.curation.stages import Plan


@dataclass(frozen=True)
class Deadly:
    """Frames of a folder, but for number 1, on which the process dies, and 5, which raises."""

    frames: FrameSource

    @property
    def name(self) -> str:
        return self.frames.name

    def __len__(self) -> int:
        return len(self.frames)

    def label(self, index: int) -> tuple[str, str]:
        return self.frames.label(index)

    def __getitem__(self, index: int) -> Frame:
        if index == 1:
            os._exit(9)
        if index == 5:
            raise ZeroDivisionError("on purpose")
        return self.frames[index]


if __name__ == "__main__":
    source = Deadly(open_frame_source("frames", Path(sys.argv[1])))
    plan = Plan(size=(32, 64), limits=Limits(same=-1))
    curate(source, plan, sys.argv[2], Options(Workers(2), chunk=3))
