"""The predictor that the services of these tests have, and a usual one of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

import panodepth
from panodepth.predict.predictor import Predictor

if TYPE_CHECKING:
    from tests.serve.running import Running


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return panodepth.load(dtype="float32", device="cpu")


@pytest.fixture(scope="module")
def service(predictor: Predictor) -> Iterator[Running]:
    from tests.serve.running import Running  # needs the extra serve

    running = Running(predictor, max_megabytes=2, max_megapixels=9, body_seconds=1)
    yield running
    running.stop()
