"""docs/performance.md holds recorded runs, names what exists, and its links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from panodepth.lab.bench.routes import ROUTES

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "performance.md").read_text(encoding="utf-8")
SCRIPT = DOCS.parent / "benchmarks" / "performance_page.py"


def test_the_tables_are_those_of_the_linked_reports() -> None:
    spec = importlib.util.spec_from_file_location("performance_page", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    reports = [DOCS / link for link in re.findall(r"\[report\]\(([\w./-]+)\)", PAGE)]
    assert reports
    assert script.filled(PAGE, reports) == PAGE
    assert script.filled(PAGE.replace("| compact |", "| giant |"), reports) == PAGE


def test_links_and_options_exist() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert link.startswith("http") or (DOCS / link).exists(), link
    for file in re.findall(r"`((?:model|lab/bench)/[\w/]+\.py)`", PAGE):
        assert (DOCS.parent / "src/panodepth" / file).exists(), file
    named = set(re.findall(r"`(plain|fast|graph|compile|int8|onnx)`", PAGE))
    assert named <= {route.name for route in ROUTES}
