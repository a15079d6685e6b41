"""Muon: what it does to matrices, and that its other half is torch's own AdamW."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from panodepth.lab.training.optimisation.muon import ADAMW_RMS, Muon, is_matrix, orthogonalise


@pytest.mark.parametrize("shape", [(32, 32), (64, 16), (16, 80), (3, 24, 40)])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_orthogonalise_brings_all_singular_values_near_one(shape, scale) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * scale
    values = torch.linalg.svdvals(orthogonalise(x))
    assert values.min() > 0.5
    assert values.max() < 1.35


def test_orthogonalise_keeps_the_singular_vectors() -> None:
    g = torch.Generator().manual_seed(1)
    u, _ = torch.linalg.qr(torch.randn(24, 24, generator=g))
    v, _ = torch.linalg.qr(torch.randn(24, 24, generator=g))
    x = u @ torch.diag(torch.linspace(0.2, 3.0, 24)) @ v.mT
    turned = u.mT @ orthogonalise(x) @ v  # diagonal when the directions are kept
    assert (turned - torch.diag(turned.diagonal())).abs().max() < 0.05
    assert turned.diagonal().min() > 0.5


def test_a_step_has_the_size_that_is_promised() -> None:
    p = nn.Parameter(torch.zeros(64, 32))
    p.grad = torch.randn(64, 32, generator=torch.Generator().manual_seed(2)) * 1e-5
    Muon([{"params": [p], "matrix": True}], lr=0.01).step()
    # Orthonormal columns: root-mean-square 1/√64, times √64.
    rms = float(p.detach().square().mean().sqrt())
    assert rms == pytest.approx(0.01 * ADAMW_RMS, rel=0.2)


def test_the_rest_is_adamw() -> None:
    g = torch.Generator().manual_seed(3)
    start = [torch.randn(5, generator=g), torch.randn(4, 3, generator=g)]
    mine = [nn.Parameter(x.clone()) for x in start]
    theirs = [nn.Parameter(x.clone()) for x in start]
    ours = Muon([{"params": mine, "weight_decay": 0.1}], lr=0.02, betas=(0.9, 0.95))
    torchs = torch.optim.AdamW(theirs, lr=0.02, betas=(0.9, 0.95), weight_decay=0.1)
    for _ in range(5):
        for a, b in zip(mine, theirs, strict=True):
            a.grad = torch.randn(a.shape, generator=g)
            b.grad = a.grad.clone()
        ours.step()
        torchs.step()
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch before 2.9")
@pytest.mark.parametrize("shape", [(48, 96), (96, 48)])
def test_matrices_go_as_torchs_own_muon_takes_them(shape) -> None:
    """Up to bfloat16's rounding of what is orthogonalised, about a hundredth of every step."""
    g = torch.Generator().manual_seed(5)
    mine = nn.Parameter(torch.randn(shape, generator=g))
    theirs = nn.Parameter(mine.detach().clone())
    ours = Muon([{"params": [mine], "matrix": True, "weight_decay": 0.1}], lr=0.02)
    torchs = torch.optim.Muon([theirs], lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    start = mine.detach().clone()
    for _ in range(10):
        mine.grad = torch.randn(shape, generator=g)
        theirs.grad = mine.grad.clone()
        ours.step()
        torchs.step()
    with torch.no_grad():
        assert (mine - theirs).norm() < 0.03 * (theirs - start).norm()


def test_kernels_are_matrices_of_what_they_read() -> None:
    """A convolution and the linear layer that does the same take the same step."""
    g = torch.Generator().manual_seed(4)
    weight, grad = torch.randn(16, 18, generator=g), torch.randn(16, 18, generator=g)
    kernel, linear = nn.Parameter(weight.view(16, 2, 3, 3).clone()), nn.Parameter(weight.clone())
    kernel.grad, linear.grad = grad.view(16, 2, 3, 3), grad
    Muon([{"params": [kernel, linear], "matrix": True, "weight_decay": 0.1}], lr=0.1).step()
    torch.testing.assert_close(kernel.view(16, 18), linear)
    assert not torch.equal(linear, weight)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((64,), False), ((64, 8), False), ((64, 2, 3, 3), True), ((1, 99), False)],
)
def test_what_counts_as_a_matrix(shape, expected) -> None:
    assert is_matrix(torch.zeros(shape)) is expected


def test_parameters_without_a_gradient_stay() -> None:
    p, q = nn.Parameter(torch.ones(20, 20)), nn.Parameter(torch.ones(3))
    Muon([{"params": [p], "matrix": True, "weight_decay": 0.5}, {"params": [q]}], lr=0.1).step()
    assert torch.equal(p, torch.ones(20, 20))
    assert torch.equal(q, torch.ones(3))
