"""Plain values of TOML or JSON into frozen dataclasses: no unknown key, no wrong type, no NaN.

What a number may be stands in its type, `Annotated[int, Range(at_least=1)]`; which words a text may
be, in a `Literal`. Errors name the key and its table, and for a misspelt key the likely right one.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
import os
import stat
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from panodepth.errors import ConfigError, DamageError, one_line

T = TypeVar("T")

DEEPEST = 100  # brackets that a recipe may open in a row
MOST_BYTES = 1 << 26  # of a TOML or JSON file
LONGEST = 60  # characters of a value in an error
_HINTS: dict[type[Any], dict[str, Any]] = {}
_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
_WORDS |= {dict: "a table", Mapping: "a table", Path: "a path"}


@dataclass(frozen=True)
class Range:
    """Which numbers are allowed; `above` and `below` leave their own value out."""

    at_least: float = -math.inf
    at_most: float = math.inf
    above: float = -math.inf
    below: float = math.inf

    def __contains__(self, number: float) -> bool:
        closed = self.at_least <= number <= self.at_most
        return closed and self.above < number < self.below

    def __str__(self) -> str:
        limits = dataclasses.asdict(self).items()
        told = [f"{k.replace('_', ' ')} {v:g}" for k, v in limits if math.isfinite(v)]
        return " and ".join(told)


Count = Annotated[int, Range(at_least=1)]
Several = Annotated[int, Range(at_least=1, at_most=1 << 16)]  # of what stands in memory at once
Index = Annotated[int, Range(at_least=0)]
Amount = Annotated[float, Range(at_least=0)]
Positive = Annotated[float, Range(above=0)]
Share = Annotated[float, Range(at_least=0, at_most=1)]


def build(cls: type[T], values: object, where: str, base: T | None = None) -> T:
    """A `cls` (a dataclass, whose fields may be dataclasses or tuples of them) from nested values.

    where: what an error calls the place. base: gives the values of keys that are not there; by
    default each field's own default does. Raises ConfigError.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where} must be a table, not {_told(values)}")
    hints = _hints(cls)
    defaults = _defaults(cls) if base is None else vars(base)
    made = dict(defaults)
    for key, value in values.items():
        if key not in hints:
            raise ConfigError(f"unknown key {key!r} in {where}; {suggestion(str(key), hints)}")
        made[key] = _nested(key, value, hints[key], where, defaults.get(key))
    for key in hints:
        if key not in made:
            raise ConfigError(f"{where} needs a value for {key!r}")
    return cls(**made)


def check_fields(config: Any, where: str) -> dict[str, Any]:
    """The fields of a dataclass that was made in Python, checked as `build` checks them.

    Returned are their values with lists as tuples and whole numbers as floats where so declared.
    """
    return {k: _checked(k, getattr(config, k), h, where) for k, h in _hints(type(config)).items()}


def settle(options: Any) -> None:
    """Hold fields of a frozen dataclass, which Python may fill with anything, to their types.

    A text is read as on the command line where a field has a parser. NumPy's numbers become
    Python's, lists and arrays tuples, and so does a number where one will do; a text becomes a
    path, or a number or path a text, where a field wants one. Raises ConfigError with its name.
    """
    hints = _hints(type(options))
    for field in dataclasses.fields(options):
        value, hint = getattr(options, field.name), hints[field.name]
        counts = field.metadata.get("counts", ())
        if 1 in counts and _fits(plain(value), float):
            value = (value,)
        if value is field.default or (hint is Any and not hasattr(value, "__array__")):
            continue
        if isinstance(value, str) and "parser" in field.metadata:
            made = field.metadata["parser"](value)
        else:
            made = _as_hinted(value, hint, str(field.metadata.get("metavar", "")))
        if hint is Any or not _fits(made, hint):
            raise ConfigError(f"{field.name} must be {_in_words(hint)}, not {_told(value)}")
        if made is not None and counts and len(made) not in counts:
            most = " or ".join(map(str, counts))
            raise ConfigError(f"{field.name} has {most} values, not {len(made)}: {_told(value)}")
        object.__setattr__(options, field.name, made)


def replaced(options: T, changes: Mapping[str, Any]) -> T:
    """See `panodepth.options.changed`. Raises ConfigError for what is no dataclass, too."""
    if not dataclasses.is_dataclass(type(options)):
        kind = type(options).__name__
        raise ConfigError(f"options are given as PredictOptions or by name, not as {kind}")
    names = [field.name for field in dataclasses.fields(options)]  # type: ignore[arg-type]
    for name in changes:
        if name not in names:
            raise ConfigError(f"no option {name!r}; {suggestion(name, names)}")
    return dataclasses.replace(options, **changes)  # type: ignore[type-var]


def _as_hinted(value: Any, hint: Any, metavar: str) -> Any:
    """A value as `hint` has it where it means the same. metavar: "MODE|FILE" takes paths too."""
    value, kinds = plain(value), [typing.get_origin(h) or h for h in _parts(hint)]
    if tuple in kinds and isinstance(value, str | list | tuple):
        return (value,) if isinstance(value, str) else tuple(map(plain, value))
    if Path in kinds and isinstance(value, str | os.PathLike):
        return Path(os.fsdecode(value))
    is_word = isinstance(value, os.PathLike) or _fits(value, float)
    return str(value) if str in kinds and "|" in metavar and is_word else value


def plain(value: Any) -> Any:
    """NumPy's and torch's single numbers as Python's, their vectors as lists; all else as it is."""
    return value.tolist() if hasattr(value, "tolist") and value.ndim < 2 else value


def positive(value: Any, wanted: str) -> float:
    """A finite number > 0 as a float. Raises ConfigError, which says what is wanted."""
    found = plain(value)
    if not (_fits(found, float) and found > 0):
        raise ConfigError(f"{wanted}, not {_told(value)}")
    return float(found)


def check_numbers(options: Any) -> None:
    """Raise ConfigError for a number that is not finite, or that its `option` does not allow."""
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        allowed = Range(field.metadata.get("min", -math.inf), field.metadata.get("max", math.inf))
        if not (math.isfinite(value) and value in allowed):
            told = f" {allowed}" if str(allowed) else ""
            name = field.name.replace("_", "-")
            raise ConfigError(f"--{name} is {value}; give a finite number{told}")


def find_named(kind: str, name: str, known: Mapping[str, T]) -> T:
    """`known[name]`. Raises ConfigError that names the nearest and all others."""
    if name in known:
        return known[name]
    told = suggestion(name, known)
    others = f" (there are {', '.join(known)})" if told.endswith("?") else ""
    raise ConfigError(f"unknown {kind} {name!r}; {told}{others}")


def suggestion(word: str, known: Iterable[str]) -> str:
    """ "did you mean 'optim'?" with the nearest of `known`; where none is near, all of them."""
    import difflib

    names = list(known)
    nearest = difflib.get_close_matches(word.lower(), names, n=1)
    return f"did you mean {nearest[0]!r}?" if nearest else f"there are {', '.join(names)}"


def first_difference(name: str, before: Any, now: Any) -> tuple[str, Any, Any]:
    """Where two nested values differ first, such as "plan.limits.near", and the two values there.

    An entry that is not there is None.
    """
    if isinstance(now, Mapping) and isinstance(before, Mapping):
        for key in {**before, **now}:
            if now.get(key) != before.get(key):
                return first_difference(f"{name}.{key}", before.get(key), now.get(key))
    if isinstance(now, list) and isinstance(before, list) and len(now) == len(before):
        for number, (old, new) in enumerate(zip(before, now, strict=True), start=1):
            if old != new and isinstance(new, Mapping | list):
                return first_difference(f"{name} number {number}", old, new)
    return name, before, now


def read_toml(path: str | Path, settings: Sequence[str] = ()) -> dict[str, Any]:
    """A TOML file's nested values, with `settings` such as "optim.lr=5e-4" applied on top.

    Only the form is checked. Raises ConfigError for a missing or malformed file or setting.
    """
    try:
        values = _parsed(read_bounded(path).decode("utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"cannot read recipe {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"recipe {path} is no UTF-8 text: save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        told = str(error)[:200]
        raise ConfigError(f"recipe {path} is not valid TOML: {told}") from None
    for setting in settings:
        name, equals, text = setting.partition("=")
        *tables, key = name.strip().split(".")
        if not (equals and key and all(tables)):
            raise ConfigError(f"setting {setting!r} is not of the form table.key=value")
        table: Any = values
        for part, following in pairwise((*tables, key)):
            table = _entry(table, part, [] if following.isdecimal() else {}, setting)
        if isinstance(table, list):
            _entry(table, key, None, setting)
            table[int(key)] = setting_value(text.strip())
        else:
            table[key] = setting_value(text.strip())
    return values


def _entry(table: Any, part: str, new: Any, setting: str) -> Any:
    """`table[part]` of a dict or, where part is a number, of a list; `new` where it is not yet."""
    told = f"setting {setting[:LONGEST]!r}"
    if isinstance(table, list):
        if not (part.isdecimal() and len(part) < 9 and int(part) <= len(table)):
            raise ConfigError(f"{told}: {part!r} is not a number from 0 to {len(table)}")
        if int(part) == len(table):
            table.append(new)
        found = table[int(part)]
    else:
        found = table.setdefault(part, new)
    if new is not None and not isinstance(found, dict | list):
        raise ConfigError(f"{told}: {part!r} is not a table")
    return found


def read_bounded(path: str | Path, most: int = MOST_BYTES) -> bytes:
    """The content of a file, or of a pipe that ends. Raises OSError; DamageError for `most` + 1,
    and for a device, such as a terminal, which may never end.
    """
    with open(path, "rb") as file:
        if stat.S_ISCHR(os.fstat(file.fileno()).st_mode) and str(path) != os.devnull:
            raise DamageError("it is a device, not a file")
        content = file.read(most + 1)
    if len(content) > most:
        raise DamageError(f"it has more than {most >> 20} MiB")
    return content


def parse_json(content: bytes | str) -> Any:
    """JSON's values; a mark of the byte order may stand before them. Raises DamageError."""
    try:
        return json.loads(content.removeprefix("\ufeff") if isinstance(content, str) else content)
    except json.JSONDecodeError as error:
        what = error.msg.lower().removesuffix(" at").removesuffix(" starting")
        told = f"line {error.lineno}, column {error.colno}: {what}"
        raise DamageError(f"not JSON ({told})") from None
    except UnicodeDecodeError:
        raise DamageError("not JSON (no UTF-8 text)") from None
    except (ValueError, RecursionError):  # of more digits than Python reads; too many brackets
        raise DamageError("not JSON (a number or the nesting is beyond all measure)") from None


def setting_value(text: str) -> Any:
    """A value as TOML writes it, or a bare word as text: the right side of `--set KEY=VALUE`.

    A date is a text too: no key is one, and folders are named so.
    """
    try:
        value = _parsed(f"v = {text}")["v"]
    except (ValueError, RecursionError):
        return text  # a bare word is a string
    return text if isinstance(value, datetime.date | datetime.time) else value


def toml_text(text: str) -> str:
    """A text as TOML writes it, such as the name of a folder, whatever characters it has.

    JSON's own form would write those beyond U+FFFF as pairs, which TOML does not know.
    """
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _parsed(text: str) -> dict[str, Any]:
    """TOML's values. Raises ValueError, before the parser's recursion, for absurd nesting."""
    import tomllib

    if any(brackets * DEEPEST in text.replace(" ", "") for brackets in "[{"):
        raise ValueError(f"more than {DEEPEST} brackets in a row")
    return tomllib.loads(text)


def _hints(cls: type[Any]) -> dict[str, Any]:
    """The types of a dataclass's fields by name; worked out once, which takes milliseconds."""
    if cls not in _HINTS:
        hints = typing.get_type_hints(cls, include_extras=True)
        _HINTS[cls] = {field.name: hints[field.name] for field in dataclasses.fields(cls)}
    return _HINTS[cls]


def _defaults(cls: type[Any]) -> dict[str, Any]:
    found = {}
    for field in dataclasses.fields(cls):
        if field.default_factory is not dataclasses.MISSING:
            found[field.name] = field.default_factory()
        elif field.default is not dataclasses.MISSING:
            found[field.name] = field.default
    return found


def _nested(key: str, value: Any, hint: Any, where: str, default: Any) -> Any:
    """A field's value: a table as its dataclass, `[[key]]` tables as a tuple, else as it is."""
    if dataclasses.is_dataclass(hint):
        return build(typing.cast("type[Any]", hint), value, f"[{key}]", default)
    row = typing.get_args(hint)[0] if typing.get_origin(hint) is tuple else None
    if not dataclasses.is_dataclass(row):
        return _checked(key, value, hint, where)
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{key} in {where} must be a list of tables ([[{key}]])")
    kind = typing.cast("type[Any]", row)
    return tuple(build(kind, v, f"[[{key}]] number {i}") for i, v in enumerate(value, start=1))


def _checked(key: str, value: Any, hint: Any, where: str) -> Any:
    """The value of a plain type, a union, a Literal or an Annotated number; raises ConfigError."""
    name = f"{key} in {where}"
    if typing.get_origin(hint) is Literal:
        choices = typing.get_args(hint)
        if value not in choices:
            told, known = _told(value), ", ".join(map(str, choices))
            raise ConfigError(f"{name} is {told}; choose one of {known}")
        return value
    ranges = getattr(hint, "__metadata__", ())
    kind = typing.get_args(hint)[0] if ranges else hint
    value = plain(value)
    if not _fits(value, kind):
        raise ConfigError(f"{name} must be {_in_words(kind)}, not {_told(value)}")
    for allowed in ranges:
        if value not in allowed:
            raise ConfigError(f"{name} must be {allowed}, not {_told(value)}")
    if typing.get_origin(kind) is tuple:
        return tuple(value)  # TOML and JSON have lists alone
    return float(value) if kind is float else value


def _told(value: Any) -> str:
    """A value in an error, cut where it is long."""
    try:
        text = one_line(repr(value))
    except ValueError:  # a whole number of more digits than Python writes
        text = f"a whole number of about {value.bit_length() * 0.30103:.0f} digits"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _in_words(hint: Any) -> str:
    """What a value may be, for who writes a recipe and not Python."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return " or ".join(repr(choice) for choice in inner)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_in_words(part) for part in _parts(hint))
    if origin in (list, tuple):
        return f"a list, each {_in_words(inner[0])}"
    return "a function" if origin is Callable else _WORDS.get(origin or hint, "something else")


def _parts(hint: Any) -> list[Any]:
    """The types of a union but for None, or the one type there is."""
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return [h for h in typing.get_args(hint) if h is not types.NoneType] if union else [hint]


def _fits(value: Any, hint: Any) -> bool:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, h) for h in inner)
    if origin in (list, tuple):  # how long a tuple is, is its owner's to check
        elements = inner[0]
        return isinstance(value, list | tuple) and all(_fits(v, elements) for v in value)
    if hint in (int, float):
        is_number = isinstance(value, int if hint is int else int | float)
        # A whole number with hundreds of digits is none of ours, and no float.
        in_range = is_number and (isinstance(value, float) or abs(value) < 10**100)
        return in_range and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, origin or hint)
