"""Errors are one clear line each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panodepth.errors import ConfigError, first_line, one_line, require


@pytest.mark.parametrize(
    ("error", "text"),
    [(ValueError("a\n  b\tc"), "a b c"), (KeyError(), "KeyError"), (OSError("x" * 9), "x" * 9)],
)
def test_an_error_s_text_on_one_line(error: Exception, text: str) -> None:
    assert one_line(error) == text
    assert one_line(error, 30) == text
    assert one_line(f"{error} {'word ' * 20}", 30).endswith("word...")


@given(st.text(), st.integers(4, 40))
def test_long_texts_are_cut_between_words(text: str, limit: int) -> None:
    whole, cut = one_line(text), one_line(text, limit)
    assert len(cut) <= limit
    if len(whole) <= limit:
        assert cut == whole
    else:
        kept = cut.removesuffix("...")
        assert whole.startswith(kept)
        longest = max(map(len, whole.split()))
        assert longest > limit / 2 - 4 or whole[len(kept)] == " "


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError("gone\nTraceback: x"), "gone"),
        (OSError(" \n"), "OSError"),
        (KeyError(), "KeyError"),
    ],
)
def test_the_first_line_of_a_long_error(error: Exception, text: str) -> None:
    assert first_line(error) == text


def test_what_is_missing_is_named_with_the_way_to_install_it() -> None:
    require("a test", "dev", "json", "pytest")
    with pytest.raises(ConfigError) as told:
        require("a test", "dev", "json", "no_such_package", "nor_this")
    assert str(told.value) == (
        "a test needs no_such_package, nor_this, which is not installed: "
        'pip install "panodepth[dev]"'
    )
