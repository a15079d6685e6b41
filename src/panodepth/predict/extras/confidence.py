"""How sure a network is: how far its answers differ when the picture is shown in other ways.

The picture is mirrored, turned about the vertical by parts of a patch, and tilted a little. The
standard deviation of the logarithm of the distance over all of them, each brought to one scale,
tells where the network guesses. docs/cookbook.md says how well it ranks errors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from panodepth.geometry.grid import erp_rays
from panodepth.geometry.resizing import Edges
from panodepth.geometry.rotation import rotate_vectors, rotation_from_yaw_pitch_roll
from panodepth.geometry.sampling import sample_erp
from panodepth.predict.level.levelled import to_input
from panodepth.predict.request import RawOutput, Request
from panodepth.types import FloatArray, Prediction

# Odd parts of the width: no multiples of a patch. A tilt of 3-4° moves rows by parts of one too.
ROLLS = (0.28, 0.512)  # of the width; the second is mirrored too
TILTS_DEG = ((17.0, 4.0, 0.0), (-97.0, -3.0, 4.0))  # yaw, pitch, roll
SPREAD = 0.1  # of ln distance, where the confidence is 1 / e
WINDOW = 5  # pixels of the network's map that are looked at together

View = tuple[Callable[[FloatArray], FloatArray], Callable[[FloatArray], FloatArray]]


def with_confidence(
    prediction: Prediction,
    request: Request,
    output: RawOutput,
    run: Callable[[Sequence[FloatArray]], list[RawOutput]],
    edges: Edges,
) -> Prediction:
    """The prediction with its confidence (H, W).

    output: the network's, on `request`. run: the network.
    """
    views = [*views_beside(output.log_distance.shape[-1]), *map(_tilted, TILTS_DEG)]
    outputs = run([np.ascontiguousarray(there(request.pixels)) for there, _ in views])
    logs = [output.log_distance]
    logs += [back(seen.log_distance) for (_, back), seen in zip(views, outputs, strict=True)]
    confidence = np.exp(-_spread(np.stack(logs), request) / SPREAD)
    full = to_input(confidence.astype(np.float32), request, request.data.size, edges)
    meta = {**prediction.meta, "confidence_passes": len(logs)}
    return replace(prediction, confidence=np.clip(full, 0, 1).astype(np.float32), meta=meta)


def views_beside(width: int) -> list[View]:
    """Other views of a level picture, `width` pixels wide: mirrored, turned, and both.

    Each is two functions of (..., H, W): to the view, and back.
    """
    return [_mirrored, *(_rolled(width, part) for part in ROLLS)]


def _spread(logs: npt.NDArray[np.floating], request: Request) -> npt.NDArray[np.floating]:
    """(h, w) standard deviation of (N, h, w), each without its own scale, over a window."""
    off = logs - logs[:1]
    scales = np.median(off[:, request.valid], axis=1)
    variance = (off - scales[:, None, None]).var(axis=0)
    wide = np.pad(variance, ((0, 0), (WINDOW, WINDOW)), mode="wrap")
    blurred = cv2.blur(wide, (WINDOW, WINDOW), borderType=cv2.BORDER_REPLICATE)
    return np.sqrt(np.maximum(blurred[:, WINDOW:-WINDOW], 0))


def _flipped(planes: FloatArray) -> FloatArray:
    """(..., H, W), left and right exchanged."""
    return planes[..., ::-1]


_mirrored: View = (_flipped, _flipped)


def _rolled(width: int, part: float) -> View:
    """Turned by a part of the width, and mirrored where that is more than half of it."""
    columns = int(part * width) | 1
    side = -1 if part > 0.5 else 1

    def there(planes: FloatArray) -> FloatArray:
        return np.roll(planes, columns, -1)[..., ::side]

    def back(values: FloatArray) -> FloatArray:
        return np.roll(values[..., ::side], -columns, -1)

    return there, back


def _tilted(angles_deg: tuple[float, float, float]) -> View:
    turn = rotation_from_yaw_pitch_roll(*np.radians(angles_deg).tolist())

    def seen(planes: FloatArray, rotation: npt.NDArray[np.floating]) -> FloatArray:
        rays = erp_rays(planes.shape[-2], planes.shape[-1])
        return np.asarray(sample_erp(planes, rotate_vectors(rotation, rays)), np.float32)

    return (lambda planes: seen(planes, turn)), (lambda values: seen(values[None], turn.T)[0])
