"""Frames in, scans out: `for found in scans(predictor, frames, options)`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from panodepth.errors import InputError, OutputError, one_line
from panodepth.export.robots.scan import LaserScan, laser_scan
from panodepth.images import ImageData, read_image
from panodepth.images.limits import check_aspect
from panodepth.predict.folder.frames import frames_of
from panodepth.predict.live.options import LiveOptions
from panodepth.predict.predictor import Predictor
from panodepth.types import ByteArray, Prediction


@dataclass(frozen=True)
class LiveScan:
    """What became of one frame.

    number: from 0 on. name: of its file, else "frame N". stamp: when it was handed in [s since
    1970]. scan: None where the frame could not be used, which `error` says. latency: from handing
    in to the scan, reading a file included [s]. metres_spread: relative standard deviation of its
    metres; None where it is not known.
    """

    number: int
    name: str
    stamp: float
    scan: LaserScan | None
    latency: float
    error: str | None = None
    metres_spread: float | None = None


def scans(
    predictor: Predictor, frames: Iterable[Any] | str | Path, options: LiveOptions
) -> Iterator[LiveScan]:
    """The scan of each frame, in turn; a frame that cannot be used does not end the loop.

    frames: (H, W, 3) uint8 arrays with W = 2H, or paths of pictures, of any iterator, such as a
    camera's; or a folder, whose pictures are taken by name. Raises InputError for a folder without
    any.
    """
    if isinstance(frames, str | Path):
        frames = _frames_in(Path(frames))
    for number, frame in enumerate(frames):
        stamp, began = time.time(), time.perf_counter()
        name = str(frame) if isinstance(frame, str | Path) else f"frame {number}"
        scan, error, spread = None, None, None
        try:
            prediction = predicted(predictor, frame, options)
            scan, spread = scan_of(prediction, options, name), prediction.metres_spread
        except (InputError, OutputError) as problem:
            error = one_line(problem)
            error = error if name in error else f"{name}: {error}"
        yield LiveScan(number, name, stamp, scan, time.perf_counter() - began, error, spread)


def predicted(predictor: Predictor, frame: Any, options: LiveOptions) -> Prediction:
    """What is predicted of one frame, reduced where it may be. Raises InputError, OutputError."""
    return predictor.predict(shown(frame, options), options=options)


def scan_of(prediction: Prediction, options: LiveOptions, name: str = "frame") -> LaserScan:
    """The scan of one predicted frame. name: what errors call it. Raises OutputError."""
    return laser_scan(prediction, options.scan_options(), Path(name))


def _frames_in(folder: Path) -> list[Path]:
    """The frames in a folder. Raises InputError where there are none."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    if not (found := frames_of(folder)):
        raise InputError(f"{folder}: no picture in this folder")
    return found


def shown(frame: Any, options: LiveOptions) -> ByteArray | ImageData:
    """What is predicted of a frame: fewer rows, unless something counts in its pixels.

    Raises InputError.
    """
    if isinstance(frame, str | Path):
        data = read_image(frame)
        if options.counts_pixels or data.valid is not None or data.pano is not None:
            return data
        check_aspect(data.size, options.allow_any_aspect, name=data.source)  # told as it came
        return replace(data, pixels=reduced(data.to_uint8(), options.rows), light=None)
    array = np.asarray(frame)
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8:
        raise InputError(f"a frame is (H, W, 3) uint8, not {array.shape} {array.dtype}")
    if options.counts_pixels:
        return array
    check_aspect((array.shape[0], array.shape[1]), options.allow_any_aspect)
    return reduced(array, options.rows)


def reduced(frame: ByteArray, rows: int) -> ByteArray:
    """A frame (H, W, 3) with `rows` rows at most."""
    height, width = frame.shape[:2]
    if height <= rows:
        return frame
    size = max(1, round(width * rows / height)), rows
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
