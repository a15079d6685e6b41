"""What is shown of a panorama in training: random pinhole views, covered as in curation."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from panodepth.geometry.lens import Pinhole, View
from panodepth.geometry.rotation import random_rotation, rotation_from_yaw_pitch_roll
from panodepth.lab.curation.frame import Matrix
from panodepth.lab.curation.outpainters.seam import columns_to_middle
from panodepth.lab.curation.project import coverage_of
from panodepth.lab.training.outpainter.config import ViewConfig
from panodepth.types import BoolArray

VIEW_WIDTH = 1000  # pixels; only angles matter


class Masked(NamedTuple):
    """image: (B, 3, H, W) float32 in [-1, 1]; known: (B, 1, H, W) float32 in {0, 1}."""

    image: Tensor
    known: Tensor


def random_coverage(
    views: ViewConfig, size: tuple[int, int], rng: np.random.Generator
) -> BoolArray:
    """(H, W): what one or two random views cover, never nothing."""
    covered = _one_view(views, size, rng)
    if rng.random() < views.second:
        covered = covered | _one_view(views, size, rng)
    if not covered.any():  # a narrow view between the centres of a very small panorama's pixels
        covered[size[0] // 2, size[1] // 2] = True
    return covered


def _one_view(views: ViewConfig, size: tuple[int, int], rng: np.random.Generator) -> BoolArray:
    """What one random view covers of a panorama of `size`: (H, W) bool."""
    fov_deg = rng.uniform(views.fov_min_deg, views.fov_max_deg)
    # even in the logarithm: twice as wide is as likely as twice as high
    aspect = math.exp(rng.uniform(math.log(views.aspect_min), math.log(views.aspect_max)))
    shape = (max(1, round(VIEW_WIDTH / aspect)), VIEW_WIDTH)
    lens = Pinhole.from_fov(math.radians(fov_deg), shape)
    return coverage_of(View(lens, shape, _turn(views, rng)), size)


def _turn(views: ViewConfig, rng: np.random.Generator) -> Matrix:
    """(3, 3) rotation of a view: mostly level, in any direction."""
    if rng.random() < views.any_turn:
        rotation: Matrix = random_rotation(1, rng)[0]
        return rotation
    pitch_deg, roll_deg = rng.normal(0, 1, 2) * (views.pitch_deg, views.roll_deg)
    yaw_deg = rng.uniform(-180, 180)
    rotation = rotation_from_yaw_pitch_roll(*np.radians([yaw_deg, pitch_deg, roll_deg]))
    return rotation


def mask_batch(images: Tensor, views: ViewConfig, seed: int) -> Masked:
    """Show a random part of each panorama, and turn it until that part lies in the middle.

    images: (B, 3, H, W) uint8.
    """
    rng = np.random.default_rng([seed, 17])
    turned, known = [], []
    for image in images:
        pixels = image.permute(1, 2, 0).cpu().numpy()
        covered = random_coverage(views, (pixels.shape[0], pixels.shape[1]), rng)
        # The out-painter turns panoramas so in use; and training sees every azimuth.
        turn = columns_to_middle(covered, pixels)
        turned.append(image.roll(turn, -1))
        known.append(torch.from_numpy(np.roll(covered, turn, 1)))
    stacked = torch.stack(turned).float() / 127.5 - 1
    return Masked(stacked, torch.stack(known).float()[:, None].to(stacked.device))
