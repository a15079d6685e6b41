"""Plain values of TOML or JSON into frozen dataclasses: no unknown key, no wrong type, no NaN."""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Mapping
from typing import Any

from panodepth.errors import ConfigError


def build(cls: type[Any], values: Any, where: str) -> Any:
    """A `cls` (a dataclass, whose fields may be dataclasses or tuples of them) from nested values.

    where: what an error calls the place. Raises ConfigError for an unknown key, naming the likely
    right one, a missing key without a default, or a value of another type.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where} must be a table, not {values!r}")
    hints = typing.get_type_hints(cls)
    for key in values:
        if key not in hints:
            close = difflib.get_close_matches(str(key), hints, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(hints)}"
            raise ConfigError(f"unknown key {key!r} in {where}: {hint}")
    made = {key: _value(key, value, hints[key], where) for key, value in values.items()}
    for field in dataclasses.fields(cls):
        has_default = (field.default, field.default_factory) != (dataclasses.MISSING,) * 2
        if field.name not in made and not has_default:
            raise ConfigError(f"{where} needs a value for {field.name!r}")
    return cls(**made)


def _value(key: str, value: Any, hint: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return build(typing.cast("type[Any]", hint), value, f"[{key}]")
    inner = typing.get_args(hint)
    if typing.get_origin(hint) is tuple and dataclasses.is_dataclass(inner[0]):
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{key} in {where} must be a list of tables ([[{key}]])")
        row = typing.cast("type[Any]", inner[0])
        return tuple(build(row, v, f"[[{key}]] number {i}") for i, v in enumerate(value, start=1))
    if _fits(value, hint):
        return float(value) if hint is float else value
    name = getattr(hint, "__name__", str(hint))
    raise ConfigError(f"{key} in {where} must be {name}, not {value!r}")


def _fits(value: Any, hint: Any) -> bool:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, h) for h in typing.get_args(hint))
    if hint is float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and math.isfinite(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, origin or hint)
