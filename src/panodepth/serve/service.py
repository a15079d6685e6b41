"""A picture's bytes in, a file's bytes out: everything of the service but HTTP.

Pictures are decoded and files are written in threads, the network runs in one more. Nothing that a
client sends names a file: results are written to a temporary folder under one name, read and
removed.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from panodepth.errors import ConfigError, InputError, PanodepthError
from panodepth.export import WRITERS, output_paths
from panodepth.export.formats import check_installed, check_metres
from panodepth.export.metadata import to_json
from panodepth.export.privacy import without_folder
from panodepth.export.views.archive import pack
from panodepth.images import image_size, read_image
from panodepth.options import changed
from panodepth.predict.options import PredictOptions
from panodepth.predict.predictor import Predictor
from panodepth.predict.request import answers
from panodepth.serve.batching import Batcher
from panodepth.serve.cache import Answer, AnswerCache
from panodepth.serve.options import ServeOptions
from panodepth.size import to_number
from panodepth.strict import check_numbers, find_named
from panodepth.types import Prediction

NAME = "panorama"  # of every picture, whatever the client calls it
MEDIA = {
    ".npz": "application/x-npz",
    ".exr": "image/x-exr",
    ".png": "image/png",
    ".tiff": "image/tiff",
    ".glb": "model/gltf-binary",
    ".ply": "application/x-ply",
    ".html": "text/html",
    ".jpg": "image/jpeg",
    ".zip": "application/zip",
    ".json": "application/json",
}
OTHER_MEDIA = "application/octet-stream"
ALONE = ("png", "mcap", "splat", "splat-binary")  # sent without the JSON beside them
DEFAULT_FORMAT = "npz"
FACTS = "json"  # a format of the service alone: what is known of the result, without the map
# Options of a prediction that a client may choose; none of them may name a file.
OFFERED = (
    *("size", "allow_any_aspect", "level", "pitch", "roll", "quality", "sky", "nadir"),
    *("known_distance", "known_length", "camera_height", "max_distance", "scale"),
    *("projection", "fov", "top", "bottom", "fisheye", "focal", "centre", "circle", "distortion"),
    *("turn", "camera", "layout", "face_order", "face_turns", "pose", "stereo"),
    *("out_projection", "out_fov", "out_size", "out_view"),
)
CHOICES = {"sky": ("auto", "none")}  # elsewhere a file, too
QUANTILES = (0.02, 0.5, 0.98)
READ, RUN, FINISHED = 0.1, 0.4, 0.9  # share of the work done after each step
PIECES_HELD = 4  # threads that decode and write
LONGEST = 500  # characters of an option, whose value an error repeats
MOST_NETWORK_PIXELS = 1 << 20  # that a client may ask for: one pass cannot be stopped


class TooLargeError(InputError):
    """A picture above the service's limits."""


class BusyError(PanodepthError):
    """As many pictures wait as may."""


class StoppedError(PanodepthError):
    """The service is about to end."""


@dataclass(frozen=True)
class Wanted:
    """What a client asks for: a format's name and options of the prediction."""

    format: str
    options: PredictOptions

    @property
    def key(self) -> str:
        """The same text for the same wish."""
        values = [(f, getattr(self.options, f.name)) for f in fields(PredictOptions)]
        told = {f.name: str(value) for f, value in values if value != f.default}
        return json.dumps([self.format, told], sort_keys=True)


def read_wanted(query: Mapping[str, str], accept: str = "") -> Wanted:
    """What a query says: `format` and fields of `PredictOptions`, as on the command line.

    accept: the header of that name; it counts where the query names no format. Raises ConfigError.
    """
    values = dict(query)
    long = next((key for key, text in values.items() if len(key) + len(text) > LONGEST), None)
    if long is not None:
        raise ConfigError(f"{long[:60]!r} is given with more than {LONGEST} characters")
    name = values.pop("format").strip().lower() if "format" in values else format_of(accept)
    find_named("format", name, {**WRITERS, FACTS: None})
    offered = {f.name: f for f in fields(PredictOptions) if f.name in OFFERED}
    unknown = sorted(set(values) - set(offered))
    if unknown:
        find_named("option", unknown[0], offered)
    for key, allowed in CHOICES.items():
        if values.get(key, allowed[0]) not in allowed:
            raise ConfigError(f"unknown {key} {values[key]!r}: use {' or '.join(allowed)}")
    changes = {key: _parsed(offered[key], text) for key, text in values.items()}
    changes["confidence"] = name.startswith("confidence-")  # as in a run over files
    options = changed(PredictOptions(), changes)
    check_numbers(options)  # as the description and the command line have them
    check_installed([name])
    if not options.in_metres:
        check_metres([name])
    height, width = options.size or (0, 0)
    if height * width > MOST_NETWORK_PIXELS:
        raise ConfigError(
            f"size {height}x{width}: the service runs its network at up to "
            f"{MOST_NETWORK_PIXELS:,} pixels"
        )
    return Wanted(name, options)


def format_of(accept: str) -> str:
    """The format that an Accept header prefers, the default one without. Raises ConfigError."""
    named: dict[str, str] = {}
    for name, writer in WRITERS.items():
        suffix = Path(NAME + writer.ending).suffix
        media = MEDIA.get(suffix, OTHER_MEDIA)
        if media not in named or suffix == f".{name}":  # glb is asked for, not points-glb
            named[media] = name
    named["application/json"] = FACTS
    for part in sorted(accept.split(","), key=_weight, reverse=True):
        media = part.partition(";")[0].strip().lower()
        if not _weight(part):
            break
        if media in ("", "*/*", "application/*", OTHER_MEDIA):
            return DEFAULT_FORMAT
        if media in named:
            return named[media]
    raise ConfigError(
        f"nothing is written as {accept!r}; ?format= names one of {', '.join([*WRITERS, FACTS])}"
    )


def _weight(part: str) -> float:
    """How much a part of an Accept header is liked (RFC 9110, 12.4.2); 0 = not at all."""
    found = re.search(r";\s*q=(0(?:\.\d*)?|1(?:\.0*)?)\s*(?:;|$)", part, re.IGNORECASE)
    return float(found[1]) if found else 1.0


def _parsed(field: Any, text: str) -> Any:
    """A field's value from the text of a query. Raises ConfigError."""
    if "parser" in field.metadata:
        try:
            return field.metadata["parser"](text)
        except ConfigError as error:
            told = str(error)
            raise ConfigError(told if field.name in told else f"{field.name}: {told}") from None
    kind = str(field.type)
    if "bool" in kind:
        if text.lower() not in ("true", "false", "1", "0"):
            raise ConfigError(f"{field.name} must be true or false, not {text!r}")
        return text.lower() in ("true", "1")
    if "float" in kind or "int" in kind:
        try:
            number = to_number(text)
            return number if "float" in kind else int(text)
        except ValueError:
            raise ConfigError(f"{field.name} must be a number, not {text!r}") from None
    return text


def in_fields(text: str) -> str:
    """An error's text with the names of fields, as a query has them, for those of flags.

    One that is told in both ways, "--allow-any-aspect (allow_any_aspect=True)", is told once.
    """
    text = re.sub(r"--[a-z-]+ \((\w+=)True\)", r"\1true", text)
    names = {field.name for field in fields(PredictOptions)} | {"format"}

    def field_of(found: re.Match[str]) -> str:
        name = found[1].replace("-", "_")
        return name if name in names else found[0]

    return re.sub(r"--([a-z-]*[a-z])", field_of, text)


class Service:
    """Predictions for many clients at once. `close` finishes what was accepted, as time allows."""

    def __init__(
        self,
        predictor: Predictor,
        options: ServeOptions,
        on_batch: Callable[[int], None] | None = None,
    ) -> None:
        self.predictor, self.options = predictor, options
        self.cache = AnswerCache(int(options.cache_megabytes * 1e6))
        self._batcher = Batcher(predictor, on_batch)
        self._pool = ThreadPoolExecutor(PIECES_HELD, thread_name_prefix="picture")
        self._places = threading.Semaphore(options.queue)
        self._model = json.dumps(predictor.describe(), sort_keys=True, default=str)
        self._open, self._end = True, math.inf  # a time of time.monotonic()

    @property
    def waiting(self) -> int:
        """Pictures that wait or are worked on."""
        return self.options.queue - self._places._value

    @property
    def stopping(self) -> bool:
        """Whether it takes nothing more."""
        return not self._open

    @property
    def has_time(self) -> bool:
        """Whether what was taken may still be worked on."""
        return time.monotonic() < self._end

    def key(self, content: bytes, wanted: Wanted) -> str:
        """By what the answer to these bytes is kept."""
        digest = hashlib.sha256(content)
        digest.update(wanted.key.encode())
        digest.update(self._model.encode())
        return digest.hexdigest()

    def known(self, key: str) -> Answer | None:
        """The answer, if it was given before and is still kept."""
        return self.cache.get(key)

    def start(
        self, content: bytes, wanted: Wanted, key: str, watch: Callable[[float], None]
    ) -> Any:
        """A future of the `Answer`; its error is a PanodepthError where the client can help it.

        content: a picture's file. watch: called with the share of the work that is done, by
        estimate; an error in it ends the work. Raises BusyError where too many wait, StoppedError
        at the end.
        """
        if not self._open:
            raise StoppedError("the service is stopping")
        if not self._places.acquire(blocking=False):
            raise BusyError(f"{self.options.queue} pictures wait already: try again")
        try:
            future = self._pool.submit(
                self._answer, content, wanted, key, partial(self._watched, watch)
            )
        except BaseException:
            self._places.release()
            raise
        future.add_done_callback(lambda _: self._places.release())
        return future

    def _answer(
        self, content: bytes, wanted: Wanted, key: str, watch: Callable[[float], None]
    ) -> Answer:
        watch(0.0)
        most = self.options.max_megapixels
        for height, width in (image_size(content), wanted.options.out_size or (0, 0)):
            if height * width > most * 1e6:
                raise TooLargeError(f"{width}x{height} is above {most:g} megapixels")
        data = read_image(content)
        request = self.predictor.prepare(data, None, wanted.options)
        watch(READ)
        waiting = [self._batcher.submit(picture) for picture in request.pictures]
        [output] = answers([request], [future.result() for future in waiting])
        watch(RUN)
        options = replace(wanted.options, watch=partial(_between, watch))
        prediction = self.predictor.finish(request, output, options)
        watch(FINISHED)
        answer = written(prediction, wanted.format)
        self.cache.put(key, answer)
        return answer

    def _watched(self, watch: Callable[[float], None], share: float) -> None:
        """Raises StoppedError where the time for ending is over."""
        if time.monotonic() > self._end:
            raise StoppedError("the service is stopping")
        watch(share)

    def end_soon(self) -> None:
        """Take nothing more, give what was taken `stop_seconds` from now; told again, none."""
        self._open = False
        again = self._end < math.inf
        self._end = time.monotonic() + (0.0 if again else self.options.stop_seconds)

    def close(self) -> None:
        """Take nothing more, and finish what was taken; what is late ends as StoppedError."""
        self._open = False
        if self._end == math.inf:
            self.end_soon()
        self._pool.shutdown()
        self._batcher.close()


def _between(watch: Callable[[float], None], share: float) -> None:
    """Tell the share of `finish` that is done as one of the whole."""
    watch(RUN + share * (FINISHED - RUN))


def written(prediction: Prediction, format_name: str) -> Answer:
    """A prediction as a file of a format; of one with several files, a ZIP file of them."""
    if format_name == FACTS:
        return Answer(to_json(facts(prediction)).encode(), MEDIA[".json"], f"{NAME}.json")
    with tempfile.TemporaryDirectory(prefix="panodepth-") as folder, without_folder(folder):
        prediction.meta["name"] = NAME
        files = prediction.save(folder + "/", [format_name])
        path = output_paths(folder, NAME, [format_name])[format_name][0]
        if len(files) > 1 and format_name not in ALONE:
            path = Path(folder) / f"{NAME}_{format_name}.zip"
            pack(path, files, Path(folder))
        media = MEDIA.get(path.suffix, OTHER_MEDIA)
        return Answer(path.read_bytes(), media, path.name)


def facts(prediction: Prediction) -> dict[str, Any]:
    """What is known of a prediction, as plain values."""
    height, width = prediction.distance.shape
    near = prediction.distance[prediction.mask]
    return {
        **prediction.meta,
        "name": NAME,
        "width": width,
        "height": height,
        "surface_share": float(prediction.mask.mean()),
        "sky_share": float(prediction.sky.mean()),
        "distance_quantiles": {str(q): float(np.quantile(near, q)) for q in QUANTILES if near.size},
    }
