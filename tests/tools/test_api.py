"""What /openapi.json allows, and much that it does not, sent to a service by schemathesis.

Every answer must be one that the description names, never a 5xx, and come in time; whole pictures
are sent beside what schemathesis makes up, so that options reach the prediction.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from PIL import Image

import panodepth

schemathesis = pytest.importorskip("schemathesis", reason="needs the package schemathesis")
pytest.importorskip("uvicorn")

from schemathesis.specs.openapi.checks import positive_data_acceptance  # noqa: E402
from tests.serve.running import PICTURE, Running  # noqa: E402

SECONDS = 20  # that an answer may take
EXAMPLES = 60  # of each operation
# Most of what fits the description is no panorama, or options that do not go together.
LEFT_OUT = [positive_data_acceptance]


@pytest.fixture(scope="module")
def service() -> Iterator[Running]:
    running = Running(
        panodepth.load(dtype="float32", device="cpu"), max_megabytes=2, body_seconds=2
    )
    yield running
    running.stop()


@pytest.fixture(scope="module")
def api(service: Running) -> Any:
    return schemathesis.openapi.from_url(f"http://127.0.0.1:{service.port}/openapi.json")


def picture() -> bytes:
    place = io.BytesIO()
    Image.open(PICTURE).resize((64, 32)).save(place, "JPEG")
    return place.getvalue()


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
@pytest.mark.parametrize("body", ["made up", "a picture"])
def test_whatever_is_sent_is_answered_as_described(
    api: Any, mode: schemathesis.GenerationMode, body: str
) -> None:
    """mode: what the description allows, or what it does not."""
    operations = [found.ok() for found in api.get_all_operations()]
    assert len(operations) == 6
    for operation in operations:
        plain = body == "made up" and mode is schemathesis.GenerationMode.POSITIVE
        if operation.method.upper() != "POST" and not plain:
            continue  # it takes no body, and any text is a job's name

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def answered(case: schemathesis.Case) -> None:
            if body == "a picture":
                case.body = picture()
            case.call_and_validate(excluded_checks=LEFT_OUT, timeout=SECONDS)

        answered()


def test_it_is_still_there(service: Running) -> None:
    assert service.client().predict(picture())
    service.app.state.service.close()  # finishes what was accepted
    assert service.app.state.service.waiting == 0
