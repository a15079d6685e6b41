"""The sound of a clip, copied as it is coded beside a video that is written."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av

from panodepth.video.reading import CONTAINERS, JOINED, Clock

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet

CODECS = ("aac", "ac3", "alac", "eac3", "flac", "mp3", "mp3float", "opus")  # that MP4 holds


class Sound:
    """Sound that goes into a file as far as its pictures have come; nothing where there is none.

    Where files were joined, and their clock began anew, the sound of each is heard with its frames.
    """

    def __init__(self, heard: Path, target: OutputContainer) -> None:
        self._target = target
        self._begins: dict[int, float] = {}  # of each part: its clock at the first frame taken [s]
        self._clock = Clock(0, -math.inf)  # of the packet that was read last
        self._held = ExitStack()
        self._packets: Iterator[Packet[Any]] = iter(())
        self._waiting: Packet[Any] | None = None
        self._last = -(1 << 62)  # time stamp of decoding, of the packet before
        try:
            file = self._held.enter_context(heard.open("rb"))
            kinds = {"format_whitelist": CONTAINERS}
            source = self._held.enter_context(av.open(file, "r", options=kinds))
        except (av.FFmpegError, OSError):
            return
        stream: Any = source.streams.best("audio")
        codec = stream and stream.codec_context
        if not codec or codec.name not in CODECS:
            return
        self._stream = target.add_stream_from_template(stream)
        self._packets = source.demux(stream)

    def until(self, time: float, clock: Clock | None = None) -> None:
        """Copy what is heard up to a time after the first frame [s]. clock: of the frame then."""
        if clock is not None:
            self._begins.setdefault(clock.part, clock.time - time)
        while (packet := self._waiting or self._following()) is not None:
            self._waiting = None
            begins = self._begins.get(self._clock.part)
            if begins is None and self._clock.part < max(self._begins):
                continue  # of a part without a frame
            shift = round((begins or 0.0) / packet.time_base)
            assert packet.pts is not None
            assert packet.dts is not None
            if begins is None or (packet.pts - shift) * packet.time_base >= time:
                self._waiting = packet
                return
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            if packet.pts < 0 or packet.dts <= self._last:
                continue  # before the first frame; or the clock went back
            self._last = packet.dts
            packet.stream = self._stream
            self._target.mux(packet)

    def close(self) -> None:
        """Close the file that it is read from."""
        self._held.close()

    def _following(self) -> Packet[Any] | None:
        """The next packet; None at the end, also where the file is damaged."""
        try:
            packet = next(self._packets, None)
        except av.FFmpegError:
            return None
        if packet is None or packet.dts is None or packet.pts is None:
            return None
        now = float(packet.dts * packet.time_base)
        self._clock = Clock(self._clock.part + (now < self._clock.time - JOINED), now)
        return packet
