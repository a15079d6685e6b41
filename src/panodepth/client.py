"""A client of `panodepth serve`, in the standard library and NumPy alone.

from panodepth.client import Client
distance, mask = Client("http://127.0.0.1:8360").distance("room.jpg")
"""

from __future__ import annotations

import io
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np

from panodepth.errors import InputError, PanodepthError
from panodepth.types import BoolArray, FloatArray

CROSSED = ("size", "out_size", "fov")  # options whose numbers stand as AxB
Picture = str | os.PathLike[str] | bytes | bytearray | memoryview
MEASURED = ("known_distance", "known_length")  # as U,V=METRES


class ServiceError(PanodepthError):
    """The service refused or cannot be reached. status: of HTTP, 0 = not reached."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Client:
    """One service.

    url: such as "http://127.0.0.1:8360". key: where the service wants one. seconds: that a request
    may take; more than the service's own limit, 120 s by default, so that its answer still comes.
    tries: of a picture that the service had no room for.
    """

    url: str
    key: str = ""
    seconds: float = 150.0
    tries: int = 5

    def predict(self, picture: Picture, format: str = "npz", **options: Any) -> bytes:
        """The file of a format for a picture's path or bytes.

        options: of `panodepth.Predictor.predict`, such as camera_height=1.6 or size=(518, 1036).
        Raises ServiceError, InputError when the picture cannot be read here.
        """
        said = {name: _said(name, value) for name, value in options.items() if value is not None}
        query = {"format": format, **said}
        path = f"/v1/predict?{urllib.parse.urlencode(query)}"
        return self._sent(path, picture_bytes(picture))

    def distance(self, picture: Picture, **options: Any) -> tuple[FloatArray, BoolArray]:
        """Distance (H, W) float32 and mask (H, W) of a picture; as `predict`."""
        with np.load(
            io.BytesIO(self.predict(picture, "npz", **options)), allow_pickle=False
        ) as got:
            return got["distance"], got["mask"]

    def facts(self, picture: Picture, **options: Any) -> dict[str, Any]:
        """What is known of a picture's result, without the map; as `predict`."""
        found: dict[str, Any] = json.loads(self.predict(picture, "json", **options))
        return found

    def health(self) -> dict[str, Any]:
        """The service's state, model and version."""
        found: dict[str, Any] = json.loads(self._sent("/healthz", None))
        return found

    def _sent(self, path: str, body: bytes | None) -> bytes:
        for left in reversed(range(max(1, self.tries))):
            try:
                return self._once(path, body)
            except ServiceError as error:
                if error.status != 429 or not left:
                    raise
                time.sleep(1.0)
        raise AssertionError("unreachable")

    def _once(self, path: str, body: bytes | None) -> bytes:
        headers = {"X-API-Key": self.key} if self.key else {}
        if body is not None:
            headers["Content-Type"] = "application/octet-stream"
        try:
            request = urllib.request.Request(self.url.rstrip("/") + path, body, headers)
            with urllib.request.urlopen(request, timeout=self.seconds) as answer:
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            raise ServiceError(_reason(error.read()) or error.reason, error.code) from None
        except TimeoutError:
            raise ServiceError(f"{self.url}: no answer within {self.seconds:g} s") from None
        except (OSError, HTTPException, ValueError) as error:  # ValueError: no such url or key
            raise ServiceError(f"{self.url} cannot be reached: {error}") from error


def picture_bytes(picture: Picture) -> bytes:
    """A picture's file. Raises InputError."""
    if isinstance(picture, bytes | bytearray | memoryview):
        return bytes(picture)
    try:
        return Path(picture).read_bytes()
    except TypeError:
        kind = type(picture).__name__
        raise InputError(
            f"a picture is sent as its file: give a path or bytes, not {kind}"
        ) from None
    except OSError as error:
        raise InputError(f"{picture}: {error.strerror or error}") from error


def _said(name: str, value: Any) -> str:
    """An option's value as the command line, and so the service, reads it."""
    if not isinstance(value, tuple | list | np.ndarray):
        return str(value)
    parts = [str(part) for part in value]
    if name in MEASURED:
        return f"{','.join(parts[:-1])}={parts[-1]}"
    return ("x" if name in CROSSED else ",").join(parts)


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return ""
