"""One panorama in, one `Prediction` out: resize, network, normalise per image, resize back.

What a network returns is a log distance without a scale. Its 0.98 pixel quantile becomes 1, taken
per image, at the network's size and over the pixels that the user's mask and the model's own sky
output call valid. The classical sky mask (for models without a sky output) is not part of the model
and so never enters the normalisation; it only clears `Prediction.mask`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from panodepth.errors import ConfigError, InputError, ModelError
from panodepth.images import to_image_data
from panodepth.inference.scale import metres_per_unit
from panodepth.inference.sky import classical_sky
from panodepth.model import SphereViT
from panodepth.sphere import resize_erp
from panodepth.types import BoolArray, FloatArray, Prediction

SCALE_QUANTILE = 0.98  # DA² release
ASPECT_TOLERANCE = 0.02  # |W / H - 2| of what still counts as a full panorama
MIN_HEIGHT = 16  # pixels; less than about one token per octant is no picture
PATCH = 14  # both sides of the working size are multiples of it

SkyMode = Literal["auto", "none"]


@dataclass(frozen=True)
class _Request:
    """One checked input. image (H, W, 3) and mask (H, W) at full size, the rest at network size."""

    image: FloatArray
    mask: BoolArray
    pixels: Tensor  # (3, h, w) float32 in [0, 1]
    valid: Tensor  # (h, w) bool
    source: str | None


class Predictor:
    """A loaded network with its preprocessing; get one from `panodepth.load`.

    Holds no state that changes, so several threads may call it at once.

    Attributes: model, name (for people), size ((h, w) the network runs at), dtype, device.
    """

    def __init__(
        self,
        model: SphereViT,
        *,
        name: str = "custom",
        size: tuple[int, int] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """model: on its device and in evaluation mode; size: (h, w), None = the model's own."""
        self.model = model.eval()
        self.name = name
        self.size = _checked_size(size or model.config.size)
        self.dtype = dtype
        self.device = next(model.parameters()).device

    def predict(
        self,
        image: Any,
        mask: Any = None,
        *,
        size: tuple[int, int] | None = None,
        allow_any_aspect: bool = False,
        camera_height: float | None = None,
        sky: SkyMode = "auto",
    ) -> Prediction:
        """Predict one panorama.

        image: path, PIL image, or (H, W, 3) uint8, uint16 or float in [0, 1], sRGB-coded; W = 2H.
        mask: (H, W) bool, True = valid; None = everything.
        size: (h, w) to run the network at, multiples of 14; None = `self.size`.
        allow_any_aspect: take an image that is not 2:1 for a full sphere all the same.
        camera_height: metres from the floor to the camera; distances are then metres.
        sky: "auto" clears sky from the mask, "none" takes every pixel for a surface.
        Raises InputError when the image or mask cannot be used, ConfigError for a bad option.
        """
        return self.predict_batch(
            [image],
            [mask],
            size=size,
            allow_any_aspect=allow_any_aspect,
            camera_height=camera_height,
            sky=sky,
        )[0]

    def predict_batch(
        self,
        images: Sequence[Any],
        masks: Sequence[Any] | None = None,
        *,
        size: tuple[int, int] | None = None,
        allow_any_aspect: bool = False,
        camera_height: float | None = None,
        sky: SkyMode = "auto",
    ) -> list[Prediction]:
        """Predict several panoramas, of any sizes, in one pass; options as in `predict`.

        masks: one per image (None = everything), or None. Every image is normalised by itself.
        """
        if sky not in ("auto", "none"):
            raise ConfigError(f"unknown sky mode {sky!r}: use auto or none")
        if masks is None:
            masks = [None] * len(images)
        if len(masks) != len(images):
            raise InputError(f"{len(masks)} masks do not match {len(images)} images")
        if not images:
            return []
        working = self.size if size is None else _checked_size(size)
        requests = [
            self._prepare(image, mask, working, allow_any_aspect)
            for image, mask in zip(images, masks, strict=True)
        ]
        log_distance, sky_logit = self._run(torch.stack([r.pixels for r in requests]))
        use_model_sky = sky == "auto" and sky_logit is not None
        predictions = []
        for index, request in enumerate(requests):
            logit = sky_logit[index] if use_model_sky and sky_logit is not None else None
            predictions.append(self._finish(request, log_distance[index], logit, sky, camera_height))
        return predictions

    def _prepare(
        self, image: Any, mask: Any, size: tuple[int, int], allow_any_aspect: bool
    ) -> _Request:
        data = to_image_data(image)
        source = getattr(data, "source", None)
        shape = (data.image.shape[0], data.image.shape[1])
        _check_shape(shape, allow_any_aspect)
        valid = np.ones(shape, np.bool_) if data.valid is None else data.valid
        if mask is not None:
            valid = valid & _checked_mask(mask, shape)
        if not valid.any():
            raise InputError("no valid pixel: mask, transparency and NaN leave nothing")
        pixels = torch.from_numpy(np.ascontiguousarray(data.image)).permute(2, 0, 1)
        share = torch.from_numpy(valid.astype(np.float32))
        share = F.interpolate(share[None, None], size, mode="area")[0, 0]
        small_valid = share >= 0.5
        if not small_valid.any():
            small_valid = share > 0
        return _Request(data.image, valid, self._resize(pixels, size).clamp(0, 1), small_valid, source)

    def _run(self, batch: Tensor) -> tuple[Tensor, Tensor | None]:
        """(B, 3, h, w) to log distance and sky logit, both (B, h, w) float32 on the CPU."""
        with torch.inference_mode():
            output = self.model(batch.to(self.device))
        log_distance = output.log_distance.float().cpu()
        if not bool(torch.isfinite(log_distance).all()):
            raise ModelError(f"model {self.name} returned NaN: its weights may be damaged")
        sky_logit = None if output.sky_logit is None else output.sky_logit.float().cpu()
        return log_distance, sky_logit

    def _finish(
        self,
        request: _Request,
        log_distance: Tensor,
        sky_logit: Tensor | None,
        sky: SkyMode,
        camera_height: float | None,
    ) -> Prediction:
        """Normalise one image's log distance (h, w), bring it back to the input's size, mask sky."""
        valid = request.valid if sky_logit is None else request.valid & (sky_logit <= 0)
        if not bool(valid.any()):
            raise InputError("no valid pixel: all that the mask leaves is sky")
        distance = log_distance.exp()
        distance = distance / pixel_quantile(distance[valid], SCALE_QUANTILE)
        scale = 1.0
        if camera_height is not None:
            scale = metres_per_unit(distance, valid, camera_height)
        shape = (request.image.shape[0], request.image.shape[1])
        full = (self._resize(distance[None], shape)[0] * scale).numpy()
        mask, sky_source = request.mask, "none"
        if sky_logit is not None:
            mask = mask & (self._resize(sky_logit[None], shape)[0] <= 0).numpy()
            sky_source = "model"
        elif sky == "auto":
            mask = mask & ~classical_sky(request.image, distance.numpy())
            sky_source = "classical"
        meta: dict[str, Any] = {
            "model": self.name,
            "unit": "relative" if camera_height is None else "m",
            "scale": scale,
            "frame": "x right, y down, z forward",
            "network_size": list(distance.shape),
            "sky": sky_source,
        }
        if request.source is not None:
            meta["source"] = request.source
        if camera_height is not None:
            meta["camera_height_m"] = camera_height
        return Prediction(full, mask, _to_bytes(request.image), meta)

    def _resize(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """(C, H, W) to (C, h, w), antialiased when shrinking; own models see across the seam.

        A model in the released format is fed and read as it was trained: without a wrap.
        """
        if size == maps.shape[-2:]:
            return maps
        if self.model.config.wrap_padding:
            return resize_erp(maps, size)
        return F.interpolate(
            maps[None], size, mode="bilinear", align_corners=False, antialias=True
        )[0]


def pixel_quantile(values: Tensor, q: float) -> Tensor:
    """Quantile of (N,) values with linear interpolation, as torch.quantile but for any N > 0."""
    ordered = values.flatten().sort().values
    rank = q * (ordered.numel() - 1)
    below = int(rank)
    above = min(below + 1, ordered.numel() - 1)
    return torch.lerp(ordered[below], ordered[above], rank - below)


def _checked_size(size: tuple[int, int]) -> tuple[int, int]:
    if len(size) != 2 or any(s < PATCH or s % PATCH for s in size):
        shown = "×".join(str(s) for s in size)
        raise ConfigError(f"size {shown} (height×width) must be multiples of {PATCH}, e.g. 546×1092")
    return (int(size[0]), int(size[1]))


def _check_shape(shape: tuple[int, int], allow_any_aspect: bool) -> None:
    height, width = shape
    if not allow_any_aspect and abs(width / height - 2) > ASPECT_TOLERANCE:
        raise InputError(
            f"{width}×{height} is not a 2:1 panorama (width = 2 × height); "
            "--allow-any-aspect (allow_any_aspect=True) takes it for a full sphere"
        )
    if height < MIN_HEIGHT or width < MIN_HEIGHT:
        raise InputError(f"{width}×{height} pixels are too few: at least {MIN_HEIGHT} a side")


def _checked_mask(mask: Any, shape: tuple[int, int]) -> BoolArray:
    array = np.asarray(mask)
    if array.dtype != np.bool_:
        raise InputError(f"mask must be bool (True = valid), not {array.dtype}")
    if array.shape != shape:
        raise InputError(f"mask {array.shape} does not match image {shape}")
    return array


def _to_bytes(image: FloatArray) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return (image * np.float32(255) + np.float32(0.5)).clip(0, 255).astype(np.uint8)
