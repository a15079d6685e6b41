"""The sound of a clip, copied as it is coded beside a video that is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import av

from panodepth.video.reading import CONTAINERS

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet

CODECS = ("aac", "ac3", "alac", "eac3", "flac", "mp3", "mp3float", "opus")  # that MP4 holds


class Heard(NamedTuple):
    """Where a clip has its sound. begins: when its first frame is shown, by its clock [s]."""

    path: Path
    begins: float


class Sound:
    """Sound that goes into a file as far as its pictures have come; nothing where there is none."""

    def __init__(self, heard: Heard, target: OutputContainer) -> None:
        self._target, self._begins = target, heard.begins
        self._held = ExitStack()
        self._packets: Iterator[Packet[Any]] = iter(())
        self._waiting: Packet[Any] | None = None
        self._last = -(1 << 62)  # time stamp of decoding, of the packet before
        try:
            file = self._held.enter_context(heard.path.open("rb"))
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

    def until(self, time: float) -> None:
        """Copy what is heard up to a time after the first frame [s]."""
        while (packet := self._waiting or self._following()) is not None:
            base = packet.time_base
            shift = round(self._begins / base)
            assert packet.pts is not None
            assert packet.dts is not None
            if (packet.pts - shift) * base >= time:
                self._waiting = packet
                return
            self._waiting = None
            if packet.pts < shift or packet.dts <= self._last:
                continue  # before the first frame; or the clock went back
            self._last = packet.dts
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
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
        return None if packet is None or packet.dts is None or packet.pts is None else packet
