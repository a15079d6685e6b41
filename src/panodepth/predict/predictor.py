"""One panorama in, one `Prediction` out: what every backend shares, in NumPy alone.

Resize, network, normalise per image, resize back. What a network returns is a log distance without
a scale. Its 0.98 pixel quantile becomes 1, taken per image, at the network's size and over the
pixels that the user's mask and the model's own sky output call valid. The classical sky mask (for
models without a sky output) is not part of the model and so never enters the normalisation; it only
clears `Prediction.mask` and moves behind all surfaces; a guess only clears the mask.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from panodepth.errors import InputError, ModelError
from panodepth.geometry.poles import settle_poles
from panodepth.geometry.resizing import Edges
from panodepth.geometry.rotation import rotation_to_up
from panodepth.images import ImageData, check_aspect, to_image_data
from panodepth.options import changed
from panodepth.predict import forks
from panodepth.predict.level.levelled import levelled, to_input
from panodepth.predict.masks import checked_mask, shrink_mask
from panodepth.predict.options import LOOKS, SHARP, SKY_MODES, PredictOptions
from panodepth.predict.request import RawOutput, Request, answers, halves_alike, network_pixels
from panodepth.predict.steps import enlarged
from panodepth.size import Size, show_size
from panodepth.types import FloatArray, Prediction, push_back

SCALE_QUANTILE = 0.98  # the distance that becomes 1, DA² release
FRAME = "x right, y down, z forward"
DEFAULTS = PredictOptions()
Run = Callable[[FloatArray], RawOutput]


class Predictor(ABC):
    """A network with its preprocessing; a backend adds `run`.

    `predict` is the whole; `prepare`, `run` and `finish` are its three stages, for who lets them
    overlap. Holds no state that changes, so several threads may call it at once.

    Attributes: name (for people), size ((h, w) the network runs at), own_size ((h, w) it was made
    for), backend (what runs it), choice (why, where a trial chose it), weights (their digest, "" =
    not known), edges (what resizing finds beyond the seam and the poles: a model in the released
    format is fed and read as it was trained, without a wrap), overlaps (whether `start` returns
    before the network is done), nan_reason (what the error says when the network returns NaN).
    """

    name: str
    size: Size
    own_size: Size
    backend: str = "torch"
    choice: str = ""
    weights: str = ""
    edges: Edges = "sphere"
    overlaps: bool = False
    nan_reason: str = "its weights may be damaged"

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Plain values for people and logs: what runs, how large, where and how precisely."""

    @abstractmethod
    def checked_size(self, size: Size) -> Size:
        """(h, w) if the network can run at it, else ConfigError."""

    @abstractmethod
    def run(self, pixels: Sequence[FloatArray]) -> list[RawOutput]:
        """The network on pictures of one size, (3, h, w) float32 in [0, 1] each."""

    def start(self, pixels: Sequence[FloatArray]) -> Callable[[], list[RawOutput]]:
        """`run`, begun, on pictures (3, h, w): call what this returns, once, for the result."""
        outputs = self.run(pixels)
        return lambda: outputs

    def best_batch_size(self, size: Size | None = None) -> int:
        """How many pictures `run` had best be given at once; size: (h, w), None = `self.size`."""
        return 1

    @contextmanager
    def leaving_cores(self, count: int) -> Iterator[None]:
        """Inside, `run` in this thread leaves that many cores to others, where it has a say."""
        yield

    def __repr__(self) -> str:
        said, size = self.describe(), show_size(self.size)
        return f"{type(self).__name__}({self.name}: {size} px, {said['dtype']} on {said['device']})"

    def predict(
        self, image: Any, mask: Any = None, options: PredictOptions = DEFAULTS, **changes: Any
    ) -> Prediction:
        """Predict one panorama.

        image: path, bytes of a file, open file, PIL image, or (H, W, 3) array or tensor of uint8,
            uint16 or float in [0, 1], sRGB-coded; W = 2H.
        mask: (H, W) bool, True = valid, or the path of a mask file (white = valid); None = all.
        options, changes: `PredictOptions`, or its fields by name:
            `predict("room.jpg", camera_height=1.6, sky="none")`.
        Raises InputError when the image or mask cannot be used, ConfigError for a bad option.
        """
        return self.predict_batch([image], [mask], options, **changes)[0]

    def predict_batch(
        self,
        images: Sequence[Any],
        masks: Sequence[Any] | None = None,
        options: PredictOptions = DEFAULTS,
        **changes: Any,
    ) -> list[Prediction]:
        """Predict several panoramas, of any sizes, in one pass; each is normalised by itself.

        images: a sequence of what `predict` takes, or an (N, H, W, 3) array. masks: one per image
        (None = everything is valid), or None. options, changes: as in `predict`.
        """
        several = hasattr(images, "__len__") and getattr(images, "ndim", 4) == 4
        if isinstance(images, str | bytes | os.PathLike) or not several:
            raise InputError("predict_batch takes a list of images; for a single one use predict")
        options = changed(options, changes)
        masks = [None] * len(images) if masks is None else masks
        count = len(masks) if hasattr(masks, "__len__") and getattr(masks, "ndim", True) else "no"
        if count != len(images):
            raise InputError(f"{count} masks do not match {len(images)} images")
        requests = [self.prepare(*pair, options) for pair in zip(images, masks, strict=True)]
        seen = [picture for request in requests for picture in request.pictures]
        outputs = answers(requests, self.run(seen)) if requests else []
        return [self.finish(*pair, options) for pair in zip(requests, outputs, strict=True)]

    def prepare(self, image: Any, mask: Any, options: PredictOptions) -> Request:
        """Check one picture and its mask and bring both to the network's size."""
        if os.getpid() != forks.home:
            forks.settle()
        size = self.size if options.size is None else self.checked_size(options.size)
        if options.size is not None and self.edges == "sphere":
            size = max(size, self.own_size)  # at fewer pixels it would lose the whole
        data = to_image_data(image)
        if options.has_lens or data.pano is not None:
            from panodepth.predict.lenses.sphere import on_sphere

            data, mask = on_sphere(data, mask, options), None
        check_aspect(data.size, options.allow_any_aspect, name=data.source or "image")
        if data.origin is None and data.may_be_padded:
            from panodepth.predict.lenses.borders import without_borders

            data = without_borders(data, options, options.allow_any_aspect)
        valid = data.valid
        if mask is not None:
            valid = checked_mask(mask, data.size) & (True if valid is None else valid)
        if valid is not None and not valid.any():
            raise InputError(f"{data.source or 'image'}: the mask leaves no valid pixel")
        small_valid = np.ones(size, np.bool_) if valid is None else shrink_mask(valid, size)
        pixels = network_pixels(data, size, self.edges)
        if data.origin is None and options.projection == "auto" and halves_alike(pixels):
            from panodepth.predict.lenses.stereo import with_warning

            data = with_warning(data, pixels)
        looks = LOOKS[options.quality] if self.edges == "sphere" else 1
        request = Request(data, valid, pixels, small_valid, None, looks, self.own_size[1])
        if options.up is None:
            return request
        from panodepth.predict.level.turning import upright

        return upright(request, options.up, self.edges)

    def finish(self, request: Request, output: RawOutput, options: PredictOptions) -> Prediction:
        """Level, normalise, bring to the input's size, clear the sky. output: see `answers`."""
        output = self._settled(output, request)
        request, output, up = levelled(request, output, self._seen, options, self.edges)
        sky_logit, given = None if options.sky == "none" else output.sky_logit, None
        if options.sky not in SKY_MODES or (sky_logit is not None and (sky_logit > 0).any()):
            from panodepth.predict.sky.settled import settled

            sky_logit, given = settled(sky_logit, request, options.sky)
        valid = request.valid if sky_logit is None else request.valid & (sky_logit <= 0)
        if not valid.any():
            raise InputError("no valid pixel: all that the mask leaves is sky")
        # At the network's size: the quantile of an enlarged map would depend on the picture's size.
        distance = np.exp(output.log_distance)
        if self.edges == "sphere":
            settle_poles(distance, request.valid)
        distance /= np.float32(np.quantile(distance[valid], SCALE_QUANTILE))
        data, maps = request.data, [distance, *([] if sky_logit is None else [sky_logit])]
        full, *logits = self._enlarged(maps, output, request, options)
        mask = np.ones(data.size, np.bool_) if request.mask is None else request.mask.copy()
        sky, sky_source = None, "none"
        if given is not None:
            sky, sky_source = given, "given"
        elif sky_logit is not None:
            sky, sky_source = logits[0] > 0, "model"
        elif options.sky == "auto":
            from panodepth.predict.sky.classical import classical_sky

            seen = to_input(distance, request, distance.shape, self.edges)
            sky, sky_source = classical_sky(data.pixels, seen), "classical"
        raw, scale = np.asarray(full, np.float32), dict[str, Any](unit="relative")
        if sky is not None:
            sky = sky & mask
            mask &= ~sky
        if options.in_metres:
            from panodepth.predict.metric.cues import Seen, to_metres

            seen_by = Seen(distance, valid, request.pixels, None if options.one_view else self.held)
            raw, scale = to_metres(raw, mask, seen_by, options, data.origin)
        far = raw if sky is None or sky_source == "classical" else push_back(raw, sky, mask)
        told = {**scale, "network_size": list(distance.shape), "sky": sky_source}
        told |= {} if up is None else {"level": up.describe(turned=request.up is not None)}
        # Small tilts that nobody acted on are noise.
        turn = rotation_to_up(up.direction).T if up is not None and request.up is not None else None
        image, meta = data.to_uint8(), self._facts(data, told, options)
        found = Prediction(
            far, mask, image, meta, raw, rotation=turn, level=up, sky_mask=sky, light=data.light
        )
        if options.confidence or options.nadir != "none":
            from panodepth.predict.extras.adding import with_extras

            found = with_extras(found, (request, output), options, self)
        if options.has_lens or data.pano is not None:
            from panodepth.predict.lenses.output import seen_again

            return seen_again(found, data, options)
        return found

    def _facts(
        self, data: ImageData, told: dict[str, Any], options: PredictOptions
    ) -> dict[str, Any]:
        """The metadata of a prediction. told: what is known of this one alone."""
        notes = [*data.notes, *told.get("notes", ())]
        return {
            "model": self.name,
            "backend": self.backend,
            **({"backend_choice": self.choice} if self.choice else {}),
            "frame": FRAME,
            "quality": options.quality,
            **told,
            "name": data.name,
            "source": os.path.basename(data.source),  # no paths of this machine in files
            **({"notes": notes} if notes else {}),
        }

    def held(self, pixels: Sequence[FloatArray]) -> list[RawOutput]:
        """`run`, each (3, h, w) held to what it is at the network's own size; see `larger`."""
        pairs = zip(self.run(pixels), pixels, strict=True)
        return [self._held(*pair, self.run_one) for pair in pairs]

    def run_one(self, pixels: FloatArray) -> RawOutput:
        """`held` on one picture (3, h, w)."""
        return self.held([pixels])[0]

    def _seen(self, request: Request) -> RawOutput:
        """What the network says of one request's pictures."""
        return self._settled(answers([request], self.run(request.pictures))[0], request)

    def _settled(self, output: RawOutput, request: Request) -> RawOutput:
        """The output held as in `held`; what it is held to is seen as the request's pictures."""
        whole = lambda pixels: self._seen(replace(request, pixels=pixels))  # noqa: E731
        return self._held(output, request.pixels, whole)

    def _held(self, output: RawOutput, pixels: FloatArray, run: Run) -> RawOutput:
        """See `larger`; pixels: (3, h, w). run: the network on one. Raises ModelError for NaN."""
        if not all(np.isfinite(x).all() for x in output if x is not None):
            raise ModelError(f"model {self.name} returned NaN: {self.nan_reason}")
        if pixels.shape[1] > self.own_size[0] and self.edges == "sphere":
            from panodepth.predict.larger import held

            return held(output, pixels, self.own_size, run)
        return output

    def _enlarged(
        self, maps: list[FloatArray], output: RawOutput, request: Request, options: PredictOptions
    ) -> list[FloatArray]:
        """Distance, and sky logit if there is one, (h, w) each, at the picture's size (H, W)."""
        if options.quality not in SHARP:
            size, distance, sky = request.data.size, maps[0], output.sky_logit
            if self.edges == "sphere":
                surface = request.valid if sky is None else request.valid & (sky <= 0)
                distance = enlarged(distance, surface, size)
            maps = [to_input(x, request, size, self.edges) for x in (distance, *maps[1:])]
        else:
            from panodepth.predict.detail import sharpened

            maps = sharpened(maps, request, self, options)
        if len(maps) > 1 and (maps[1] > 0).any():
            from panodepth.predict.sky.border import along_picture

            maps[1] = along_picture(maps[1], request.mask, request.data)
        return maps
