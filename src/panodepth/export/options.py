"""Options of writers: each format that has some keeps them in a frozen dataclass beside its writer.

They are given by name: `prediction.save("room.glb", max_columns=2000)`, or with the format before a
dot, which is how `panodepth predict --set glb.max_columns=2000` gives them.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from panodepth.errors import ConfigError
from panodepth.export.registry import WRITERS
from panodepth.strict import build, find_named, setting_value, suggestion


def writer_options(formats: Sequence[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """For each of the formats that has options, its dataclass with what was given for it.

    given: values by "field", for every one of the formats that has this field, or "format.field".
    Raises ConfigError for a format or field that there is not, or a value that cannot be.
    """
    kinds = {name: kind for name in formats if (kind := options_class(name))}
    values: dict[str, dict[str, Any]] = {name: {} for name in kinds}
    for key, value in given.items():
        named, dot, field = key.rpartition(".")
        if dot and find_named("format", named, WRITERS) and named not in kinds:
            why = "is not written" if options_class(named) else "has no options"
            raise ConfigError(f"option {key!r}: format {named} {why}")
        takers = [named] if dot else [name for name in kinds if field in _fields(kinds[name])]
        if not takers:
            known = [name for kind in kinds.values() for name in _fields(kind)]
            hint = suggestion(field, known) if known else "none has options"
            raise ConfigError(f"no option {field!r} of the formats {', '.join(formats)}: {hint}")
        for name in takers:
            values[name][field] = value
    return {k: build(kind, values[k], f"the options of {k}") for k, kind in kinds.items()}


def options_class(name: str) -> type[Any] | None:
    """The dataclass of a format's options: the kind of its writer's default; None without any."""
    parameter = inspect.signature(WRITERS[name].loaded()).parameters.get("options")
    return None if parameter is None else type(parameter.default)


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """Texts such as "glb.max_columns=2000" to {"glb.max_columns": 2000}; else ConfigError."""
    given = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not all(name.strip().partition(".")):
            raise ConfigError(f"--set {setting!r} is not of the form FORMAT.OPTION=VALUE")
        given[name.strip()] = option_value(text.strip())
    return given


def option_value(text: str) -> Any:
    """As `setting_value`, but "1_6" is a text: no number is meant that is ten times as large."""
    value = setting_value(text)
    return text if "_" in text and isinstance(value, int | float) else value


def _fields(kind: type[Any]) -> list[str]:
    return list(kind.__dataclass_fields__)
