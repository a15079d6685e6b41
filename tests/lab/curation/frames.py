"""What tests of sources ask of a frame."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.lab.curation.conftest import Made

from panodepth.lab.curation.frame import Frame, RejectedError
from panodepth.lab.curation.project import place
from panodepth.lab.curation.sources import FrameSource, open_frame_source


def fov_deg(frame: Frame) -> float:
    """The full horizontal angle."""
    return math.degrees(frame.lens.fov_rad(frame.size)[0])


def first(kind: str, made: Made) -> Frame:
    """The first frame of a source; it has been laid onto the sphere, as any has to be."""
    frame = open_frame_source(kind, made.root)[0]
    assert isinstance(frame, Frame), frame
    assert place(frame, np.eye(3), (16, 32)).coverage.any()
    return frame


def refusal(source: FrameSource, index: int = 0) -> RejectedError:
    with pytest.raises(RejectedError) as caught:
        source[index]
    return caught.value
