"""Where decoding begins for a part of a file, so that what lies before it is read, not decoded."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

INDEXED = ("mov", "matroska")  # whose packets are a frame each, with the time at which it is shown
BACK = 2  # key frames: an intra refresh, and frames that refer past one, are whole by the second
TICK = 1e-3  # least between frames [s]


class Key(NamedTuple):
    """A key frame. pts, dts: its time stamps, of showing and decoding. number: of the frame in its
    source, from 0.
    """

    pts: int
    dts: int
    number: int


def key_before(container: InputContainer, stream: VideoStream, start: float) -> Key | None:
    """From which to decode what is shown from `start` on [s, after the stream's beginning].

    None where that is not sure to give the same frames and numbers: then from the first one on.
    Reads packets from where the container stands.
    """
    if container.format.name.split(",")[0] not in INDEXED or stream.start_time is None:
        return None
    base = float(stream.time_base or 0)
    keys: list[tuple[int, int]] = []
    shown: list[int] = []
    opening: Packet[Any] | None = None
    for packet in container.demux(stream):
        if packet.pts is None:  # the end, or a file without times
            break
        opening = opening or packet
        if packet.dts is not None and (packet.dts - stream.start_time) * base > start:
            break  # what follows is shown later still
        if packet.is_discard:  # outside what an edit list shows
            continue
        shown.append(packet.pts)
        if packet.is_keyframe and (packet.pts - stream.start_time) * base <= start:
            keys.append((packet.pts, packet.pts if packet.dts is None else packet.dts))
    ordered = sorted(shown)
    if len(keys) < BACK or any((b - a) * base < TICK / 2 for a, b in pairwise(ordered)):
        return None
    whole = opening and opening.is_keyframe and (opening.is_discard or opening.pts == ordered[0])
    if not whole:  # frames before the first key frame are left out by decoders
        return None
    pts, dts = sorted(keys)[-BACK]
    return Key(pts, dts, ordered.index(pts))


def packets_from(
    container: InputContainer, stream: VideoStream, key: Key
) -> Iterator[Packet[Any]] | None:
    """The packets from a key frame on; None where the container does not come to it."""
    container.seek(key.dts, stream=stream)
    packets = container.demux(stream)
    for packet in packets:
        if packet.pts is None or (packet.is_keyframe and packet.pts > key.pts):
            break
        if packet.pts == key.pts:
            return _with(packet, packets)
    return None


def _with(first: Packet[Any], packets: Iterator[Packet[Any]]) -> Iterator[Packet[Any]]:
    yield first
    yield from packets
