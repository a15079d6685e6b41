"""Strict reading: what fits comes back as declared, everything else is named."""

from __future__ import annotations

import dataclasses
import math
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panodepth.errors import ConfigError, DamageError, InputError
from panodepth.scene.poses import read_poses
from panodepth.strict import (
    Count,
    Range,
    Share,
    build,
    check_fields,
    find_named,
    first_difference,
    read_bounded,
    read_toml,
    setting_value,
    suggestion,
    toml_text,
)


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
        ({"inner": {"number": True}}, "number in [inner] must be a whole number, not True"),
        ({"inner": {"number": 1.0}}, "number in [inner] must be a whole number, not 1.0"),
        ({"inner": {"number": 0}}, "number in [inner] must be at least 1, not 0"),
        ({"inner": {"share": 2}}, "share in [inner] must be at least 0 and at most 1, not 2"),
        ({"inner": {"share": math.nan}}, "share in [inner] must be a number, not nan"),
        ({"inner": {"kind": "c"}}, "kind in [inner] is 'c'; choose one of a, b"),
        (
            {"inner": {"sides": ["1"]}},
            "sides in [inner] must be a list, each a whole number, not ['1']",
        ),
        ({"inner": {"maybe": "x"}}, "maybe in [inner] must be a number, not 'x'"),
        ({"words": "word"}, "words in here must be a list, each a text, not 'word'"),
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


def test_far_names_are_not_suggested() -> None:
    fruits = {"apple": 1, "pear": 2}
    assert suggestion("max_memory", fruits) == "there are apple, pear"
    with pytest.raises(ConfigError, match=r"unknown fruit 'xyz'; there are apple, pear$"):
        find_named("fruit", "xyz", fruits)


def test_settings_are_applied_in_order(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("[inner]\nnumber = 4\n")
    values = read_toml(file, ["inner.number=5", "inner.kind=b", "inner.kind = a", "free.x.y=[1]"])
    assert values == {"inner": {"number": 5, "kind": "a"}, "free": {"x": {"y": [1]}}}


def read(tmp_path: Path, text: str, *settings: str) -> dict[str, Any]:
    (tmp_path / "r.toml").write_text(text)
    return read_toml(tmp_path / "r.toml", settings)


def test_settings_of_lists_of_tables(tmp_path: Path) -> None:
    text = '[[rows]]\npath = "a"\n[[rows]]\npath = "b"\n'
    found = read(tmp_path, text, "rows.1.path=c", "rows.2.path=d", "rows.0.weight=2", "x.0=1")
    assert found["rows"] == [{"path": "a", "weight": 2}, {"path": "c"}, {"path": "d"}]
    assert found["x"] == [1]
    assert read(tmp_path, "", 'rows=[{path="a"}, {path="b"}]', "rows.1.path=c")["rows"] == [
        {"path": "a"},
        {"path": "c"},
    ]
    for setting in ("rows.3.path=x", "rows.-1.path=x", "rows.one.path=x", f"rows.{'9' * 5000}=x"):
        with pytest.raises(ConfigError, match="is not a number from 0 to 2") as caught:
            read(tmp_path, text, setting)
        assert len(str(caught.value)) < 6000
    with pytest.raises(ConfigError, match="'path' is not a table"):
        read(tmp_path, text, "rows.0.path.x=1")


@pytest.mark.parametrize(
    "text",
    ["9" * 4000, "9" * 5000, "-" + "9" * 4000, "0x" + "f" * 5000, "1e400", "nan"],
)
@pytest.mark.parametrize("key", ["number", "share", "maybe", "sides"])
def test_absurd_numbers_are_named_in_a_short_line(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(Inner, read(tmp_path, f"{key} = {text}"), "[inner]")
    told = str(caught.value)
    assert len(told) < 300 + len(str(tmp_path))
    assert f"{key} in [inner]" in told or "not valid TOML" in told
    with pytest.raises(ConfigError) as caught:
        build(Inner, read(tmp_path, "", f"{key}={text}"), "[inner]")
    assert f"{key} in [inner]" in str(caught.value)
    assert len(str(caught.value)) < 300


def test_toml_nested_too_deeply(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not valid TOML"):
        read(tmp_path, "x = " + "[" * 100_000)
    assert read(tmp_path, "", "x=" + "[" * 100_000)["x"].startswith("[")


def test_where_nested_values_differ_first() -> None:
    before = {"a": 1, "limits": {"near": 0.2, "far": 9}, "rows": [{"x": 1}, {"x": 2}]}
    assert first_difference("plan", before, before)[0] == "plan"
    now = {**before, "limits": {"near": 0.3, "far": 9}}
    assert first_difference("plan", before, now) == ("plan.limits.near", 0.2, 0.3)
    now = {**before, "rows": [{"x": 1}, {"x": 3}]}
    assert first_difference("plan", before, now) == ("plan.rows number 2.x", 2, 3)
    assert first_difference("plan", before, {"a": 1}) == ("plan.limits", before["limits"], None)


def test_files_are_read_up_to_a_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(10))
    assert read_bounded(tmp_path / "a", 10) == bytes(10)
    with pytest.raises(DamageError, match="it has more than 0 MiB"):
        read_bounded(tmp_path / "a", 9)


@pytest.mark.skipif(sys.platform == "win32", reason="no such devices")
def test_a_device_that_never_ends_is_not_read() -> None:
    for place in ("/dev/zero", "/dev/urandom"):
        with pytest.raises(DamageError, match="a device, not a file"):
            read_bounded(place, 1 << 40)
    with pytest.raises(ConfigError, match="a device, not a file"):
        read_toml("/dev/zero")
    with pytest.raises(InputError, match="a device, not a file"):
        read_poses(Path("/dev/zero"))
    assert read_bounded("/dev/null") == b""


@pytest.mark.parametrize("text", ["a \U0001f3e0", 'q"\\', "\x7f\t\n", "2026-11-30", "caf\udce9"])
def test_a_text_of_any_characters_is_a_value(text: str) -> None:
    assert setting_value(toml_text(text)) == text


def test_a_date_is_a_text_as_folders_are_named_so() -> None:
    for text in ("2026-11-30", "07:30:00", "2026-11-30T07:30:00Z"):
        assert setting_value(text) == text
