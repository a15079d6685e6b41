"""One panorama in, one `Prediction` out: resize, network, normalise per image, resize back.

What a network returns is a log distance without a scale. Its 0.98 pixel quantile becomes 1, taken
per image, at the network's size and over the pixels that the user's mask and the model's own sky
output call valid. The classical sky mask (for models without a sky output) is not part of the model
and so never enters the normalisation; it only clears `Prediction.mask`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from panodepth.errors import ConfigError, InputError, ModelError
from panodepth.images import ImageData, check_aspect, read_mask, to_image_data
from panodepth.inference.scale import metres_per_unit
from panodepth.inference.sky import classical_sky
from panodepth.model import PATCH, SphereViT, scale_invariant_distance
from panodepth.sphere import resize_erp
from panodepth.types import BoolArray, Prediction

ROUGH = 2  # a picture is box-averaged down to no less than this many times the network's size

FRAME = "x right, y down, z forward"
SkyMode = Literal["auto", "none"]


@dataclass(frozen=True)
class _Request:
    """One checked input: `data` and mask (H, W) at full size, the tensors at the network's size.

    mask: None = all valid. pixels: (3, h, w) float32 in [0, 1]. valid: (h, w) bool, any True.
    """

    data: ImageData
    mask: BoolArray | None
    pixels: Tensor
    valid: Tensor


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

    def describe(self) -> dict[str, Any]:
        """Plain values for people and logs: what runs, how large, where and how precisely."""
        return {
            "model": self.name,
            "network": self.model.config.name,
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "network_size": list(self.size),
            "device": str(self.device),
            "dtype": str(self.dtype).removeprefix("torch."),
            "sky": "model" if self.model.config.sky_head else "classical",
        }

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
        mask: (H, W) bool, True = valid, or the path of a mask file (white = valid); None = all.
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
            predictions.append(
                self._finish(request, log_distance[index], logit, sky, camera_height)
            )
        return predictions

    def _prepare(
        self, image: Any, mask: Any, size: tuple[int, int], allow_any_aspect: bool
    ) -> _Request:
        data = to_image_data(image)
        height, width = data.size
        check_aspect(width, height, allow_any_aspect, name=data.source or "image")
        valid = data.valid
        if mask is not None:
            given = _checked_mask(mask, data.size)
            valid = given if valid is None else given & valid
        small_valid = torch.ones(size, dtype=torch.bool)
        if valid is not None:
            if not valid.any():
                raise InputError(f"{data.source or 'image'}: the mask leaves no valid pixel")
            small_valid = _shrink_mask(valid, size)
        rough = data.shrunk(ROUGH * size[0], ROUGH * size[1]).image
        pixels = self._resize(torch.from_numpy(rough.copy()).permute(2, 0, 1), size)
        return _Request(data, valid, pixels.contiguous().clamp(0, 1), small_valid)

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
        """Normalise one log distance (h, w), bring it to the input's size, clear the sky."""
        valid = request.valid if sky_logit is None else request.valid & (sky_logit <= 0)
        if not bool(valid.any()):
            raise InputError("no valid pixel: all that the mask leaves is sky")
        distance = scale_invariant_distance(log_distance[None], valid[None])[0]
        scale = 1.0
        if camera_height is not None:
            scale = metres_per_unit(distance, valid, camera_height)
        data = request.data
        full = (self._resize(distance[None], data.size)[0] * scale).contiguous().numpy()
        mask = np.ones(data.size, np.bool_) if request.mask is None else request.mask.copy()
        if sky_logit is not None:
            mask &= (self._resize(sky_logit[None], data.size)[0] <= 0).numpy()
        elif sky == "auto":
            mask &= ~classical_sky(data.pixels, distance.numpy())
        meta: dict[str, Any] = {
            "model": self.name,
            "unit": "relative" if camera_height is None else "m",
            "scale": scale,
            "frame": FRAME,
            "network_size": list(distance.shape),
            "sky": "model" if sky_logit is not None else ("classical" if sky == "auto" else "none"),
            "name": data.name,
            "source": data.source,
        }
        if camera_height is not None:
            meta["camera_height_m"] = camera_height
        return Prediction(full, mask, data.to_uint8(), meta)

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


def _checked_size(size: tuple[int, int]) -> tuple[int, int]:
    if len(size) != 2 or any(s < PATCH or s % PATCH for s in size):
        shown = "×".join(str(s) for s in size)
        raise ConfigError(
            f"size {shown} (height×width) must be multiples of {PATCH}, e.g. 546×1092"
        )
    return (int(size[0]), int(size[1]))


def _checked_mask(mask: Any, shape: tuple[int, int]) -> BoolArray:
    name = ""
    if isinstance(mask, str | os.PathLike):
        name = f": {os.fspath(mask)}"
        mask = read_mask(mask)
    array = np.asarray(mask)
    if array.dtype != np.bool_:
        raise InputError(f"mask must be bool (True = valid), not {array.dtype}{name}")
    if array.shape != shape:
        raise InputError(f"mask {array.shape} does not match image {shape}{name}")
    return array


def _shrink_mask(valid: BoolArray, size: tuple[int, int]) -> Tensor:
    """(H, W) bool to (h, w) bool: valid where half of the area is, or any of it where none is."""
    share = F.interpolate(torch.from_numpy(valid).float()[None, None], size, mode="area")[0, 0]
    half = share >= 0.5
    return half if bool(half.any()) else share > 0
