"""Tensor names of foreign checkpoint formats and ours, read from `keys/*.json`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

_GROUPS = {"i": r"(?P<i>\d+)", "j": r"(?P<j>\d+)", "p": r"(?P<p>weight|bias|gamma)"}


@dataclass(frozen=True)
class KeyMap:
    """Names of a foreign format and ours, as patterns with {i}, {j} (numbers) and {p} (leaf)."""

    prefixes: tuple[str, ...]
    names: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]

    def applies_to(self, names: Mapping[str, Any]) -> bool:
        """Whether tensors of these names are of this format."""
        return any(name.startswith(self.prefixes) for name in names)

    def to_ours(self, name: str) -> str | None:
        """Our name of a tensor of the file, or None if it has none."""
        return next((b for b in (_rename(name, *rule) for rule in self.names) if b), None)

    def to_theirs(self, name: str) -> str:
        """The file's name of our parameter; our own where it has none."""
        pairs = ((ours, theirs) for theirs, ours in self.names)
        return next((b for b in (_rename(name, *rule) for rule in pairs) if b), name)

    def is_ignored(self, name: str) -> bool:
        """Whether the tensor is known, and known not to be needed."""
        return any(_pattern(rule).fullmatch(name) for rule in self.ignored)


@cache
def _pattern(text: str) -> re.Pattern[str]:
    parts = re.split(r"\{([ijp])\}", text)
    return re.compile(
        "".join(_GROUPS[part] if n % 2 else re.escape(part) for n, part in enumerate(parts))
    )


def _rename(name: str, source: str, target: str) -> str | None:
    found = _pattern(source).fullmatch(name)
    return target.format(**found.groupdict()) if found else None


def released_keys() -> KeyMap:
    """The key map of the released DA² checkpoint."""
    return _read("released")


def dinov2_keys() -> KeyMap:
    """The key map of DINOv2's weights, in the layout of `transformers` and in the original one.

    A name of ours may end in ":0", ":1" or ":2": that third of our tensor's rows.
    """
    return _read("dinov2")


@cache
def _read(name: str) -> KeyMap:
    text = resources.files("panodepth.model").joinpath(f"keys/{name}.json").read_text("utf-8")
    values = json.loads(text)
    return KeyMap(
        tuple(values["prefixes"]), tuple(values["names"].items()), tuple(values["ignored"])
    )
