"""A client of `panodepth serve`, in the standard library and NumPy alone.

from panodepth.client import Client
distance, mask = Client("http://127.0.0.1:8360").distance("room.jpg")
"""

from __future__ import annotations

import io
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np

from panodepth.errors import DamageError, InputError, PanodepthError, one_line
from panodepth.strict import check_fields, parse_json, plain, positive
from panodepth.types import BoolArray, FloatArray

CROSSED = ("size", "out_size", "fov")  # options whose numbers stand as AxB
Picture = str | os.PathLike[str] | bytes | bytearray | memoryview
MOST_TOLD = 1000  # characters of an error
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
    tries: of a picture that the service had no room for. Raises ConfigError for other types.
    """

    url: str
    key: str | None = field(default="", repr=False)
    seconds: float = 150.0
    tries: int = 5

    def __post_init__(self) -> None:
        check_fields(self, "Client")
        positive(self.seconds, "seconds in Client must be a number above 0")

    def predict(self, picture: Picture, format: str = "npz", **options: Any) -> bytes:
        """The file of a format for a picture's path or bytes.

        options: of `panodepth.Predictor.predict`, such as camera_height=1.6 or size=(518, 1036).
        Raises ServiceError, InputError when the picture cannot be read here.
        """
        said = {name: _said(name, value) for name, value in options.items() if value is not None}
        query = {"format": format, **said}
        text = urllib.parse.urlencode(query, errors="backslashreplace")
        return self._sent(f"/v1/predict?{text}", picture_bytes(picture))

    def distance(self, picture: Picture, **options: Any) -> tuple[FloatArray, BoolArray]:
        """Distance (H, W) float32 and mask (H, W) of a picture; as `predict`."""
        content = self.predict(picture, "npz", **options)
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as got:
                return got["distance"], got["mask"]
        except Exception as error:  # NumPy and zipfile have a dozen kinds
            raise self._not_ours() from error

    def facts(self, picture: Picture, **options: Any) -> dict[str, Any]:
        """What is known of a picture's result, without the map; as `predict`."""
        return self._table(self.predict(picture, "json", **options))

    def health(self) -> dict[str, Any]:
        """The service's state, model and version."""
        return self._table(self._sent("/healthz", None))

    def _table(self, content: bytes) -> dict[str, Any]:
        try:
            found = parse_json(content)
        except DamageError as error:
            raise self._not_ours() from error
        if not isinstance(found, dict):
            raise self._not_ours()
        return found

    def _not_ours(self) -> ServiceError:
        """What is raised for an answer, taken as good, that has another form."""
        return ServiceError(f"{self.url}: it answers, but not as panodepth serve does", 200)

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
        if not self.url.lower().startswith(("http://", "https://")):
            raise ServiceError(f"{self.url!r} is no address such as http://127.0.0.1:8360")
        headers = {"X-API-Key": self.key} if self.key else {}
        if body is not None:
            headers["Content-Type"] = "application/octet-stream"
        try:
            request = urllib.request.Request(self.url.rstrip("/") + path, body, headers)
            with urllib.request.urlopen(request, timeout=self.seconds) as answer:
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            told = _reason(error.read()) or one_line(error.reason)
            raise ServiceError(told, error.code) from None
        except TimeoutError:
            raise ServiceError(f"{self.url}: no answer within {self.seconds:g} s") from None
        except (OSError, HTTPException, ValueError) as error:  # ValueError: no such url or key
            told = one_line(f"{self.url} cannot be reached: {error}")
            raise ServiceError(told) from error


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
    except (OSError, ValueError) as error:  # ValueError: a name that none can have
        told = getattr(error, "strerror", None) or error
        raise InputError(one_line(f"{picture}: {told}")) from error


def _said(name: str, value: Any) -> str:
    """An option's value as the command line, and so the service, reads it."""
    value = plain(value)
    if not isinstance(value, tuple | list):
        return str(value)
    parts = [str(plain(part)) for part in value]
    if name in MEASURED and parts:
        return f"{','.join(parts[:-1])}={parts[-1]}"
    return ("x" if name in CROSSED else ",").join(parts)


def _reason(body: bytes) -> str:
    try:
        return one_line(parse_json(body)["error"], MOST_TOLD)
    except (DamageError, KeyError, TypeError):
        return ""
