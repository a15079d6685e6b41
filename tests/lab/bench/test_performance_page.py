"""docs/performance.md holds recorded runs, names what exists, and its links lead somewhere."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from panodepth.errors import ConfigError
from panodepth.lab.bench.routes import ROUTES

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "performance.md").read_text(encoding="utf-8")
SCRIPTS = DOCS.parent / "benchmarks"


def test_the_tables_are_those_of_the_linked_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    script, pages = (importlib.import_module(name) for name in ("performance_page", "pages"))
    reports = [DOCS / link for link in re.findall(r"\[report\]\(([\w./-]+)\)", PAGE)]
    assert reports
    for page in (PAGE, PAGE.replace("| compact |", "| giant |")):
        assert pages.filled(page, script.BEGIN, script.tables(reports)) == PAGE
    with pytest.raises(ConfigError, match="no lines"):
        pages.filled("no table here", script.BEGIN, "")


def test_links_and_options_exist() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert link.startswith("http") or (DOCS / link).exists(), link
    for file in re.findall(r"`((?:model|lab/bench)/[\w/]+\.py)`", PAGE):
        assert (DOCS.parent / "src/panodepth" / file).exists(), file
    named = set(re.findall(r"`(plain|fast|graph|compile|int8|onnx)`", PAGE))
    assert named <= {route.name for route in ROUTES}
