"""Pictures that came out badly: exposed wrongly, under a dark sky, without colour, compressed hard.

Each changes the image alone, never the truth. Throughout: image, and what is returned: (B, 3, H, W)
in [0, 1], sRGB-coded; sky: (B, H, W) bool, True = sky. Light is the code to the power of 2.2. A
fault whose share is 0 draws no random number, so switching one on leaves the draws of the others
as they were.
"""

from __future__ import annotations

import torch
from torch import Tensor

from panodepth.lab.training.config import AugmentConfig
from panodepth.lab.training.feed.dice import LUMA, SRGB_POWER, Dice, binomial

JPEG_QUALITY = (15, 70)


def faults(image: Tensor, sky: Tensor, config: AugmentConfig, seed: int) -> Tensor:
    """The images with the faults that `seed` draws.

    image: (B, 3, H, W) in [0, 1]. sky: (B, H, W) bool, True = sky. Returns (B, 3, H, W) in [0, 1].
    """
    dice = Dice(seed, image.shape[0], image.device)
    image = expose(image, config, dice)
    image = expose_sky(image, sky, config, dice)
    image = without_colour(image, config, dice)
    return compress(image, config, dice)


def expose(image: Tensor, config: AugmentConfig, dice: Dice) -> Tensor:
    """Some images up to `exposure_stops` too dark or too bright; what clips is lost.

    image: (B, 3, H, W).
    """
    if not config.exposure:
        return image
    chosen = dice.picks(config.exposure)
    stops = config.exposure_stops * (2 * dice.uniform(1, 1, 1) - 1)
    return (image * torch.exp2(torch.where(chosen, stops, 0.0) / SRGB_POWER)).clamp(0.0, 1.0)


def expose_sky(image: Tensor, sky: Tensor, config: AugmentConfig, dice: Dice) -> Tensor:
    """The sky alone, mostly darker: dusk, night and storm, which rendered skies seldom are.

    image: (B, 3, H, W) in [0, 1]. sky: (B, H, W) bool. The sky is scaled in light and drawn towards
    one dark colour, so that a blue gradient can become grey or nearly black; its edge is softened
    over two pixels, as a lens does.
    """
    if not config.dark_sky:
        return image
    chosen = dice.picks(config.dark_sky)
    stops = -config.exposure_stops * dice.uniform(1, 1, 1) * 1.3 + 0.3 * config.exposure_stops
    tint = 0.25 * dice.uniform(3, 1, 1)
    flat = dice.uniform(1, 1, 1)
    edge = binomial(sky[:, None].expand(-1, 3, -1, -1).to(image.dtype))
    dark = image * torch.exp2(stops / SRGB_POWER)
    dark = dark + flat * (tint - dark) * (stops < 0)  # a bright sky keeps its colours
    share = torch.where(chosen, edge, 0.0)
    return (image + share * (dark - image)).clamp(0.0, 1.0)


def without_colour(image: Tensor, config: AugmentConfig, dice: Dice) -> Tensor:
    """Some images in grey. image: (B, 3, H, W)."""
    if not config.gray:
        return image
    chosen = dice.picks(config.gray)
    grey = torch.einsum("c,bchw->bhw", image.new_tensor(LUMA), image)[:, None]
    return torch.where(chosen, grey, image)  # one channel stands for three


def compress(image: Tensor, config: AugmentConfig, dice: Dice) -> Tensor:
    """Some images as they come back from a small JPEG file. image: (B, 3, H, W)."""
    if not config.jpeg:
        return image
    from panodepth.lab.worlds.camera.jpeg import jpeg

    low, high = JPEG_QUALITY
    hit = set(dice.chance(config.jpeg))
    quality = [low + int((high - low) * x) for x in dice.fractions()]
    return jpeg(image, [q if i in hit else 0 for i, q in enumerate(quality)])
