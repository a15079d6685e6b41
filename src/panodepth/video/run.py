"""A clip through a predictor, frame by frame: what it becomes, and how it goes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from panodepth.atomic import write_atomic
from panodepth.errors import InputError
from panodepth.export import save
from panodepth.geometry.level.floor import SCALE_FACTS
from panodepth.geometry.rotation import quaternion_from_rotation
from panodepth.predict.predictor import Predictor
from panodepth.types import Prediction
from panodepth.video.motion import Motion
from panodepth.video.options import VideoOptions
from panodepth.video.reading import Clip, Frame
from panodepth.video.steady import STANDS, Steadier, Steady
from panodepth.video.streams import Stream, opened, stream_path

TOLD = 5  # places of damage that are named
MISSING = 0.02  # share of the frames of which a file speaks; when more lack, it is told


@dataclass
class ClipResult:
    """What became of a clip. shots: how many it was found to hold. flicker: mean of those
    of its frames (`Steady`); None = not known. notes: for people.
    """

    source: str
    frames: int = 0
    shots: int = 0
    flicker: float | None = None
    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def steadied(
    predictor: Predictor, frames: Iterator[Frame], options: VideoOptions
) -> Iterator[tuple[Frame, Steady]]:
    """Each frame with its prediction, held to those before where `options.steady` says so."""
    held, following = Steadier(), options.carried_on()
    for frame in frames:
        predict = partial(predictor.predict, frame.image)
        if options.steady:
            at_cut = partial(predict, options=options) if options.in_metres else None
            yield frame, held.hold(predict(options=following), at_cut)
        else:
            yield frame, Steadier().hold(predict(options=options))


def predict_clip(
    predictor: Predictor,
    clip: Clip,
    options: VideoOptions,
    on_frame: Callable[[], None] = lambda: None,
) -> ClipResult:
    """Predict a clip and write it. on_frame: called after each frame.

    Files of the whole clip take their names at the end, all of them or none; those of single frames
    are in a folder of its name, numbered from 1 on. NAME_frames.jsonl, written last, has a line a
    frame. Raises InputError, OutputError.
    """
    result = ClipResult(str(clip.source), notes=list(clip.notes))
    lines: list[str] = []
    path: list[str] = []
    changes: list[float] = []
    with ExitStack() as held:
        streams: list[Stream] = []
        place = STANDS
        for frame, now in _named(clip, steadied(predictor, clip.frames, options)):
            number, place = len(lines) + 1, STANDS if now.cut else now.motion.after(place)
            prediction = replace(now.prediction, meta=_meta(now, clip.name, number, frame))
            if not lines:
                streams = _streams(held, clip, options, prediction, frame)
                told = prediction.meta.get("notes", ())
                result.notes += [f"{clip.source.name}: {note}" for note in told]
            for stream in streams:
                stream.add(prediction, frame.time, frame.clock)
            if options.files:
                folder = options.out / clip.name
                save(prediction, folder, options.files, options.writer_settings)
            result.shots += options.steady and now.cut
            result.notes += [f"{clip.source.name}, {frame.time:.1f} s: {now.note}"] * bool(now.note)
            lines.append(_line(frame, now, place, number))
            path += _path_line(frame, now.cut, place)
            changes += [] if now.flicker is None else [now.flicker]
            on_frame()
    if "path" in options.streams:
        write_atomic(stream_path(options.out, clip.name, "path"), "".join(path))
    write_atomic(frames_path(options.out, clip.name), "".join(lines))
    result.frames, result.files = len(lines), [str(path) for path in written(options, clip.name)]
    result.flicker = sum(changes) / len(changes) if changes else None
    notes = _lacking(clip, len(lines)) + _older(options.out / clip.name, len(lines))
    return replace(result, notes=result.notes + notes)


def _named(clip: Clip, frames: Iterator[tuple[Frame, Steady]]) -> Iterator[tuple[Frame, Steady]]:
    """The same; an InputError names the clip, and where in it."""
    time = 0.0
    try:
        for frame, now in frames:
            time = frame.time
            yield frame, now
    except InputError as error:
        if str(clip.source) in str(error):
            raise
        told = str(error).removeprefix("image: ")
        raise InputError(f"{clip.source}, after {time:.1f} s: {told}") from error


def frames_path(out: Path, clip: str) -> Path:
    """The file that has a line for each frame, and that is written last."""
    return out / f"{clip}_frames.jsonl"


def written(options: VideoOptions, clip: str) -> list[Path]:
    """What a clip becomes: its files, the folder of those of its frames, and the lines."""
    streams = [stream_path(options.out, clip, name) for name in options.streams]
    return [*streams, *[options.out / clip] * bool(options.files), frames_path(options.out, clip)]


def _streams(
    held: ExitStack, clip: Clip, options: VideoOptions, first: Prediction, frame: Frame
) -> list[Stream]:
    """Those of a clip, opened. first: what is predicted of its first frame."""
    told = {"steady": options.steady}
    if options.metadata:
        kept = ("model", "quality", "network_size", *SCALE_FACTS)
        told |= {key: first.meta[key] for key in kept if key in first.meta}
    names = (name for name in options.streams if name != "path")
    paths = {name: stream_path(options.out, clip.name, name) for name in names}
    streams = [
        held.enter_context(opened(name, path, first, clip.rate, told))
        for name, path in paths.items()
    ]
    for stream in streams:
        stream.hear(None if frame.clock is None else clip.source)
    return streams


def _meta(now: Steady, clip: str, number: int, frame: Frame) -> dict[str, Any]:
    """A prediction's metadata, as a frame of a clip."""
    place = {"frame": frame.number, "time_s": round(frame.time, 6), "factor": now.factor}
    return {**now.prediction.meta, "name": f"{clip}_{number:06d}", "video": place}


def _line(frame: Frame, now: Steady, place: Motion, number: int) -> str:
    """What is known of a frame, as JSON. place: the camera in the frame of its shot's first."""
    told = {
        "number": number,
        "frame": frame.number,
        "time_s": round(frame.time, 6),
        "cut": now.cut,
        "unit": now.prediction.unit,
        "factor": round(now.factor, 6),
        "still": round(now.still, 4),
        "flicker": None if now.flicker is None else round(now.flicker, 6),
        "position": [round(float(x), 6) for x in place.step],
        "rotation_wxyz": [round(float(x), 7) for x in quaternion_from_rotation(place.turn)],
    }
    return json.dumps(told) + "\n"


def _path_line(frame: Frame, cut: bool, place: Motion) -> list[str]:
    """Lines of TUM's text format: time, position, quaternion x y z w."""
    w, x, y, z = quaternion_from_rotation(place.turn)
    numbers = (*place.step, x, y, z, w)
    line = " ".join([f"{frame.time:.6f}", *(f"{float(number):.7f}" for number in numbers)])
    return [*["# a shot; its first camera: x right, y down, z forward\n"] * cut, line + "\n"]


def _older(folder: Path, done: int) -> list[str]:
    """A note on files of frames that this run has not: an earlier one went on for longer."""
    following = f"{folder.name}_{done + 1:06d}"
    if not folder.is_dir() or not any(f.name.startswith(following) for f in folder.iterdir()):
        return []
    return [f"{folder}: files from {following} on are of an earlier, longer run"]


def _lacking(clip: Clip, done: int) -> list[str]:
    """Notes on frames that a file says it has, and that could not be had."""
    notes = []
    if clip.damaged:
        count, places = len(clip.damaged), sorted(clip.damaged)[:TOLD]
        at = ", ".join(f"{time:.1f}" for time in places) + " and later" * (count > TOLD)
        told = f"{count} damaged piece{'s' * (count > 1)}, at {at} s: what follows may be off, too"
        notes.append(f"{clip.source.name}: {told}")
    if done < clip.count * (1 - MISSING) - 1:
        told = f"{clip.source.name}: {done} frames of {clip.count}: the file may be cut"
        notes.append(told)
    return notes
