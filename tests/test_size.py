"""Sizes as text: what is none is said in one short line."""

from __future__ import annotations

import pytest

from panodepth.errors import ConfigError
from panodepth.predict.folder.options import parse_batch_size
from panodepth.size import check_steps, parse_size

DIGITS = "9" * 5000  # more than Python makes a number of


def test_height_comes_first() -> None:
    assert parse_size("546x1092") == parse_size(" 546 × 1092 ") == (546, 1092)


@pytest.mark.parametrize("text", ["", "546", "546x", "x1092", "1x2x3", "-1x2", f"{DIGITS}x1"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is not HxW, e\.g\. 546x1092") as caught:
        parse_size(text)
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize(
    "size", [None, 3, "abc", (56,), (56, "a"), (56.5, 112), (float("nan"), 3), (14, 28, 3), {}]
)
def test_what_is_no_size_of_a_network(size: object) -> None:
    with pytest.raises(ConfigError, match=r"is not (\(height, width\)|HxW)"):
        check_steps(size, 14, None, "tiny")


def test_the_nearest_size_is_told_whatever_was_asked_for() -> None:
    assert check_steps("56x112", 14, None, "tiny") == (56, 112)
    with pytest.raises(ConfigError, match="the nearest is 14×112"):
        check_steps((-3, 113), 14, None, "tiny")
    with pytest.raises(ConfigError, match=f"the nearest is {14 * 10**30}×"):
        check_steps((14 * 10**30 + 1, 28), 14, None, "tiny")


@pytest.mark.parametrize("text", ["0", "-1", "all", DIGITS])
def test_what_is_no_batch_size(text: str) -> None:
    with pytest.raises(ConfigError, match="is neither auto nor a number from 1 on") as caught:
        parse_batch_size(text)
    assert len(str(caught.value)) < 150
