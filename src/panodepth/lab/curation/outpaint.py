"""Out-painting: colours where no frame was. Distance is never out-painted.

`diffuse`, the offline default, needs no weights. On a quarter of the resolution the known colours
are averaged with Gaussians on the sphere, from half the sphere down to one pixel wide, each filling
in what the finer ones cannot reach (push-pull, by normalised convolution). Rows are convolved as
circles, with widths that grow towards the poles as a parallel shrinks; columns as whole meridians,
over both poles. So there is no seam, a pole is one colour, and turning the panorama turns the
result. Wide averages are wider still along the horizon: floors and skies go round. At full
resolution the known border is carried outwards a few pixels, and noise of the picture's own grain
is laid on, taken from fields on the sphere. Known pixels are kept to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from panodepth.errors import ConfigError
from panodepth.lab.curation.outpainters.settings import PAINTERS, PaintSettings
from panodepth.types import BoolArray, ByteArray, FloatArray

QUARTER = 4  # the diffusion runs on 1/4 of the resolution
FINEST, WIDEST = 1.0, 0.25  # Gaussian widths: pixels of the quarter, and of its height
LEVEL = 3.0  # the widest averages reach so much farther along the horizon
TRUST = 0.1  # weight at which a scale speaks for itself, as a share of a fully known disc
SEAM_PIXELS = 9  # how far the known border is carried outwards, of H = 512
NOISE_FIELDS = 4  # kept in memory; the seed chooses one, turns it and mirrors it
NOISE_WAVES = (24.0, 48.0, 96.0, 160.0)  # lattice cells per unit of the sphere's radius
TEXTURE = 0.7  # strength of the noise in the picture's own


class Outpainter(Protocol):
    """Fills the unknown part of a panorama.

    `name` and `facts` (licence of the weights, prompt, ...) go into every sample's provenance.
    """

    @property
    def name(self) -> str: ...

    @property
    def facts(self) -> dict[str, Any]: ...

    def fill(self, image: ByteArray, known: BoolArray, seed: int) -> ByteArray:
        """image: (H, W, 3) uint8; known: (H, W), True = keep. Returns (H, W, 3) uint8.

        Known pixels come back as they are; the same arguments give the same bytes.
        """
        ...


@dataclass(frozen=True)
class NoOutpainting:
    """Leaves black what is not known."""

    name: str = "none"

    @property
    def facts(self) -> dict[str, Any]:
        return {}

    def fill(self, image: ByteArray, known: BoolArray, seed: int) -> ByteArray:
        return np.where(known[..., None], image, np.uint8(0))


@dataclass(frozen=True)
class Diffusion:
    """Our offline default, see the head of this module. texture: strength of the noise; 0 none."""

    texture: float = TEXTURE
    name: str = "diffuse"

    @property
    def facts(self) -> dict[str, Any]:
        return {"texture": self.texture}

    def fill(self, image: ByteArray, known: BoolArray, seed: int) -> ByteArray:
        """Raises ConfigError unless H is a multiple of 8 and W = 2H."""
        height, width = known.shape
        if height % (2 * QUARTER) or width != 2 * height or image.shape[:2] != known.shape:
            raise ConfigError(
                f"{width}x{height}: out-painting needs W = 2H and H a multiple of {2 * QUARTER}"
            )
        if known.all() or not known.any():
            return image.copy()
        base = _diffused(image, known)
        noisy = base + border_correction(image, base, known)
        if self.texture > 0:
            noise = _field(height, seed)
            noisy += (self.texture * _grain(image, base, known) * noise)[..., None]
        filled = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
        return np.where(known[..., None], image, filled)


OUTPAINTERS: dict[str, Callable[[], Outpainter]] = {"none": NoOutpainting, "diffuse": Diffusion}


def make_outpainter(name: str, settings: PaintSettings | None = None) -> Outpainter:
    """The out-painter `name`, a key of OUTPAINTERS or a learned one of PAINTERS.

    settings: of a learned one; its weights are found here, and loaded when it first paints. Raises
    ConfigError, and ModelError for weights that cannot be had.
    """
    if name in PAINTERS:
        from panodepth.lab.curation.outpainters.painter import open_painter

        return open_painter(name, settings or PaintSettings())
    if name not in OUTPAINTERS:
        raise ConfigError(
            f"out-painter {name!r}; choose one of {', '.join([*OUTPAINTERS, *PAINTERS])}"
        )
    return OUTPAINTERS[name]()


def _diffused(image: ByteArray, known: BoolArray) -> FloatArray:
    """(H, W, 3) float32 colours everywhere, smooth where nothing is known."""
    height, width = known.shape
    small = (width // QUARTER, height // QUARTER)
    weights = np.empty((small[1], small[0], 4), np.float32)
    covered = cv2.resize(known.astype(np.float32), small, interpolation=cv2.INTER_AREA)
    masked = image * known[..., None]  # uint8
    area = cv2.resize(masked, small, interpolation=cv2.INTER_AREA).astype(np.float32)
    solid = np.cos((np.arange(small[1]) + 0.5) / small[1] * np.pi - np.pi / 2)[:, None]
    weights[..., :3] = area * solid[..., None]
    weights[..., 3] = covered * solid
    blurs = _gaussians(small[1])
    spectrum = _rows(weights)
    total = weights.sum((0, 1))
    filled = np.broadcast_to(total[:3] / total[3], area.shape).astype(np.float32)
    for blur in blurs:
        mean = blur.apply(spectrum)
        weight = np.maximum(mean[..., 3:], 0)
        trust = np.minimum(weight / (TRUST * blur.full), 1)
        filled = filled + trust * (mean[..., :3] / np.maximum(weight, 1e-6 * blur.full) - filled)
    padded = cv2.copyMakeBorder(filled, 0, 0, 2, 2, cv2.BORDER_WRAP)
    half = np.roll(filled, small[0] // 2, axis=1)
    turned = cv2.copyMakeBorder(half, 0, 0, 2, 2, cv2.BORDER_WRAP)
    padded = np.concatenate((turned[1::-1], padded, turned[:-3:-1]))
    big = (padded.shape[1] * QUARTER, padded.shape[0] * QUARTER)
    whole = cv2.resize(padded, big, interpolation=cv2.INTER_LINEAR)
    inner = slice(2 * QUARTER, -2 * QUARTER)
    return np.ascontiguousarray(whole[inner, inner], np.float32)


@dataclass(frozen=True)
class _Gaussian:
    """A blur on the sphere. along (h, w/2 + 1), over (h + 1,): its spectra by row and meridian.

    full: (h, 1, 1), the weight of a panorama that is known everywhere.
    """

    along: FloatArray
    over: FloatArray
    full: FloatArray

    def apply(self, spectrum: npt.NDArray[Any]) -> FloatArray:
        rows = np.fft.irfft(spectrum * self.along[..., None], axis=1)
        return _meridians(rows.astype(np.float32), self.over)


def _rows(values: FloatArray) -> npt.NDArray[Any]:
    return np.asarray(np.fft.rfft(values, axis=1))


def _meridians(values: FloatArray, over: FloatArray) -> FloatArray:
    """Columns blurred as great circles: down one meridian and up the opposite one."""
    height, width = values.shape[:2]
    front, back = values[:, : width // 2], values[:, width // 2 :]
    circles = np.concatenate((front, back[::-1]))
    shape = (-1,) + (1,) * (values.ndim - 1)
    smooth = np.fft.irfft(np.fft.rfft(circles, axis=0) * over.reshape(shape), axis=0)
    joined = np.concatenate((smooth[:height], smooth[: height - 1 : -1]), axis=1)
    return np.asarray(joined, np.float32)


@lru_cache(maxsize=4)
def _gaussians(height: int) -> tuple[_Gaussian, ...]:
    """From wide to narrow, each half as wide as the one before."""
    width = 2 * height
    lat = (np.arange(height) + 0.5) / height * np.pi - np.pi / 2
    solid = np.cos(lat)[:, None].astype(np.float32)
    blurs = []
    sigma = WIDEST * height
    while sigma >= FINEST:
        longer = 1 + (LEVEL - 1) * min(1.0, sigma / (0.12 * height))
        across = np.minimum(longer * sigma / np.cos(lat), 4.0 * width)[:, None]
        turns = np.arange(width // 2 + 1) * (2 * np.pi / width)
        along = np.exp(-0.5 * (turns[None, :] * across) ** 2).astype(np.float32)
        steps = np.arange(height + 1) * (np.pi / height)
        over = np.exp(-0.5 * (steps * sigma) ** 2).astype(np.float32)
        full = _meridians(np.repeat(solid, width, axis=1)[..., None], over)[:, :1]
        blurs.append(_Gaussian(along, over, full))
        sigma /= 2
    return tuple(blurs)


def border_correction(image: ByteArray, base: FloatArray, known: BoolArray) -> FloatArray:
    """(H, W, 3): what is missing at the border of the known, carried outwards and fading."""
    reach = max(3, round(SEAM_PIXELS * known.shape[0] / 512)) | 1
    weighted = np.empty((*known.shape, 4), np.float32)
    weighted[..., :3] = (image - base) * known[..., None]
    weighted[..., 3] = known
    blurred = _box(_box(weighted, reach), reach)
    weight = blurred[..., 3:]
    # At the very border half of the disc is known; the correction fades to 0 with what is known.
    return np.asarray(blurred[..., :3] / np.maximum(weight, 1e-6) * np.minimum(2 * weight, 1))


def _grain(image: ByteArray, base: FloatArray, known: BoolArray) -> FloatArray:
    """(H, W) standard deviation of the picture's grain, spread from the known part."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine = grey - cv2.GaussianBlur(grey, (9, 9), 1.5)
    inner = cv2.erode(known.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    inner = inner if inner.any() else known
    level = float(np.sqrt(np.mean(fine[inner] ** 2)))
    brightness = cv2.cvtColor(base / 255, cv2.COLOR_RGB2GRAY)
    # Deep shadow and white have less room for grain.
    return np.asarray(level * np.clip(4 * brightness * (1.15 - brightness), 0.2, 1), np.float32)


def _box(values: FloatArray, size: int) -> FloatArray:
    """Box mean, round the seam and over the poles."""
    pad = size // 2
    half = np.roll(values, values.shape[1] // 2, axis=1)
    tall = np.concatenate((half[:pad][::-1], values, half[-pad:][::-1]))
    wide = np.concatenate((tall[:, -pad:], tall, tall[:, :pad]), axis=1)
    return np.asarray(cv2.blur(wide, (size, size))[pad:-pad, pad:-pad])


def _field(height: int, seed: int) -> FloatArray:
    """(H, W) noise of unit variance, without seam or poles; turned and mirrored by the seed."""
    rng = np.random.default_rng([seed, 7])
    field = _fields(height)[int(rng.integers(NOISE_FIELDS))]
    turned = np.roll(field, int(rng.integers(2 * height)), axis=1)
    return turned[:, ::-1] if rng.random() < 0.5 else turned


@lru_cache(maxsize=2)
def _fields(height: int) -> tuple[FloatArray, ...]:
    """Noise in space, looked up on the unit sphere: several lattices of random values, smoothed."""
    width = 2 * height
    lat = (np.arange(height) + 0.5) / height * np.pi - np.pi / 2
    lon = (np.arange(width) + 0.5) / width * 2 * np.pi - np.pi
    level = np.cos(lat)[:, None]
    rays = np.stack(
        (
            level * np.sin(lon),
            np.broadcast_to(np.sin(lat)[:, None], (height, width)),
            level * np.cos(lon),
        )
    ).astype(np.float32)
    waves = [w for w in NOISE_WAVES if w <= height / np.pi] or [height / np.pi]
    fields = []
    for number in range(NOISE_FIELDS):
        rng = np.random.default_rng([number, 20])
        total = np.zeros((height, width), np.float32)
        for wave in waves:
            total += _lattice(rays * np.float32(wave), rng)
        fields.append((total - total.mean()) / total.std())
    return tuple(fields)


def _lattice(points: FloatArray, rng: np.random.Generator) -> FloatArray:
    """(H, W) trilinear values of a random lattice that repeats after 64 cells; points (3, H, W)."""
    values = rng.standard_normal((64, 64, 64)).astype(np.float32)
    first = np.floor(points)
    x, y, z = points - first
    i, j, k = first.astype(np.int64)
    total = np.zeros(points.shape[1:], np.float32)
    for a in (0, 1):
        for b in (0, 1):
            for c in (0, 1):
                share = (x if a else 1 - x) * (y if b else 1 - y) * (z if c else 1 - z)
                total += share * values[(i + a) % 64, (j + b) % 64, (k + c) % 64]
    return total
