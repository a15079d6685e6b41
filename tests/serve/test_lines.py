"""Every line of the docs that starts the demo or the service, or asks it, is understood."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from panodepth.app.options import AppOptions
from panodepth.cli import main
from panodepth.serve.service import read_wanted

DOCS = Path(__file__).parents[2] / "docs"
TEXT = "\n".join((DOCS / name).read_text() for name in ("cookbook.md", "app.md", "service.md"))
COMMANDS = sorted(
    set(re.findall(r"^(?:.*`)?(panodepth (?:app|serve)[^`#\n]*)", TEXT, re.MULTILINE))
)
ADDRESSES = sorted(set(re.findall(r"curl [^`\n]*'(http[^']+)'", TEXT)))


def test_there_are_lines() -> None:
    assert len(COMMANDS) >= 5
    assert len(ADDRESSES) >= 4


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_is_understood(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*shlex.split(line)[1:], "--help"]) == 0
    assert capsys.readouterr().err == ""
    assert main([*shlex.split(line)[1:], "--unknown", "--help"]) == 2


def test_a_demo_for_others_has_smaller_limits_than_one_without_options() -> None:
    usual = AppOptions()
    for line in COMMANDS:
        words = shlex.split(line)
        for option, value in pairwise(words):
            if option in ("--queue", "--pictures", "--max-megapixels"):
                assert float(value) < getattr(usual, option[2:].replace("-", "_")), line


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_question_is_understood(address: str) -> None:
    parts = urlsplit(address)
    assert parts.path in ("/v1/predict", "/v1/jobs")
    assert read_wanted(dict(parse_qsl(parts.query, keep_blank_values=True))).format
