"""Augmentations of a batch of panoramas that respect the sphere.

Geometry (roll by whole columns, mirror, a small true rotation) changes image and truth together;
everything else changes the image only. All choices come from one integer seed, so a batch can be
made again exactly. Throughout: image: (B, 3, H, W) in [0, 1]; where a formula wants light, the sRGB
code is taken as a power of 1/2.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from panodepth.geometry.resampling import rotate_erp
from panodepth.geometry.resizing import resize_erp
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.lab.losses import Truth
from panodepth.lab.training.config import AugmentConfig
from panodepth.lab.training.feed.dice import LUMA, SRGB_POWER, Dice, binomial
from panodepth.lab.training.feed.faults import faults
from panodepth.lab.training.feed.samples import Batch, mix_seed, send

NADIR_HALF_ANGLE_DEG = (8.0, 25.0)  # a tripod or a hand, seen from above
EDGE_BLEND = 0.05  # relative disagreement at which a resampled distance counts as mixed


def augment(batch: Batch, config: AugmentConfig, seed: int) -> Batch:
    """The batch under random augmentations that depend on `seed` alone; a new batch."""
    dice = Dice(seed, batch.image.shape[0], batch.image.device)
    batch = tilt(batch, config, dice)
    batch = roll_and_flip(batch, config, dice)
    image = faults(batch.image, batch.truth.sky, config, mix_seed(seed, 1))
    image = colour(image, config, dice)
    image = hide_nadir(image, config, dice)
    image = blur_and_noise(image, config, dice)
    return Batch(image.clamp(0.0, 1.0), batch.truth)


def roll_and_flip(batch: Batch, config: AugmentConfig, dice: Dice) -> Batch:
    """Turn each panorama by whole columns, and mirror some."""
    width = batch.image.shape[-1]
    columns = torch.arange(width).expand(dice.count, width)
    if config.roll:
        columns = (columns + torch.tensor(dice.integers(width))[:, None]) % width
    mirrored = torch.zeros(dice.count, 1, dtype=torch.bool)
    mirrored[dice.chance(config.flip)] = True
    columns = send(torch.where(mirrored, width - 1 - columns, columns), dice.device)

    def move(maps: Tensor) -> Tensor:
        """Every image's columns as drawn; maps: (B, ..., W)."""
        index = columns.reshape(-1, *[1] * (maps.ndim - 2), width)
        return maps.gather(-1, index.expand(maps.shape))

    return Batch(move(batch.image), Truth(*(move(x) for x in batch.truth)))


def tilt(batch: Batch, config: AugmentConfig, dice: Dice) -> Batch:
    """Rotate some panoramas about a horizontal axis: a camera that does not stand level."""
    chosen = dice.chance(config.tilt)
    angle = dice.uniform() * math.radians(config.tilt_deg)
    axis = dice.uniform() * 2 * math.pi
    if not chosen:
        return batch
    index = send(torch.tensor(chosen), batch.image.device)
    a, x = axis[index], angle[index]
    turn = rotation_from_yaw_pitch_roll(a)
    lean = rotation_from_yaw_pitch_roll(0.0, x)
    rotation = turn @ lean @ turn.transpose(-1, -2)  # a pitch about any horizontal axis
    image, (distance, valid, sky) = batch.image[index], (m[index] for m in batch.truth)
    new = _resampled(
        Truth(distance, valid, sky),
        lambda maps: rotate_erp(maps, rotation, mode="bilinear"),
        lambda maps: rotate_erp(maps, rotation, mode="nearest"),
    )
    rotated = rotate_erp(image, rotation, mode="bilinear")
    return Batch(
        batch.image.index_copy(0, index, rotated),
        Truth(*(old.index_copy(0, index, x) for old, x in zip(batch.truth, new, strict=True))),
    )


def shrink(batch: Batch, heights: Sequence[int], seed: int) -> Batch:
    """The batch at one of these heights (no heights: as it is), drawn from `seed`."""
    if not heights:
        return batch
    drawn = heights[mix_seed(seed, 2) % len(heights)]
    size = (drawn, 2 * drawn)
    truth = _resampled(
        batch.truth,
        lambda maps: resize_erp(maps, size, antialias=False),
        lambda maps: resize_erp(maps, size, mode="nearest"),
    )
    return Batch(resize_erp(batch.image, size), truth)


def _resampled(
    truth: Truth, smoothly: Callable[[Tensor], Tensor], nearest: Callable[[Tensor], Tensor]
) -> Truth:
    """The truth on another grid; both functions take maps (B, C, H, W) there, in their own way.

    Inverse distance is interpolated, not distance: on a plane it is linear in the ray, so walls
    stay flat. Where it disagrees with the nearest pixel it is mixed across an edge, or with what is
    not valid: there the nearest is taken.
    """
    distance, valid, sky = truth
    inverse = torch.where(valid, 1.0 / distance, 0.0)
    own, kept, is_sky = nearest(torch.stack([inverse, valid.float(), sky.float()], dim=1)).unbind(1)
    between = smoothly(inverse[:, None])[:, 0]
    mixed = (between - own).abs() > EDGE_BLEND * own
    inverse = torch.where(mixed, own, between)
    valid = (kept > 0.5) & (inverse > 0)
    return Truth(torch.where(valid, 1.0 / inverse, 1.0), valid, is_sky > 0.5)


def colour(image: Tensor, config: AugmentConfig, dice: Dice) -> Tensor:
    """Exposure, white balance, channel mix, saturation, contrast and gamma; (B, 3, H, W) both."""
    stops = config.brightness * dice.normal(1, 1, 1)
    balance = config.white_balance * dice.normal(3, 1, 1)
    gain = torch.exp2(stops / SRGB_POWER) * torch.exp(balance / SRGB_POWER)
    mix = torch.eye(3, device=image.device) + config.channel_mix * dice.normal(3, 3)
    mix = mix / mix.sum(dim=-1, keepdim=True).clamp_min(0.5)  # grey stays grey
    luma = image.new_tensor(LUMA)
    grey = luma.expand(3, 3)
    keep = torch.exp(config.saturation * dice.normal(1, 1)).clamp(max=2.0)
    # one 3x3 matrix does gain, mixing and saturation
    matrix = (keep * torch.eye(3, device=image.device) + (1 - keep) * grey) @ mix
    matrix = matrix * gain[..., 0].transpose(-1, -2)
    image = torch.einsum("bij,bjhw->bihw", matrix, image)
    contrast = torch.exp(config.contrast * dice.normal(1, 1, 1))
    mean = image.mean(dim=(1, 2, 3), keepdim=True)
    image = ((image - mean) * contrast + mean).clamp(1e-4, 1.0)  # 0 has no power below 1
    return image.pow(torch.exp(config.gamma * dice.normal(1, 1, 1)))


def hide_nadir(image: Tensor, config: AugmentConfig, dice: Dice) -> Tensor:
    """Cover the disc below the camera of some images with one colour; the truth stays the floor.

    image: (B, 3, H, W). Returns (B, 3, H, W).
    """
    # everything is drawn before anything is decided: a share changes no other draw
    chosen = dice.chance(config.nadir)
    low, high = NADIR_HALF_ANGLE_DEG
    half_angle = [low + (high - low) * x for x in dice.fractions()]
    paint = dice.uniform(3, 1, 1)
    own = dice.chance(0.5)
    if not chosen:
        return image
    image = image.clone()
    height = image.shape[-2]
    for i in chosen:
        rows = max(1, round(half_angle[i] / 180.0 * height))
        patch = image[i, :, -rows:]
        patch.copy_(patch.mean(dim=(1, 2), keepdim=True) if i in own else paint[i])
    return image


def blur_and_noise(image: Tensor, config: AugmentConfig, dice: Dice) -> Tensor:
    """Binomial blur of some images (closed over seam and poles), then sensor noise on all.

    image: (B, 3, H, W). Returns (B, 3, H, W).
    """
    chosen = dice.chance(config.blur)
    twice = set(dice.chance(0.3))
    sigma = config.noise * dice.uniform(1, 1, 1) ** 2
    noise_seed = int(torch.randint(2**62, (1,), generator=dice.generator))
    if chosen:
        index = send(torch.tensor(chosen), image.device)
        soft = binomial(image[index])
        again = [k for k, i in enumerate(chosen) if i in twice]
        if again:
            soft[again] = binomial(soft[again])
        image = image.index_copy(0, index, soft)
    if config.noise:
        # the one draw that is made on the device: it is as large as the images
        generator = torch.Generator(device=image.device).manual_seed(noise_seed)
        grain = torch.randn(image.shape, generator=generator, device=image.device)
        image = torch.addcmul(image, grain, sigma.expand_as(image))
    return image
