"""The predictor that the services of these tests have."""

from __future__ import annotations

import pytest

import panodepth
from panodepth.predict.predictor import Predictor


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return panodepth.load(dtype="float32", device="cpu")
