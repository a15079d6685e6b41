"""Random weights to train from; first weights from files are in `initialisation`."""

from __future__ import annotations

from torch import nn


def start_layer(layer: nn.Module, *, residual: bool) -> None:
    """Random weights for training from scratch, no bias; only of linear layers and convolutions.

    residual: whether a linear layer's result is added to a stream (or is its query, key or value):
    it starts small, the others keep the variance of what goes in.
    """
    if isinstance(layer, nn.Linear):
        std = 0.02 if residual else layer.in_features**-0.5
    elif isinstance(layer, nn.Conv2d):
        std = layer.weight[0].numel() ** -0.5
    elif isinstance(layer, nn.ConvTranspose2d):
        std = layer.in_channels**-0.5
    else:
        return
    nn.init.trunc_normal_(layer.weight, std=std)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
