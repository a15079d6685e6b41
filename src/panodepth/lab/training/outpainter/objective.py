"""The flow-matching loss of an out-painter on a panorama of which a part is shown."""

from __future__ import annotations

import torch
from torch import Tensor

from panodepth.geometry.grid import solid_angles
from panodepth.lab.curation.outpainters.bases import Base, Prompt, Step
from panodepth.lab.training.outpainter.views import Masked

SCHEDULE_STEPS = 50  # of sampling; some models move their noise levels by it


def flow_loss(base: Base, batch: Masked, prompt: Prompt, guidance: float, seed: int) -> Tensor:
    """The mean squared error () of the predicted velocity, by solid angle.

    batch: B panoramas and what is known of them. seed: of the noise and its levels.
    """
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        image, known = (x.to(base.device) for x in batch)
        scene = base.scene(image, known)
        clean = base.encode(image)
        noise = torch.randn(clean.shape, generator=rng).to(clean)
        rows, columns = clean.shape[-2:]
        # Levels as FLUX's were drawn: a logit-normal, moved by the number of tokens (Esser et al.,
        # 2024), for more tokens need more noise to hide the same picture.
        even = torch.sigmoid(torch.randn(len(clean), generator=rng))
        levels = base.shifted(even.numpy(), rows * columns, SCHEDULE_STEPS)
        sigma = torch.tensor(levels, device=clean.device)
        share = sigma.view(-1, 1, 1, 1)
        tokens = (1 - share) * clean + share * noise  # the straight line from picture to noise
        weight: Tensor = solid_angles(rows, columns, dtype=clean.dtype, device=clean.device)
        weight = weight.expand(len(clean), 1, rows, columns)
        if base.keeps_known:  # sampling sets known tokens anew in every step: so here, uncounted
            tokens = torch.where(scene.known, (1 - share) * scene.clean + share * noise, tokens)
            weight = weight * ~scene.known
    velocity = base.erp_velocity(tokens, scene, Step(sigma, prompt, guidance))
    # that line's direction is what is learnt: d tokens / d sigma
    error = (velocity - (noise - clean)).square().mean(1, keepdim=True)
    return (error * weight).sum() / weight.sum().clamp_min(1e-9)
