"""Strict reading: what fits comes back as declared, everything else is named."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panodepth.errors import ConfigError
from panodepth.strict import Count, Range, Share, build, check_fields, find_named, read_toml


@dataclass(frozen=True)
class Row:
    path: str
    weight: Annotated[float, Range(above=0)] = 1.0


@dataclass(frozen=True)
class Inner:
    number: Count = 3
    share: Share = 0.5
    kind: Literal["a", "b"] = "a"
    sides: tuple[int, ...] = (1, 2)
    maybe: float | None = None


def seven() -> Inner:
    return Inner(number=7)


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=seven)
    rows: tuple[Row, ...] = ()
    words: list[str] = field(default_factory=list)
    free: dict[str, Any] = field(default_factory=dict)


inners = st.builds(
    Inner,
    number=st.integers(1),
    share=st.floats(0, 1),
    kind=st.sampled_from(["a", "b"]),
    sides=st.lists(st.integers()).map(tuple),
    maybe=st.none() | st.floats(allow_nan=False, allow_infinity=False),
)


@given(st.builds(Outer, inner=inners, rows=st.lists(st.builds(Row, path=st.text())).map(tuple)))
def test_plain_values_and_back(config: Outer) -> None:
    values = dataclasses.asdict(config)
    values["inner"]["sides"] = list(config.inner.sides)  # as JSON has them
    assert build(Outer, values, "here") == config


def test_what_is_not_given_comes_from_the_field_that_holds_the_table() -> None:
    assert build(Outer, {"inner": {"kind": "b"}}, "here").inner == Inner(number=7, kind="b")
    assert build(Inner, {"kind": "b"}, "here", Inner(sides=())) == Inner(kind="b", sides=())


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"iner": {}}, "unknown key 'iner' in here; did you mean 'inner'?"),
        ({"inner": {"numbr": 1}}, "unknown key 'numbr' in [inner]; did you mean 'number'?"),
        ({"inner": 3}, "[inner] must be a table, not 3"),
        ({"inner": {"number": True}}, "number in [inner] must be int, not True"),
        ({"inner": {"number": 1.0}}, "number in [inner] must be int, not 1.0"),
        ({"inner": {"number": 0}}, "number in [inner] must be at least 1, not 0"),
        ({"inner": {"share": 2}}, "share in [inner] must be at least 0 and at most 1, not 2"),
        ({"inner": {"share": math.nan}}, "share in [inner] must be float, not nan"),
        ({"inner": {"kind": "c"}}, "kind in [inner] is 'c'; choose one of a, b"),
        ({"inner": {"sides": ["1"]}}, "sides in [inner] must be tuple[int, ...], not ['1']"),
        ({"inner": {"maybe": "x"}}, "maybe in [inner] must be float | None, not 'x'"),
        ({"words": "word"}, "words in here must be list[str], not 'word'"),
        ({"rows": {"path": "p"}}, "rows in here must be a list of tables ([[rows]])"),
        ({"rows": [{"path": "p"}, {}]}, "[[rows]] number 2 needs a value for 'path'"),
        ({"rows": [{"path": "p", "weight": 0}]}, "weight in [[rows]] number 1 must be above 0"),
    ],
)
def test_what_does_not_fit_is_named(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(Outer, values, "here")
    assert says in str(caught.value)


def test_fields_of_an_object_made_in_python() -> None:
    made = Inner(sides=[4], share=1)  # type: ignore[arg-type]
    found = check_fields(made, "here")
    assert found == {**vars(made), "sides": (4,)}
    assert type(found["share"]) is float
    with pytest.raises(ConfigError, match="kind in here"):
        check_fields(Inner(kind="c"), "here")  # type: ignore[arg-type]


def test_names_with_the_nearest() -> None:
    assert find_named("fruit", "apple", {"apple": 1}) == 1
    with pytest.raises(ConfigError, match=r"unknown fruit 'aple'; did you mean 'apple'\? \(there"):
        find_named("fruit", "aple", {"pear": 2, "apple": 1})


def test_settings_are_applied_in_order(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("[inner]\nnumber = 4\n")
    values = read_toml(file, ["inner.number=5", "inner.kind=b", "inner.kind = a", "free.x.y=[1]"])
    assert values == {"inner": {"number": 5, "kind": "a"}, "free": {"x": {"y": [1]}}}
