"""`diffuse`: out-painting without weights, the default.

On a quarter of the resolution the known colours are averaged with Gaussians on the sphere, from a
quarter of the panorama's height down to one pixel wide; each narrower one takes over where it has
seen enough (push-pull, by normalised convolution). Rows are convolved as circles, with widths that
grow towards the poles as a parallel shrinks; columns as whole meridians, over both poles. So there
is no seam, a pole is one colour, and rolling the panorama rolls the result. Wide averages are wider
still along the horizon: floors and skies go round. At full resolution the known border is carried
outwards a few pixels, and noise as strong as the picture's own grain is added, taken from fields on
the sphere. Known pixels are kept to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from panodepth.errors import ConfigError
from panodepth.geometry.grid import axis_angles, erp_rays
from panodepth.types import BoolArray, ByteArray, FloatArray

QUARTER = 4  # the averaging runs on 1/4 of the resolution
FINEST, WIDEST = 1.0, 0.25  # Gaussian widths: pixels of the quarter, and of its height
STRETCH = 3.0  # the widest averages reach so much farther along the horizon
TRUST = 0.1  # weight from which on a scale is taken alone, as a share of a fully known disc
SEAM_PIXELS = 9  # how far the known border is carried outwards, of H = 512
NOISE_FIELDS = 4  # kept in memory; the seed chooses one, rolls it and mirrors it
NOISE_WAVES = (24.0, 48.0, 96.0, 160.0)  # lattice cells per unit of the sphere's radius
NOISE_PERIOD = 64  # lattice cells after which the noise repeats
TEXTURE = 0.7  # strength of the noise, as a share of the picture's own grain


@dataclass(frozen=True)
class Diffusion:
    """See the head of this module. texture: strength of the noise; 0 = none."""

    texture: float = TEXTURE
    name: str = "diffuse"

    @property
    def facts(self) -> dict[str, Any]:
        return {"texture": self.texture}

    def fill(self, image: ByteArray, known: BoolArray, seed: int) -> ByteArray:
        """See `Outpainter.fill`. image: (H, W, 3); known: (H, W).

        Raises ConfigError unless H is a multiple of 8 and W = 2H.
        """
        height, width = known.shape
        if height % (2 * QUARTER) or width != 2 * height or image.shape[:2] != known.shape:
            raise ConfigError(
                f"{width}x{height}: out-painting needs W = 2H and H a multiple of {2 * QUARTER}"
            )
        if known.all() or not known.any():
            return image.copy()
        base = _averaged(image, known)
        noisy = base + border_correction(image, base, known)
        if self.texture > 0:
            noise = _noise(height, seed)
            noisy += (self.texture * _grain(image, base, known) * noise)[..., None]
        filled = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
        return np.where(known[..., None], image, filled)


def _averaged(image: ByteArray, known: BoolArray) -> FloatArray:
    """(H, W, 3) float32 colours everywhere, smooth where nothing is known.

    image: (H, W, 3) uint8; known: (H, W).
    """
    height, width = known.shape
    rows, columns = height // QUARTER, width // QUARTER
    # Colours and coverage, both weighted by solid angle: a pole's many pixels show one place.
    weights = np.empty((rows, columns, 4), np.float32)
    covered = cv2.resize(known.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
    masked = image * known[..., None]  # uint8
    area = cv2.resize(masked, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32)
    solid = np.cos(axis_angles(rows, columns)[1])[:, None]
    weights[..., :3] = area * solid[..., None]
    weights[..., 3] = covered * solid
    spectrum = np.fft.rfft(weights, axis=1)
    total = weights.sum((0, 1))
    filled = np.broadcast_to(total[:3] / total[3], area.shape).astype(np.float32)
    for blur in _gaussians(rows):  # from wide to narrow
        mean = blur.apply(spectrum)
        weight = np.maximum(mean[..., 3:], 0)
        # A scale replaces the wider ones where it has seen enough of the known part.
        trust = np.minimum(weight / (TRUST * blur.full), 1)
        filled = filled + trust * (mean[..., :3] / np.maximum(weight, 1e-6 * blur.full) - filled)
    padded = _pad(filled, 2)  # so that the enlargement knows what lies beyond seam and poles
    large = (padded.shape[1] * QUARTER, padded.shape[0] * QUARTER)
    whole = cv2.resize(padded, large, interpolation=cv2.INTER_LINEAR)
    inner = slice(2 * QUARTER, -2 * QUARTER)
    return np.ascontiguousarray(whole[inner, inner], np.float32)


@dataclass(frozen=True)
class _Gaussian:
    """A blur on the sphere, as factors of spectra.

    along: (h, w / 2 + 1), of the rows. over: (h + 1,), of the meridians. full: (h, 1, 1), the
    weight that a panorama gets which is known everywhere.
    """

    along: FloatArray
    over: FloatArray
    full: FloatArray

    def apply(self, spectrum: npt.NDArray[Any]) -> FloatArray:
        """(h, w, C) of the rows' spectrum (h, w / 2 + 1, C)."""
        rows = np.fft.irfft(spectrum * self.along[..., None], axis=1)
        return _blur_meridians(rows.astype(np.float32), self.over)


def _blur_meridians(values: FloatArray, over: FloatArray) -> FloatArray:
    """(h, w, C) with columns blurred as great circles: down one meridian and up the opposite one.

    over: (h + 1,), factors of the spectrum of such a circle of 2h pixels.
    """
    height, width = values.shape[:2]
    front, back = values[:, : width // 2], values[:, width // 2 :]
    circles = np.concatenate((front, back[::-1]))
    factors = over.reshape(-1, *(1 for _ in values.shape[1:]))
    smooth = np.fft.irfft(np.fft.rfft(circles, axis=0) * factors, axis=0)
    joined = np.concatenate((smooth[:height], smooth[: height - 1 : -1]), axis=1)
    return np.asarray(joined, np.float32)


@lru_cache(maxsize=4)
def _gaussians(height: int) -> tuple[_Gaussian, ...]:
    """From wide to narrow, each half as wide as the one before."""
    width = 2 * height
    cosines = np.cos(axis_angles(height, width)[1])
    solid = cosines[:, None].astype(np.float32)
    blurs = []
    sigma = WIDEST * height
    while sigma >= FINEST:
        longer = 1 + (STRETCH - 1) * min(1.0, sigma / (0.12 * height))
        # In a row's own pixels: wider towards the poles, at most a few times round the circle.
        across = np.minimum(longer * sigma / cosines, 4.0 * width)[:, None]
        frequency = np.arange(width // 2 + 1) * (2 * np.pi / width)
        along = np.exp(-0.5 * (frequency[None, :] * across) ** 2).astype(np.float32)
        down = np.arange(height + 1) * (np.pi / height)
        over = np.exp(-0.5 * (down * sigma) ** 2).astype(np.float32)
        full = _blur_meridians(np.repeat(solid, width, axis=1)[..., None], over)[:, :1]
        blurs.append(_Gaussian(along, over, full))
        sigma /= 2
    return tuple(blurs)


def border_correction(image: ByteArray, base: FloatArray, known: BoolArray) -> FloatArray:
    """(H, W, 3): how `base` differs from the picture at the known border, fading outwards.

    image: (H, W, 3) uint8; base: (H, W, 3), 0 .. 255; known: (H, W).
    """
    reach = max(3, round(SEAM_PIXELS * known.shape[0] / 512)) | 1
    weighted = np.empty((*known.shape, 4), np.float32)
    weighted[..., :3] = (image - base) * known[..., None]
    weighted[..., 3] = known
    blurred = _box_mean(_box_mean(weighted, reach), reach)
    weight = blurred[..., 3:]
    # At the very border half of the disc is known; the correction fades to 0 with what is known.
    return np.asarray(blurred[..., :3] / np.maximum(weight, 1e-6) * np.minimum(2 * weight, 1))


def _box_mean(values: FloatArray, size: int) -> FloatArray:
    """(H, W, C) averaged over size x size pixels, round the seam and over the poles."""
    pad = size // 2
    return np.asarray(cv2.blur(_pad(values, pad), (size, size))[pad:-pad, pad:-pad])


def _pad(values: FloatArray, pad: int) -> FloatArray:
    """(H, W, C) with `pad` pixels more on each side: round the seam and over the poles."""
    half = np.roll(values, values.shape[1] // 2, axis=1)  # what lies beyond a pole
    tall = np.concatenate((half[:pad][::-1], values, half[-pad:][::-1]))
    return np.concatenate((tall[:, -pad:], tall, tall[:, :pad]), axis=1)


def _grain(image: ByteArray, base: FloatArray, known: BoolArray) -> FloatArray:
    """(H, W) standard deviation of the picture's grain, as it would be on the colours of `base`."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine = grey - cv2.GaussianBlur(grey, (9, 9), 1.5)
    # Not at the border of the known, where the black beyond it is no grain.
    inner = cv2.erode(known.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    inner = inner if inner.any() else known
    level = float(np.sqrt(np.mean(fine[inner] ** 2)))
    brightness = cv2.cvtColor(base / 255, cv2.COLOR_RGB2GRAY)
    # Deep shadow and white have less room for grain.
    return np.asarray(level * np.clip(4 * brightness * (1.15 - brightness), 0.2, 1), np.float32)


def _noise(height: int, seed: int) -> FloatArray:
    """(H, W) noise of unit variance, without seam or poles; rolled and mirrored by the seed."""
    rng = np.random.default_rng([seed, 7])
    field = _noise_fields(height)[int(rng.integers(NOISE_FIELDS))]
    rolled = np.roll(field, int(rng.integers(2 * height)), axis=1)
    return rolled[:, ::-1] if rng.random() < 0.5 else rolled


@lru_cache(maxsize=2)
def _noise_fields(height: int) -> tuple[FloatArray, ...]:
    """Noise in space, looked up on the unit sphere: several lattices of random values, smoothed."""
    width = 2 * height
    rays = np.moveaxis(erp_rays(height, width), -1, 0)
    waves = [w for w in NOISE_WAVES if w <= height / np.pi] or [height / np.pi]
    fields = []
    for number in range(NOISE_FIELDS):
        rng = np.random.default_rng([number, 20])
        total = np.zeros((height, width), np.float32)
        for wave in waves:
            total += _lattice_noise(rays * np.float32(wave), rng)
        fields.append((total - total.mean()) / total.std())
    return tuple(fields)


def _lattice_noise(points: FloatArray, rng: np.random.Generator) -> FloatArray:
    """(H, W) random values on a lattice of step 1, trilinear between them. points: (3, H, W)."""
    values = rng.standard_normal((NOISE_PERIOD,) * 3).astype(np.float32)
    cell = np.floor(points)
    inside = points - cell
    total = np.zeros(points.shape[1:], np.float32)
    for corner in np.ndindex(2, 2, 2):
        shares = [s if far else 1 - s for s, far in zip(inside, corner, strict=True)]
        x, y, z = (cell.astype(np.int64) + np.reshape(corner, (3, 1, 1))) % NOISE_PERIOD
        total += shares[0] * shares[1] * shares[2] * values[x, y, z]
    return total
