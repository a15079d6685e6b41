"""The fusion baseline: twelve perspective predictions merged into a panorama.

panodepth evaluate --predictor baselines/fusion/fusion.py --option weights=perspective.safetensors

Train the weights with train.py, beside this file; README.md there says what is compared with what.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from icosahedron import merge_views, own_resolution, view_lens, view_rotations
from networks import ViewNetwork, open_network

from panodepth.geometry.lens import ERP, View
from panodepth.geometry.resampling import resample


class Predictor:
    """Cut twelve views of 90°, predict each, merge their log distances.

    weights: a perspective model's file, or "random" (untrained, for speed). preset, size: of an
    untrained one; size also changes the views' size [px] of a trained one, a multiple of 14.
    network: any other `ViewNetwork`, from Python.
    """

    def __init__(
        self,
        weights: str = "",
        preset: str = "compact",
        size: int = 0,
        device: str = "cpu",
        network: ViewNetwork | None = None,
    ) -> None:
        if network is None and not weights:
            raise ValueError('give weights=FILE of a perspective model, or weights="random"')
        self.network = network or open_network(weights, preset, size, device)

    def predict(self, image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(H, W, 3) sRGB in [0, 1], W = 2H, to (H, W) distance along the ray, free scale."""
        height = image.shape[0]
        views = self.views(torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))))
        log_distance = self.network.log_distance(views)
        size = log_distance.shape[-1]
        merged = merge_views(log_distance, view_lens(size), view_rotations(), height)
        distance: npt.NDArray[np.float32] = merged.exp().numpy()
        return distance

    def views(self, image: torch.Tensor) -> torch.Tensor:
        """(3, H, W) to (12, 3, s, s), averaged where the views are coarser than the panorama."""
        size = self.network.size
        finer = max(1, round(own_resolution(image.shape[-2]) / size))
        views = [View(view_lens(size), (size, size), turn) for turn in view_rotations()]
        cut = [resample(image, ERP(), view, supersample=finer)[0] for view in views]
        return torch.stack(cut).clamp_(0, 1)
