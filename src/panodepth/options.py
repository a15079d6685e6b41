"""A dataclass's fields as options: each says once what it is, for Python and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, is_dataclass
from typing import Any, TypeVar

from panodepth.strict import replaced

T = TypeVar("T")


def option(default: Any, help: str, **more: Any) -> Any:
    """A field that the command line offers; default `dataclasses.MISSING`: it must be given.

    help: a short sentence. more: `flag`, if not "--" and the field's name; `metavar`; `min`;
    `counts`, of numbers in a row; and `parser`, which makes a value of a text.
    """
    return field(default=default, metadata={"help": help, **more})


def changed(options: T, changes: Mapping[str, Any]) -> T:
    """A dataclass with other values of some fields. Raises ConfigError for an unknown name."""
    return replaced(options, changes) if changes or not is_dataclass(type(options)) else options
