"""The training losses on equirectangular (ERP) maps: pure functions of (B, H, W) tensors.

A network predicts log distance (natural log, up to one offset per image). The truth is distance
with a mask: sky and unknown pixels take no part in any geometric term. Every mean over pixels is
weighted by the solid angle that a pixel covers; it is taken per image, then over the batch. An
image without a valid pixel contributes exactly zero and no gradient, so every term is finite.

Formulas: DA² (arXiv 2509.26618) for median alignment, L1 distance and L1 normals. Ours are the
alignment by the median of the log residual, and the anchor on the mean log output: with the
paper's two separate medians the output's offset feels a constant gradient and drifts. And the same
two medians with a gradient through the prediction's: it is how benchmarks align, so that a median
that is off counts there as it does here, and nothing drifts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from panodepth.geometry.grid import solid_angles
from panodepth.geometry.resampling import rotate_erp
from panodepth.geometry.seam import pad_erp
from panodepth.strict import Amount, Index, Positive, Share

Alignment = Literal["log_residual", "median_ratio", "soft_median_ratio"]
MIDDLE = 0.4, 0.6  # quantiles between which predictions share the gradient of their median
MAX_ALIGNED_LOG = 16.0  # e^16 truth medians: keeps exp finite for the L1 of a model gone astray


class Truth(NamedTuple):
    """What is known about a batch of panoramas.

    distance: (B, H, W) float, > 0 and finite where `valid` (any unit; other pixels are ignored).
    valid: (B, H, W) bool, True = the distance is known.
    sky: (B, H, W) bool, True = known to be sky. Pixels that are neither valid nor sky are unknown.
    """

    distance: Tensor
    valid: Tensor
    sky: Tensor


@dataclass(frozen=True)
class LossConfig:
    """Weights (0 switches a term off) and kinds of the training loss; see `training_loss`."""

    distance: Amount = 1.0
    # l1: the paper's, over the truth's median; abs_rel: what benchmarks measure
    distance_kind: Literal["log_l1", "l1", "abs_rel"] = "log_l1"
    # or the paper's two separate medians, without and with a gradient through the prediction's
    alignment: Alignment = "log_residual"
    pair_spread: Positive = 0.05  # of each of two depths a pixel holds, in log distance
    normal: Amount = 0.3
    normal_edge: Amount = 0.1  # relative bend of inverse distance above which a pixel is an edge
    anchor: Amount = 0.02
    anchor_target: float = 2.0  # mean log output aimed at: the centre of the head's clip range
    sky: Amount = 0.2
    gradient: Amount = 0.0
    gradient_scales: Index = 3
    pole_floor: Share = 0.0  # least weight of a row, of the equator's; 0 = solid angles alone
    consistency: Amount = 0.0  # agreement with the prediction of the rotated panorama
    consistency_share: Share = 0.25  # of each batch (at least one panorama) is rotated as well
    consistency_tilt_deg: Amount = 20.0  # largest pitch and roll of that rotation; yaw is any


def masked_mean(values: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
    """The weighted mean over the pixels of each image where `mask` is True.

    values: (B, H, W); outside the mask anything, NaN included, and without a gradient.
    mask: (B, H, W) bool.
    weights: broadcasts to (B, H, W), >= 0.
    Returns (B,); 0 for an empty mask.
    """
    # `where` before the product: 0 · NaN is NaN, in the backward pass too
    kept = torch.where(mask, values, 0.0)
    w = mask * weights
    total = w.sum(dim=(-2, -1))
    return (kept * w).sum(dim=(-2, -1)) / torch.where(total > 0, total, 1.0)


def _masked_median(values: Tensor, mask: Tensor) -> Tensor:
    """The median over the True pixels of each image.

    values: (B, H, W). mask: (B, H, W) bool. Returns (B,): the lower of two middle values, NaN for
    an empty mask.
    """
    return torch.where(mask, values, torch.nan).flatten(-2).nanmedian(dim=-1).values


def log_alignment(
    log_pred: Tensor, log_true: Tensor, valid: Tensor, kind: Alignment = "log_residual"
) -> Tensor:
    """The offset that is added to the predicted log distance so that it fits the truth.

    log_pred, log_true: (B, H, W) natural log of distance.
    valid: (B, H, W) bool.
    kind: "log_residual", median of log_true - log_pred, which minimises the log L1;
        "median_ratio", the difference of the two medians, as the paper aligns; or
        "soft_median_ratio", the same number, with a gradient.
    Returns (B,); 0 for an image without a valid pixel. Detached, but for "soft_median_ratio": there
    the gradient of the prediction's median is shared by the predictions in its `MIDDLE`.
    """
    with torch.no_grad():
        if kind == "log_residual":
            offset = _masked_median(log_true - log_pred, valid)
        else:
            offset = _masked_median(log_true, valid) - _masked_median(log_pred, valid)
        offset = torch.nan_to_num(offset, nan=0.0)
    if kind == "soft_median_ratio":
        middle = _middle_mean(log_pred, valid)
        offset = offset - (middle - middle.detach())
    return offset


def _middle_mean(values: Tensor, mask: Tensor) -> Tensor:
    """The mean of the True pixels between the quantiles `MIDDLE`, (B,); 0 for an empty mask."""
    with torch.no_grad():
        kept = torch.where(mask, values, torch.nan).flatten(-2)
        low, high = (torch.nanquantile(kept, q, dim=-1)[:, None, None] for q in MIDDLE)
        middle = mask & (values >= low) & (values <= high)
    return masked_mean(values, middle, values.new_ones(()))


def distance_log_l1(aligned_log: Tensor, log_true: Tensor) -> Tensor:
    """|log d̂ - log d*| per pixel.

    aligned_log, log_true: (B, H, W) natural log of distance; the first carries its offset already.
    Returns (B, H, W) >= 0.
    """
    return (aligned_log - log_true).abs()


def pair_log_l1(pair: Tensor, offset: Tensor, log_true: Tensor, spread: float) -> Tensor:
    """-log likelihood of a mixture of two Laplace distributions of log d*, times their spread.

    Where both depths are one it is |log d̂ - log d*|; at an edge it asks that one of the two fit,
    and that it be the likelier, instead of an average.

    pair: (B, 3, H, W): two log distances, and the logit of the first. offset: (B,), added to both.
    log_true: (B, H, W). spread: of each, > 0. Returns (B, H, W) >= 0.
    """
    return -spread * torch.logsumexp(_pair_logs(pair, offset, log_true, spread), dim=1)


def _pair_logs(pair: Tensor, offset: Tensor, log_true: Tensor, spread: float) -> Tensor:
    """(B, 2, H, W): log of each depth's share times its likelihood; arguments as `pair_log_l1`."""
    errors = (pair[:, :2] + offset[:, None, None, None] - log_true[:, None]).abs()
    return F.logsigmoid(torch.stack([pair[:, 2], -pair[:, 2]], dim=1)) - errors / spread


def pair_alignment(
    pair: Tensor, offset: Tensor, log_true: Tensor, valid: Tensor, spread: float
) -> Tensor:
    """The offset at which `pair_log_l1` does not pull at the free scale of the output.

    The median of the residuals of both depths, each counted as far as it is the one that the truth
    chose. By the median of the likelier ones alone the output's offset would drift.

    pair: (B, 3, H, W). offset: (B,), a first one. log_true: (B, H, W). valid: (B, H, W) bool.
    Returns (B,), detached; 0 for an image without a valid pixel.
    """
    with torch.no_grad():
        chosen = _pair_logs(pair, offset, log_true, spread).softmax(dim=1) * valid[:, None]
        residual, order = (log_true[:, None] - pair[:, :2]).flatten(1).sort(dim=1)
        below = chosen.flatten(1).gather(1, order).cumsum(dim=1)
        half = (below < 0.5 * below[:, -1:]).sum(dim=1, keepdim=True)
        median = residual.gather(1, half.clamp(max=residual.shape[1] - 1))[:, 0]
        return torch.where(valid.flatten(1).any(dim=1), median, 0.0)


def distance_l1(aligned_log: Tensor, log_true: Tensor, valid: Tensor) -> Tensor:
    """The paper's |d̂ - d*|, both over the truth's median so that images weigh alike.

    aligned_log, log_true: (B, H, W) natural log of distance; the first carries its offset already.
    valid: (B, H, W) bool. Returns (B, H, W) >= 0, in medians of the truth.
    """
    median = torch.nan_to_num(_masked_median(log_true, valid), nan=0.0)[:, None, None]
    pred = (aligned_log - median).clamp(-MAX_ALIGNED_LOG, MAX_ALIGNED_LOG).exp()
    return (pred - (log_true - median).exp()).abs()


def distance_abs_rel(aligned_log: Tensor, log_true: Tensor) -> Tensor:
    """|d̂ - d*| / d* per pixel, what benchmarks call AbsRel; linear in log d̂ beyond e d*.

    aligned_log, log_true: (B, H, W) natural log of distance; the first carries its offset already.
    Returns (B, H, W) >= 0. Too far costs more than too near by the same factor.
    """
    residual = aligned_log - log_true
    beyond = F.relu(residual - 1.0)  # else one pixel gone astray would outweigh all others
    return torch.expm1(residual.clamp_max(1.0)).abs() + math.e * beyond


def smooth_pixels(distance: Tensor, valid: Tensor, edge: float = 0.1) -> Tensor:
    """Pixels whose 3x3 neighbourhood is all valid and lies on one smooth surface.

    On a plane the inverse distance is linear in the ray, however obliquely it is seen. So its
    second difference, relative to its value, is small there and large across an occlusion edge: a
    step by a fraction s of the distance gives about s.

    distance: (B, H, W), > 0 where valid. valid: (B, H, W) bool. edge: the limit, a fraction.
    Returns (B, H, W) bool.
    """
    inverse = torch.where(valid, 1.0 / distance.clamp_min(1e-6), 0.0)[:, None]
    known = pad_erp(valid[:, None].to(inverse.dtype), 1)
    # the least of the nine: a minimum is a negated maximum, and torch pools maxima alone
    all_known = -F.max_pool2d(-known, 3, stride=1) > 0.5
    p = pad_erp(inverse, 1)
    centre = 2.0 * inverse
    # |left + right - 2 centre| and |above + below - 2 centre|, the larger of the two
    bend = torch.maximum(
        (p[..., 1:-1, :-2] + p[..., 1:-1, 2:] - centre).abs(),
        (p[..., :-2, 1:-1] + p[..., 2:, 1:-1] - centre).abs(),
    )
    return (all_known & (bend <= edge * inverse))[:, 0] & valid


def local_normals(log_distance: Tensor) -> Tensor:
    """Unit surface normals, in each pixel's own axes: to the camera, down, right.

    With ray r, down φ and right λ the surface d(φ, λ) r has the normal
    -r + (∂ log d / ∂φ) φ + (∂ log d / ∂λ) / cos φ λ, up to its length: no scale, no exponential.
    Slopes are differences to the pixel below and to the right. Central differences would not see
    it when every second pixel is off.

    log_distance: (B, H, W) natural log. Returns (B, 3, H, W), length 1.
    """
    height, width = log_distance.shape[-2:]
    device, dtype = log_distance.device, log_distance.dtype
    row = torch.arange(height, device=device)
    cos_lat = torch.sin((row + 0.5) * (math.pi / height)).to(dtype)
    # Columns converge towards the poles: there the neighbour is 2, 4, 8, ... columns away, so that
    # the distance to it on the sphere stays about one row.
    step = torch.exp2(torch.round(-torch.log2(cos_lat))).long().clamp(1, max(1, width // 4))
    column = (torch.arange(width, device=device) + step[:, None]) % width
    ahead = log_distance.gather(-1, column.expand(log_distance.shape))
    right = (ahead - log_distance) / (step * cos_lat * (2 * math.pi / width))[:, None]
    below = (log_distance[..., 1:, :] - log_distance[..., :-1, :]) * (height / math.pi)
    down = torch.cat([below, below[..., -1:, :]], dim=-2)  # the last row has nothing below it
    facing = torch.rsqrt(1.0 + down * down + right * right)
    return torch.stack([facing, down * facing, right * facing], dim=1)


def normal_l1(log_pred: Tensor, log_true: Tensor) -> Tensor:
    """|N̂ - N*|, summed over the three components of the normals.

    L1 because the gradient of a cosine vanishes as the normals agree (the paper's reason). The
    components are along each pixel's own axes (`local_normals`), so rolling the panorama changes
    nothing.

    log_pred, log_true: (B, H, W) natural log of distance. Returns (B, H, W) >= 0.
    """
    with torch.no_grad():
        true = local_normals(log_true)
    return (local_normals(log_pred) - true).abs().sum(dim=1)


def anchor(log_pred: Tensor, valid: Tensor, weights: Tensor, target: float) -> Tensor:
    """(mean log output - target)²: holds the free scale of the output in place.

    log_pred: (B, H, W). valid: (B, H, W) bool. weights: broadcasts to (B, H, W). Returns (B,).
    """
    has_any = valid.flatten(1).any(dim=1)
    return torch.where(has_any, (masked_mean(log_pred, valid, weights) - target).square(), 0.0)


def sky_bce(logit: Tensor, truth: Truth, weights: Tensor) -> Tensor:
    """Binary cross-entropy of the sky output, over the pixels of which it is known.

    logit: (B, H, W), > 0 = sky. weights: broadcasts to (B, H, W). Returns (B,).
    """
    bce = F.binary_cross_entropy_with_logits(logit, truth.sky.to(logit.dtype), reduction="none")
    return masked_mean(bce, truth.valid | truth.sky, weights)


def log_gradient(residual: Tensor, valid: Tensor, weights: Tensor, scales: int = 3) -> Tensor:
    """Multi-scale gradient of the log residual: sharpens edges, flattens surfaces.

    Absolute differences over 1, 2, 4, ... pixels, closed across the seam, over pairs of valid
    pixels; the mean over `scales` steps.

    residual: (B, H, W) log d̂ - log d*. valid: (B, H, W) bool. weights: (H, W) or (H, 1).
    Returns (B,).
    """
    total = residual.new_zeros(residual.shape[0])
    r = torch.where(valid, residual, 0.0)
    for scale in range(scales):
        step = 2**scale
        across = valid & valid.roll(-step, dims=-1)
        total = total + masked_mean((r.roll(-step, dims=-1) - r).abs(), across, weights)
        down = valid[..., step:, :] & valid[..., :-step, :]
        lower = (r[..., step:, :] - r[..., :-step, :]).abs()
        total = total + masked_mean(lower, down, weights[..., step:, :])
    return total / max(scales, 1)


def rotation_consistency(
    log_pred: Tensor, log_rotated: Tensor, rotation: Tensor, mask: Tensor
) -> Tensor:
    """How far the prediction of a rotated panorama, rotated back, is from that of the original.

    log_pred: (B, H, W), of the panoramas.
    log_rotated: (B, H, W), of `rotate_erp(panorama, rotation)`.
    rotation: (B, 3, 3).
    mask: (B, H, W) bool in the original's pixels; leave occlusion edges out, where resampling mixes
        both sides.
    Returns (B,): solid-angle weighted mean |difference of log distances| over the mask, after their
    median offset; 0 for an empty mask.
    """
    # Only the rotated one learns. If the original did too, both could agree on something flatter:
    # a constant is the most consistent prediction of all.
    fixed = log_pred.detach()
    back = rotate_erp(log_rotated[:, None], rotation.mT)[:, 0]
    offset = log_alignment(back, fixed, mask)
    weights = solid_angles(*fixed.shape[-2:], dtype=fixed.dtype, device=fixed.device)
    return masked_mean((back + offset[:, None, None] - fixed).abs(), mask, weights)


def training_loss(
    log_distance: Tensor,
    sky_logit: Tensor | None,
    truth: Truth,
    config: LossConfig,
    pair: Tensor | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sum of all terms that are switched on.

    log_distance: (B, H, W) float32, the network's output.
    sky_logit: (B, H, W), > 0 = sky; None = no sky term.
    pair: (B, 3, H, W) of a network of two depths (`ModelOutput`): the distance term is then
        `pair_log_l1`, all others see the likelier one.
    Returns the loss () and each term () unweighted and detached: distance, normal, anchor, sky,
    gradient. A term whose weight is 0 is not computed.
    """
    valid = truth.valid
    height, width = log_distance.shape[-2:]
    weights = solid_angles(height, width, dtype=log_distance.dtype, device=log_distance.device)
    if config.pole_floor:
        # The outermost rows see next to nothing of the sphere, but people see their pixels.
        weights = weights.maximum(config.pole_floor * weights.max())
    log_true = torch.where(valid, truth.distance, 1.0).log()
    offset = log_alignment(log_distance, log_true, valid, config.alignment)
    if pair is not None:
        offset = pair_alignment(pair, offset, log_true, valid, config.pair_spread)
    aligned = log_distance + offset[:, None, None]

    terms: dict[str, tuple[float, Tensor]] = {}
    if config.distance:
        if pair is not None:
            error = pair_log_l1(pair, offset, log_true, config.pair_spread)
        elif config.distance_kind == "l1":
            error = distance_l1(aligned, log_true, valid)
        elif config.distance_kind == "abs_rel":
            error = distance_abs_rel(aligned, log_true)
        else:
            error = distance_log_l1(aligned, log_true)
        terms["distance"] = (config.distance, masked_mean(error, valid, weights))
    if config.normal:
        smooth = smooth_pixels(truth.distance, valid, config.normal_edge)
        error = normal_l1(log_distance, log_true)
        terms["normal"] = (config.normal, masked_mean(error, smooth, weights))
    if config.anchor:
        value = anchor(log_distance, valid, weights, config.anchor_target)
        terms["anchor"] = (config.anchor, value)
    if config.sky and sky_logit is not None:
        terms["sky"] = (config.sky, sky_bce(sky_logit, truth, weights))
    if config.gradient:
        value = log_gradient(aligned - log_true, valid, weights, config.gradient_scales)
        terms["gradient"] = (config.gradient, value)
    total = log_distance.new_zeros(())
    for weight, per_image in terms.values():
        total = total + weight * per_image.mean()
    return total, {name: per_image.detach().mean() for name, (_, per_image) in terms.items()}
