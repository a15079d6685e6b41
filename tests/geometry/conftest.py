"""Shared by the geometry tests: hypothesis settings and the angle between rays in ERP pixels."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor


@pytest.fixture(scope="session")
def error_px() -> Callable[..., Tensor]:
    """error_px(a, b, width): (...) angles between vectors (..., 3) as parts of 2π / width."""

    def angle(a: Tensor, b: Tensor, width: int) -> Tensor:
        a, b = torch.broadcast_tensors(a.double(), b.double())
        sine = torch.linalg.cross(a, b, dim=-1).norm(dim=-1)
        return torch.atan2(sine, (a * b).sum(-1)) * (width / (2 * math.pi))

    return angle


@pytest.fixture(scope="session")
def ray_image() -> Tensor:
    """(3, 512, 1024) float32: every pixel holds its own ray, so any error of a warp is an angle."""
    from panodepth.geometry.grid import erp_rays

    return erp_rays(512, 1024, dtype=torch.float32).movedim(-1, 0).contiguous()
