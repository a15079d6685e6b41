"""The client of `panodepth serve`: options and results as in `predict`, errors in one line."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panodepth.client import Client, ServiceError
from panodepth.errors import InputError
from panodepth.predict.predictor import Predictor

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from tests.serve.running import PICTURE, Running


@pytest.mark.parametrize(
    "options",
    [
        {"size": (84, 168), "level": "none"},
        {"known_distance": (512.5, 400.5, 2.0), "camera_height": None},
        {"fov": (360.0, 180.0), "out_projection": "perspective", "out_size": (40, 60)},
        {"allow_any_aspect": True, "out_projection": "perspective", "out_view": [30.0, -10.0]},
    ],
)
def test_the_client_takes_options_as_predict_does(
    service: Running, predictor: Predictor, options: dict[str, Any]
) -> None:
    expected = predictor.predict(PICTURE, **options)
    distance, mask = service.client().distance(PICTURE, **options)
    np.testing.assert_array_equal(distance, expected.distance)
    np.testing.assert_array_equal(mask, expected.mask)


def test_the_client_says_what_is_wrong(service: Running, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="cannot be reached"):
        Client("http://127.0.0.1:9", seconds=2).health()
    with pytest.raises(InputError, match="No such file"):
        service.client().predict(tmp_path / "none.jpg")
    with pytest.raises(ServiceError, match="image bytes") as caught:
        service.client().predict(b"nothing")
    assert caught.value.status == 400
    code = "import sys, panodepth.client; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_client_takes_bytes_of_any_kind_and_arrays_of_numbers(service: Running) -> None:
    client, content = service.client(), PICTURE.read_bytes()
    options: dict[str, Any] = {"size": np.array([84, 168]), "level": "none"}
    expected = client.facts(content, size=(84, 168), level="none")
    for picture in (bytearray(content), memoryview(content)):
        assert client.facts(picture, **options) == expected
    with pytest.raises(InputError, match="a path or bytes, not ndarray"):
        client.facts(np.zeros((8, 16, 3), np.uint8))  # type: ignore[arg-type]


def test_an_answer_that_is_late_is_not_called_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = Client(f"http://127.0.0.1:{silent.getsockname()[1]}", seconds=0.2)
        with pytest.raises(ServiceError, match=r"no answer within 0\.2 s"):
            client.health()
