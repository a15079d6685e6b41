"""Frames of a video file, or of a folder of pictures, one at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from panodepth.errors import InputError, require
from panodepth.images import ImageData, read_image
from panodepth.predict.folder.frames import frames_of
from panodepth.predict.live.loop import reduced
from panodepth.types import ByteArray
from panodepth.video.names import name_of
from panodepth.video.options import VideoOptions
from panodepth.video.pictures import Pictures
from panodepth.video.seeking import TICK, key_before, packets_from
from panodepth.video.spherical import Tags, tags_of

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

# Containers of one file, by FFmpeg's names. Play lists are none: they name files and addresses.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,ogg,asf,mxf,ivf,nut,"
    "h264,hevc"
)
ANEW = 2  # frames back, from which on a clock begins anew
JOINED = 0.5  # and how far back it does where files were joined [s]
HDR = {16: "PQ", 18: "HLG"}  # transfer curves, by their numbers in ISO/IEC 23091-2


class Clock(NamedTuple):
    """What the clock of a file shows [s], after it began anew `part` times."""

    part: int
    time: float


@dataclass(frozen=True)
class Frame:
    """One frame. number: in its source, from 0. time: from the clip's first frame on [s].

    image: (H, W, 3) uint8 sRGB; or, from a picture that says more of itself, all of that.
    clock: when it is shown by the clock of its file; None = a picture of a folder.
    """

    number: int
    time: float
    image: ByteArray | ImageData
    clock: Clock | None = None


@dataclass(frozen=True)
class Clip:
    """A clip while it is open. count: frames that will come, as far as the file says; 0 = unknown.

    rate: frames a second that will come, where they come evenly. notes: for people. damaged: when
    pieces were that could not be decoded, which grows as frames are read [s].
    """

    name: str
    source: Path
    count: int
    rate: float
    frames: Iterator[Frame]
    notes: tuple[str, ...] = ()
    damaged: list[float] = field(default_factory=list)


@contextmanager
def open_clip(path: Path, options: VideoOptions) -> Iterator[Clip]:
    """A clip, closed at the end. Raises InputError, and so do its frames, where it is damaged."""
    if path.is_dir():
        yield _folder(path, options)
        return
    require("video", "video", "av")
    with ExitStack() as held:
        yield _video(path, held, options)


def _opened(path: Path, held: ExitStack) -> tuple[InputContainer, VideoStream]:
    """A file, and its first video stream; both closed with `held`."""
    import av

    try:
        file = held.enter_context(path.open("rb"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        kinds = {"format_whitelist": CONTAINERS}
        container = av.open(file, "r", metadata_errors="replace", options=kinds)
    except (av.FFmpegError, OSError) as error:  # of an empty file it is the latter
        raise InputError(f"{path}: no video that FFmpeg reads ({error.strerror})") from error
    held.enter_context(container)
    if not container.streams.video:
        raise InputError(f"{path}: holds no pictures, sound alone")
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    return container, stream


def _folder(path: Path, options: VideoOptions) -> Clip:
    """A clip of the pictures of a folder, by name."""
    files = frames_of(path)
    first, last = _span(path, options, len(files) / options.rate)
    chosen = [
        (number, file) for number, file in enumerate(files) if first <= number / options.rate < last
    ][:: options.every]

    def frames() -> Iterator[Frame]:
        size = None
        for number, file in chosen:
            data = read_image(file)
            size = size or data.size
            if data.size != size:
                (one, other), (h, w) = size, data.size
                raise InputError(
                    f"{file}: {w}x{h}, and the frames before it are {other}x{one}: frames of a "
                    "clip have one size"
                )
            plain = data.valid is None and data.pano is None
            image = shown(data.to_uint8(), options) if plain else data
            yield Frame(number, (number - chosen[0][0]) / options.rate, image)

    rate = options.rate / options.every
    return Clip(name_of(path), path, len(chosen), rate, frames())


def _video(path: Path, held: ExitStack, options: VideoOptions) -> Clip:
    """A clip of the first video stream of a file."""
    container, stream = _opened(path, held)
    damaged: list[float] = []
    decoded = _decoded(path, container.demux(stream), damaged)
    one = next(decoded, None)
    if one is None:
        raise InputError(f"{path}: no frame could be decoded")
    tags = Tags() if options.says_what_took_it else tags_of(path, stream, one)
    tags = tags if options.pose == "use" else replace(tags, pose_deg=Tags.pose_deg)
    pixel = float(stream.sample_aspect_ratio or 1)
    pictures = Pictures(path, one, pixel, tags, options)
    rate = float(stream.average_rate or stream.guessed_rate or options.rate)
    whole = _length(container, stream) or stream.frames / rate
    joined = container.format.name == "mpegts"  # perhaps, and then the length is of a part alone
    first, last = _span(path, options, math.inf if joined else whole or math.inf)
    count = int((min(last, whole) - first) * rate / options.every + 0.5) if whole else 0
    curve = HDR.get(stream.codec_context.color_trc)
    note = f"{path.name}: HDR ({curve}) is read as it is coded, which is paler than it was seen"
    later = _later(path, held, first, damaged) if first else None
    number, wanted = later or (0, chain([one], decoded))
    timed = enumerate(_timed(wanted, stream, rate), number)
    frames = _frames(pictures, timed, options, (first, last))
    by_tags = f"{path.name}: by its tags {tags}"
    notes = (*[note] * bool(curve), *[by_tags] * bool(str(tags)))
    every = rate / options.every
    return Clip(name_of(path), path, max(count, 0), every, frames, notes, damaged)


def _later(
    path: Path, held: ExitStack, start: float, damaged: list[float]
) -> tuple[int, Iterator[VideoFrame]] | None:
    """The number of a frame before `start` [s], and the frames from it on.

    None where they may be others than of a file that is decoded from its beginning.
    """
    import av

    before = len(damaged)
    try:
        container, stream = _opened(path, held)
        key = key_before(container, stream, start)
        packets = key and packets_from(container, stream, key)
        if key and packets:
            frames = _decoded(path, packets, damaged)
            one = next((frame for frame in frames if (frame.pts or 0) >= key.pts), None)
            if one is not None and one.pts == key.pts:
                return key.number, chain([one], frames)
    except (av.FFmpegError, InputError):
        pass  # which decoding from the beginning tells, where it comes to it
    del damaged[before:]
    return None


def _length(container: InputContainer, stream: VideoStream) -> float:
    """Of the stream [s]; 0 = the file does not say."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    begins = container.start_time if "matroska" in container.format.name else 0
    return max(0.0, ((container.duration or 0) - (begins or 0)) / 1e6)


def _span(path: Path, options: VideoOptions, length: float) -> tuple[float, float]:
    """From when to when frames are taken [s]. Raises InputError where none are."""
    start = options.start or 0.0
    if start >= length > 0:
        raise InputError(f"{path}: ends at {length:.1f} s, before the start at {start:g} s")
    return start, math.inf if options.end is None else options.end


def _frames(
    pictures: Pictures,
    timed: Iterator[tuple[int, tuple[float, VideoFrame, int]]],
    options: VideoOptions,
    span: tuple[float, float],
) -> Iterator[Frame]:
    """Those inside a span of time [s], every so-manieth. Raises InputError where none is."""
    begun: tuple[int, float] | None = None
    for number, (at, frame, part) in timed:
        if at < span[0] - 1e-6:
            continue
        if at >= span[1]:
            break
        begun = (number, at) if begun is None else begun
        if (number - begun[0]) % options.every == 0:
            clock = None if frame.time is None else Clock(part, frame.time)
            yield Frame(number, at - begun[1], pictures.of(frame), clock)
    if begun is None:
        raise InputError(f"{pictures.path}: no frame from {span[0]:g} s on could be decoded")


def _timed(
    decoded: Iterator[VideoFrame], stream: VideoStream, rate: float
) -> Iterator[tuple[float, VideoFrame, int]]:
    """When each frame is shown, from the beginning of the stream on; the frame; its `Clock.part`.

    Time always goes on: where files were joined and their clock begins anew, at their rate. AVI has
    no times but of decoding, in another order.
    """
    counted = stream.container.format.name == "avi"
    origin: float | None = None
    last, part = -math.inf, 0
    for number, frame in enumerate(decoded):
        at = number / rate if counted or frame.time is None else frame.time
        origin = _start(stream, at) if origin is None else origin
        if at - origin < last - ANEW / rate:
            part += at - origin < last - JOINED
            origin = at - last - 1 / rate
        last = max(at - origin, last + TICK)
        yield last, frame, part


def _start(stream: VideoStream, first: float) -> float:
    """When the stream begins, which is not always 0 [s]. first: the time of its first frame.

    Of few frames a second, FFmpeg may guess it too late, from one that was decoded later.
    """
    if stream.start_time is None or stream.time_base is None:
        return first
    return min(float(stream.start_time * stream.time_base), first)


def _decoded(
    path: Path, packets: Iterator[Packet[Any]], damaged: list[float]
) -> Iterator[VideoFrame]:
    """Frames as FFmpeg decodes them. damaged: gets the time of each piece that it cannot [s]."""
    import av

    done, at = 0, 0.0
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.FFmpegError as error:
            if done and isinstance(error, av.error.InvalidDataError):
                damaged.append(at)  # what there was so far is as good as of a file that was cut
                return
            raise InputError(f"{path}: damaged after frame {done} ({error.strerror})") from error
        at = float(packet.dts * packet.time_base) if packet.dts else at
        try:
            frames = packet.decode()
        except av.FFmpegError:
            damaged.append(at)
            continue
        if packet.is_corrupt and not frames:
            damaged.append(at)
        for frame in frames:
            if packet.is_corrupt or frame.is_corrupt:  # the decoder has filled something in
                damaged.append(at if frame.time is None else frame.time)
            done += 1
            yield frame


def shown(picture: ByteArray, options: VideoOptions) -> ByteArray:
    """A picture (H, W, 3), with fewer rows where it may have fewer."""
    return picture if options.counts_pixels else reduced(picture, options.rows)
