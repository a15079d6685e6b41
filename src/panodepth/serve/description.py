"""What /openapi.json says of the routes beyond their names: parameters, bodies, answers."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from panodepth.export import WRITERS
from panodepth.predict.options import LEVEL_PASSES, QUALITIES, PredictOptions
from panodepth.serve.service import CHOICES, DEFAULT_FORMAT, FACTS, MEDIA, OFFERED, OTHER_MEDIA

ENUMS = {**CHOICES, "level": tuple(LEVEL_PASSES), "quality": QUALITIES}
FILE = {"schema": {"type": "string", "format": "binary"}}
Answers = dict[int | str, dict[str, Any]]


def parameters() -> list[dict[str, Any]]:
    """The format and every option of a prediction that a client may choose."""
    formats = {"type": "string", "enum": [*WRITERS, FACTS], "default": DEFAULT_FORMAT}
    found = [_parameter("format", "Of the file; else `Accept` names it, else npz.", formats)]
    for field in fields(PredictOptions):
        if field.name in OFFERED:
            schema = _schema(field) | _default(field)
            found.append(_parameter(field.name, field.metadata["help"], schema))
    return found


def _parameter(name: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": text, "schema": schema}


def _schema(field: Any) -> dict[str, Any]:
    """What a field may be, as JSON Schema."""
    kind = str(field.type)
    if field.name in ENUMS:
        return {"type": "string", "enum": list(ENUMS[field.name])}
    if "parser" in field.metadata:
        return {"type": "string"}
    for name, told in (("bool", "boolean"), ("int", "integer"), ("float", "number")):
        if kind.startswith(name):
            limits = {"min": "minimum", "max": "maximum"}
            more = {limits[k]: v for k, v in field.metadata.items() if k in limits}
            return {"type": told, **more}
    return {"type": "string"}


def _default(field: Any) -> dict[str, Any]:
    """What it is when it is not sent; nothing of what then is found out, or is not applied."""
    return {} if field.default is None else {"default": field.default}


def _told(texts: dict[int, str]) -> Answers:
    """Answers that are errors, one line each."""
    error = {
        "type": "object",
        "properties": {"error": {"type": "string"}},
        "required": ["error"],
    }
    content = {"application/json": {"schema": error}}
    return {code: {"description": text, "content": content} for code, text in texts.items()}


PICTURE = {
    "parameters": parameters(),
    "requestBody": {
        "required": True,
        "description": "A picture's file: JPEG, PNG, TIFF, EXR, HDR, WebP, HEIC or AVIF.",
        "content": {OTHER_MEDIA: FILE},
    },
}
REFUSED = {
    400: "The picture or an option is wrong; `error` says how.",
    401: "The key is missing or wrong.",
    408: "The picture did not arrive in time.",
    413: "The picture is too large.",
    429: "Too many pictures wait; Retry-After says when to try again.",
    500: "The prediction failed; the service's log says why.",
    503: "It took too long, or the service is stopping.",
}
RESULT: Answers = {
    200: {
        "description": "The file; Content-Disposition names it.",
        "content": dict.fromkeys((*MEDIA.values(), OTHER_MEDIA), FILE),
    }
}
PREDICTED: Answers = RESULT | _told(REFUSED)
STARTED: Answers = _told(REFUSED)
JOB: Answers = _told({401: REFUSED[401], 404: "No such job, or no longer."})
JOB_RESULT: Answers = RESULT | JOB | _told({**REFUSED, 409: "The job is not done yet."})
STATE: Answers = _told({401: REFUSED[401]})
HEALTH: Answers = _told({503: "The service is stopping."})
