"""A client has fields: what is refused names them, and not the flags of a command line."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("fastapi")

from panodepth.errors import ConfigError, InputError, OutputError
from panodepth.predict.options import PredictOptions
from panodepth.serve.http import problem
from panodepth.serve.service import in_fields, read_wanted


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"level": "x"}, "unknown level 'x'"),
        ({"quality": "x"}, "unknown quality 'x'"),
        ({"scale": "x"}, "unknown scale 'x'"),
        ({"nadir": "99"}, "unknown nadir '99'"),
        ({"fov": "x"}, "fov 'x' is not H[xV]"),
        ({"out_view": "x"}, "out_view 'x' is not YAW"),
        ({"out_size": "abc"}, "out_size: size 'abc' is not HxW"),
        ({"known_distance": "1"}, "known_distance: '1' is not U,V=METRES"),
        ({"known_length": "1"}, "known_length: '1' is not U,V,U,V=METRES"),
        ({"format": "laserscan"}, "give camera_height, known_distance or another cue"),
        ({"camera_height": "1_6"}, "camera_height must be a number, not '1_6'"),
        ({"fov": "3_60"}, "fov '3_60' is not H[xV]"),
        ({"known_distance": "1_2,3=2"}, "known_distance: '1_2,3=2' is not U,V=METRES"),
        ({"nadir": "1_0"}, "unknown nadir '1_0'"),
        ({"camera_height": "0.001"}, "camera_height is 0.001; give a finite number at least 0.01"),
    ],
)
def test_a_refusal_names_the_field(query: dict[str, str], told: str) -> None:
    with pytest.raises((ConfigError, OutputError)) as refused:
        read_wanted({"format": "npz", **query})
    text = json.loads(bytes(problem(refused.value).body))["error"]
    assert told in text
    assert "--" not in text


def test_what_is_told_for_python_and_the_command_line_is_told_once() -> None:
    text = "say it by --fov; --allow-any-aspect (allow_any_aspect=True) takes it as a sphere"
    assert in_fields(text) == "say it by fov; allow_any_aspect=true takes it as a sphere"
    answer = problem(InputError(text))
    assert (answer.status_code, b"--" in bytes(answer.body)) == (400, False)


def test_what_is_no_flag_stays() -> None:
    assert in_fields("unknown level '--foo': a -- b, x--y") == (
        "unknown level '--foo': a -- b, x--y"
    )
    assert all(in_fields(f"--{n.replace('_', '-')}") == n for n in PredictOptions().__dict__)


@pytest.mark.parametrize("query", [{"level": "x" * 5000}, {"x" * 5000: "1"}])
def test_an_error_does_not_repeat_pages(query: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="more than 500 characters") as refused:
        read_wanted(query)
    assert len(str(refused.value)) < 200


def test_formats_are_named_as_on_the_command_line() -> None:
    assert read_wanted({"format": " GLB"}) == read_wanted({"format": "glb"})
