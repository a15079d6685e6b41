"""The loss of one batch: the supervised terms, and agreement with the rotated panorama."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from panodepth.geometry.resampling import rotate_erp
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.lab.losses import LossConfig, rotation_consistency, smooth_pixels, training_loss
from panodepth.lab.training.feed.samples import Batch, send
from panodepth.model import ModelOutput


def random_rotations(count: int, tilt_deg: float, seed: int) -> Tensor:
    """(count, 3, 3) rotations by any yaw, and by pitch and roll within ±tilt_deg; on the CPU."""
    generator = torch.Generator().manual_seed(seed)
    yaw, pitch, roll = 2.0 * torch.rand(3, count, generator=generator) - 1.0
    tilt = math.radians(tilt_deg)
    turns: Tensor = rotation_from_yaw_pitch_roll(yaw * math.pi, pitch * tilt, roll * tilt)
    return turns


def batch_loss(
    forward: Callable[[Tensor], ModelOutput], batch: Batch, config: LossConfig, seed: int
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss () and each term () unweighted and detached.

    forward: the network on (B, 3, H, W). batch: B panoramas. seed: of the rotations.
    """
    image, truth, count = batch.image, batch.truth, batch.image.shape[0]
    turned = max(1, round(config.consistency_share * count)) if config.consistency else 0
    if turned:
        # One pass for both: the first panoramas of the batch follow a second time, rotated. (Two
        # passes would make DDP exchange gradients twice.)
        rotation = random_rotations(turned, config.consistency_tilt_deg, seed)
        rotation = send(rotation, image.device)
        image = torch.cat([image, rotate_erp(image[:turned], rotation)])
    output = forward(image)
    log_distance = output.log_distance.float()
    sky = None if output.sky_logit is None else output.sky_logit[:count]
    pair = None if output.pair is None else output.pair[:count].float()
    total, terms = training_loss(log_distance[:count], sky, truth, config, pair)
    if turned:
        # compared on smooth surfaces alone: across an edge resampling mixes both sides
        mask = smooth_pixels(truth.distance[:turned], truth.valid[:turned], config.normal_edge)
        both = (log_distance[:turned], log_distance[count:])
        term = rotation_consistency(*both, rotation, mask).mean()
        total = total + config.consistency * term
        terms["consistency"] = term.detach()
    return total, terms
