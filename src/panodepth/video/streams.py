"""One file for a clip: lossless distance, a preview, grey."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from panodepth.atomic import atomic
from panodepth.errors import InputError, OutputError
from panodepth.export.colour import colourise, distance_range
from panodepth.export.metadata import GENERATOR, to_json
from panodepth.types import ByteArray, FloatArray, Prediction
from panodepth.version import __version__
from panodepth.video.coding import LIMITS, decode, encode
from panodepth.video.options import STREAMS
from panodepth.video.reading import Clock
from panodepth.video.sound import Sound
from panodepth.video.tagging import tag_panorama

CLOCK = Fraction(1, 90_000)  # [s], of MPEG: every usual rate is a whole number of them
WIDEST = 1024  # [px], of previews
MARGIN = 1.25  # of the colours beyond the first frame's nearest and farthest
QUALITY = {"crf": "18", "preset": "medium"}  # of x264: what nobody sees the loss of
BT_709, LIMITED = 1, 1  # FFmpeg's numbers


class Stream(ABC):
    """A video file that grows by a frame at a time, under a temporary name until `opened` ends."""

    container: str
    codec: tuple[str, ...]  # the first that FFmpeg has
    pixels: str

    sounds = False  # whether it has the sound of the clip
    panorama = False  # whether its pictures are whole panoramas, which players are told

    def __init__(self, file: Path, first: Prediction, rate: float, told: dict[str, Any]) -> None:
        self.limits = self.limits_of(first)
        self.unit = first.unit
        height, width = self.picture(first).shape[:2]
        early = self.container == "mp4" and not self.panorama  # which tagging does as well
        flags = {"movflags": "+faststart"} if early else {}
        self._file = av.open(str(file.absolute()), "w", format=self.container, options=flags)
        for key, value in self.facts(told).items():
            self._file.metadata[key] = value
        codec = next((name for name in self.codec if name in av.codecs_available), "")
        if not codec:
            raise OutputError(f"this FFmpeg has no {' and no '.join(self.codec)} to write with")
        options = QUALITY if codec == "libx264" else {}
        even = Fraction(rate).limit_denominator(1001)
        stream: Any = self._file.add_stream(codec, even, options)
        stream.width, stream.height, stream.pix_fmt = width, height, self.pixels
        stream.codec_context.time_base = CLOCK
        stream.codec_context.gop_size = max(1, round(2 * rate))  # players find places by them
        self._stream, self._path, self._frame = stream, file, 1 / rate
        self._sound: Sound | None = None
        self._ends = 0.0  # [s]

    def hear(self, heard: Path | None) -> None:
        """Have the sound of a clip beside the pictures, where there is any; before the first."""
        if self.sounds and heard is not None:
            self._sound = Sound(heard, self._file)

    @abstractmethod
    def limits_of(self, first: Prediction) -> tuple[float, float]:
        """The near and far ends of the scale of the whole clip."""

    @abstractmethod
    def picture(self, prediction: Prediction) -> np.ndarray[Any, Any]:
        """What is stored of a frame."""

    def facts(self, told: dict[str, Any]) -> dict[str, str]:
        """Tags of the file. told: of the clip."""
        near, far = self.limits
        facts = {**told, "near": near, "far": far, "unit": self.unit}
        return {"comment": to_json({"generator": f"{GENERATOR} {__version__}", **facts})}

    def add(self, prediction: Prediction, time: float, clock: Clock | None = None) -> None:
        """One more frame, `time` seconds after the first; clock: of its file."""
        picture = self.picture(prediction)
        kind = "rgb24" if picture.ndim == 3 else "gray16le" if picture.itemsize == 2 else "gray"
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=kind)
        if kind != "gray16le":
            frame = frame.reformat(format=self.pixels, dst_colorspace=BT_709)
            frame.colorspace, frame.color_range = BT_709, LIMITED
        frame.pts, frame.time_base = round(time / CLOCK), CLOCK
        self._mux(frame)
        self._ends = time + self._frame
        if self._sound is not None:
            self._sound.until(time, clock)

    def finish(self) -> None:
        """Write what is left, and the index."""
        if self._sound is not None:
            self._sound.until(self._ends)
        self._mux(None)
        self._file.close()
        if self.panorama:
            tag_panorama(self._path)

    def close(self) -> None:
        """Close the file, whatever is in it."""
        if self._sound is not None:
            self._sound.close()
        with suppress(av.FFmpegError):
            self._file.close()

    def _mux(self, frame: av.VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            self._file.mux(packet)


class Lossless(Stream):
    """FFV1, 16 bits of grey: see `coding`."""

    container, codec, pixels = "matroska", ("ffv1",), "gray16le"

    def limits_of(self, first: Prediction) -> tuple[float, float]:
        return LIMITS[first.unit]

    def facts(self, told: dict[str, Any]) -> dict[str, str]:
        near, far = self.limits
        quantity = "Euclidean distance along the ray, logarithmic"
        formula = "near * (far / near) ** ((value - 1) / 65534); 0 = no surface"
        more = {"PANODEPTH_NEAR": repr(near), "PANODEPTH_FAR": repr(far)}
        return super().facts({**told, "quantity": quantity, "formula": formula}) | more

    def picture(self, prediction: Prediction) -> np.ndarray[Any, Any]:
        return encode(prediction.distance, prediction.mask, self.limits)


class Shown(Stream):
    """H.264; one scale for the whole clip, a little wider than the first frame's."""

    container, codec, pixels = "mp4", ("libx264", "libopenh264", "mpeg4"), "yuv420p"

    def limits_of(self, first: Prediction) -> tuple[float, float]:
        near, far = distance_range(first.distance, first.mask)
        return near / MARGIN, far * MARGIN


class Preview(Shown):
    """The picture, and below it its map in colours."""

    sounds = True

    def picture(self, prediction: Prediction) -> ByteArray:
        height, width = prediction.distance.shape
        size = (min(width, WIDEST) // 2 * 2, round(height * min(1, WIDEST / width)) // 2 * 2)
        colours = colourise(prediction.distance, prediction.mask, limits=self.limits)
        parts = (prediction.image, colours)
        small = [cv2.resize(x, size, interpolation=cv2.INTER_AREA) for x in parts]
        return np.asarray(np.concatenate(small), np.uint8)


class Grey(Shown):
    """Near is white, far is dark, on a logarithmic scale; no surface is black."""

    panorama = True

    def picture(self, prediction: Prediction) -> ByteArray:
        near, far = self.limits
        height, width = (x // 2 * 2 for x in prediction.distance.shape)
        distance = np.clip(prediction.distance[:height, :width], near, far)
        share = np.log(far / distance) / np.log(far / near)
        grey = np.where(prediction.mask[:height, :width], np.rint(1 + 254 * share), 0)
        return grey.astype(np.uint8)


KINDS: dict[str, type[Stream]] = {"mkv": Lossless, "preview": Preview, "grey": Grey}


@contextmanager
def opened(
    name: str, path: Path, first: Prediction, rate: float, told: dict[str, Any]
) -> Iterator[Stream]:
    """A stream of one of STREAMS; its file takes its name when all went well."""
    with atomic(path) as (temporary,):
        stream = KINDS[name](temporary, first, rate, told)
        try:
            yield stream
            stream.finish()
        except av.FFmpegError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
        finally:
            stream.close()


def stream_path(folder: Path, clip: str, name: str) -> Path:
    """The file of a clip that one of STREAMS becomes."""
    return folder / f"{clip}{STREAMS[name][0]}"


def is_ours(path: Path) -> bool:
    """Whether a file is a video that panodepth wrote."""
    try:
        with path.open("rb") as file, av.open(file) as container:
            tags = {key.lower(): value for key, value in container.metadata.items()}
            return f'"generator": "{GENERATOR}' in tags.get("comment", "")
    except (av.FFmpegError, OSError):
        return False


def read_distance(path: str | Path) -> Iterator[tuple[float, FloatArray]]:
    """The frames of an `mkv` file: when each was [s], and its distances (H, W), NaN = no surface.

    Raises InputError where the file is none.
    """
    try:
        with av.open(os.path.abspath(path)) as file:  # no protocol, as in a:b.mkv
            tags = file.metadata
            if "PANODEPTH_NEAR" not in tags:
                raise InputError(f"{path}: no distance video of panodepth")
            limits = float(tags["PANODEPTH_NEAR"]), float(tags["PANODEPTH_FAR"])
            for frame in file.decode(video=0):
                yield frame.time or 0.0, decode(np.asarray(frame.to_ndarray(), np.uint16), limits)
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
